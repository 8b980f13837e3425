"""GET of one message."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from bson import Binary, ObjectId

from test.api.messages.case import MessagesCase
from test.mailstore.support import message, with_attachment

_RELATED = (
    b"From: a@example.org\r\nReply-To: r@example.org\r\nSubject: =?utf-8?q?t=C3=A4st?=\r\n"
    b"List-ID: My list <list.example.net>\r\nList-Unsubscribe: <mailto:x@example.net>, junk\r\n"
    b"References: <r@x>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/related; boundary=b\r\n\r\n"
    b"--b\r\nContent-Type: text/html\r\n\r\n"
    b'<p>Hi <img src="cid:i@x"> attachment:ATT00009</p>\r\n'
    b"--b\r\nContent-Type: image/png\r\nContent-ID: <i@x>\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    b"aGVsbG8=\r\n--b--\r\n"
)


class DetailTests(MessagesCase):
    """The whole message."""

    async def one(self, query: str = "", uid: int = 1) -> Any:
        """A message."""
        return await self.get(f"{self.messages}/{uid}{query}")

    def change(self, **fields: Any) -> None:
        """Change the stored document."""
        self.db.messages.update_one({}, {"$set": {name.replace("__", "."): v for name, v in fields.items()}})

    async def test_message(self) -> None:
        """Everything that WildDuck shows, in its words."""
        meta = {"from": "s@example.org", "to": ["User+x@example.com", "B.ob@xn--jgi-0ja.example", ""]}
        await self.add(_RELATED, meta=meta, flags=["\\Seen"])
        answer = await self.one()
        stored = self.db.messages.find_one({})
        for name in ("date", "idate"):
            self.assertRegex(answer.pop(name), r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        (attachment,) = answer.pop("attachments")
        self.assertEqual(
            (attachment["id"], attachment["cid"], attachment["related"]), ("ATT00001", "<i@x>", True)
        )
        self.assertEqual(
            answer,
            {
                "success": True,
                "id": 1,
                "mailbox": str(stored["mailbox"]),
                "thread": str(stored["thread"]),
                "user": str(self.account.id),
                "envelope": {
                    "from": "s@example.org",
                    "rcpt": [
                        {"value": "User+x@example.com", "formatted": "user@example.com"},
                        {"value": "B.ob@xn--jgi-0ja.example", "formatted": "bob@xn--jgi-0ja.example"},
                    ],
                },
                "from": {"name": "", "address": "a@example.org"},
                "replyTo": [{"name": "", "address": "r@example.org"}],
                "subject": "täst",
                "messageId": stored["msgid"],
                "list": {
                    "id": {"name": "My list", "address": "list.example.net"},
                    "unsubscribe": [
                        {"name": "", "address": "mailto:x@example.net"},
                        {"name": "junk", "address": ""},
                    ],
                },
                "size": len(_RELATED),
                "seen": True,
                "deleted": False,
                "flagged": False,
                "draft": False,
                "answered": False,
                "forwarded": False,
                "html": ['<p>Hi <img src="attachment:ATT00001"> attachment:ATT00009</p>'],
                "text": stored["text"],
                "references": ["<r@x>"],
                "metaData": {},
                "contentType": {"value": "multipart/related", "params": {"boundary": "b"}},
            },
        )

    async def test_links(self) -> None:
        """Links lead to the attachments, those to none stay."""
        await self.add(_RELATED)
        (html,) = (await self.one("?replaceCidLinks=true"))["html"]
        path = f"{self.messages}/1/attachments/ATT00001"
        self.assertEqual(html, f'<p>Hi <img src="{path}"> attachment:ATT00009</p>')
        status, _, body = await self.bytes(path)
        self.assertEqual((status, body), (200, b"hello"))

    async def test_what_came_with_it(self) -> None:
        """Verification, indicator, forwarding, expiry, files, reference, queue, metaData."""
        await self.add(message(body=b"x" * 1100))
        bimi = ObjectId()
        self.db.bimi.insert_one(
            {
                "_id": bimi,
                "type": "authority",
                "url": "https://x",
                "content": Binary(b"<svg/>"),
                "vmc": {"type": "CMC"},
            }
        )
        self.db["zone-queue"].insert_one(
            {"id": "q1", "seq": "001", "recipient": "z@x", "sendingZone": "z", "queued": datetime(2026, 1, 1)}
        )
        file = {"id": str(bimi), "filename": "f", "contentType": "text/plain", "size": 3.0, "cid": "c"}
        self.change(
            verificationResults={
                "tls": {"name": "T", "version": "1.3"},
                "spf": "x",
                "dkim": False,
                "bimi": bimi,
            },
            forwardTargets=[{"type": "mail", "value": "z@example.org"}],
            exp=True,
            rdate=1900000000000.0,
            outbound=["q0", "q1"],
            meta__files=[file],
            meta__reference={"action": "reply", "mailbox": str(bimi), "id": 7},
            meta__custom='{"a": {"b": 1}}',
        )
        answer = await self.one()
        for name, expected in (
            ("verificationResults", {"tls": {"name": "T", "version": "1.3"}, "spf": "x", "dkim": False}),
            (
                "bimi",
                {
                    "certified": True,
                    "url": "https://x",
                    "image": "data:image/svg+xml;base64,PHN2Zy8+",
                    "type": "CMC",
                },
            ),
            ("forwardTargets", [{"type": "mail", "value": "z@example.org"}]),
            ("expires", "2030-03-17T17:46:40.000Z"),
            (
                "outbound",
                [
                    {
                        "queueId": "q1",
                        "entries": [
                            {
                                "seq": "001",
                                "recipient": "z@x",
                                "sendingZone": "z",
                                "queued": "2026-01-01T00:00:00.000Z",
                            }
                        ],
                    }
                ],
            ),
            ("files", [{**file, "size": 3}]),
            ("reference", {"action": "reply", "mailbox": str(bimi), "id": 7}),
            ("metaData", {"a": {"b": 1}}),
        ):
            self.assertEqual(answer[name], expected)
        self.assertEqual(answer["text"], "x" * 1100)

    async def test_mark_as_seen(self) -> None:
        """Only on demand, and told to others."""
        await self.add(message())
        self.assertFalse((await self.one())["seen"])
        self.assertTrue((await self.one("?markAsSeen=1&sess=abc"))["seen"])
        self.assertTrue((await self.one())["seen"])
        # Every session is told: sess is for logs.
        (entry,) = self.db.journal.find({"command": "FETCH"})
        self.assertIsNone(entry["ignore"])

    async def test_encrypted(self) -> None:
        """OpenPGP and S/MIME are told, a signature is not."""
        for kind, encrypted in (
            ("multipart/encrypted; protocol=x; boundary=b", True),
            ("application/pkcs7-mime; smime-type=enveloped-data", True),
            ("application/pkcs7-mime; smime-type=signed-data", False),
            ("text/plain", False),
        ):
            uid = (await self.add(b"Content-Type: %b\r\n\r\nx" % kind.encode())).uid
            self.assertEqual((await self.one(uid=uid)).get("encrypted", False), encrypted)

    async def test_bad_labels(self) -> None:
        """Domains that do not decode are shown as they are."""
        await self.add(b"From: a@xn--\xff\xfe.example\r\nTo: b@xn--999999999999.x, c@xn--a.b\r\n\r\nx")
        answer = await self.one()
        self.assertEqual([one["address"] for one in answer["to"]], ["b@xn--999999999999.x", "c@xn--a.b"])

    async def test_errors(self) -> None:
        """What is not there is 404, what can not be is 400 and names the field."""
        await self.add(with_attachment(1, b"aGk="))
        self.assertEqual((await self.get(f"{self.messages}/2", 404))["code"], "MessageNotFound")
        gone = f"/users/{self.account.id}/mailboxes/{ObjectId()}/messages/1"
        self.assertEqual((await self.get(gone, 404))["code"], "MessageNotFound")
        for uid in ("0", "x", "1.5"):
            self.assertEqual(set((await self.get(f"{self.messages}/{uid}", 400))["details"]), {"message"})
        await self.get(f"{self.messages}/9007199254740991", 404)
        answer = await self.get(f"{self.messages}/1?replaceCidLinks=2&bogus=1", 400)
        self.assertEqual(set(answer["details"]), {"replaceCidLinks", "bogus"})

    async def test_dates_without(self) -> None:
        """A message without dates has that of its document."""
        await self.add(message())
        self.db.messages.update_one({}, {"$unset": {"idate": 1, "hdate": 1}})
        made = self.db.messages.find_one({})["_id"].generation_time.astimezone(timezone.utc)
        answer = await self.one()
        self.assertEqual(answer["date"], made.strftime("%Y-%m-%dT%H:%M:%S.000Z"))
