"""A store in memory, for tests that put messages away and read them back."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from wildduck.mime import base64lines
from wildduck.mime.analysis import Analysis, analyse
from wildduck.mime.message import Message, scan
from wildduck.mime.native import BLOB, KEY, native_key
from wildduck.mime.rope import Inline, Rope, Segment, Stored

MAGIC = 4711


@dataclass
class Kept:
    """
    A stored message.

    @ivar document: what the ropes are made of.
    @ivar rows: stored bodies by attachmentMap key: the bytes, and the line
        length if they are decoded.
    """

    analysis: Analysis
    document: dict[str, Any]
    rows: dict[str, tuple[bytes, int | None]]

    def rope(self, exact: bool = False, skeleton: bytes | None = None) -> Rope:
        return Rope.from_document(self.document, skeleton, exact)

    def bytes_of(self, segments: list[Segment]) -> bytes:
        """What segments stand for, read range by range as the store does it."""
        return b"".join(
            segment.data if isinstance(segment, Inline) else self._stored(segment) for segment in segments
        )

    def _stored(self, segment: Stored) -> bytes:
        data, line_length = self.rows[segment.key]
        start, end = segment.source()
        output = segment.output()
        if line_length is None:
            assert len(data) == segment.length
            return output.feed(data[start:end]) + output.finish()
        assert base64lines.encoded_length(len(data), line_length) == segment.length
        wanted = base64lines.Range(start, end, line_length)
        encoded = wanted.feed(data[wanted.start : wanted.end]) + wanted.finish()
        return output.feed(encoded) + output.finish()

    def whole(self, exact: bool = False) -> bytes:
        rope = self.rope(exact)
        return self.bytes_of(rope.slice(0, rope.length))

    def section(self, path: tuple[int, ...], what: str) -> bytes | None:
        """A section of the exact message."""
        rope = self.rope(exact=True)
        found = rope.section(path, what)
        return None if found is None else self.bytes_of(rope.slice(*found))


def keep(message: Message, blob: bool = False) -> Kept:
    """
    Analyse and store a message.

    @param blob: keep the skeleton, if there is one, outside the document.
    """
    analysis = analyse(message)
    rows: dict[str, tuple[bytes, int | None]] = {}
    digests = {}
    for external in analysis.externals:
        body = message.read(external.start, external.end)
        assert hashlib.sha256(body).digest() == external.sha256
        digests[external.attachment_id] = external.sha256
        if external.line_length is None:
            rows[external.attachment_id] = (body, None)
        else:
            decoder = base64lines.Decoder()
            rows[external.attachment_id] = (decoder.feed(body), external.line_length)
    blob = blob and analysis.skeleton is not None
    if blob and analysis.skeleton is not None:
        digests[BLOB] = hashlib.sha256(analysis.skeleton).digest()
        rows[BLOB] = (analysis.skeleton, None)
    native = native_key(analysis, magic=MAGIC, blob=BLOB if blob else None)
    tree = {**analysis.mime_tree, "attachmentMap": digests, KEY: native}
    return Kept(analysis, {"size": analysis.size, "magic": MAGIC, "mimeTree": tree}, rows)


def keep_bytes(data: bytes, prefix: bytes = b"", blob: bool = False) -> Kept:
    """L{keep} for bytes at hand."""
    return keep(scan(data).with_prefix(prefix), blob)


def crlf(text: str) -> bytes:
    """A message written with LF, as CRLF text."""
    return text.replace("\n", "\r\n").encode("utf-8")


def multipart(*parts: bytes, preamble: bytes = b"", epilogue: bytes = b"") -> bytes:
    """A multipart/mixed message with boundary C{b}; each part with its own header and empty line."""
    pieces = [b"Subject: test\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n", preamble]
    pieces += [b"--b\r\n" + part + b"\r\n" for part in parts]
    return b"".join((*pieces, b"--b--\r\n", epilogue))
