"""Attachments as they stand in a request."""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from wildduck.errors import BadInput
from wildduck.limits import MIB
from wildduck.mime.attachments import extension
from wildduck.mime.compose import Attachment, Draft, source_of
from wildduck.mime.compose.values import Source

#: Characters decoded at once: what is large must not keep the reactor from its turn.
_BLOCK = MIB

_CID = re.compile(r"[^\s<>\x00-\x1f\x7f]+")
_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_URL_SAFE = bytes.maketrans(b"-_", b"+/")
_BLANKS = b" \t\r\n\f\v"


def decoded_attachments(given: Sequence[Mapping[str, Any]]) -> Iterator[Attachment]:
    """
    Their content is decoded when it is read, which raises L{BadInput} where it is not what its encoding says.

    @param given: as L{ATTACHMENT <wildduck.api.messages.upload_fields.ATTACHMENT>} gives them.
    @raise BadInput: an encoding is unknown, or short content is not in it.
    """
    for index, one in enumerate(given):
        cid = (one.get("cid") or "").strip().removeprefix("<").removesuffix(">")
        yield Attachment(
            _source(one["content"], one["encoding"].lower(), index),
            one.get("contentType") or "",
            one.get("filename") or "",
            cid if _CID.fullmatch(cid) else "",
            one.get("contentDisposition") or "",
            (one.get("contentTransferEncoding") or "base64").lower(),
        )


def named(draft: Draft) -> Draft:
    """Attachments without a file name get one, as in WildDuck."""
    attachments = [
        one if one.filename else replace(one, filename=f"attachment-{number}.{_extension(one.content_type)}")
        for number, one in enumerate(draft.attachments, 1)
    ]
    return replace(draft, attachments=tuple(attachments))


def _extension(content_type: str) -> str:
    return extension(content_type.partition(";")[0].strip().lower())


def _source(content: str, encoding: str, index: int) -> Source:
    if encoding in ("base64", "base64url"):
        return lambda: _base64_blocks(content, index)
    decoder = _DECODERS.get(encoding)
    if decoder is None:
        raise _wrong(index, "encoding", f"must be one of [{', '.join(ENCODINGS)}]")
    try:
        return source_of(decoder(content))
    except ValueError:
        raise _wrong(index, "content", f"must be valid {encoding}") from None


def _base64_blocks(content: str, index: int) -> Iterator[bytes]:
    """Standard or URL alphabet, with line breaks or without, padded or not."""
    rest = b""
    ended = False
    try:
        for start in range(0, len(content), _BLOCK):
            text = content[start : start + _BLOCK].encode("ascii").translate(_URL_SAFE, _BLANKS)
            body = text.rstrip(b"=")
            if body.translate(None, _ALPHABET) or ended and body:
                raise ValueError
            ended = ended or len(body) < len(text)
            body = rest + body
            whole = len(body) - len(body) % 4
            rest = body[whole:]
            yield binascii.a2b_base64(body[:whole])
        if len(rest) == 1:
            raise ValueError
        yield binascii.a2b_base64(rest + b"=" * (-len(rest) % 4))
    except ValueError:
        raise _wrong(index, "content", "must be a valid base64 string") from None


def _wrong(index: int, place: str, what: str) -> BadInput:
    text = f'"attachments[{index}].{place}" {what}'
    return BadInput(text, {f"attachments,{index},{place}": text})


_DECODERS: dict[str, Callable[[str], bytes]] = {
    "hex": bytes.fromhex,
    "utf8": lambda content: content.encode("utf-8"),
    "utf-8": lambda content: content.encode("utf-8"),
    "ascii": lambda content: content.encode("ascii"),
    "latin1": lambda content: content.encode("latin-1"),
    "binary": lambda content: content.encode("latin-1"),
}
#: What C{encoding} may be, with Node's names.
ENCODINGS = ("base64", "base64url", *_DECODERS)
