"""
Server sessions for retryable writes.

A write that carries a session's id and the session's next number is carried
out once, however often it is sent (MongoDB's "Retryable Writes"
specification).  A session does one write at a time, so concurrent writes take
one each; given back ones are taken again, the last one first, so that only as
many stay alive as were ever needed at a time.
"""

from __future__ import annotations

import uuid
from collections import deque
from typing import Any

from bson.binary import Binary
from bson.int64 import Int64


class Session:
    """
    @ivar id: value of a command's C{lsid}.
    @ivar used: when it was last given back, in seconds.
    """

    __slots__ = ("_number", "id", "used")

    def __init__(self) -> None:
        self.id: dict[str, Any] = {"id": Binary(uuid.uuid4().bytes, 4)}
        self.used = 0.0
        self._number = 0

    def next_number(self) -> Int64:
        """Value of C{txnNumber} for the next write."""
        self._number += 1
        return Int64(self._number)


class Sessions:
    """The idle sessions of one cluster, the last used one on top."""

    def __init__(self) -> None:
        self._idle: deque[Session] = deque()
        #: Seconds after which the server may have forgotten an idle session
        #: (C{logicalSessionTimeoutMinutes} of its hello), less a minute.
        self.lifetime = 29 * 60.0

    def take(self, now: float) -> Session:
        while self._idle:
            session = self._idle.pop()
            if now - session.used < self.lifetime:
                return session
            # Those below were used even earlier.
            self._idle.clear()
        return Session()

    def give(self, session: Session, now: float) -> None:
        """Give back; not one whose write had no answer, for it may still be running."""
        session.used = now
        self._idle.append(session)

    def drain(self) -> list[dict[str, Any]]:
        """Forget all; @return: the ids, for C{endSessions}."""
        ids = [session.id for session in self._idle]
        self._idle.clear()
        return ids
