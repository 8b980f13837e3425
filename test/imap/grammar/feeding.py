"""Feeds the reader and writes down what comes out, for the tests of the grammar."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from wildduck.imap.grammar.append import Url
from wildduck.imap.grammar.modes import PLAIN, Modes
from wildduck.imap.grammar.reader import SIGNED_IN, Bounds, Failure, MessageWanted, Reader
from wildduck.imap.grammar.session import Noop
from wildduck.imap.grammar.values import Command, Request


class Kept:
    """A sink that keeps everything."""

    def __init__(self) -> None:
        self.data = b""

    def write(self, data: bytes) -> None:
        self.data += data


def events(
    chunks: Iterable[bytes], bounds: Bounds = SIGNED_IN, refuse: Failure | None = None, modes: Modes = PLAIN
) -> list[Any]:
    """
    Everything a reader gives for these chunks, the bytes of messages included.

    @param refuse: answer to every message; C{None} accepts them.
    """
    reader = Reader(bounds=bounds)
    reader.modes = modes
    found: list[Any] = []
    for chunk in chunks:
        reader.feed(chunk)
        while (event := reader.next_event()) is not None:
            found.append(event)
            if isinstance(event, MessageWanted):
                if refuse is not None:
                    reader.refuse(refuse)
                elif isinstance(event.start.piece, Url):
                    reader.proceed()
                else:
                    sink = Kept()
                    reader.accept(sink)
                    found.append(sink)
    return [event.data if isinstance(event, Kept) else event for event in found]


def whole(
    data: bytes, bounds: Bounds = SIGNED_IN, refuse: Failure | None = None, modes: Modes = PLAIN
) -> list[Any]:
    return events([data], bounds, refuse, modes)


def bytewise(
    data: bytes, bounds: Bounds = SIGNED_IN, refuse: Failure | None = None, modes: Modes = PLAIN
) -> list[Any]:
    return events((data[index : index + 1] for index in range(len(data))), bounds, refuse, modes)


class FormsCase(SynchronousTestCase):
    """Checks tables of what a client writes behind the tag."""

    def check_accepted(self, forms: Iterable[tuple[bytes, Command]]) -> None:
        """Each gives the value beside it, fed whole or byte by byte."""
        for text, command in forms:
            data = b"A1 " + text + b"\r\n"
            self.assertEqual(whole(data), [Request(b"A1", command)], text)
            self.assertEqual(bytewise(data), [Request(b"A1", command)], text)

    def check_refused(self, forms: Iterable[tuple[bytes, str]]) -> None:
        """Each is BAD for the reason beside it, and the command behind it is understood."""
        for text, reason in forms:
            data = b"A1 " + text + b"\r\nA2 NOOP\r\n"
            found = whole(data)
            self.assertEqual(found[-1], Request(b"A2", Noop()), text)
            self.assertEqual(len(found), 2, found)
            self.assertEqual((found[0].tag, found[0].status, found[0].fatal), (b"A1", "BAD", False))
            self.assertIn(reason, found[0].text, text)
            self.assertEqual(bytewise(data), found)
