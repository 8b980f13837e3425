"""Which of the encodings that change nothing suits some bytes (RFC 2045 §2.7 to §2.9)."""

from __future__ import annotations

#: Bytes of a line between its ends.
LINE_MOST = 998


class IdentityEncoding:
    """
    Fed with the bytes in blocks.

    @ivar binary: they have NULs, long lines or a CR or LF alone, whatever follows.
    """

    def __init__(self) -> None:
        self.binary = False
        self._ascii = True
        self._rest = b""

    def feed(self, block: bytes) -> None:
        """The next bytes."""
        lines = (self._rest + block).split(b"\r\n")
        self._rest = rest = lines.pop()
        self._ascii = self._ascii and block.isascii()
        self.binary = (
            self.binary
            or b"\0" in block
            or any(map(_is_no_line, lines))
            # It may end with the first half of a line end.
            or _is_no_line(rest.removesuffix(b"\r"))
        )
        if self.binary:
            self._rest = b""

    @property
    def name(self) -> str:
        """Of all that came: C{7bit}, C{8bit} or C{binary}."""
        if self.binary or self._rest.endswith(b"\r"):
            return "binary"
        return "7bit" if self._ascii else "8bit"


def _is_no_line(line: bytes) -> bool:
    return len(line) > LINE_MOST or b"\n" in line or b"\r" in line
