"""GET of a mailbox's messages."""

from __future__ import annotations

import base64
import json
from typing import Any

from bson import ObjectId

from test.api.messages.case import MessagesCase
from test.mailstore.support import message, with_attachment


class ListTests(MessagesCase):
    """Rows, pages, filters."""

    async def pages(self, query: str = "") -> list[dict[str, Any]]:
        """All pages, forwards."""
        found = [await self.get(f"{self.messages}?limit=2&{query}")]
        while found[-1]["nextCursor"]:
            found.append(await self.get(f"{self.messages}?limit=2&{query}&next={found[-1]['nextCursor']}"))
        return found

    async def test_row(self) -> None:
        """Everything that WildDuck shows, in its words."""
        data = with_attachment(1, b"aGVsbG8=").replace(
            b"To: user@example.com",
            b"To: Friends: =?utf-8?q?J=C3=B5gi?= <a@xn--jgi-zna.example>, b@xn--\xc3\xb5.example;\r\n"
            b"Cc:\r\nReferences: <a@x>\r\n <b@x>",
        )
        await self.add(data, flags=["\\Answered", "$Forwarded", "\\Flagged"])
        answer = await self.get(self.messages)
        (row,) = answer.pop("results")
        self.assertEqual(
            answer,
            {
                "success": True,
                "total": 1,
                "page": 1,
                "previousCursor": False,
                "nextCursor": False,
                "specialUse": None,
            },
        )
        stored = self.db.messages.find_one({})
        (attachment,) = row.pop("attachmentsList")
        self.assertEqual(attachment["hash"], stored["mimeTree"]["attachmentMap"]["ATT00001"].hex())
        self.assertEqual(attachment["filename"], "data.bin")
        group = [
            {"name": "Jõgi", "address": "a@øjgi.example"},
            {"name": "", "address": "b@xn--õ.example"},
        ]
        self.assertEqual(row.pop("to"), [{"name": "Friends", "group": group}])
        for name in ("date", "idate"):
            self.assertRegex(row.pop(name), r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        self.assertEqual(
            row,
            {
                "id": 1,
                "mailbox": str(stored["mailbox"]),
                "thread": str(stored["thread"]),
                "from": {"name": "", "address": "sender@example.org"},
                "cc": [],
                "bcc": [],
                "messageId": "<a1@example.org>",
                "subject": "With attachment 1",
                "intro": "See the attachment.",
                "attachments": True,
                "size": len(data),
                "seen": False,
                "deleted": False,
                "flagged": True,
                "draft": False,
                "answered": False,
                "forwarded": True,
                "references": ["<a@x>", "<b@x>"],
                "contentType": {"value": "multipart/mixed", "params": {"boundary": "b"}},
            },
        )

    async def test_pages(self) -> None:
        """Forwards, and back with the previous cursors; the pages know their numbers."""
        for n in range(1, 6):
            await self.add(message(n))
        for query, uids in (
            ("", [5, 4, 3, 2, 1]),
            ("order=asc", [1, 2, 3, 4, 5]),
            ("unseen=true&bogus=x", [5, 4, 3, 2, 1]),
            ("collapseThreads=true", [5, 4, 3, 2, 1]),
        ):
            pages = await self.pages(query)
            self.assertEqual([row["id"] for page in pages for row in page["results"]], uids)
            self.assertEqual([page["page"] for page in pages], [1, 2, 3])
            self.assertEqual({page["total"] for page in pages}, {5})
            back = pages[2]
            for page in (pages[1], pages[0]):
                cursor = back["previousCursor"]
                back = await self.get(f"{self.messages}?limit=2&{query}&previous={cursor}")
                self.assertEqual(back, page)
        self.assertEqual((await self.get(f"{self.messages}?unseen=0"))["total"], 0)

    async def test_cursors_of_wildduck(self) -> None:
        """A page that WildDuck began goes on here."""
        for n in range(1, 4):
            await self.add(message(n))
        row = self.db.messages.find_one({"uid": 3})
        date = row["idate"].isoformat(timespec="milliseconds") + "Z"
        for id in ({"$oid": str(row["_id"])}, str(row["_id"])):
            inner = json.dumps([{"$date": date}, id])
            cursor = base64.urlsafe_b64encode(json.dumps([inner, 2]).encode()).decode().rstrip("=")
            answer = await self.get(f"{self.messages}?next={cursor}")
            self.assertEqual([row["id"] for row in answer["results"]], [2, 1])
            self.assertEqual(answer["page"], 2)

    async def test_bad_parameters(self) -> None:
        """All that is wrong is named."""
        users = base64.urlsafe_b64encode(json.dumps({"$oid": "0" * 24}).encode()).decode().rstrip("=")
        answer = await self.get(f"{self.messages}?limit=0&order=x&unseen=2&next=%7b", 400)
        self.assertEqual(set(answer["details"]), {"limit", "order", "unseen", "next"})
        answer = await self.get(f"{self.messages}?next={users}", 400)
        self.assertEqual(answer["code"], "InputValidationError")
        self.assertEqual(set(answer["details"]), {"next"})

    async def test_extras(self) -> None:
        """metaData, thread counters, drafts and headers, where they are asked for."""
        await self.add(message(1), meta={"custom": '{"a": [1]}'})
        await self.add(message(2), meta={"custom": "no JSON"})
        query = "metaData=1&threadCounters=1&includeHasDrafts=1&includeHeaders=1&order=asc"
        first, second = (await self.get(f"{self.messages}?{query}"))["results"]
        self.assertEqual((first["metaData"], second["metaData"]), ({"a": [1]}, {}))
        self.assertEqual((first["threadMessageCount"], first["hasDrafts"]), (1, False))
        self.assertEqual(first["headers"]["from"], [{"name": "Sender", "address": "sender@example.org"}])
        self.assertEqual(first["headers"]["message-id"], "<m1@example.org>")

    async def test_not_found(self) -> None:
        """No such mailbox, or another account's."""
        other = await self.new_account(name="other")
        foreign = (await self.path(other.id)).split("/")[4]
        for user, mailbox in (
            (self.account.id, foreign),
            (self.account.id, ObjectId()),
            (ObjectId(), foreign),
        ):
            answer = await self.get(f"/users/{user}/mailboxes/{mailbox}/messages", 404)
            self.assertEqual(answer["code"], "NoSuchMailbox")

    async def test_second_user(self) -> None:
        """A token of another account opens nothing, and does not see this mailbox under its own name."""
        await self.add(message(1))
        other = await self.new_account(name="other")
        token = {"X-Access-Token": await self.tokens.issue("user", other.id)}
        mailbox = self.messages.split("/")[4]
        for end in ("", "/1", "/1/message.eml", "/1/attachments/ATT00001"):
            self.assertEqual((await self.bytes(self.messages + end, **token))[0], 403)
            own = f"/users/me/mailboxes/{mailbox}/messages{end}"
            self.assertEqual((await self.bytes(own, **token))[0], 404)
        mine = {"X-Access-Token": await self.tokens.issue("user", self.account.id)}
        self.assertEqual((await self.get(f"/users/me/mailboxes/{mailbox}/messages", **mine))["total"], 1)

    async def test_special_use(self) -> None:
        """The mailbox's special use is told."""
        answer = await self.get(await self.path(mailbox="Trash"))
        self.assertEqual(answer["specialUse"], "\\Trash")

    async def test_hostile_rows(self) -> None:
        """A list shows the beginning of what is very long, one message all of it."""
        many = ", ".join(f"a{n}@example.org" for n in range(3000))
        ids = " ".join(f"<{n}@x>" for n in range(3000))
        parts = "".join(f"--b\r\nContent-Type: image/png\r\n\r\n{n}\r\n" for n in range(300))
        await self.add(
            f"From: a@example.org\r\nTo: {many}\r\nCc: All: {many};\r\nReferences: {ids}\r\n"
            f"Content-Type: multipart/mixed; boundary=b\r\n\r\n{parts}--b--\r\n".encode()
        )
        for query in ("", "?includeHeaders=1"):
            (row,) = (await self.get(self.messages + query))["results"]
            self.assertEqual((len(row["to"]), row["to"][99]["address"]), (100, "a99@example.org"))
            self.assertEqual(len(row["cc"][0]["group"]), 100)
            self.assertEqual(row["references"], [f"<{n}@x>" for n in range(2900, 3000)])
            self.assertEqual(len(row["attachmentsList"]), 100)
        self.assertEqual(len(row["headers"]["to"]), 100)
        shown = await self.get(self.messages + "/1")
        self.assertEqual(
            [len(shown[name]) for name in ("to", "references", "attachments")], [3000, 3000, 300]
        )
