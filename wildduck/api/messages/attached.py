"""Attachments as they stand in a request."""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from wildduck.errors import BadInput
from wildduck.mime.compose import Attachment, source_of

_BLANKS = re.compile(r"\s+")
_URL_SAFE = str.maketrans("-_", "+/")
_CID = re.compile(r"[^\s<>\x00-\x1f\x7f]+")


def decoded_attachments(given: Sequence[Mapping[str, Any]]) -> Iterator[Attachment]:
    """
    Takes a while where they are large: to be called in a thread.

    @param given: as L{ATTACHMENT <wildduck.api.messages.upload_fields.ATTACHMENT>} gives them.
    @raise BadInput: content is not what its encoding says, or that is unknown.
    """
    for index, one in enumerate(given):
        try:
            content = decode(one["content"], one["encoding"])
        except ValueError as error:
            place = "content" if one["encoding"].lower() in _DECODERS else "encoding"
            text = f'"attachments[{index}].{place}" {error}'
            raise BadInput(text, {f"attachments,{index},{place}": text}) from None
        cid = (one.get("cid") or "").strip().removeprefix("<").removesuffix(">")
        yield Attachment(
            source_of(content),
            one.get("contentType") or "",
            one.get("filename") or "",
            cid if _CID.fullmatch(cid) else "",
            one.get("contentDisposition") or "",
            (one.get("contentTransferEncoding") or "base64").lower(),
        )


def decode(content: str, encoding: str) -> bytes:
    """
    @param encoding: one of Node's names.
    @raise ValueError: it is unknown, or C{content} is not in it.
    """
    decoder = _DECODERS.get(encoding.lower())
    if decoder is None:
        raise ValueError(f"must be one of [{', '.join(_DECODERS)}]")
    try:
        return decoder(content)
    except (binascii.Error, ValueError):
        raise ValueError(f"must be valid {encoding}") from None


def _base64(content: str) -> bytes:
    """Standard or URL alphabet, with line breaks or without, padded or not."""
    text = _BLANKS.sub("", content).translate(_URL_SAFE).rstrip("=")
    return binascii.a2b_base64(_checked(text) + "=" * (-len(text) % 4))


def _checked(text: str) -> str:
    if _NOT_BASE64.search(text) or len(text) % 4 == 1:
        raise ValueError
    return text


_NOT_BASE64 = re.compile(r"[^A-Za-z0-9+/]")

_DECODERS: dict[str, Callable[[str], bytes]] = {
    "base64": _base64,
    "base64url": _base64,
    "hex": bytes.fromhex,
    "utf8": lambda content: content.encode("utf-8"),
    "utf-8": lambda content: content.encode("utf-8"),
    "ascii": lambda content: content.encode("ascii"),
    "latin1": lambda content: content.encode("latin-1"),
    "binary": lambda content: content.encode("latin-1"),
}
