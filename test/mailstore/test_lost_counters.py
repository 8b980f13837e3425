"""Mailboxes whose counters are lost, or no numbers."""

from __future__ import annotations

import datetime
from typing import Any

from test.mailstore.support import StoreCase
from wildduck.mailstore.values import Mailbox

MESSAGE = b"Subject: s\r\n\r\nbody\r\n"


class LostCountersTests(StoreCase):
    """What stands in their place is replaced by what nothing in the mailbox has had yet."""

    async def test_lost(self) -> None:
        """UIDs and MODSEQs go on after those of the messages; what still counts is kept."""
        for _ in range(3):
            await self.add(MESSAGE)
        last, highest = 3, (await self.inbox()).modify_index
        self.db.mailboxes.update_one({"path": "INBOX"}, {"$unset": {"native": ""}})
        odd: list[Any] = [None, "x", {"a": 1}, [], True, datetime.datetime(2026, 1, 1)]
        for value in odd:
            for change in ({"uidNext": value}, {"modifyIndex": value}):
                self.db.mailboxes.update_one({"path": "INBOX"}, {"$set": change})
                before = highest
                uid = (await self.add(MESSAGE)).uid
                row = self.db.messages.find_one({"uid": uid, "user": self.account.id})
                highest = row["modseq"]
                self.assertGreater((uid, highest), (last, before), change)
                last = uid
        self.assertEqual(self.db.messages.count_documents({}), 3 + 2 * len(odd))
        self.assertEqual((await self.inbox()).uid_next, uid + 1)

    async def test_missing(self) -> None:
        """As if a tool had removed them."""
        await self.add(MESSAGE)
        self.db.mailboxes.update_one({"path": "INBOX"}, {"$unset": {"uidNext": "", "modifyIndex": ""}})
        self.assertEqual((await self.add(MESSAGE)).uid, 2)

    def test_keywords_of_another_type(self) -> None:
        """They are none."""
        document = {"_id": 1, "user": 2, "path": "x"}
        for value in (None, "x", 1.5, {"a": 1}, True):
            self.assertEqual(Mailbox.from_document(document | {"flags": value}).keywords, ())
