"""
What the client takes HIGHESTMODSEQ to be (RFC 7162 §6).

When a tagged response comes it takes the highest of the MODSEQs that FETCH
responses told, or what the last HIGHESTMODSEQ response code said, even if that
is lower.  Should it come back with a value that is too high, it would never learn
of changes below it that it was not told.  So before each tagged response the
server compares: with a hole in the sequence of MODSEQs, with an EXPUNGE that may
not be told yet, with what another session has learnt meanwhile, a lower value
has to be said.
"""

from __future__ import annotations


class HighestModseq:
    """For the selected mailbox of one session that knows MODSEQs."""

    def __init__(self) -> None:
        self._known = 0
        self._owed = False
        self._lowered = False

    def said(self, modseq: int) -> None:
        """The response code was sent."""
        self._lowered = self._known > modseq
        self._known = modseq
        self._owed = False

    def told(self, modseq: int) -> None:
        """A FETCH response with a MODSEQ was sent."""
        if modseq > self._known:
            self._known = modseq

    def owe(self) -> None:
        """The client must hear the value that will be right before the tagged response."""
        self._owed = True

    def due(self, modseq: int) -> bool:
        """
        Whether the response code must be sent now.

        @param modseq: up to it the client was told of every change.
        """
        if self._known > modseq or self._owed:
            return True
        # The reason for a low value has gone.
        return self._lowered and self._known < modseq
