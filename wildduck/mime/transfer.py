"""
Content-Transfer-Encoding, forgivingly decoded (RFC 2045 §6).

Nothing here raises: what is not valid in the encoding is left out or kept as
it stands.
"""

from __future__ import annotations

import binascii
import re

_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/]+")
_URL_SAFE = bytes.maketrans(b"-_", b"+/")
#: Blanks at the end of a line of quoted-printable; more than this are no mail server's padding.
_BLANKS_MOST = 1000
_BLANKS = b" \t"
_PADDING = re.compile(rb"(?<![ \t])[ \t]{1,%d}(?=\r?\n|\r?\Z)" % _BLANKS_MOST)


def base64(data: bytes) -> bytes:
    """
    Decode base64 (RFC 2045 §6.8), also without padding or in the URL alphabet.

    Characters outside the alphabet are skipped, an incomplete last group
    gives the bytes that it holds.
    """
    kept = _NOT_BASE64.sub(b"", data.translate(_URL_SAFE))
    if len(kept) % 4 == 1:
        kept = kept[:-1]
    return binascii.a2b_base64(kept + b"=" * (-len(kept) % 4))


def quoted_printable(data: bytes) -> bytes:
    """
    Decode quoted-printable (RFC 2045 §6.7); a wrong C{=} stays as it is.

    Blanks at the end of a line are deleted (rule 3), unless there are thousands.
    """
    return binascii.a2b_qp(_PADDING.sub(b"", data))


def q_word(data: bytes) -> bytes:
    """Decode the Q encoding of encoded-words (RFC 2047 §4.2)."""
    return binascii.a2b_qp(data.replace(b"_", b" "))


def decode(data: bytes, encoding: str) -> bytes:
    """
    Undo a transfer encoding.

    @param encoding: as in Content-Transfer-Encoding, any case; an unknown one
        leaves the data as they are (RFC 2045 §6.4 treats them as opaque).
    """
    name = encoding.strip().lower()
    if name == "base64":
        return base64(data)
    if name == "quoted-printable":
        return quoted_printable(data)
    return data


def is_known(encoding: str) -> bool:
    """Whether L{decode} knows it, and does not merely leave the data as they are."""
    return encoding.strip().lower() in _KNOWN


_KNOWN = frozenset(("7bit", "8bit", "binary", "base64", "quoted-printable"))

# --- piece by piece ---

#: A line of quoted-printable that is longer is decoded in pieces.
_LINE_BYTES = 64 * 1024
#: Of equals signs in a row two stand for one, as L{binascii.a2b_qp} has it.
_SOFT_BREAK = re.compile(rb"(?<!=)(?:==)*(=\r)")
_OPEN_ESCAPE = re.compile(rb"(?<!=)(?:==)*(=[^=]?)\Z", re.DOTALL)


class Decoder:
    """Undoes no encoding: gives what it is fed."""

    def feed(self, data: bytes) -> bytes:
        """
        Take the next bytes of the encoded body.

        @return: the decoded bytes that are complete.
        """
        return data

    def finish(self) -> bytes:
        """
        The body is complete.

        @return: the rest.
        """
        return b""


class Base64Decoder(Decoder):
    """L{base64}, piece by piece."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> bytes:
        """See L{Decoder.feed}."""
        kept = self._rest + _NOT_BASE64.sub(b"", data.translate(_URL_SAFE))
        whole = len(kept) - len(kept) % 4
        self._rest = kept[whole:]
        return binascii.a2b_base64(kept[:whole])

    def finish(self) -> bytes:
        """See L{Decoder.finish}."""
        rest, self._rest = self._rest, b""
        return base64(rest)


class QuotedPrintableDecoder(Decoder):
    """L{quoted_printable}, piece by piece."""

    def __init__(self) -> None:
        self._rest = b""
        self._skipping = False

    def feed(self, data: bytes) -> bytes:
        """See L{Decoder.feed}."""
        if self._skipping:
            end = data.find(b"\n") + 1
            if not end:
                return b""
            data = data[end:]
            self._skipping = False
        data = self._rest + data
        end = data.rfind(b"\n") + 1
        if end or len(data) <= _LINE_BYTES:
            self._rest = data[end:]
            return quoted_printable(data[:end])
        return self._piece(data)

    def _piece(self, data: bytes) -> bytes:
        """The beginning of a very long line; what may go on stays."""
        soft = _SOFT_BREAK.search(data)
        if soft is not None:
            # What follows in this line is not there.
            self._rest, self._skipping = b"", True
            return binascii.a2b_qp(data[: soft.start(1)])
        end = _settled(data)
        self._rest = data[end:]
        return binascii.a2b_qp(data[:end])

    def finish(self) -> bytes:
        """See L{Decoder.finish}."""
        rest, self._rest = self._rest, b""
        return quoted_printable(rest)


def _settled(data: bytes) -> int:
    """
    @param data: the beginning of a line.
    @return: so many bytes decode the same whatever follows them.
    """
    bare = data.removesuffix(b"\r").rstrip(_BLANKS)
    padding = len(data) - len(bare)
    if padding > _BLANKS_MOST + 2:
        # It is too much to be deleted, and so it is with what stays of it.
        return len(data) - _BLANKS_MOST - 2
    escape = _OPEN_ESCAPE.search(bare)
    return len(bare) if escape is None else escape.start(1)


def decoder(encoding: str) -> Decoder:
    """
    @param encoding: as for L{decode}.
    @return: what gives the same, piece by piece and in bounded memory.
    """
    name = encoding.strip().lower()
    if name == "base64":
        return Base64Decoder()
    if name == "quoted-printable":
        return QuotedPrintableDecoder()
    return Decoder()
