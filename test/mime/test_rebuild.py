"""Tests for WildDuck's way to put a message together; expected bytes were seen on WildDuck 1.51."""

from __future__ import annotations

from typing import Any

from twisted.trial import unittest

from test.mime.storing import crlf, keep_bytes
from wildduck.mime import rebuild, tree
from wildduck.mime.message import scan
from wildduck.mime.rebuild import Node, Rebuilt

_HEADER = "Content-Type: multipart/mixed; boundary=b\n"


def rebuilt(root: dict[str, Any]) -> tuple[int, bytes]:
    """WildDuck's size, and the bytes that it sends."""
    result = Rebuilt(rebuild.nodes(root))
    whole = b"".join(b"?" * piece.size if isinstance(piece, Node) else piece for piece in result.pieces)
    return result.size, whole[: result.size]


class SizeTests(unittest.TestCase):
    """The size that WildDuck announces, and what it sends."""

    def check(self, text: str, size: int, sent: str | None = None) -> None:
        """
        @param text: the message, with LF.
        @param size: as WildDuck stored it.
        @param sent: what WildDuck sent, C{None}: the message.
        """
        data = crlf(text)
        root = tree.build(scan(data)).root
        self.assertEqual(rebuilt(root), (size, data if sent is None else crlf(sent)), text)

    def test_plain(self) -> None:
        """Plain messages come back; an empty body loses its empty line."""
        self.check("Subject: x\n\nhi\n", 18)
        self.check("Subject: x\n\nhi", 16)
        self.check("Subject: x\n\n\n\nhi\n", 22)
        self.check("Subject: x\n", 12)
        self.check("Subject: x\n\n", 12, "Subject: x\n")
        self.check("Subject: x", 12, "Subject: x\n")
        self.check("\nhi\nthere\n", 15, "\n\nhi\nthere\n")
        self.check("\n", 2)
        self.check(" \n", 3)

    def test_multipart(self) -> None:
        """Multiparts with headers in their parts come back; a missing end is made up."""
        self.check(_HEADER + "\n--b\nA: b\n\nx\n--b--\n", 68)
        self.check(_HEADER + "\n--b\nA: b\n\nx\n--b--", 68, _HEADER + "\n--b\nA: b\n\nx\n--b--\n")
        self.check(_HEADER + "\n--b\nA: b\n\n\n\n--b--\n", 69)
        self.check(_HEADER + "\n--b\n\nx\n--b--\n", 64, _HEADER + "\n--b\n\n\nx\n--b--\n")
        self.check(_HEADER + "\n--b\n\nx\n", 66, _HEADER + "\n--b\n\n\nx\n\n--b--\n")
        self.check(_HEADER + "\nnothing\n", 66, _HEADER + "\nnothing\n--b\n--b--\n")

    def test_preamble(self) -> None:
        """A preamble comes back, an epilogue comes before the parts."""
        self.check(_HEADER + "\npre1\n\n--b\nA: c\n\nx\n--b--\n", 76)
        self.check(_HEADER + "\n\n--b\nA: c\n\nx\n--b--\n", 70)
        self.check(
            _HEADER + "\npre\n--b\nA: c\n\nx\n--b--\nepi\n",
            78,
            _HEADER + "\npre\nepi\n--b\nA: c\n\nx\n--b--\n",
        )

    def test_empty_part(self) -> None:
        """The break of an empty part is not counted, and so the end is cut off."""
        part = "\n--b\nContent-Type: text/plain\n\n"
        self.check(_HEADER + part + "--b--\n", 85, _HEADER + part + "\n--b--")

    def test_nested(self) -> None:
        """After an inner multipart WildDuck always has an empty line."""
        inner = "\n--b\nContent-Type: multipart/mixed; boundary=c\n\n--c\nA: b\n\nx\n--c--\n"
        self.check(_HEADER + inner + "\n--b--\n", 127)
        self.check(_HEADER + inner + "--b--\n", 127, _HEADER + inner + "\n--b--\n")

    def test_external(self) -> None:
        """A body outside the tree counts with its size."""
        root = tree.build(scan(crlf("Content-Type: application/pdf\n\nabcd"))).root
        self.assertEqual(rebuilt(root), (37, b"Content-Type: application/pdf\r\n\r\n????"))

    def test_odd_strings(self) -> None:
        """Characters beyond one byte lose their upper byte, as in Node.js."""
        root = tree.build(scan(b"A: b\r\n\r\nx")).root
        root["header"] = ["A: \u0141\u00e4\U0001f600", 7]
        self.assertEqual(rebuilt(root)[1], b"A: \x41\xe4\x3d\x00\r\n\r\nx")


class PlaceTests(unittest.TestCase):
    """Where parts lie in what WildDuck sends."""

    def test_places(self) -> None:
        """In a message that comes back exactly the places are those of the scan."""
        inner = "Content-Type: message/rfc822\n\nSubject: y\n\ninner\n"
        data = crlf(
            f"{_HEADER}\npre\n--b\nA: b\n\nx\n--b\nContent-Type: multipart/mixed; boundary=c\n\n--c\nA: b\n\n"
            f"x\n--c--\n\n--b\n{inner}\n--b--\n"
        )
        kept = keep_bytes(data)
        self.assertIsNone(kept.analysis.skeleton)
        root = rebuild.nodes(kept.document["mimeTree"])
        rebuild.rebuild_all(root)
        for node, part in zip(root.walk(), scan(data).root.walk(), strict=True):
            self.assertEqual(
                (node.header_start, node.body_start, node.body_end),
                (part.header_start, part.body_start, part.body_end),
            )

    def test_broken_tree(self) -> None:
        """A tree with keys missing or of other types is put together as far as it goes."""
        broken: tuple[dict[str, Any], ...] = (
            {},
            {"header": None, "body": None, "boundary": 5, "childNodes": "x", "message": []},
            {"header": ["A: b"], "childNodes": [None, {}], "boundary": "b"},
            {"attachmentId": "ATT00001", "size": "7"},
        )
        for root in broken:
            size, sent = rebuilt(root)
            self.assertEqual(size, len(sent))
