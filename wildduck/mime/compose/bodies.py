"""Bodies in a transfer encoding (RFC 2045 §6)."""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator

from wildduck.mime.base64lines import LINE_LENGTH, Encoder, encoded_length
from wildduck.mime.compose.values import Source
from wildduck.mime.identity_encoding import IdentityEncoding

_LINE_END = re.compile("\r\n|\r|\n")
_LONE_LF = re.compile(rb"(?<!\r)\n")
#: Longest line as it should be (RFC 5322 §2.1.1).
_LINE = 78


def of_text(text: str) -> tuple[str, bytes]:
    """
    Text in UTF-8 with CRLF line ends, in the shortest encoding that suits it.

    @return: transfer encoding, encoded body.
    """
    data = _LINE_END.sub("\r\n", text).encode("utf-8", "replace")
    if data.isascii() and b"\0" not in data and max(map(len, data.split(b"\r\n"))) <= _LINE:
        return "7bit", data
    quoted = _quoted_printable(data, text=True)
    if len(quoted) <= encoded_length(len(data), LINE_LENGTH):
        return "quoted-printable", quoted
    return "base64", b"".join(in_base64(lambda: iter((data,))))


def in_base64(source: Source) -> Iterator[bytes]:
    """Lines of 76 characters, the last one without a line break."""
    encoder = Encoder(LINE_LENGTH)
    for block in source():
        encoded = encoder.feed(block)
        if encoded:
            yield encoded
    yield encoder.finish()


def _quoted_printable(data: bytes, *, text: bool) -> bytes:
    """@param text: CRLF are line ends; else bytes like others."""
    return _LONE_LF.sub(b"\r\n", binascii.b2a_qp(data, istext=text))


def encode(source: Source, wanted: str) -> tuple[str, Iterator[bytes]]:
    """
    A body that is no text of ours.

    @param wanted: C{7bit} and C{8bit} are taken where the bytes have only short
        lines with CRLF, C{quoted-printable} always, else it is base64.
    @return: transfer encoding, encoded body in blocks.
    """
    if wanted == "quoted-printable":
        return wanted, iter((_quoted_printable(b"".join(source()), text=False),))
    if wanted in ("7bit", "8bit"):
        kind = _identity(source)
        if kind == "7bit" or kind == wanted:
            return kind, source()
    return "base64", in_base64(source)


def of_message(source: Source) -> tuple[str, bytes] | None:
    """
    A message within a message, which may not be encoded (RFC 2046 §5.2.1).

    @return: C{7bit} or C{8bit} and its bytes with CRLF; C{None} where it can't be so.
    """
    data = _LONE_LF.sub(b"\r\n", b"".join(source()))
    kind = _identity(lambda: iter((data,)))
    return (kind, data) if kind else None


def _identity(source: Source) -> str:
    """@return: C{7bit}, C{8bit}, or C{""} for what is neither."""
    kind = IdentityEncoding()
    for block in source():
        kind.feed(block)
        if kind.binary:
            break
    return "" if kind.name == "binary" else kind.name
