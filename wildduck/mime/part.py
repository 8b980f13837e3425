"""
A scanned message as values: where each part lies, in byte offsets.

Offsets count from the first byte of the scanned content (what the client
sent), end offsets are exclusive.  A leaf's body ends before the line break
that belongs to the following boundary delimiter (RFC 2046 §5.1.1).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(slots=True)
class ContentType:
    """
    A parsed Content-Type or the default in its place (RFC 2045 §5.2).

    @ivar type: lower case, for example C{"text"}.
    @ivar subtype: lower case, for example C{"plain"}.
    @ivar parameters: decoded (RFC 2231) values by lower-case name.
    """

    type: str = "text"
    subtype: str = "plain"
    parameters: dict[str, str] = field(default_factory=dict)

    @property
    def value(self) -> str:
        return f"{self.type}/{self.subtype}"


@dataclass(slots=True)
class Part:
    """
    One node of the MIME structure.

    @ivar header_start: first byte of the header.
    @ivar body_start: first byte after the header and its empty line.
    @ivar body_end: end of the body, exclusive.
    @ivar content_type: see L{ContentType}.
    @ivar encoding: Content-Transfer-Encoding, lower case, C{"7bit"} if absent.
    @ivar boundary: the delimiter of a multipart that was split, else C{None}.
    @ivar children: parts of a split multipart.
    @ivar message: the root part of a split message/rfc822, else C{None}.
    @ivar lines: line feeds in the body.
    @ivar has_nul: a NUL is in the body of this leaf, or in the preamble or
        epilogue of this multipart.
    @ivar header_has_nul: a NUL is in the header.
    @ivar sha256: digest of the body, for leaves only.
    @ivar opaque: a leaf that is composite by its type, kept whole because a
        bound was met.
    """

    header_start: int
    body_start: int = 0
    body_end: int = 0
    content_type: ContentType = field(default_factory=ContentType)
    encoding: str = "7bit"
    boundary: bytes | None = None
    children: list[Part] = field(default_factory=list)
    message: Part | None = None
    lines: int = 0
    has_nul: bool = False
    header_has_nul: bool = False
    sha256: bytes = b""
    opaque: bool = False

    @property
    def size(self) -> int:
        """Bytes of the body."""
        return self.body_end - self.body_start

    @property
    def is_leaf(self) -> bool:
        return self.boundary is None and self.message is None

    def walk(self) -> Iterator[Part]:
        """This part and all below it, in the order of the message (no recursion)."""
        stack = [self]
        while stack:
            part = stack.pop()
            yield part
            if part.message is not None:
                stack.append(part.message)
            stack.extend(reversed(part.children))
