"""
uidvalidity: a name never has the same twice, nor a lower one (store.md §8, RFC 3501 §2.3.1.1).

A new mailbox gets a higher one than any mailbox of its account ever had.  A
mailbox that is renamed keeps its own, or every client would have to fetch it
again, unless its new name once belonged to another mailbox with an equal or
higher one.  To know that, names are noted when they become free, with the
uidvalidity they had.  That state is bounded: of the L{RETIRED_NAMES} highest
only, and what was forgotten is then taken to have had the lowest that is
still noted.  (What WildDuck nodes beside us delete and rename is not noted.)

One document for each account in a collection of ours, which every change of a
mailbox name changes::

    {_id: account, last, changes, retired: [{name, last, mailbox}]}
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bson import ObjectId

from wildduck.limits import RETIRED_NAMES
from wildduck.mailstore.backend import Backend
from wildduck.mailstore.values import Mailbox, number

#: Our collection of uidvalidity counters: C{_id} is the account, C{last} the highest given out.
UID_VALIDITY = "uidvalidity"

#: Bytes of a name's digest; two names with the same one only cost a new uidvalidity.
_DIGEST_BYTES = 10


async def next_uid_validity(backend: Backend, user: ObjectId) -> int:
    """A uidvalidity that this account never had: max(now, last + 1)."""
    now = int(backend.clock.seconds())
    last = {"$add": [{"$ifNull": ["$last", 0]}, 1]}
    changes = {"$add": [{"$ifNull": ["$changes", 0]}, 1]}
    document = await backend.main.find_one_and_update(
        UID_VALIDITY,
        {"_id": user},
        [{"$set": {"last": {"$max": [now, last]}, "changes": changes}}],
        upsert=True,
        return_after=True,
    )
    return number(document["last"]) if document else now


async def retire(backend: Backend, user: ObjectId, mailboxes: Iterable[Mailbox]) -> None:
    """Note the names of mailboxes that are about to lose them; repeatable."""
    await backend.main.update_one(
        UID_VALIDITY,
        {"_id": user},
        {"$push": retired(mailboxes), "$inc": {"changes": 1}},
        upsert=True,
        idempotent=True,
    )


def retired(mailboxes: Iterable[Mailbox]) -> dict[str, Any]:
    """The C{$push} that notes the names of mailboxes."""
    notes = [
        {"name": _digest(mailbox.path), "last": mailbox.uid_validity, "mailbox": mailbox.id}
        for mailbox in mailboxes
    ]
    return {"retired": {"$each": notes, "$sort": {"last": 1}, "$slice": -RETIRED_NAMES}}


def _digest(path: str) -> bytes:
    return hashlib.sha256(path.encode("utf-8", "surrogatepass")).digest()[:_DIGEST_BYTES]


@dataclass(frozen=True, slots=True)
class Account:
    """
    What is known of the names of an account.

    @ivar last: the highest uidvalidity given out.
    @ivar changes: counts changes of names; C{None} before the first.
    @ivar floor: what a name that is not noted may have had.
    @ivar notes: of each noted name's digest: uidvalidity and mailbox.
    """

    last: int
    changes: int | None
    floor: int
    notes: Mapping[bytes, tuple[tuple[int, ObjectId | None], ...]]

    @classmethod
    def from_document(cls, document: Mapping[str, Any] | None) -> Account:
        """@param document: C{None}: there is none."""
        document = document or {}
        rows = document.get("retired") or ()
        notes: dict[bytes, tuple[tuple[int, ObjectId | None], ...]] = {}
        for row in rows:
            name = bytes(row["name"])
            notes[name] = (*notes.get(name, ()), (number(row.get("last")), row.get("mailbox")))
        full = len(rows) >= RETIRED_NAMES
        return cls(
            last=number(document.get("last")),
            changes=number(document["changes"]) if document.get("changes") is not None else None,
            floor=min(number(row.get("last")) for row in rows) if full else 0,
            notes=notes,
        )

    def keeps(self, mailbox: Mailbox, path: str) -> bool:
        """
        Whether a mailbox can take a name and keep its uidvalidity.

        It can also have back a name that it had itself: its UIDs are the same.
        """
        validity = mailbox.uid_validity
        return validity > self.floor and all(
            validity > last or (validity == last and mailbox.id == owner)
            for last, owner in self.notes.get(_digest(path), ())
        )
