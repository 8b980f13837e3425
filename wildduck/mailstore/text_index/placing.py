"""Where a segment's messages are among those that a search knows."""

from __future__ import annotations

from array import array
from bisect import bisect_left

from wildduck.mailstore.search import masks


class Placing:
    """
    From sets of a segment's messages to sets of a search's (L{masks}).

    @ivar covered: the segment's messages that the search knows.
    """

    def __init__(self, known: array[int], uids: array[int]) -> None:
        """
        @param known: UIDs of the search's messages, ascending.
        @param uids: of the segment's, likewise.
        """
        count = len(uids)
        self._uids = uids
        self._start = bisect_left(known, uids[0]) if count else 0
        among = known[self._start : self._start + count]
        #: The search's messages between the segment's first and last, where these are not the same.
        self._among: array[int] | None = None
        if among != uids:
            self._among = known[self._start : bisect_left(known, uids[-1] + 1)]
        self.covered = self.mask((1 << count) - 1)

    def mask(self, found: int) -> int:
        """@param found: a set of the segment's messages."""
        if self._among is None:
            return found << self._start
        those = set(masks.pick(found, self._uids, len(self._uids)))
        return masks.of_truths(bytes(map(those.__contains__, self._among))) << self._start
