"""
A body as text while it comes in pieces: transfer encoding and charset undone.

Gives what L{wildduck.mime.transfer} and L{wildduck.mime.charsets} give of the
whole, in bounded memory.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable

from wildduck.mime import transfer
from wildduck.mime.charsets import codec_name
from wildduck.mime.folded import Finder


class BrokenOff(Exception):
    """The declared charset can not be gone on with: read it again as undeclared."""


class CharsetDecoder:
    """Bytes of a declared charset, with U+FFFD for what it does not have."""

    def __init__(self, codec: str) -> None:
        """@param codec: of L{codec_name}."""
        errors = "wildduck.latin1" if codec == "cp1252" else "replace"
        self._decoder = codecs.getincrementaldecoder(codec)(errors)
        self._first = codec == "utf_8"

    def feed(self, data: bytes, final: bool = False) -> str:
        """@raise BrokenOff: this codec stops in spite of everything."""
        try:
            text = self._decoder.decode(data, final)
        except (UnicodeError, LookupError, ValueError):
            raise BrokenOff() from None
        if self._first and text:
            self._first = False
            text = text.removeprefix("\ufeff")
        return text


class SniffedDecoders:
    """
    Bytes of undeclared charset: UTF-8 if all of them are valid as such, else
    windows-1252, which is known at the end only.

    @ivar is_utf8: so far.
    """

    def __init__(self) -> None:
        self.is_utf8 = True
        self._utf8 = codecs.getincrementaldecoder("utf-8")("strict")
        self._windows = CharsetDecoder("cp1252")

    def feed(self, data: bytes, final: bool = False) -> tuple[str, str]:
        """@return: as UTF-8, nothing once it is none; and as windows-1252."""
        utf8 = ""
        if self.is_utf8:
            try:
                utf8 = self._utf8.decode(data, final)
            except UnicodeDecodeError:
                self.is_utf8 = False
        return utf8, self._windows.feed(data, final)


class StreamedText:
    """A body fed in pieces, in which texts are looked for."""

    def __init__(self, encoding: str, charset: str | None, finder: Callable[[], Finder]) -> None:
        """
        @param encoding: transfer encoding.
        @param charset: as declared; C{None} for none.
        @param finder: makes a finder.
        """
        codec = codec_name(charset)
        self._transfer = transfer.decoder(encoding)
        self._declared = CharsetDecoder(codec) if codec is not None else None
        self._sniffed = SniffedDecoders()
        #: For the declared charset or UTF-8, and for windows-1252.
        self._finder, self._windows = finder(), finder()

    def feed(self, data: bytes) -> bool:
        """
        @return: whether nothing is left to be found.
        @raise BrokenOff: the declared charset can not be gone on with.
        """
        self._decode(self._transfer.feed(data), False)
        return not self._finder.left and (self._declared is not None or not self._windows.left)

    def finish(self) -> set[str]:
        """
        @return: what was not found.
        @raise BrokenOff: as L{feed}.
        """
        self._decode(self._transfer.finish(), True)
        finder = self._finder if self._declared is not None or self._sniffed.is_utf8 else self._windows
        finder.finish()
        return finder.left

    def _decode(self, data: bytes, final: bool) -> None:
        if self._declared is not None:
            self._finder.feed(self._declared.feed(data, final))
            return
        utf8, windows = self._sniffed.feed(data, final)
        self._finder.feed(utf8)
        self._windows.feed(windows)
