"""A command with anything behind its end is no command: nothing is executed in part (anchors: §4.3)."""

from __future__ import annotations

from hypothesis import given, strategies as st
from twisted.trial.unittest import SynchronousTestCase

from test.imap.grammar import strategies
from test.imap.grammar.feeding import whole
from test.support.chance import by_chance
from wildduck.imap.grammar.reader import Failure, MessageWanted
from wildduck.imap.grammar.values import Request

#: No command goes on like this, whatever it is.
TAILS = st.sampled_from([b" (", b" )", b"\x00", b"\r", b' "', b" {1", b" {1+}", b"\t", b"  "])
#: Commands without arguments and with them, and those with a message.
ANY = strategies.any_requests


def message(request: Request) -> bytes:
    """As a client sends it, without its last CRLF."""
    return request.compose().removesuffix(b"\r\n")


class TailTests(SynchronousTestCase):
    @by_chance(70)
    @given(ANY, TAILS)
    def test_junk(self, request: Request, tail: bytes) -> None:
        """Every command of the grammar is refused with something behind it, and the next is understood."""
        found = whole(message(request) + tail + b"\r\nzz NOOP\r\n" + b"\r\nzz NOOP\r\n")
        found = [event for event in found if not isinstance(event, (MessageWanted, bytes))]
        self.assertIsInstance(found[0], Failure)
        self.assertEqual(found[0].status, "BAD")
        self.assertEqual(found[0].tag, request.tag)
        requests = [event for event in found if isinstance(event, Request)]
        self.assertTrue(requests)
        self.assertEqual({event.tag for event in requests}, {b"zz"})

    @by_chance(70)
    @given(ANY, st.data())
    def test_cut(self, request: Request, data: st.DataObject) -> None:
        """
        A command that ends too early is refused, or is a shorter command in full:
        what is understood of it is what a client would have written for that.
        """
        stream = message(request)
        cut = data.draw(st.integers(0, len(stream) - 1))
        for event in whole(stream[:cut] + b"\r\n"):
            if isinstance(event, Request):
                self.assertEqual(whole(event.compose())[-1], event)

    @by_chance(70)
    @given(ANY)
    def test_without_end(self, request: Request) -> None:
        """Before its CRLF has come no command is given."""
        found = whole(message(request))
        self.assertEqual([event for event in found if isinstance(event, (Request, Failure))], [])
