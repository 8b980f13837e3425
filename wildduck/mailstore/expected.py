"""
Counters of mailboxes that nobody but this worker has moved lately.

What they are is known then, and numbers can be taken by an update that holds
only while that is so, instead of by one that reads the mailbox: a
findAndModify costs mongod a half more, for on a replica set it keeps a copy of
what it gives back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bson import ObjectId

from wildduck.limits import EXPECTED_MAILBOXES, MODSEQ_HOLE_SECONDS
from wildduck.mailstore.values import Mailbox, number

#: What decides on a message beside the counters; all of it must be as it was.
_DECIDING = ("path", "specialUse", "uidValidity", "retention", "encryptMessages", "flags")

#: After a pause the mark may be due to be raised (L{wildduck.mailstore.allocation}).
_FRESH_SECONDS = MODSEQ_HOLE_SECONDS / 2


@dataclass(frozen=True, slots=True)
class Expected:
    """
    A mailbox as it was after our last allocation.

    @ivar time: when that was, in seconds.
    @ivar alone: the one before was ours too.
    """

    document: Mapping[str, Any]
    uid_next: int
    modify_index: int
    time: float
    alone: bool

    def filter(self) -> dict[str, Any]:
        """Matches the mailbox as long as it is so."""
        unchanged = {name: {"$eq": self.document.get(name)} for name in _DECIDING}
        return {
            "_id": self.document["_id"],
            "user": self.document["user"],
            "uidNext": self.uid_next,
            "modifyIndex": self.modify_index,
            "native.index": self.modify_index,
            "native.next": self.uid_next,
            **unchanged,
        }

    def after(self, time: float) -> Expected:
        """One UID and one MODSEQ later."""
        counters = {"uidNext": self.uid_next + 1, "modifyIndex": self.modify_index + 1}
        return Expected(
            {**self.document, **counters}, counters["uidNext"], counters["modifyIndex"], time, True
        )


def take_one(taker: ObjectId) -> dict[str, Any]:
    """
    Takes one UID and one MODSEQ; see L{wildduck.mailstore.allocation.advance}.

    @param taker: told by nobody else, so that it can be found out afterwards whether it was done.
    """
    return {
        "$inc": {"uidNext": 1, "modifyIndex": 1, "native.index": 1, "native.next": 1},
        "$currentDate": {"native.time": True},
        "$set": {"native.taker": taker},
    }


class ExpectedCounters:
    """What one worker expects of mailboxes; the one that was used least lately goes first."""

    def __init__(self, seconds: Callable[[], float]) -> None:
        """@param seconds: of a clock that nobody sets."""
        self._seconds = seconds
        self._known: dict[ObjectId, Expected] = {}

    def take(self, mailbox: Mailbox) -> Expected | None:
        """
        What to expect of a mailbox; until L{keep} nobody else is told.

        C{None} where it is not known, or somebody else has taken numbers too.
        """
        known = self._known.get(mailbox.id)
        if known is None or not known.alone or not 0 <= self._seconds() - known.time < _FRESH_SECONDS:
            return None
        if known.document.get("path") != mailbox.path or known.document.get("user") != mailbox.user:
            return None
        return self._known.pop(mailbox.id)

    def keep(self, expected: Expected) -> None:
        """Numbers were taken as expected."""
        id = expected.document["_id"]
        later = self._known.pop(id, None)
        self._known[id] = later if later is not None and later.uid_next > expected.uid_next else expected
        if len(self._known) > EXPECTED_MAILBOXES:
            del self._known[next(iter(self._known))]

    def note(self, document: Mapping[str, Any]) -> None:
        """
        One UID and one MODSEQ were taken, and the mailbox read.

        @param document: after that.
        """
        uid_next, modify_index = number(document["uidNext"]), number(document["modifyIndex"])
        before = self._known.get(document["_id"])
        alone = before is not None and (before.uid_next + 1, before.modify_index + 1) == (
            uid_next,
            modify_index,
        )
        self.keep(Expected(document, uid_next, modify_index, self._seconds(), alone))
