"""Tests of L{wildduck.mailstore.search.trees} and L{wildduck.mailstore.search.references}."""

from __future__ import annotations

from typing import Any

from hypothesis import given, strategies as st
from twisted.trial.unittest import SynchronousTestCase

from test.mailstore.search.literal_references import thread
from test.support.chance import by_chance
from wildduck.mailstore.search.references import by_references
from wildduck.mailstore.search.trees import Message, by_subject

IDS = st.sampled_from("abcdefgh")
#: Few ids, subjects and times, so that they meet.
mailboxes = st.lists(
    st.tuples(
        st.sampled_from(["", "X", "Y"]),
        st.booleans(),
        st.integers(0, 4),
        st.none() | IDS,
        st.lists(IDS, max_size=4).map(tuple),
    ),
    max_size=10,
).map(lambda rows: [Message(number, *row) for number, row in enumerate(rows, 1)])


def message(number: int, id: str, *references: str, subject: str = "", sent: int = 0) -> Message:
    return Message(number, subject or id, bool(references), sent or number, id, references)


class ReferencesTests(SynchronousTestCase):
    def test_answers(self) -> None:
        """Answers are below what they answer, wherever they are in the mailbox."""
        messages = [message(1, "c", "a", "b"), message(2, "a"), message(3, "b", "a"), message(4, "d", "a")]
        self.assertEqual(by_references(messages), [(2, [(3, [(1, [])]), (4, [])])])

    def test_missing(self) -> None:
        """Two answers to what is not there are siblings; one alone stands for itself."""
        self.assertEqual(
            by_references([message(1, "b", "a"), message(2, "c", "a")]), [(None, [(1, []), (2, [])])]
        )
        self.assertEqual(by_references([message(1, "b", "a")]), [(1, [])])

    def test_same_subject(self) -> None:
        """Conversations of one subject are one: answers below the first, equals beside each other."""
        first = Message(1, "S", False, 5, "a")
        answer = Message(2, "S", True, 3, "b")
        other = Message(3, "S", False, 7, "c")
        self.assertEqual(by_references([first, answer]), [(1, [(2, [])])])
        self.assertEqual(by_references([first, other]), [(None, [(1, []), (3, [])])])
        self.assertEqual(by_references([first, answer, other]), [(None, [(1, [(2, [])]), (3, [])])])

    def test_loop(self) -> None:
        """Messages that name each other make no loop."""
        self.assertEqual(by_references([message(1, "a", "b"), message(2, "b", "a")]), [(2, [(1, [])])])
        self.assertEqual(by_references([message(1, "a", "a")]), [(1, [])])

    @by_chance(500)
    @given(mailboxes)
    def test_as_the_steps_say(self, messages: list[Message]) -> None:
        """The trees are those of a literal transcription of RFC 5256's steps."""
        self.assertEqual(by_references(messages), thread(messages))

    def test_long(self) -> None:
        """A conversation as deep as the mailbox is long, from either end."""
        count = 5000
        ids = [f"{n}@x" for n in range(count)]
        down = [message(n + 1, ids[n], *ids[max(0, n - 10) : n], subject="S") for n in range(count)]
        up = [message(count - n, *down[n][4:5], *down[n].references, subject="S") for n in range(count)]
        for messages in (down, sorted(up)):
            tree: Any = by_references(messages)
            depth = 0
            while tree:
                self.assertEqual(len(tree), 1)
                tree, depth = tree[0][1], depth + 1
            self.assertEqual(depth, count)


class SubjectTests(SynchronousTestCase):
    def test_groups(self) -> None:
        """The first sent of a subject, and below it the others in the order sent."""
        messages = [
            Message(1, "A", False, 5),
            Message(2, "B", False, 4),
            Message(3, "A", True, 3),
            Message(4, "A", True, 9),
            Message(5, "C", True, 4),
            Message(6, "A", True, 5),
        ]
        self.assertEqual(by_subject(messages), [(3, [(1, []), (6, []), (4, [])]), (2, []), (5, [])])

    @by_chance(50)
    @given(mailboxes)
    def test_as_the_rfc_says(self, messages: list[Message]) -> None:
        """Sorted by subject and time, split at each other subject, sorted by the first of each."""
        by_both = sorted(messages, key=lambda one: (one.subject, one.sent, one.number))
        threads: list[list[Message]] = []
        for one in by_both:
            if threads and threads[-1][0].subject == one.subject:
                threads[-1].append(one)
            else:
                threads.append([one])
        threads.sort(key=lambda found: (found[0].sent, found[0].number))
        expected = [(first.number, [(one.number, []) for one in rest]) for first, *rest in threads]
        self.assertEqual(by_subject(messages), expected)
