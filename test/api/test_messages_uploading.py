"""POST of messages: raw ones byte for byte, composed ones as they were meant."""

from __future__ import annotations

import base64
import email
import email.policy
import json
import socket
from email.message import EmailMessage
from typing import Any

from bson import ObjectId
from twisted.internet.threads import deferToThread

from test.api.messages_case import MessagesCase
from test.imap.waiting import until
from wildduck.limits import KIB, MIB

RAW = b"from: a@example.org\nX-Odd:   kept \r\n\r\nbody with \xff and\x00 no end"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))


def read(source: bytes) -> EmailMessage:
    return email.message_from_bytes(source, policy=email.policy.default)  # type: ignore[return-value]


class UploadCase(MessagesCase):
    async def upload(self, **body: Any) -> dict[str, Any]:
        """@return: the stored document."""
        status, answer = await self.messages("POST", "", body)
        self.assertEqual(status, 200, answer)
        row = self.rows()[-1]
        self.assertEqual(
            {"id": row["uid"], "mailbox": str(self.inbox.id), "size": len(await self.source(row))},
            answer["message"],
        )
        _, shown = await self.messages("GET", f"/{row['uid']}")
        self.assertEqual(shown["size"], answer["message"]["size"])
        return row

    async def composed(self, **body: Any) -> EmailMessage:
        return read(await self.source(await self.upload(**body)))

    async def refused(self, status: int, code: str, **body: Any) -> dict[str, Any]:
        before = self.rows(), self.storage_used()
        found, answer = await self.messages("POST", "", body)
        self.assertEqual((status, code), (found, answer["code"]))
        self.assertEqual(before, (self.rows(), self.storage_used()))
        return dict(answer)


class RawTests(UploadCase):
    """Stored byte for byte."""

    async def test_body(self) -> None:
        client = await self.idling()
        for kind in ("message/rfc822", "application/octet-stream", "text/plain"):
            status, answer = await self.messages("POST", "?flagged=true&metaData={}", RAW, kind=kind)
            self.assertEqual((status, answer["success"]), (200, True))
            self.assertEqual(answer["message"]["size"], len(RAW))
            self.assertEqual(answer["message"]["id"], self.rows()[-1]["uid"])
            self.assertTrue((await client.line()).endswith(b" EXISTS"))
            await client.line()
        for row in self.rows():
            self.assertEqual(RAW, await self.source(row))
            self.assertEqual(["\\Seen", "\\Flagged"], row["flags"])
        (first, *_) = self.rows()
        meta = first["meta"]
        self.assertEqual(
            ["source", "from", "origin", "transtype", "time", "custom", "reference", "envelope", "files"],
            list(meta),
        )
        self.assertEqual(("API", "", "127.0.0.1", "UPLOAD", "{}", False, []), tuple(
            meta[name] for name in ("source", "from", "origin", "transtype", "custom", "reference", "files")
        ))  # fmt: skip
        self.assertEqual({"from": "fred@example.com", "to": []}, meta["envelope"])
        self.assertEqual(sum(row["size"] for row in self.rows()), self.storage_used())

    async def test_text(self) -> None:
        """As a member of JSON, of a form, or of a query."""
        text = "Subject: ä\r\n\nb\n 漢\x01"
        row = await self.upload(raw=text, unseen=True, date="2020-01-02T03:04:05Z")
        self.assertEqual((text.encode(), []), (await self.source(row), row["flags"]))
        self.assertEqual("2020-01-02T03:04:05", row["idate"].isoformat())
        status, _ = await self.messages(
            "POST", "", "raw=Subject%3A+x%0A%0Ay", kind="application/x-www-form-urlencoded"
        )
        self.assertEqual((200, b"Subject: x\n\ny"), (status, await self.source(self.rows()[-1])))

    async def test_empty(self) -> None:
        before = self.storage_used()
        status, answer = await self.messages("POST", "", b"", kind="message/rfc822")
        self.assertEqual((status, answer["code"]), (400, "EmptyMessage"))
        self.assertEqual(([], before), (self.uids(), self.storage_used()))

    async def test_large(self) -> None:
        """Sixty-four MiB go through a file; a byte more is 413."""
        head = b"Subject: large\r\nContent-Type: application/octet-stream\r\n\r\n"
        body = head + bytes(range(1, 251)) * (64 * MIB // 250)
        body += b"x" * (64 * MIB - len(body))
        status, answer = await self.messages("POST", "", body, kind="message/rfc822")
        self.assertEqual((status, answer["message"]["size"]), (200, 64 * MIB))
        self.assertEqual(body, await self.source(self.rows()[0]))
        status, answer = await self.messages("POST", "", body + b"x", kind="message/rfc822")
        self.assertEqual((status, answer["code"]), (413, "MessageTooBig"))
        self.assertEqual([1], self.uids())

    async def test_hang_up(self) -> None:
        """A client that goes away while it sends leaves nothing; one that goes after it, the whole."""
        path = f"/users/{self.account.id}/mailboxes/{self.inbox.id}/messages"
        head = (
            f"POST {path} HTTP/1.1\r\nHost: x\r\nX-Access-Token: {self.token}\r\n"
            f"Content-Type: message/rfc822\r\nContent-Length: {len(RAW)}\r\n\r\n"
        ).encode()

        def send(data: bytes) -> None:
            with socket.create_connection(("127.0.0.1", self.caller.port), timeout=20) as connection:
                connection.sendall(data)

        await deferToThread(send, head + RAW[:-1])
        await deferToThread(send, head + RAW)
        await until(lambda: self.rows() and self.storage_used())
        (row,) = self.rows()
        self.assertEqual((RAW, row["size"]), (await self.source(row), self.storage_used()))


class ComposedTests(UploadCase):
    """spec/api.md §4 'POST …/messages', structured."""

    async def test_all_members(self) -> None:
        row = await self.upload(
            date="2026-01-02T03:04:05.000Z",
            flagged=True,
            **{"from": {"name": "Jõe", "address": "joe@bücher.example"}},
            replyTo={"address": "reply@example.com"},
            to=[{"name": "A, B", "address": "a@example.com"}, {"name": "bad", "address": "none"}],
            cc=[{"address": "c@example.com"}],
            bcc=[{"name": "", "address": "d@example.com"}],
            subject="Tere 漢字",
            text="Hello\nworld ä",
            html="<p>Hello</p>",
            headers=[{"key": "X-Own", "value": "väärt"}, {"key": "Content-Type", "value": "x/y"}],
            attachments=[
                {
                    "filename": "ä.txt",
                    "contentType": "text/plain",
                    "content": base64.b64encode(b"abc").decode(),
                },
                {"content": "616263", "encoding": "hex", "contentDisposition": "inline"},
            ],
            metaData={"a": 1},
            sess="session",
            ip="192.0.2.1",
        )
        found = read(await self.source(row))
        self.assertEqual("Jõe <joe@xn--bcher-kva.example>", str(found["from"]))
        self.assertEqual(('"A, B" <a@example.com>', "c@example.com"), (str(found["to"]), str(found["cc"])))
        self.assertEqual(("d@example.com", "reply@example.com"), (str(found["bcc"]), str(found["reply-to"])))
        self.assertEqual(("Tere 漢字", "väärt"), (found["subject"], found["x-own"]))
        self.assertEqual("Fri, 02 Jan 2026 03:04:05 +0000", str(found["date"]))
        self.assertRegex(found["message-id"], r"^<[0-9a-f-]{36}@.*example>$")
        alternative, *files = found.iter_parts()
        plain, html = alternative.iter_parts()
        self.assertEqual(("Hello\r\nworld ä", "<p>Hello</p>"), (plain.get_content(), html.get_content()))
        self.assertEqual([b"abc", b"abc"], [part.get_payload(decode=True) for part in files])
        self.assertEqual(["ä.txt", "attachment-2.bin"], [part.get_filename() for part in files])
        self.assertEqual("2026-01-02T03:04:05", row["idate"].isoformat())
        meta = row["meta"]
        self.assertEqual(('{"a":1}', "192.0.2.1"), (meta["custom"], meta["origin"]))
        self.assertEqual(
            {"from": "joe@bücher.example", "to": ["a@example.com", "c@example.com", "d@example.com"]},
            meta["envelope"],
        )
        self.assertEqual("session", self.db.journal.find_one({"message": row["_id"]})["ignore"])

    async def test_nothing_given(self) -> None:
        """Who writes is known, and the text is empty."""
        found = await self.composed()
        self.assertEqual("Fred Flint <fred@example.com>", str(found["from"]))
        self.assertEqual("", found.get_content())

    async def test_html_alone(self) -> None:
        plain, _ = (await self.composed(html="<p>Hi <b>ä</b></p>")).iter_parts()
        self.assertEqual("Hi ä", plain.get_content().strip())

    async def test_images_in_html(self) -> None:
        url = "data:image/png;base64," + base64.b64encode(PNG).decode()
        found = await self.composed(html=f'<img src="{url}" data-filename="x.png">', text="t")
        _, related = found.iter_parts()
        html, image = related.iter_parts()
        self.assertEqual((PNG, "x.png"), (image.get_payload(decode=True), image.get_filename()))
        self.assertIn(f"cid:{image['content-id'][1:-1]}", html.get_content())
        large = "data:image/png;base64," + base64.b64encode(PNG * 8000).decode()
        self.assertGreater(len(large), 2 * MIB)
        await self.upload(html=f'<img src="{large}">')
        answer = await self.refused(400, "InputValidationError", html="x" * (MIB + 1))
        self.assertEqual({"html"}, set(answer["details"]))

    async def test_no_header_is_smuggled_in(self) -> None:
        evil = "x\r\nBcc: evil@example.com\r\n\r\nbody"
        found = await self.composed(
            subject=evil, to=[{"name": evil, "address": "a@example.com"}],
            headers=[{"key": "X-Own", "value": evil}],
            attachments=[{"content": "eA==", "filename": evil, "contentType": evil, "cid": evil}],
        )  # fmt: skip
        self.assertIsNone(found["bcc"])
        for body, field in (
            ({"headers": [{"key": "X\r\nBcc", "value": "x"}]}, "headers,0,key"),
            ({"headers": [{"key": "X: y", "value": "x"}]}, "headers,0,key"),
            ({"cc": [{"address": "a@example.com\r\nBcc: b@example.com"}]}, "cc,0,address"),
        ):
            answer = await self.refused(400, "InputValidationError", **body)
            self.assertEqual({field}, set(answer["details"]))

    async def test_bad_values(self) -> None:
        """All that is wrong is named at once, and nothing is stored."""
        answer = await self.refused(
            400, "InputValidationError", date="x", unseen="maybe", cc=[{"address": "x"}], subject="x" * 3000,
            files=["x"], attachments=[{"filename": "a"}], metaData="x", reference={"id": 0}, other={"$ne": 1},
            bimi={"domain": "example.com"}, replacePrevious={}, html=5,
        )  # fmt: skip
        self.assertEqual(
            {
                "date", "unseen", "cc,0,address", "subject", "files,0", "attachments,0,content", "metaData",
                "reference,mailbox", "reference,id", "reference,action", "other", "bimi",
                "replacePrevious,id", "html",
            },
            set(answer["details"]),
        )  # fmt: skip
        for attachment, field in (
            ({"content": "a?b"}, "content"),
            ({"content": "abcde"}, "content"),
            ({"content": "ä", "encoding": "ascii"}, "content"),
            ({"content": "xx", "encoding": "hex"}, "content"),
            ({"content": "xx", "encoding": "rot13"}, "encoding"),
        ):
            answer = await self.refused(400, "InputValidationError", attachments=[attachment])
            self.assertEqual({f"attachments,0,{field}"}, set(answer["details"]))

    async def test_draft_is_from_an_own_address(self) -> None:
        self.set_account(fromWhitelist=["*@allowed.example", "sales*", "One@Other.Example"])
        for address, allowed in (
            ("evil@example.org", "fred@example.com"),
            ("f.red+x@example.com", "f.red+x@example.com"),
            ("x@allowed.example", "x@allowed.example"),
            ("x@allowed.example.org", "fred@example.com"),
            ("sales7@example.org", "sales7@example.org"),
            ("one@other.example", "one@other.example"),
            ("other@example.com", "fred@example.com"),
        ):
            row = await self.upload(
                draft=True,
                **{"from": {"name": "N", "address": address}},
                headers=[{"key": "From", "value": "evil@x.y"}, {"key": "Sender", "value": "evil@x.y"}],
            )
            found = read(await self.source(row))
            self.assertEqual([f"N <{allowed}>"], [str(one) for one in found.get_all("from")])
            self.assertIsNone(found["sender"])
            self.assertEqual(allowed, row["meta"]["envelope"]["from"])
            self.assertEqual(["\\Seen", "\\Draft"], row["flags"])

    async def test_account_without_an_address(self) -> None:
        self.set_account(address="")
        row = await self.upload(draft=True, text="x")
        self.assertEqual(
            (False, None), (row["meta"]["envelope"]["from"], read(await self.source(row))["from"])
        )

    async def test_previous_one_is_replaced(self) -> None:
        first = await self.upload(draft=True, text="1")
        drafts = await self.mailbox("Elsewhere")
        previous = {"mailbox": str(self.inbox.id), "id": first["uid"]}
        body = {"draft": True, "text": "2", "replacePrevious": previous}
        status, answer = await self.call("POST", f"{drafts.id}/messages", body)
        self.assertEqual((200, True), (status, answer["previousDeleted"]))
        self.assertEqual(([], 1), (self.uids(), len(self.uids(drafts))))
        self.assertEqual(0, self.db.archived.count_documents({}))
        for previous in (
            {"id": 77},
            {"id": 1, "mailbox": str(ObjectId())},
            {"id": 1, "mailbox": str((await self.mailbox("INBOX", self.other)).id)},
        ):
            status, answer = await self.messages("POST", "", {"text": "x", "replacePrevious": previous})
            self.assertEqual(200, status)
            self.assertEqual(
                "Failed to delete previous message. Message was not found", answer["previousDeleteError"]
            )
        self.assertEqual(3, len(self.uids()))


class FilesTests(UploadCase):
    """Files of the storage bucket become attachments."""

    def file(self, content: bytes, user: ObjectId, **more: Any) -> ObjectId:
        id = ObjectId()
        metadata = {"user": user, **({"cid": more.pop("cid")} if "cid" in more else {})}
        self.db["storage.files"].insert_one(
            {"_id": id, "length": len(content), "chunkSize": 255 * KIB, "metadata": metadata, **more}
        )
        for n, start in enumerate(range(0, len(content), 255 * KIB)):
            self.db["storage.chunks"].insert_one(
                {"files_id": id, "n": n, "data": content[start : start + 255 * KIB]}
            )
        return id

    async def test_files(self) -> None:
        large = PNG * 6000
        first = self.file(large, self.account.id, filename="ä.png", contentType="image/png", cid="c@x")
        second = self.file(b"text", self.account.id, filename="b.txt", contentType="text/plain")
        row = await self.upload(
            draft=True, html='<img src="cid:c@x">', files=[str(first), str(second)],
            attachments=[{"content": "YQ==", "filename": "last.bin"}],
        )  # fmt: skip
        found = read(await self.source(row))
        parts = {
            part.get_filename(): part.get_payload(decode=True) for part in found.walk() if part.get_filename()
        }
        self.assertEqual({"ä.png": large, "b.txt": b"text", "last.bin": b"a"}, parts)
        self.assertEqual(
            [
                {
                    "id": first,
                    "filename": "ä.png",
                    "contentType": "image/png",
                    "size": len(large),
                    "cid": "c@x",
                },
                {"id": second, "filename": "b.txt", "contentType": "text/plain", "size": 4},
            ],
            row["meta"]["files"],
        )

    async def test_what_is_not_ones_own(self) -> None:
        theirs = self.file(b"secret", self.other.id)
        for id in (theirs, ObjectId()):
            await self.refused(404, "FileNotFound", text="x", files=[str(id)])

    async def test_too_much(self) -> None:
        """Before anything is read."""
        id = self.file(b"x", self.account.id)
        self.db["storage.files"].update_one({"_id": id}, {"$set": {"length": 65 * MIB}})
        await self.refused(413, "MessageTooBig", text="x", files=[str(id)])

    async def test_missing_chunks(self) -> None:
        id = self.file(b"x", self.account.id)
        self.db["storage.chunks"].delete_many({"files_id": id})
        await self.refused(500, "ContentUnreadable", text="x", files=[str(id)])


ORIGINAL = (
    b"From: =?utf-8?Q?J=C3=B5e?= <joe@example.org>\r\nReply-To: list@example.org\r\n"
    b"To: Fred <f.red@example.com>, ann@example.org\r\nCc: Team: bob@example.org, list@example.org;\r\n"
    b"Subject: =?utf-8?Q?T=C3=A4htis?=\r\nMessage-ID: <orig@example.org>\r\nReferences: <r1@x> <r2@x>\r\n"
    b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    b"--b\r\nContent-Type: text/plain\r\n\r\nhello\r\n"
    b"--b\r\nContent-Type: application/pdf; name=a.pdf\r\nContent-Transfer-Encoding: base64\r\n"
    b"Content-Disposition: attachment; filename=a.pdf\r\n\r\n"
    + base64.encodebytes(PNG).replace(b"\n", b"\r\n")
    + b"--b\r\nContent-Type: message/rfc822\r\nContent-Disposition: attachment; filename=m.eml\r\n\r\n"
    b"Subject: inner\r\n\r\n\xff\r\n--b--\r\n"
)


class ReferenceTests(UploadCase):
    """Answers and forwards."""

    async def setUp(self) -> None:  # type: ignore[override]
        await super().setUp()
        self.source_box = await self.mailbox("Source")
        await self.server.add(self.account, "Source", ORIGINAL)
        (self.original,) = self.rows(self.source_box)

    def reference(self, action: str, **more: Any) -> dict[str, Any]:
        return {"mailbox": str(self.source_box.id), "id": 1, "action": action, **more}

    async def test_reply(self) -> None:
        row = await self.upload(reference=self.reference("reply"), text="Yes")
        found = read(await self.source(row))
        self.assertEqual(
            ("Re: Tähtis", "list@example.org", None), (found["subject"], found["to"], found["cc"])
        )
        self.assertEqual("<orig@example.org>", found["in-reply-to"])
        self.assertEqual("<r1@x> <r2@x> <orig@example.org>", found["references"])
        self.assertEqual((["\\Seen", "\\Draft"], self.original["thread"]), (row["flags"], row["thread"]))
        self.assertEqual(
            {"action": "reply", "mailbox": str(self.source_box.id), "id": 1}, row["meta"]["reference"]
        )
        self.assertEqual(["list@example.org"], row["meta"]["envelope"]["to"])

    async def test_reply_to_all(self) -> None:
        found = await self.composed(reference=self.reference("replyAll"))
        self.assertEqual(
            ("list@example.org, ann@example.org", "bob@example.org"), (str(found["to"]), str(found["cc"]))
        )

    async def test_what_is_given_wins(self) -> None:
        found = await self.composed(
            reference=self.reference("replyAll"), to=[{"address": "x@example.org"}], subject="Other"
        )
        self.assertEqual(("x@example.org", None, "Other"), (found["to"], found["cc"], found["subject"]))
        self.assertNotEqual(self.original["thread"], self.rows()[-1]["thread"])

    async def test_a_thread_that_has_expired_comes_back(self) -> None:
        self.db.threads.delete_many({})
        row = await self.upload(reference=self.reference("reply"))
        self.assertEqual(self.original["thread"], row["thread"])
        self.assertEqual(self.account.id, self.db.threads.find_one({"_id": row["thread"]})["user"])

    async def test_own_message(self) -> None:
        """Its answer goes to those that it went to."""
        content = b"From: fred@example.com\r\nTo: ann@example.org\r\nSubject: Re: x\r\n\r\nhi"
        await self.server.add(self.account, "Source", content)
        found = await self.composed(reference={**self.reference("reply"), "id": 2})
        self.assertEqual(("ann@example.org", "Re: x"), (found["to"], found["subject"]))

    async def test_forward(self) -> None:
        """With its attachments, whose bytes are stored once."""
        before = self.db["attachments.files"].count_documents({})
        row = await self.upload(
            reference=self.reference("forward", attachments=True), to=[{"address": "x@example.org"}]
        )
        found = read(await self.source(row))
        self.assertEqual(("Fwd: Tähtis", None), (found["subject"], found["in-reply-to"]))
        self.assertIn("<orig@example.org>", found["references"])
        pdf, inner = found.iter_parts()
        self.assertEqual(("a.pdf", PNG), (pdf.get_filename(), pdf.get_payload(decode=True)))
        self.assertEqual(("m.eml", "message/rfc822"), (inner.get_filename(), inner.get_content_type()))
        self.assertIn(b"Subject: inner\r\n\r\n\xff", await self.source(row))
        self.assertEqual(before, self.db["attachments.files"].count_documents({}))
        self.assertEqual([], await self.store.verifier.verify(min_age=0, contents=True))

    async def test_chosen_attachments(self) -> None:
        pdf = self.original["attachments"][0]["id"]
        found = await self.composed(reference=self.reference("forward", attachments=[pdf]), text="x")
        self.assertEqual([None, "a.pdf"], [part.get_filename() for part in found.iter_parts()])
        await self.refused(
            404, "AttachmentNotFound", reference=self.reference("forward", attachments=["ATT00099"])
        )

    async def test_a_message_that_is_not_there(self) -> None:
        """The draft is kept, but not one without the attachments that were asked for."""
        theirs = await self.mailbox("INBOX", self.other)
        await self.server.add(self.other, "INBOX", ORIGINAL)
        for reference in (
            {**self.reference("reply"), "id": 77},
            {**self.reference("reply"), "mailbox": str(theirs.id)},
        ):
            row = await self.upload(reference=reference, text="x")
            self.assertEqual((False, ["\\Seen", "\\Draft"]), (row["meta"]["reference"], row["flags"]))
            await self.refused(404, "MessageNotFound", reference={**reference, "attachments": True})

    async def test_many_references(self) -> None:
        ids = " ".join(f"<{n}@x>" for n in range(100))
        content = f"Subject: s\r\nMessage-ID: <last@x>\r\nReferences: {ids}\r\n\r\nx".encode()
        await self.server.add(self.account, "Source", content)
        found = await self.composed(reference={**self.reference("reply"), "id": 2})
        self.assertEqual(
            ["<0@x>", *(f"<{n}@x>" for n in range(52, 100)), "<last@x>"], found["references"].split()
        )

    async def test_odd_documents(self) -> None:
        """What a document lacks is left out."""
        for change in (
            {"$unset": {"mimeTree.parsedHeader": 1, "attachments": 1, "thread": 1}},
            {"$set": {"mimeTree": None}},
            {"$unset": {"mimeTree": 1}},
        ):
            self.db.messages.update_one({"_id": self.original["_id"]}, change)
            found = await self.composed(reference=self.reference("replyAll", attachments=True), text="x")
            self.assertEqual(("Re:", None), (found["subject"], found["to"]))


class RefusalTests(UploadCase):
    sets = ("storage.default_quota=1048576",)

    async def test_quota(self) -> None:
        """The account's own and the default one alike, and nothing is left of what did not fit."""
        for quota in (0, 5 * MIB):
            most = quota or MIB
            self.set_account(quota=quota, storageUsed=most - 2000)
            await self.refused(400, "OverQuotaError", text="word " * 1000)
            await self.upload(text="x")
            self.set_account(storageUsed=most + 1)
            await self.refused(400, "OverQuotaError", text="x")
        self.assertEqual(0, self.db["attachments.files"].count_documents({"metadata.c": {"$gt": 0}}))

    async def test_disabled(self) -> None:
        for state in ("disabled", "suspended"):
            self.set_account(disabled=False, suspended=False)
            self.set_account(**{state: True})
            status, answer = await self.messages("POST", "", {"text": "x"}, token="master")
            self.assertEqual((403, "UserDisabled"), (status, answer["code"]))
        self.assertEqual([], self.uids())

    async def test_who_is_not_there(self) -> None:
        status, answer = await self.call("POST", f"{ObjectId()}/messages", {"text": "x"})
        self.assertEqual((404, "NoSuchMailbox"), (status, answer["code"]))
        self.db.users.delete_one({"_id": self.account.id})
        status, answer = await self.messages("POST", "", {"text": "x"}, token="master")
        self.assertEqual((404, "UserNotFound"), (status, answer["code"]))

    async def test_nothing_in_clear_where_messages_are_encrypted(self) -> None:
        encrypted = (
            'Content-Type: multipart/encrypted; protocol="application/pgp-encrypted"; boundary=b\r\n\r\n'
        )
        for place in ("account", "mailbox"):
            self.set_account(encryptMessages=place == "account")
            self.set_mailbox(self.inbox, encryptMessages=place == "mailbox")
            await self.refused(400, "DisallowedMailboxMethod", text="secret")
            await self.refused(400, "DisallowedMailboxMethod", raw="Subject: x\r\n\r\nsecret")
            await self.upload(text="x", draft=True)
            await self.upload(raw=f"{encrypted}--b\r\n\r\nx\r\n--b--\r\n")

    async def test_json_within_json(self) -> None:
        row = await self.upload(text="x", metaData=json.dumps({"$set": {"a.b": 1}}))
        self.assertEqual('{"$set":{"a.b":1}}', row["meta"]["custom"])
