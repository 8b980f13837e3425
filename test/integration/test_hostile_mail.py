"""Messages made to hurt: stored, exact, and at a cost that grows as their size does."""

from __future__ import annotations

import base64
import random
from collections.abc import Callable, Iterator
from typing import Any

from test.support.round_trip import APPEND, DATA, RoundTrip
from test.support.server_process import ServerProcess, ServerTestCase
from wildduck import limits

KIB = 1024
#: Four times the message may cost four times the CPU, and half as much again for the noise of the machine.
_FACTOR = 6.0
#: Seconds of CPU that any message may cost, so that small figures are not compared.
_GROUND = 0.25

Blocks = Iterator[bytes]


def many_parts(count: int) -> Blocks:
    """One multipart with C{count} small texts."""
    yield b'Subject: parts\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="b"\r\n\r\n'
    for number in range(count):
        yield b"--b\r\nContent-Type: text/plain\r\nX-Number: %d\r\n\r\nText %d\r\n" % (number, number)
    yield b"--b--\r\n"


def long_header(size: int) -> Blocks:
    """A header of C{size} bytes, half of it in one folded field, and a short text."""
    yield b"Subject: header\r\n"
    line = b"X-Field-%08d: " + b"v" * 60 + b"\r\n"
    for number in range(size // 2 // len(line % 0)):
        yield line % number
    yield b"X-Folded: begin\r\n"
    fold = b"\t" + b"f" * 76 + b"\r\n"
    for _ in range(size // 2 // len(fold)):
        yield fold
    yield b"\r\nThe text.\r\n"


def many_addresses(count: int) -> Blocks:
    """C{count} addresses in To."""
    yield b"Subject: addresses\r\nFrom: one@example.net\r\nTo: first@example.com"
    for number in range(1, count):
        yield b",\r\n User %d <user%d@example.com>" % (number, number)
    yield b"\r\n\r\nThe text.\r\n"


def many_texts(count: int) -> Blocks:
    """C{count} texts of 300 KiB, none equal to another."""
    rng = random.Random(count)
    yield b"Subject: texts\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    for _ in range(count):
        words = base64.b64encode(rng.randbytes(300 * KIB * 3 // 4))
        yield b"--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
        yield b"\r\n".join(words[at : at + 998] for at in range(0, len(words), 998)) + b"\r\n"
    yield b"--b--\r\n"


class HostileMailTests(ServerTestCase):
    """Each shape in its full size and in a quarter of it."""

    def _compare(self, make: Callable[[int], Blocks], full: int) -> dict[str, Any]:
        """
        Send and read both.

        @return: ENVELOPE, BODY and BODYSTRUCTURE of the full one.
        """
        server = self.shared_server()
        with RoundTrip(server, make.__name__.replace("_", ".")) as trip:
            self._cost(server, trip, make, full // 20)  # what is done once only
            quarter = self._cost(server, trip, make, full // 4)
            whole = self._cost(server, trip, make, full)
            row = trip.newest("(ENVELOPE BODY BODYSTRUCTURE)")
        self.assertLess(whole, _FACTOR * max(quarter, _GROUND), f"a quarter cost {quarter:.2f} s of CPU")
        return row

    def _cost(
        self, server: ServerProcess, trip: RoundTrip, make: Callable[[int], Blocks], count: int
    ) -> float:
        """Append, deliver and read one message; the server's seconds of CPU."""
        message = b"".join(make(count))
        before = server.cpu()
        for way in (DATA, APPEND):
            self.assertEqual(trip.run(way, message), [], f"{make.__name__}({count})")
        trip.newest("(ENVELOPE BODY BODYSTRUCTURE BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
        return server.cpu() - before

    def test_parts(self) -> None:
        """10,000 parts are stored; BODYSTRUCTURE tells of no more than the bound."""
        row = self._compare(many_parts, 10_000)
        parts = [item for item in row["BODYSTRUCTURE"] if isinstance(item, list) and item[0] == b"text"]
        self.assertGreater(len(parts), limits.MIME_PARTS - 10)
        self.assertLessEqual(len(parts), limits.MIME_PARTS)

    def test_header(self) -> None:
        """A header of 10 MB is stored; the fields before it stay what they are."""
        row = self._compare(long_header, 10_000_000)
        self.assertEqual(row["ENVELOPE"][1], b"header")

    def test_addresses(self) -> None:
        """100,000 addresses are stored; ENVELOPE lists as many as its bound allows."""
        row = self._compare(many_addresses, 100_000)
        to = row["ENVELOPE"][5]
        self.assertEqual(to[0], [None, None, b"first", b"example.com"])
        self.assertGreater(len(to), limits.ADDRESSES - 10)
        self.assertLessEqual(len(to), limits.ADDRESSES)

    def test_texts(self) -> None:
        """100 texts of 300 KiB are stored."""
        row = self._compare(many_texts, 100)
        self.assertEqual(len([item for item in row["BODY"] if isinstance(item, list)]), 100)
