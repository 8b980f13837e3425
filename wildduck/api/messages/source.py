"""The bytes of a message and of its attachments (spec/api.md §4)."""

from __future__ import annotations

import codecs
import re
from collections.abc import AsyncIterator
from urllib.parse import quote

from wildduck.api.frame.application import Application
from wildduck.api.frame.call import Call
from wildduck.api.frame.route import Route
from wildduck.api.frame.schema import Boolean, Schema, String
from wildduck.api.frame.streams import Stream
from wildduck.api.messages.detail import IN_PATH, MESSAGE
from wildduck.mailstore import MailStore
from wildduck.mailstore.message import Attachment
from wildduck.mime import charsets

_SOURCE = Schema(IN_PATH)
_ATTACHMENT = Schema(
    {
        **IN_PATH,
        "attachment": String(
            required=True, longest=20, pattern=r"[Aa][Tt][Tt]\d{1,17}", about="Id of the attachment"
        ),
        "sendAsString": Boolean(default=False, about="Convert text of another charset to UTF-8"),
    },
    extras=False,
)

_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,126}/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}")
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,60}")
#: What a quoted file name may hold without being misread (RFC 6266 appendix D).
_PLAIN_NAME = re.compile(r"[A-Za-z0-9 !#$&+,;=@^_`{}~()\[\].'-]*")
_NOT_PLAIN = re.compile(r"[^A-Za-z0-9 !#$&+,;=@^_`{}~()\[\].'-]")
#: Letters of an extended value (RFC 8187 §3.2.1) that quote() would escape.
_ATTRIBUTE = "!#$&+^`|"

#: No script of an attachment runs, nothing is loaded by it: it is shown on the API's origin.
_SANDBOX = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:"
#: Browsers show these with parts of their own, which a sandbox breaks.
_HARMLESS = frozenset(("application/pdf",))


class SourceApi:
    """C{GET} of a message's source and of its attachments."""

    def __init__(self, store: MailStore) -> None:
        self._reading = store.reading

    def register(self, application: Application) -> None:
        """Add the routes."""
        application.add(
            Route(
                "GET",
                f"{MESSAGE}/message.eml",
                _SOURCE,
                Stream,
                self.source,
                permission=("messages", "read"),
                tag="Messages",
                summary="The source of a message",
                content_type="message/rfc822",
            )
        )
        application.add(
            Route(
                "GET",
                f"{MESSAGE}/attachments/<attachment>",
                _ATTACHMENT,
                Stream,
                self.attachment,
                permission=("attachments", "read"),
                tag="Messages",
                summary="An attachment of a message, decoded",
            )
        )

    async def source(self, call: Call) -> Stream:
        """
        @raise MessageNotFound: there is none, or it is another account's.
        @raise ContentUnreadable: something of it is missing.
        """
        values = call.values
        content = await self._reading.source(call.user, values["mailbox"], values["message"])
        name = f"message-{values['message']}.eml"
        return Stream(
            "message/rfc822",
            content.blocks(),
            content.length,
            {
                "Content-Disposition": content_disposition("attachment", name),
                "Content-Security-Policy": _SANDBOX,
            },
        )

    async def attachment(self, call: Call) -> Stream:
        """
        @raise MessageNotFound: there is none, or it is another account's.
        @raise AttachmentNotFound: it has no such attachment.
        """
        values = call.values
        found = await self._reading.attachment(
            call.user, values["mailbox"], values["message"], values["attachment"].upper()
        )
        return attachment_stream(found, as_string=values["sendAsString"])


def attachment_stream(found: Attachment, *, as_string: bool = False) -> Stream:
    """
    An attachment as it is sent.

    @param as_string: text in UTF-8.
    """
    kind = found.content_type.lower()
    kind = kind if _MEDIA_TYPE.fullmatch(kind) else "application/octet-stream"
    headers = {"Content-Disposition": content_disposition(found.disposition, found.filename)}
    if kind not in _HARMLESS:
        headers["Content-Security-Policy"] = _SANDBOX
    charset = found.charset if _TOKEN.fullmatch(found.charset) else ""
    blocks, length = found.blocks, found.length
    if as_string and kind.startswith("text/"):
        blocks, length = _in_utf8(blocks, charsets.codec_name(charset)), None
        charset = "utf-8"
    if charset and kind.startswith("text/"):
        kind = f"{kind}; charset={charset}"
    return Stream(kind, blocks, length, headers)


async def _in_utf8(blocks: AsyncIterator[bytes], codec: str | None) -> AsyncIterator[bytes]:
    """
    Text of a charset, converted block by block; what it can't say becomes U+FFFD.

    @param codec: C{None} for undeclared: UTF-8, and what is none of it windows-1252.
    """
    decoder: codecs.IncrementalDecoder | None = None
    async for block in blocks:
        if decoder is None:
            decoder = _decoder(codec, block)
        text = decoder.decode(block)
        if text:
            yield text.encode("utf-8", "replace")
    rest = decoder.decode(b"", True) if decoder is not None else ""
    if rest:
        yield rest.encode("utf-8", "replace")


def _decoder(codec: str | None, start: bytes) -> codecs.IncrementalDecoder:
    if codec in ("utf_16", "utf_32") and start[:2] not in (b"\xff\xfe", b"\xfe\xff", b"\0\0"):
        # Python refuses to guess the order of bytes.
        codec = f"{codec}_le"
    lenient = codec in (None, "cp1252")
    return codecs.getincrementaldecoder(codec or "utf_8")("wildduck.latin1" if lenient else "replace")


def content_disposition(disposition: str, name: str) -> str:
    """
    A Content-Disposition (RFC 6266): the name for old clients, and exactly.

    Whatever the name holds, it is one field and names no folder.

    @param disposition: C{inline} or anything else: what is not meant to be shown is saved.
    @param name: C{""} for none.
    """
    kind = "inline" if disposition.lower() == "inline" else "attachment"
    name = re.split(r"[/\\]", name)[-1].strip()
    name = "".join(c for c in name if c.isprintable())
    if not name or name in (".", ".."):
        return kind
    plain = _NOT_PLAIN.sub("_", name)
    if plain == name and _PLAIN_NAME.fullmatch(name):
        return f'{kind}; filename="{name}"'
    return f"{kind}; filename=\"{plain}\"; filename*=utf-8''{quote(name, safe=_ATTRIBUTE)}"
