"""The client that replays: it finds what it is there to find."""

from __future__ import annotations

from typing import Any

from twisted.trial import unittest

from test.sessions.by_uid import UidReplay
from test.sessions.modes import MODES
from test.sessions.replay import Replay, Wrong
from test.support.blocking_imap import parse


def replayed(*lines: str, running: str = "NOOP", kind: type[Replay] = Replay, mode: str = "plain") -> Replay:
    """After untagged responses, two messages at first."""
    replay = kind(MODES[mode])
    recent = () if replay.mode.rev2 else ("1 RECENT",)
    for line in ("FLAGS (\\Seen \\Deleted)", "2 EXISTS", *recent, *lines):
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
            "VANISHED in STORE": ("STORE", (*_TWO, "VANISHED 4")),
            "VANISHED unasked": ("", (*_TWO, "VANISHED 4")),
            "vanished twice": ("NOOP", (*_TWO, "VANISHED 4", "VANISHED 4")),
            "vanished and never there": ("NOOP", (*_TWO, "VANISHED 5")),
            "a MODSEQ falls": ("NOOP", ("1 FETCH (MODSEQ (7))", "1 FETCH (MODSEQ (6))")),
        }
        for what, (running, lines) in wrong.items():
            replayed(*lines[:-1], running=running)
            try:
                replayed(*lines, running=running)
            except Wrong:
                continue
            self.fail(what)

    def test_searches(self) -> None:
        """SEARCH, or in IMAP4rev2 ESEARCH, of what is there."""
        answers = {
            "plain": (("SEARCH", "SEARCH 1 2"), ("UID SEARCH", "SEARCH 4 6"), ("SEARCH", "SEARCH")),
            "rev2": (
                ("SEARCH", 'ESEARCH (TAG "a") ALL 1:2'),
                ("UID SEARCH", 'ESEARCH (TAG "a") UID ALL 4,6'),
                ("UID SEARCH", 'ESEARCH (TAG "a") UID'),
            ),
        }
        two = tuple(line.replace("\\Recent", "") for line in _TWO)
        for mode, other in (("plain", "rev2"), ("rev2", "plain")):
            for running, line in answers[mode]:
                replayed(*two, line, running=running, mode=mode)
                with self.assertRaises(Wrong):
                    replayed(*two, line, running="NOOP", mode=mode)
                with self.assertRaises(Wrong):
                    replayed(*two, line, running=running, mode=other)
        for running, line in (
            ("SEARCH", 'ESEARCH (TAG "a") ALL 1:3'),
            ("SEARCH", 'ESEARCH (TAG "a") UID ALL 1'),
            ("SEARCH", 'ESEARCH (TAG "a") COUNT 1'),
            ("UID SEARCH", 'ESEARCH (TAG "a") UID ALL 4:5'),
            ("UID SEARCH", 'ESEARCH (TAG "a") ALL 4'),
        ):
            with self.assertRaises(Wrong):
                replayed(*two, line, running=running, mode="rev2")

    def test_rev2(self) -> None:
        """Nothing is recent, and what is told unasked has its UID."""
        news = "1 FETCH (FLAGS (\\Seen))"
        replayed(news, running="STORE", mode="rev2")
        replayed(news, running="NOOP", mode="qresync")
        replayed("1 FETCH (UID 4 FLAGS (\\Seen))", running="NOOP", mode="rev2")
        for running, line, mode in (
            ("NOOP", news, "rev2"),
            ("UID STORE", news, "rev2"),
            ("", news, "notify"),
            ("NOOP", "0 RECENT", "rev2"),
            ("FETCH", "1 FETCH (FLAGS (\\Recent))", "rev2"),
        ):
            with self.assertRaises(Wrong):
                replayed(line, running=running, mode=mode)

    def test_store(self) -> None:
        """What a silent STORE does, where it is known which messages it is about."""
        replay = replayed(_TWO[0], "2 FETCH (FLAGS ())")
        replay.store("+", ["\\Deleted"], [(1, None)], by_uid=False)
        self.assertEqual(self._flags(replay), [{"\\Deleted", "\\Seen"}, {"\\Deleted"}])
        replay.store("-", ["\\Seen"], [(4, 4)], by_uid=True)
        self.assertEqual(self._flags(replay), [{"\\Deleted"}, None])
        replay.store("=", [], [(7, None)], by_uid=False)
        self.assertEqual(self._flags(replay), [{"\\Deleted"}, None])

    def test_vanished(self) -> None:
        """By UID; of messages whose UIDs are not known it is not known which is left."""
        replay = replayed(*_TWO, "3 EXISTS", "VANISHED 4,9")
        self.assertEqual((replay.uids, len(replay.messages), replay.recents), ([6], 1, 1))
        replay = replayed(_TWO[0], "3 EXISTS", "2 FETCH (FLAGS (\\Seen))", "3 FETCH (FLAGS ())", "VANISHED 6")
        self.assertEqual(self._flags(replay), [{"\\Seen"}, None])

    def test_resumed(self) -> None:
        """What QRESYNC tells goes on from what was known."""
        seen, none = frozenset({"\\Seen"}), frozenset[str]()
        known = {2: none, 3: seen, 4: seen, 6: none}
        told = ("VANISHED (EARLIER) 1,3:4", "2 FETCH (UID 6 FLAGS (\\Seen) MODSEQ (9))")
        replay = replayed(*told)
        replay.resume(known)
        self.assertEqual(replay.complete(), {2: none, 6: seen})
        self.assertEqual(replay.modseq, 9)
        for lines in (told[1:], ("VANISHED (EARLIER) 3", told[1]), (*told, "VANISHED (EARLIER) 6")):
            self.assertRaises(Wrong, replayed(*lines).resume, known)

    def test_uids_only(self) -> None:
        """No sequence numbers."""
        replay = replayed("9 UIDFETCH (FLAGS (\\Seen))", "4 UIDFETCH (FLAGS ())", kind=UidReplay)
        self.assertEqual(replay.uids, [4, 9])
        self.assertEqual(replay.differences([(4, frozenset()), (9, frozenset({"\\Seen"}))]), [])
        self.assertEqual(len(replay.differences([(4, frozenset()), (8, frozenset({"\\Seen"}))])), 1)
        for line in ("1 FETCH (FLAGS ())", "1 EXPUNGE", "VANISHED 5", "5 UIDFETCH (FLAGS ())"):
            with self.assertRaises(Wrong):
                replay.untagged(parse([line.encode()]), "NOOP")

    def test_uids_only_resumed(self) -> None:
        """QRESYNC, where what was told comes before what was known."""
        seen, none = frozenset({"\\Seen"}), frozenset[str]()
        told = ("VANISHED (EARLIER) 3", "6 UIDFETCH (FLAGS (\\Seen) MODSEQ (9))")
        replay = replayed(*told, kind=UidReplay, mode="uidonly qresync")
        replay.resume({2: none, 3: seen, 6: none})
        self.assertEqual(replay.complete(), {2: none, 6: seen})
        self.assertEqual(replay.uids, [2, 6])
        for lines in (told[1:], (*told, "VANISHED (EARLIER) 2,6")):
            with self.assertRaises(Wrong):
                replayed(*lines, kind=UidReplay, mode="uidonly qresync").resume({2: none, 3: seen, 6: none})

    def _flags(self, replay: Replay) -> list[Any]:
        return [message.flags if message.flags is None else set(message.flags) for message in replay.messages]
