"""Feeds the reader and writes down what comes out, for the tests of the grammar."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from wildduck.imap.grammar.append import Url
from wildduck.imap.grammar.modes import PLAIN, Modes
from wildduck.imap.grammar.reader import SIGNED_IN, Bounds, Failure, MessageWanted, Reader


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
