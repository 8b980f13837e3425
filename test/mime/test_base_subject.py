"""Tests of L{wildduck.mime.base_subject}."""

from __future__ import annotations

import re

from hypothesis import given, strategies as st
from twisted.trial.unittest import SynchronousTestCase

from test.support.chance import by_chance
from wildduck.mime.base_subject import BaseSubject, base_subject

_BLOB = r"\[[^\[\]]*\][ \t]*"
_LEADER = rf"(?:{_BLOB})*(?:re|fwd?)[ \t]*(?:{_BLOB})?:"


def literally(subject: str) -> BaseSubject:
    """RFC 5256 §2.1, step by step."""
    text = re.sub(r"[ \t\r\n]+", " ", subject)
    answers = False
    while True:
        while (trailer := re.search(r"(?:\(fwd\)|[ \t])\Z", text, re.I)) is not None:
            answers = answers or trailer.group() != " "
            text = text[: trailer.start()]
        while True:
            leader = re.match(_LEADER, text, re.I)
            blob = re.match(_BLOB, text)
            if leader is not None:
                answers, text = True, text[leader.end() :]
            elif text[:1] in (" ", "\t"):
                text = text[1:]
            elif blob is not None and text[blob.end() :]:
                text = text[blob.end() :]
            else:
                break
        if not (text.lower().startswith("[fwd:") and text.endswith("]")):
            return BaseSubject(text, answers)
        text, answers = text[5:-1], True


PIECES = (
    "re",
    "Re:",
    "fw",
    "FWD",
    "fwd:",
    ":",
    "[",
    "]",
    "[list]",
    "[fwd:",
    "(fwd)",
    " ",
    "\t",
    "\r\n ",
    "x",
    "é",
)


class BaseSubjectTests(SynchronousTestCase):
    def test_known(self) -> None:
        """Replies, forwards, lists and blanks are taken off; what is within a word is not."""
        for subject, text, answers in [
            ("", "", False),
            ("  Hello \t world ", "Hello world", False),
            ("Re: Hello", "Hello", True),
            ("RE : re:fwd:Fw: Hello", "Hello", True),
            ("Re[2]: Hello", "Hello", True),
            ("Re [x] : Hello", "Hello", True),
            ("[list] Hello", "Hello", False),
            ("[list] Re: [other] Hello", "Hello", True),
            ("[a][b] [c]", "[c]", False),
            ("[only]", "[only]", False),
            ("Re:", "", True),
            ("Hello (fwd)", "Hello", True),
            ("Hello (FWD) (fwd) ", "Hello", True),
            ("[Fwd: Re: Hello]", "Hello", True),
            ("[list] [fwd: [x] Hello (fwd)]", "Hello", True),
            ("[fwd: [fwd: Hello]]", "Hello", True),
            ("[fwd:]", "", True),
            ("reply: Hello", "reply: Hello", False),
            ("Hello\r\n\tRe: world", "Hello Re: world", False),
            ("[[x]] y", "[[x]] y", False),
        ]:
            self.assertEqual(base_subject(subject), BaseSubject(text, answers), subject)

    @by_chance(330)
    @given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
    def test_as_the_steps_say(self, subject: str) -> None:
        """The result is that of the RFC's steps, one after the other."""
        self.assertEqual(base_subject(subject), literally(subject))

    def test_effort(self) -> None:
        """A subject made to take long is done in a moment; by looking again and again it would take hours."""
        for piece in ("[a]", "[", "re:", "[fwd:", "(fwd)", "re [", " re"):
            base_subject(piece * 100_000)
