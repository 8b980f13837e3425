"""
Putting a message together.

::

    mixed
        alternative
            text/plain
            related
                text/html
                what the HTML shows
        attachments

Of which only what is needed is there.
"""

from __future__ import annotations

import mimetypes
import re
import secrets
from collections.abc import Callable, Iterator, Sequence
from urllib.parse import quote

from wildduck import limits
from wildduck.mime import html as markup, parameters
from wildduck.mime.compose import bodies, fields
from wildduck.mime.compose.values import Attachment, Draft
from wildduck.mime.compose.words import clean

_UNKNOWN = "application/octet-stream"
#: Fields that describe the body, and are ours alone.
_OF_BODIES = re.compile(r"(?:content-.*|mime-version)\Z", re.IGNORECASE)
#: What a message has one of at most (RFC 5322 §3.6).
_ONCE = frozenset(
    (
        "date",
        "from",
        "sender",
        "reply-to",
        "to",
        "cc",
        "bcc",
        "message-id",
        "in-reply-to",
        "references",
        "subject",
    )
)
#: Python's own table: that of the system differs from machine to machine.
_TYPES = mimetypes.MimeTypes()

Part = Iterator[bytes]


def compose(draft: Draft, write: Callable[[bytes], object]) -> None:
    """
    Compose a message.

    Attachments are read and encoded block by block; texts are held in memory.

    @param write: is called with its bytes, in order.
    @raise ValueError: an address is none, or a header's name (L{fields.is_address}, L{fields.is_name}).
    """
    write(_headers(draft))
    last = b""
    for block in _root(draft):
        write(block)
        last = (last + block[-2:])[-2:]
    if last != b"\r\n":
        # Mail is lines (RFC 5322 §2.1): who sends it on would add the last one's end.
        write(b"\r\n")


# --- headers ------------------------------------------------------------------------


def _headers(draft: Draft) -> bytes:
    own = [
        ("From", fields.addresses("From", [draft.sender] if draft.sender else [])),
        ("Reply-To", fields.addresses("Reply-To", draft.reply_to)),
        ("To", fields.addresses("To", draft.to)),
        ("Cc", fields.addresses("Cc", draft.cc)),
        ("Bcc", fields.addresses("Bcc", draft.bcc)),
        ("Subject", fields.unstructured("Subject", draft.subject)),
        ("In-Reply-To", fields.message_ids("In-Reply-To", draft.in_reply_to)),
        ("References", fields.message_ids("References", draft.references)),
    ]
    given = {name.lower() for name, value in draft.headers if clean(value).strip()}
    if "date" not in given:
        own.append(("Date", fields.date("Date", draft.date)))
    if "message-id" not in given:
        own.append(("Message-ID", fields.message_ids("Message-ID", [f"<{draft.message_id.strip('<>')}>"])))
    taken = {name.lower() for name, line in own if line}
    further = []
    for name, value in draft.headers:
        if not fields.is_name(name):
            raise ValueError("not a header name")
        key = name.lower()
        if key in taken or _OF_BODIES.match(name) or not clean(value).strip():
            continue
        if key in _ONCE:
            taken.add(key)
        further.append(fields.unstructured(name, value))
    return b"".join([*(line for _, line in own), *further, b"MIME-Version: 1.0\r\n"])


# --- structure ------------------------------------------------------------------------


def _root(draft: Draft) -> Part:
    html = draft.html
    shown = [one for one in draft.attachments if html is not None and _is_shown(one, html)]
    rest = [one for one in draft.attachments if one not in shown]
    body = _text_body(draft.text, html, shown)
    if body is None and len(rest) == 1 and not draft.text:
        return _attachment(rest[0], related=False)
    parts = [*([body] if body is not None else []), *(_attachment(one, related=False) for one in rest)]
    if not parts:
        return iter((b"Content-Type: text/plain\r\n\r\n",))
    return parts[0] if len(parts) == 1 else _multipart("mixed", parts)


def _is_shown(attachment: Attachment, html: str) -> bool:
    """Whether HTML refers to an attachment, so that it is no file beside the message."""
    id = attachment.content_id
    if not id or attachment.disposition == "attachment":
        return False
    return f"cid:{id}" in html or f"cid:{quote(id, errors='replace')}" in html


def _text_body(text: str | None, html: str | None, shown: Sequence[Attachment]) -> Part | None:
    if html is None:
        return None if text is None else _text("plain", text)
    if text is None:
        text = markup.to_text(html[: limits.HTML_CONVERTED])
    marked_up = _text("html", html)
    if shown:
        parts = [marked_up, *(_attachment(one, related=True) for one in shown)]
        marked_up = _multipart("related", parts, ("type", "text/html"))
    return _multipart("alternative", [_text("plain", text), marked_up])


def _multipart(subtype: str, parts: Sequence[Part], *more: tuple[str, str]) -> Part:
    # No body that is encoded can hold it, and none that isn't will.
    boundary = f"=_{secrets.token_hex(14)}"
    yield fields.parameterized("Content-Type", f"multipart/{subtype}", [*more, ("boundary", boundary)])
    for part in parts:
        yield f"\r\n--{boundary}\r\n".encode()
        yield from part
    yield f"\r\n--{boundary}--\r\n".encode()


def _text(subtype: str, text: str) -> Part:
    encoding, body = bodies.of_text(text)
    yield fields.parameterized("Content-Type", f"text/{subtype}", [("charset", "utf-8")])
    yield f"Content-Transfer-Encoding: {encoding}\r\n\r\n".encode()
    yield body


# --- attachments -----------------------------------------------------------------------


def _attachment(attachment: Attachment, *, related: bool) -> Part:
    kind, options = _content_type(attachment)
    encoding, body = _body(attachment, kind)
    if encoding == "base64" and kind.startswith("message/") and not attachment.encoded:
        kind, options = _UNKNOWN, []
    if attachment.filename:
        options.append(("name", attachment.filename))
    yield fields.parameterized("Content-Type", kind, options)
    yield f"Content-Transfer-Encoding: {encoding}\r\n".encode()
    disposition = attachment.disposition or ("inline" if related else "attachment")
    named = [("filename", attachment.filename)] if attachment.filename else []
    yield fields.parameterized("Content-Disposition", disposition, named)
    if attachment.content_id:
        yield fields.message_ids("Content-ID", [f"<{attachment.content_id}>"])
    yield b"\r\n"
    yield from body


def _body(attachment: Attachment, kind: str) -> tuple[str, Iterator[bytes]]:
    if attachment.encoded:
        return attachment.encoding, attachment.source()
    if kind.startswith("message/"):
        as_message = bodies.of_message(attachment.source)
        if as_message is not None:
            return as_message[0], iter((as_message[1],))
        return "base64", bodies.in_base64(attachment.source)
    return bodies.encode(attachment.source, attachment.encoding)


def _content_type(attachment: Attachment) -> tuple[str, list[tuple[str, str]]]:
    """The type of an attachment and its parameters, but for its name."""
    parsed = parameters.parse(attachment.content_type.encode("utf-8", "replace"), strict=False)
    kind = parsed.value.lower()
    if not kind and attachment.filename:
        kind = _TYPES.guess_type(attachment.filename, strict=False)[0] or ""
    type, slash, subtype = kind.partition("/")
    if not slash or not fields.is_token(type) or not fields.is_token(subtype) or type == "multipart":
        # The parts of a multipart would not be ours.
        return _UNKNOWN, []
    options = [
        (name, value)
        for name, value in parameters.decoded(parsed).items()
        if fields.is_token(name) and "*" not in name and name.lower() not in ("name", "boundary")
    ]
    return kind, options
