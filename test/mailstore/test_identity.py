"""When a message was saved (RFC 8514), and which are the same (RFC 8474)."""

from __future__ import annotations

import datetime
from typing import Any

from bson import ObjectId
from twisted.trial.unittest import SynchronousTestCase

from test.mailstore.support import StoreCase, message
from wildduck.mailstore.identity import SAVED_FIELDS, email_id, saved_date, thread_id
from wildduck.mailstore.values import Mailbox

_UTC = datetime.timezone.utc
#: Made at the first second of 2020.
_ID = ObjectId("5e0be100aaaaaaaaaaaaaaaa")
_MADE = datetime.datetime(2020, 1, 1, tzinfo=_UTC)


class SavedDateTests(StoreCase):
    """RFC 8514 §3."""

    own_clock = True

    def _rows(self, mailbox: Mailbox) -> list[dict[str, Any]]:
        fields = dict.fromkeys(SAVED_FIELDS, True)
        return list(self.db.messages.find({"mailbox": mailbox.id}, fields).sort("uid"))

    def _now(self) -> datetime.datetime:
        return datetime.datetime.fromtimestamp(int(self.clock.seconds()), _UTC)

    async def test_moves_and_copies(self) -> None:
        """Saved when it comes, whatever its INTERNALDATE; anew by MOVE, and by COPY the copy alone."""
        inbox = await self.inbox()
        target = await self.store.mailboxes.create(self.account.id, "target")
        long_ago = datetime.datetime(2001, 1, 1, tzinfo=_UTC)
        first = self._now()
        await self.add(message(1), internal_date=long_ago)
        await self.add(message(2), internal_date=long_ago)
        self.clock.advance(3600)
        await self.store.copy(inbox, [1], target)
        self.clock.advance(3600)
        await self.store.move(inbox, [2], target)
        (kept,) = map(saved_date, self._rows(inbox))
        copied, moved = map(saved_date, self._rows(target))
        for found, expected in (
            (kept, first),
            (copied, first + datetime.timedelta(hours=1)),
            (moved, first + datetime.timedelta(hours=2)),
        ):
            assert found is not None
            # The document's id goes by the clock of the machine.
            self.assertLess(abs((found - expected).total_seconds()), 60)

    async def test_flags_leave_it(self) -> None:
        """While it stays where it is its date stays."""
        await self.add(message(1))
        (before,) = map(saved_date, self._rows(await self.inbox()))
        self.clock.advance(3600)
        await self.store.store_flags(await self.inbox(), [1], "+", ["\\Seen"])
        self.assertEqual([before], list(map(saved_date, self._rows(await self.inbox()))))


class RuleTests(SynchronousTestCase):
    def test_saved_date(self) -> None:
        """The later of the two times counts; an odd one does not."""
        later = 1_600_000_000_999.0
        for document, expected in (
            ({"_id": _ID}, _MADE),
            ({"_id": _ID, "retentionTime": 5}, _MADE),
            ({"_id": _ID, "retentionTime": later}, datetime.datetime.fromtimestamp(1_600_000_000, _UTC)),
            ({"_id": "x", "retentionTime": later}, datetime.datetime.fromtimestamp(1_600_000_000, _UTC)),
            ({"_id": _ID, "retentionTime": float("nan")}, _MADE),
            ({"_id": _ID, "retentionTime": 1e18}, _MADE),
            ({"_id": _ID, "retentionTime": True}, _MADE),
            ({"_id": _ID, "retentionTime": "2030"}, _MADE),
            ({"_id": "x"}, None),
        ):
            self.assertEqual(expected, saved_date(document), document)

    def test_email_id(self) -> None:
        """Old documents have no root; one that was encrypted when it was copied is another content."""
        root = ObjectId()
        copy = {"_id": ObjectId(), "root": root, "magic": 5.0}
        self.assertEqual(f"M{root}0005", email_id(copy))
        self.assertEqual(f"M{root}0005", email_id({"_id": root, "root": root, "magic": 5}))
        self.assertNotEqual(email_id(copy), email_id({**copy, "magic": 6}))
        self.assertEqual(f"M{root}0000", email_id({"_id": root, "root": "x"}))
        self.assertIs(None, email_id({"_id": "x"}))

    def test_thread_id(self) -> None:
        """What is no id is none."""
        self.assertEqual(f"T{_ID}", thread_id({"thread": _ID}))
        self.assertEqual([None, None], [thread_id({}), thread_id({"thread": "x"})])


class OldDocumentTests(StoreCase):
    async def test_copy_of_one_without_root(self) -> None:
        """A copy of a document that has no root is told as the same message."""
        await self.add(message(1))
        inbox = await self.inbox()
        self.db.messages.update_many({}, {"$unset": {"root": True}})
        await self.store.copy(inbox, [1], inbox)
        first, second = self.db.messages.find({"mailbox": inbox.id}).sort("uid")
        self.assertEqual(email_id(first), email_id(second))
