"""The client that replays: it finds what it is there to find."""

from __future__ import annotations

from typing import Any

from twisted.trial import unittest

from test.sessions.replay import Replay, Wrong
from test.support.blocking_imap import parse


def replayed(*lines: str, running: str = "NOOP") -> Replay:
    """After untagged responses, two messages at first."""
    replay = Replay()
    for line in ("FLAGS (\\Seen \\Deleted)", "2 EXISTS", "1 RECENT", *lines):
        replay.untagged(parse([line.encode()]), running)
    return replay


_TWO = ("1 FETCH (UID 4 FLAGS (\\Seen))", "2 FETCH (FLAGS (\\Recent) UID 6)")


class ReplayTests(unittest.SynchronousTestCase):
    """Right and wrong conversations."""

    def test_right(self) -> None:
        """Messages come, change and go."""
        replay = replayed(
            *_TWO, "3 EXISTS", "1 EXPUNGE", "2 FETCH (UID 9)", "1 FETCH (FLAGS (\\Deleted \\Recent))"
        )
        self.assertEqual(replay.uids, [6, 9])
        self.assertEqual(replay.differences([(6, frozenset({"\\Deleted"})), (9, frozenset())]), [])
        self.assertEqual(replay.recents, 1)

    def test_differences(self) -> None:
        """In number, UID and flags; what is not known differs from nothing."""
        replay = replayed(*_TWO, "3 EXISTS")
        seen, none = frozenset({"\\Seen"}), frozenset[str]()
        self.assertEqual(replay.differences([(4, seen), (6, none), (7, seen)]), [])
        for truth in (
            [(4, seen), (6, none)],
            [(4, none), (6, none), (7, none)],
            [(5, seen), (6, none), (7, none)],
        ):
            self.assertEqual(len(replay.differences(truth)), 1, truth)
        self.assertEqual(len(replay.differences([(4, seen), (6, none), (5, none)])), 1)

    def test_wrong(self) -> None:
        """Each breaks one rule."""
        wrong = {
            "shrinks without EXPUNGE": ("NOOP", ("1 EXISTS",)),
            "EXPUNGE in FETCH": ("FETCH", ("1 EXPUNGE",)),
            "EXPUNGE in STORE": ("STORE", ("1 EXPUNGE",)),
            "EXPUNGE in SEARCH": ("SEARCH", ("1 EXPUNGE",)),
            "EXPUNGE unasked": ("", ("1 EXPUNGE",)),
            "EXPUNGE of no message": ("NOOP", ("3 EXPUNGE",)),
            "FETCH of no message": ("NOOP", ("3 FETCH (FLAGS ())",)),
            "more recent than there": ("NOOP", ("3 RECENT",)),
            "a number of two messages": ("NOOP", (*_TWO, "1 FETCH (UID 5)")),
            "one message at two numbers": ("NOOP", (_TWO[0], "2 FETCH (UID 4)")),
            "UIDs do not ascend": ("NOOP", (_TWO[1], "1 FETCH (UID 7)")),
            "a UID comes again": ("NOOP", (*_TWO, "2 EXPUNGE", "2 EXISTS", "2 FETCH (UID 6)")),
            "recent no more": ("NOOP", (*_TWO, "2 FETCH (FLAGS ())")),
            "a flag not announced": ("NOOP", ("1 FETCH (FLAGS (new))",)),
            "found beyond the end": ("SEARCH", ("SEARCH 1 3",)),
        }
        for what, (running, lines) in wrong.items():
            replayed(*lines[:-1], running=running)
            try:
                replayed(*lines, running=running)
            except Wrong:
                continue
            self.fail(what)

    def test_store(self) -> None:
        """What a silent STORE does, where it is known which messages it is about."""
        replay = replayed(_TWO[0], "2 FETCH (FLAGS ())")
        replay.store("+", ["\\Deleted"], [(1, None)], by_uid=False)
        self.assertEqual(self._flags(replay), [{"\\Deleted", "\\Seen"}, {"\\Deleted"}])
        replay.store("-", ["\\Seen"], [(4, 4)], by_uid=True)
        self.assertEqual(self._flags(replay), [{"\\Deleted"}, None])
        replay.store("=", [], [(7, None)], by_uid=False)
        self.assertEqual(self._flags(replay), [{"\\Deleted"}, None])

    def _flags(self, replay: Replay) -> list[Any]:
        return [message.flags if message.flags is None else set(message.flags) for message in replay.messages]
