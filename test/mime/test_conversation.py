"""Tests for what links messages to conversations."""

from __future__ import annotations

import base64
import hashlib

from hypothesis import given, strategies as st
from twisted.trial import unittest

from test.support.chance import by_chance
from wildduck.mime import conversation


def hashed(value: str) -> str:
    return base64.b64encode(hashlib.sha1(value.encode()).digest()).decode().rstrip("=")


class IdTests(unittest.TestCase):
    """Hashes of ids (spec/schema.md §4)."""

    def test_all(self) -> None:
        """All ids of a message, each once, without their brackets."""
        header = {
            "message-id": "<a@b>",
            "in-reply-to": "<c@d>",
            "thread-index": "0123456789012345678901234567",
            "references": ["<old@x>", "<e@f> <c@d>\t<a@b>"],
        }
        expected = ["a@b", "c@d", "0123456789012345678901", "e@f"]
        self.assertEqual(conversation.ids(header), [hashed(value) for value in expected])

    def test_none(self) -> None:
        """A message without ids has none."""
        self.assertEqual(conversation.ids({}), [])
        self.assertEqual(conversation.ids({"message-id": "<>", "references": []}), [])

    def test_bound(self) -> None:
        """No more than ten are taken."""
        self.assertEqual(len(conversation.ids({"references": "<a> " + " ".join(map(str, range(10**5)))})), 10)


class SubjectTests(unittest.TestCase):
    """Subjects without what replies put around them (spec/schema.md §4)."""

    def test_table(self) -> None:
        """Prefixes, tags and a forward's suffix go, in any order and number."""
        for text, expected in (
            ("hello", "hello"),
            ("Re: hello", "hello"),
            (" RE : re:Re: a   b", "a b"),
            ("Re: [list] Fwd: t1 (fwd)", "t1"),
            ("FW: Fwd: x (fwd) (FWD)", "x"),
            ("[EXTERNAL] [list] x", "x"),
            ("[only a tag]", "[only a tag]"),
            ("Re: [only a tag]", "[only a tag]"),
            ("[open", "[open"),
            ("regarding: x", "regarding: x"),
            ("Re:", ""),
            ("(fwd)", ""),
            ("", ""),
            ("$where", "$where"),
        ):
            self.assertEqual(conversation.subject(text), expected, text)

    @by_chance(50)
    @given(st.text(st.sampled_from("re: fwd[]()x "), max_size=60))
    def test_fixed_point(self, text: str) -> None:
        """What is left is left as it is the next time, for almost any text."""
        once = conversation.subject(text)
        self.assertLessEqual(len(conversation.subject(once)), len(once))

    def test_long(self) -> None:
        """Subjects that are nothing but prefixes take linear time."""
        for text in ("re:" * 5000, "[" * 16_000, "[x]" * 5000, "x" + "(fwd)" * 3000, "re" + " " * 16_000):
            conversation.subject(text)
