"""
What happens in an account, told to one reader while it happens (spec/api.md §18).

The journal is the truth and pings say when to look (store.md §2); beside its
entries a reader is told how many messages the mailboxes have that they are
about, and what WildDuck's pings say directly (LOGOUT, DROP).
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bson import ObjectId
from twisted.internet.defer import Deferred

from wildduck import limits
from wildduck.mailstore.backend import Backend
from wildduck.mailstore.counting import COUNTED_FIELDS, Counting, Counts
from wildduck.mailstore.journal_reader import Entry, JournalReader, id_at

#: The journal is read no more often than this; what comes meanwhile is read together.
PAUSE_SECONDS = 0.1
#: Mailboxes are counted so long after they changed, and once more later: of a busy one
#: the counters in Redis are asked, which writers adjust after the ping.
COUNT_SECONDS = (0.3, 2.0)
#: Direct commands that wait for a reader that does not read: the journal tells of what they say, too.
COMMANDS = 100


@dataclass(frozen=True, slots=True)
class Changed:
    """
    Journal entries in the order of their ids.

    @ivar entries: C{command} says of what kind each is.
    """

    entries: list[Entry]


@dataclass(frozen=True, slots=True)
class Counted:
    """
    How many messages a mailbox has.

    @ivar place: the last entry before it.
    """

    mailbox: ObjectId
    counts: Counts
    place: ObjectId | None


@dataclass(frozen=True, slots=True)
class Commanded:
    """C{{"command": "LOGOUT" or "DROP", …}} as it was sent."""

    payload: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Missed:
    """
    Entries after the client's last one may have expired: it must look at everything anew.

    @ivar place: where to go on from later.
    """

    place: ObjectId


@dataclass(frozen=True, slots=True)
class Quiet:
    """
    Nothing has happened.

    @ivar place: where to go on from later; C{None} for no need to know.
    """

    place: ObjectId | None


News = Changed | Counted | Commanded | Missed | Quiet


class Feed:
    """
    The news of one account for one reader.

    Nothing is read or kept for a reader that does not take what it is given,
    but for L{COMMANDS} direct commands.
    """

    def __init__(self, backend: Backend, counting: Counting, user: ObjectId, last: ObjectId | None) -> None:
        """@param last: the last entry that the client has had."""
        self._backend = backend
        self._user = user
        self._last = last
        self._reader = JournalReader(backend, user)
        self._stopped = False
        self._woken = True
        self._waiting: Deferred[None] | None = None
        self._commands: deque[Mapping[str, Any]] = deque(maxlen=COMMANDS)
        self._tally = _Tally(backend, counting)
        self._place: ObjectId | None = None
        self._told = 0.0
        self._read = float("-inf")

    def stop(self) -> None:
        """End it, at once if it waits for something to happen."""
        self._stopped = True
        self._wake()

    async def news(self) -> AsyncIterator[News]:
        """
        Ends after L{limits.UPDATES_SECONDS}, after LOGOUT, or by L{stop}.

        The first is there at once: L{Missed}, or L{Quiet}.
        """
        unlisten = self._backend.notifier.listen(self._user, self._changed, self._command)
        try:
            missed = await self._reader.begin(self._last)
            now = self._backend.clock.seconds()
            yield Missed(id_at(now)) if missed else Quiet(None)
            now = self._backend.steady()
            ends, self._told = now + limits.UPDATES_SECONDS, now
            placed = now
            while not self._stopped and self._backend.steady() < ends:
                async for some in self._something():
                    yield some
                now = self._backend.steady()
                if now - self._told >= limits.UPDATES_IDLE_SECONDS:
                    place = self._here() if now - placed >= limits.UPDATES_PLACE_SECONDS else None
                    placed = now if place is not None else placed
                    yield self._telling(Quiet(place))
                await self._wait(ends)
            yield Quiet(self._here())
        finally:
            unlisten()
            self._stopped = True

    # --- what there is ------------------------------------------------------------------

    async def _something(self) -> AsyncIterator[News]:
        now = self._backend.steady()
        pause = PAUSE_SECONDS if self._woken else limits.UPDATES_IDLE_SECONDS
        if now - self._read >= pause:
            self._woken, self._read = False, now
            async for entries in self._reader.read():
                self._place = entries[-1]["_id"]
                self._tally.note(entries)
                yield self._telling(Changed(entries))
                if self._stopped:
                    return
        for mailbox, counts in await self._tally.due():
            yield self._telling(Counted(mailbox, counts, self._place))
        while self._commands and not self._stopped:
            payload = self._commands.popleft()
            if payload.get("command") == "LOGOUT":
                self._stopped = True
            yield self._telling(Commanded(payload))

    def _telling(self, news: News) -> News:
        self._told = self._backend.steady()
        return news

    def _here(self) -> ObjectId | None:
        """
        A place in the journal for a client that had no entry for long.

        What is read lies before it; what may yet appear there is no older than
        a replay goes back.
        """
        if self._woken:
            return None
        here = id_at(self._backend.clock.seconds() - (self._backend.steady() - self._read))
        return here if self._place is None or here > self._place else None

    # --- waiting ------------------------------------------------------------------------

    async def _wait(self, ends: float) -> None:
        """Until there may be something to tell."""
        if self._stopped or self._commands:
            return
        now = self._backend.steady()
        if self._woken:
            until = self._read + PAUSE_SECONDS
        else:
            idle = limits.UPDATES_IDLE_SECONDS
            until = min(self._told + idle, self._read + idle, self._tally.next, ends)
        if until <= now:
            return
        waiting: Deferred[None] = Deferred()
        timer = self._backend.clock.callLater(until - now, self._time)
        self._waiting = waiting
        try:
            await waiting
        finally:
            self._waiting = None
            if timer.active():
                timer.cancel()

    def _time(self) -> None:
        if self._waiting is not None:
            waiting, self._waiting = self._waiting, None
            waiting.callback(None)

    def _wake(self) -> None:
        self._time()

    def _changed(self) -> None:
        """A ping.  While one waits to be followed up the pause goes on."""
        if not self._woken:
            self._woken = True
            self._wake()

    def _command(self, payload: Mapping[str, Any]) -> None:
        self._commands.append(payload)
        self._wake()


class _Tally:
    """The mailboxes whose counters may have changed, and what was told of them."""

    def __init__(self, backend: Backend, counting: Counting) -> None:
        self._backend = backend
        self._counting = counting
        #: Of each mailbox how often it was looked at since it changed, and when it is next.
        self._pending: dict[ObjectId, tuple[int, float]] = {}
        self._told: dict[ObjectId, Counts] = {}

    def note(self, entries: Iterable[Entry]) -> None:
        """See which mailboxes have other numbers now."""
        due = self._backend.steady() + COUNT_SECONDS[0]
        for entry in entries:
            mailbox = entry.get("mailbox")
            if not isinstance(mailbox, ObjectId):
                continue
            if entry.get("command") == "DELETE":
                self._pending.pop(mailbox, None)
                self._told.pop(mailbox, None)
            elif _counts(entry):
                looked, at = self._pending.get(mailbox, (0, due))
                self._pending[mailbox] = (0, due if looked else min(at, due))
                self._told.pop(mailbox, None)

    @property
    def next(self) -> float:
        """When something is due."""
        return min((at for _, at in self._pending.values()), default=float("inf"))

    async def due(self) -> list[tuple[ObjectId, Counts]]:
        """The counters that are to be told now."""
        now = self._backend.steady()
        mailboxes = [mailbox for mailbox, (_, at) in self._pending.items() if at <= now]
        if not mailboxes:
            return []
        for mailbox in mailboxes:
            looked, _ = self._pending.pop(mailbox)
            if looked + 1 < len(COUNT_SECONDS):
                self._pending[mailbox] = (looked + 1, now + COUNT_SECONDS[looked + 1])
        documents = await self._backend.main.find(
            "mailboxes", {"_id": {"$in": mailboxes}}, projection=COUNTED_FIELDS, limit=len(mailboxes)
        )
        found = await self._counting.counts(documents)
        told = [(mailbox, counts) for mailbox, counts in found.items() if self._told.get(mailbox) != counts]
        self._told.update(told)
        for mailbox in [mailbox for mailbox in self._told if mailbox not in self._pending]:
            del self._told[mailbox]
        return told


def _counts(entry: Entry) -> bool:
    """Whether an entry is about the numbers of messages."""
    if entry.get("command") in ("EXISTS", "EXPUNGE"):
        return True
    return bool(entry.get("unseenChange")) or entry.get("command") == "FETCH" and bool(entry.get("unseen"))
