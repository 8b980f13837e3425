"""
C{multipart/form-data} bodies (RFC 7578): fields are text, files are L{Upload}s.

The body is in memory and bounded by its route when it comes here.
"""

from __future__ import annotations

import re
from email.message import Message

from wildduck.errors import BadInput

#: Parts of one body.
MOST_PARTS = 1000
_PART_HEADER_BYTES = 8192
_HEADER = re.compile(rb"(?im)^([!-9;-~]{1,100}):[ \t]*(.*?)[ \t]*$")


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
        raise BadInput("The form has too many parts")
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
    headers = {name.lower(): value for name, value in _HEADER.findall(head.replace(b"\r\n", b"\n"))}
    disposition = headers.get(b"content-disposition", b"")
    name = _parameter(disposition, "name")
    if not name:
        raise _malformed()
    filename = _parameter(disposition, "filename")
    if filename is None:
        try:
            return name, content.decode("utf-8")
        except UnicodeDecodeError:
            raise BadInput("A form field is not valid UTF-8") from None
    upload = Upload(content)
    upload.filename = filename
    upload.content_type = headers.get(b"content-type", b"").decode("latin-1")
    return name, upload


def _parameter(header: bytes, name: str) -> str | None:
    """One parameter of a structured header; browsers send its UTF-8 as it is (RFC 7578 §5.1)."""
    message = Message()
    message["content-type"] = "x/x;" + header.decode("latin-1").partition(";")[2].replace("\n", " ")
    value = message.get_param(name)
    if value is None:
        return None
    if isinstance(value, tuple):
        charset, _, text = value
        raw, encoding = text.encode("latin-1", "replace"), charset or "utf-8"
    else:
        raw, encoding = value.encode("latin-1", "replace"), "utf-8"
    try:
        return raw.decode(encoding, "replace")
    except LookupError:
        return raw.decode("utf-8", "replace")


def _malformed() -> BadInput:
    return BadInput("The request body is not valid multipart/form-data", {"body": "must be a valid form"})
