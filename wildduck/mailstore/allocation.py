"""
Taking UIDs and MODSEQs, and giving them up.

Both counters of a mailbox move in one atomic update, so that a later UID never
has an earlier MODSEQ.  The same update keeps the mark of store.md §2 in a field
of ours, C{native}::

    {modseq, uid}   the mark: every MODSEQ up to it, and every UID below it, is
                    visible or will never be; only raised
    {index, next}   the counters after our last allocation
    {time}          when that was, by the database's clock
    {foreign}       when we last found that somebody else (WildDuck) had taken numbers
    {recent}        the first UID that nobody was told of (L{wildduck.mailstore.recent})
    {taker}         names the last update that has taken numbers as expected
                    (L{wildduck.mailstore.expected})

If nobody has taken a number for longer than any writer may hold one, all that
were taken are decided, and the writer raises the mark itself.  A reader that
comes to a mailbox which nobody had open for long so has few holes to wait for.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bson import ObjectId

from wildduck.database import Line, WriteGroup
from wildduck.errors import DatabaseFailure, LimitReached, MailboxNotFound, Overloaded, Unavailable
from wildduck.limits import MAX_UID, MODSEQ_HOLE_SECONDS
from wildduck.mailstore.backend import Backend
from wildduck.mailstore.expected import Expected, take_one
from wildduck.mailstore.journal import unused_entry
from wildduck.mailstore.values import MAILBOX_FIELDS, Mailbox, number

#: An allocated number must be in use by then, or it is thrown away (store.md §2).
HOLD_SECONDS = MODSEQ_HOLE_SECONDS / 2
#: MongoDB's codes for adding to what is no number.
_NO_NUMBER = (14, 16554)


@dataclass(frozen=True, slots=True)
class Allocation:
    """
    Numbers that one writer has, and nobody else.

    @ivar mailbox: the mailbox after the allocation.
    @ivar uid: the first UID, 0 when none was asked for.
    @ivar modseq: the first MODSEQ.
    @ivar taken: when, in seconds of the backend's steady clock.
    """

    mailbox: Mailbox
    uid: int
    modseq: int
    modseqs: int
    taken: float

    def overdue(self, now: float) -> bool:
        """Whether readers may soon take these numbers for a hole."""
        return now - self.taken >= HOLD_SECONDS


def advance(uids: int, modseqs: int) -> list[dict[str, Any]]:
    """The update: a pipeline, because the mark depends on the counters before."""
    unbroken = [{"$eq": ["$native.index", "$modifyIndex"]}, {"$eq": ["$native.next", "$uidNext"]}]
    settled = {
        "$and": [
            *unbroken,
            {"$gt": [{"$subtract": ["$$NOW", "$native.time"]}, int(MODSEQ_HOLE_SECONDS * 1000)]},
        ]
    }
    modify_index = {"$add": ["$modifyIndex", modseqs]}
    uid_next = {"$add": ["$uidNext", uids]}
    native = {
        "modseq": {"$cond": [settled, "$modifyIndex", "$native.modseq"]},
        "uid": {"$cond": [settled, "$uidNext", "$native.uid"]},
        "index": modify_index,
        "next": uid_next,
        "time": "$$NOW",
        "foreign": {"$cond": [{"$and": unbroken}, {"$ifNull": ["$native.foreign", "$$REMOVE"]}, "$$NOW"]},
    }
    return [{"$set": {"native": native, "modifyIndex": modify_index, "uidNext": uid_next}}]


async def allocate(
    backend: Backend,
    mailbox: Mailbox,
    *,
    uids: int = 0,
    modseqs: int = 1,
    group: WriteGroup | None = None,
    line: Line | None = None,
) -> Allocation:
    """
    Take numbers of a mailbox.

    @param line: on which they are asked for.
    @raise MailboxNotFound: it has been deleted meanwhile, or renamed if it was only remembered.
    @raise LimitReached: its UIDs are used up (RFC 3501 §2.3.1.1: 32 bits).
    """
    taken = backend.steady()
    single = uids == 1 and modseqs == 1
    expected = backend.expected.take(mailbox) if single else None
    if expected is not None and expected.uid_next <= MAX_UID:
        found = await _take_expected(backend, expected, taken, group, line)
        if found is not None:
            return found
    document = await _advance(backend, mailbox, uids, modseqs, group, line)
    if not (_is_number(document.get("uidNext")) and _is_number(document.get("modifyIndex"))):
        await _mend_counters(backend, mailbox)
        document = await _advance(backend, mailbox, uids, modseqs, group)
    if single:
        backend.expected.note(document)
    after = Mailbox.from_document(document)
    if uids and after.uid_next - 1 > MAX_UID:
        raise LimitReached("This mailbox has no more UIDs")
    return Allocation(
        mailbox=after,
        uid=after.uid_next - uids if uids else 0,
        modseq=number(document["modifyIndex"]) - modseqs + 1,
        modseqs=modseqs,
        taken=taken,
    )


async def _take_expected(
    backend: Backend, expected: Expected, taken: float, group: WriteGroup | None, line: Line | None
) -> Allocation | None:
    """@return: C{None} where the counters are not as expected any more."""
    taker, after = ObjectId(), expected.after(taken)
    numbers = Allocation(
        Mailbox.from_document(after.document), expected.uid_next, after.modify_index, 1, taken
    )
    try:
        # The filter names the counters, which only grow: what was done does not match again.
        done = await backend.main.update_one(
            "mailboxes", expected.filter(), take_one(taker), group=group, numbered=False, line=line
        )
    except Unavailable:
        backend.background(_give_up_if_taken(backend, numbers, taker))
        raise
    if not done.matched:
        # Sent twice, and done at the first time?
        if group is None or not group.repeated or not await _has_taken(backend, numbers, taker):
            return None
    backend.expected.keep(after)
    return numbers


async def _give_up_if_taken(backend: Backend, allocation: Allocation, taker: ObjectId) -> None:
    try:
        if await _has_taken(backend, allocation, taker):
            await give_up(backend, allocation)
    except (Unavailable, Overloaded):
        return


async def _has_taken(backend: Backend, allocation: Allocation, taker: ObjectId) -> bool:
    """
    Whether an update whose answer was lost has been done, for good.

    C{False}, too, if another one came after it.
    """
    found = await backend.main.find_one_majority("mailboxes", {"_id": allocation.mailbox.id})
    native = (found or {}).get("native")
    return isinstance(native, dict) and native.get("taker") == taker


async def _advance(
    backend: Backend,
    mailbox: Mailbox,
    uids: int,
    modseqs: int,
    group: WriteGroup | None,
    line: Line | None = None,
) -> dict[str, Any]:
    """The mailbox with its counters advanced; counters that are no numbers are left as they are."""
    filter: dict[str, Any] = {"_id": mailbox.id, "user": mailbox.user}
    if mailbox.remembered:
        filter["path"] = mailbox.path
    try:
        document = await backend.main.find_one_and_update(
            "mailboxes",
            filter,
            advance(uids, modseqs),
            projection=MAILBOX_FIELDS,
            return_after=True,
            group=group,
            line=line,
        )
    except DatabaseFailure as error:
        if error.code not in _NO_NUMBER:
            raise
        document = await backend.main.find_one("mailboxes", filter, projection=MAILBOX_FIELDS)
    if document is None:
        raise MailboxNotFound()
    return document


async def _mend_counters(backend: Backend, mailbox: Mailbox) -> None:
    """Give a mailbox whose counters are lost such as nothing in it has had yet."""
    main, there = backend.main, {"mailbox": mailbox.id}
    newest = await main.find_one("messages", there, projection={"uid": True}, sort=[("uid", -1)])
    latest = [
        await main.find_one(name, there, projection={"modseq": True}, sort=[("modseq", -1)])
        for name in ("messages", "journal")
    ]
    values = {
        "uidNext": number((newest or {}).get("uid")) + 1,
        "modifyIndex": max(number((row or {}).get("modseq")) for row in latest) + 1,
    }
    for name, value in values.items():
        lost = {"_id": mailbox.id, "$nor": [{name: {"$type": "number"}}]}
        await main.update_one("mailboxes", lost, {"$set": {name: value}}, idempotent=True)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


async def allocate_in_time(
    backend: Backend,
    mailbox: Mailbox,
    *,
    uids: int = 0,
    modseqs: int = 1,
    group: WriteGroup | None = None,
) -> Allocation:
    """As L{allocate}, until the numbers come while they still may be used."""
    while True:
        allocation = await allocate(backend, mailbox, uids=uids, modseqs=modseqs, group=group)
        if not allocation.overdue(backend.steady()):
            return allocation
        await give_up(backend, allocation)


async def stay_taken(
    backend: Backend, mailbox: ObjectId, uid: int, modseq: int, group: WriteGroup | None = None
) -> None:
    """
    Raise the counters beyond numbers that a message has for good; repeatable.

    A failover may have taken back the increment that gave them.  When the message
    is gone one day, another one would get them again.

    @param uid: the highest of them.
    @param modseq: likewise.
    """
    least = {"uidNext": uid + 1, "native.next": uid + 1, "modifyIndex": modseq, "native.index": modseq}
    await backend.main.update_one(
        "mailboxes", {"_id": mailbox}, {"$max": least}, group=group, idempotent=True
    )


async def rows_stay_taken(
    backend: Backend, mailbox: ObjectId, rows: Sequence[Mapping[str, Any]], group: WriteGroup
) -> None:
    """
    L{stay_taken} for messages that were found to be there, if any were.

    @param rows: with C{uid} and C{modseq}.
    """
    if rows:
        uid = max(number(row["uid"]) for row in rows)
        modseq = max(number(row["modseq"]) for row in rows)
        await stay_taken(backend, mailbox, uid, modseq, group)


async def give_up(backend: Backend, allocation: Allocation, used: Container[int] = ()) -> None:
    """
    Tell readers that these numbers will never be used, so that none waits for them.

    Where that does not succeed they wait: L{MODSEQ_HOLE_SECONDS}.

    @param used: those of its MODSEQs that are in use, each with its UID.
    """
    mailbox = allocation.mailbox
    entries = [
        unused_entry(
            mailbox.user,
            mailbox.id,
            allocation.modseq + n,
            allocation.uid + n if allocation.uid else 0,
            backend.now(),
        )
        for n in range(allocation.modseqs)
        if allocation.modseq + n not in used
    ]
    if not entries:
        return
    try:
        await backend.main.insert_many("journal", entries)
    except (Unavailable, Overloaded):
        return


async def raise_mark(backend: Backend, mailbox: ObjectId, modseq: int, uid: int) -> None:
    """
    Keep what a reader knows, for the next one; repeatable.

    @param modseq: every change up to it is visible or will never be.
    @param uid: every message below it is visible or will never be.
    """
    await backend.main.update_one(
        "mailboxes", {"_id": mailbox}, {"$max": {"native.modseq": modseq, "native.uid": uid}}
    )
