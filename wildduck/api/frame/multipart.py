"""
C{multipart/form-data} bodies (RFC 7578): fields are text, files are L{Upload}s.

The body is in memory and bounded by its route when it comes here.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

from wildduck.api.frame.schema import LONGEST_NAME, bad_input
from wildduck.errors import BadInput

#: Parts of one body.
MOST_PARTS = 1000
_PART_HEADER_BYTES = 8192
#: Parameters of one header that are looked at.
_MOST_PARAMETERS = 20
#: One parameter, up to the semicolon after it; nothing that can be matched in two ways.
_PARAMETER = re.compile(
    r"""[ \t]*(?:([^\s=;"]+)[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^;]*)))?[^;]*(?:;|\Z)""", re.DOTALL
)
#: Charsets of parameters (RFC 8187 §3.2.1, RFC 5987 §3.2.1).
_CHARSETS = ("utf-8", "iso-8859-1")
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


class Upload(bytes):
    """
    The content of a file in a form.

    @ivar filename: as the client named it, C{""} for no name.
    @ivar content_type: C{""} where the client gave none.
    """

    filename: str = ""
    content_type: str = ""


def parts(content_type: bytes, body: bytes) -> list[tuple[str, str | Upload]]:
    """
    Name and value of each part, in their order.

    @param content_type: the header with its C{boundary}.
    @raise BadInput: it is no such body.
    """
    boundary = _parameter(content_type, "boundary")
    if not boundary or len(boundary) > 70:
        raise _malformed()
    delimiter = b"\r\n--" + boundary.encode("latin-1", "replace")
    # The first delimiter has no line before it where there is no preamble.
    pieces = (b"\r\n" + body).split(delimiter, MOST_PARTS + 1)
    if len(pieces) > MOST_PARTS + 1:
        text = f"must have at most {MOST_PARTS} parts"
        raise BadInput(f"The request body {text}", {"body": text})
    result: list[tuple[str, str | Upload]] = []
    for piece in pieces[1:]:
        if piece.startswith(b"--"):
            return result
        result.append(_part(piece))
    raise _malformed()


def _part(piece: bytes) -> tuple[str, str | Upload]:
    head, blank, content = piece.partition(b"\r\n\r\n")
    padding, line_break, head = head.partition(b"\r\n")
    if not blank or not line_break or padding.strip(b" \t") or len(head) > _PART_HEADER_BYTES:
        raise _malformed()
    lines = (line.partition(b":") for line in head.replace(b"\r\n", b"\n").split(b"\n"))
    headers = {name.lower(): value.strip(b" \t") for name, colon, value in lines if colon}
    disposition = headers.get(b"content-disposition", b"")
    name = _parameter(disposition, "name")
    if not name:
        raise _malformed()
    filename = _parameter(disposition, "filename")
    if filename is None:
        try:
            return name, content.decode("utf-8")
        except UnicodeDecodeError:
            raise bad_input({(name[:LONGEST_NAME],): "must be UTF-8"}) from None
    upload = Upload(content)
    upload.filename = filename
    upload.content_type = headers.get(b"content-type", b"").decode("latin-1")
    return name, upload


def _parameter(header: bytes, name: str) -> str | None:
    """One parameter of a structured header; browsers send its UTF-8 as it is (RFC 7578 §5.1)."""
    text = header.decode("latin-1").partition(";")[2]
    found: dict[str, str] = {}
    position = 0
    for _ in range(_MOST_PARAMETERS):
        match = _PARAMETER.match(text, position)
        if match is None or position >= len(text):
            break
        position = match.end()
        key, quoted, plain = match.groups()
        if key:
            value = _ESCAPED.sub(r"\1", quoted) if quoted is not None else plain.strip()
            found.setdefault(key.lower(), value)
    if name in found:
        return found[name].encode("latin-1").decode("utf-8", "replace")
    # RFC 8187; RFC 7578 §4.2 forbids it, and some send it.
    charset, tick, value = found.get(f"{name}*", "").partition("'")
    if not tick:
        return None
    # Others are no charsets of names, and some codecs of Python's raise whatever they are to do with errors.
    charset = charset if charset.lower() in _CHARSETS else "utf-8"
    return unquote(value.partition("'")[2], charset, "replace")


def _malformed() -> BadInput:
    return BadInput("The request body is not valid multipart/form-data", {"body": "must be a valid form"})
