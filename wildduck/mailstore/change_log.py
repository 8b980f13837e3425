"""
What became known of an open mailbox, in order, and how far each of its readers is.

Events are kept until the slowest reader has passed them, and no longer than a
bound allows: a reader who falls behind it is lost, and finds out for himself
what has changed (L{View <wildduck.mailstore.view.View>}).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from wildduck.limits import INDEX_LOG_EVENTS


@dataclass(frozen=True, slots=True)
class Came:
    """A message is there."""

    uid: int


@dataclass(frozen=True, slots=True)
class Went:
    """A message is gone."""

    uid: int


@dataclass(frozen=True, slots=True)
class Changed:
    """
    The flags of a message are others.

    @ivar origin: the view whose session did it and knows.
    """

    uid: int
    origin: object = None


Event = Came | Went | Changed


class Reader:
    """A place in a log, to be moved on by L{take}."""

    __slots__ = ("_log", "position")

    def __init__(self, log: ChangeLog) -> None:
        self._log = log
        self.position = log.end

    def take(self) -> list[Event] | None:
        """What became known since the last call; C{None} if some of that is no longer kept."""
        return self._log.take(self)

    def close(self) -> None:
        """Read no more; nothing is kept for this reader."""
        self._log.leave(self)


class ChangeLog:
    """
    @ivar end: the position after the last event.
    """

    def __init__(self, most: int = INDEX_LOG_EVENTS) -> None:
        """@param most: events kept for a reader who does not read."""
        self._most = most
        self._events: list[Event] = []
        self._start = 0
        self._readers: set[Reader] = set()

    def __len__(self) -> int:
        """Number of events kept."""
        return len(self._events)

    @property
    def end(self) -> int:
        return self._start + len(self._events)

    def join(self) -> Reader:
        """A reader of all that becomes known from now on."""
        reader = Reader(self)
        self._readers.add(reader)
        return reader

    def leave(self, reader: Reader) -> None:
        self._readers.discard(reader)
        self._trim()

    def add(self, events: Iterable[Event]) -> None:
        """These became known, in this order."""
        if not self._readers:
            self._start += sum(1 for _ in events)
            return
        self._events.extend(events)
        if len(self._events) > self._most:
            self._forget(len(self._events) - self._most // 2)

    def take(self, reader: Reader) -> list[Event] | None:
        """See L{Reader.take}."""
        position, reader.position = reader.position, self.end
        if position < self._start:
            return None
        events = self._events[position - self._start :]
        if events and position == self._start:
            self._trim()
        return events

    def _trim(self) -> None:
        """Forget what all readers have passed."""
        slowest = min((reader.position for reader in self._readers), default=self.end)
        if slowest > self._start:
            self._forget(slowest - self._start)

    def _forget(self, count: int) -> None:
        del self._events[:count]
        self._start += count
