"""What a message is made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

#: Gives the bytes of a body in blocks; may be called again.
Source = Callable[[], Iterator[bytes]]


def source_of(content: bytes) -> Source:
    """A source of bytes that are at hand."""
    return lambda: iter((content,))


@dataclass(frozen=True, slots=True)
class Address:
    """
    A mailbox (RFC 5322 §3.4).

    @ivar name: the display name as people read it, C{""} for none.
    @ivar address: C{local@domain}; the domain may be in Unicode.
    """

    name: str
    address: str


@dataclass(frozen=True, slots=True)
class Attachment:
    """
    A part beside the text.

    @ivar source: its bytes.
    @ivar content_type: C{type/subtype}, with parameters if need be; C{""}: by its name.
    @ivar filename: C{""} for none.
    @ivar content_id: without brackets, C{""} for none; one that the HTML shows is
        put beside the HTML (RFC 2387).
    @ivar disposition: C{"attachment"}, C{"inline"} or C{""} to let us choose.
    @ivar encoding: the transfer encoding that is wanted: C{base64},
        C{quoted-printable}, C{7bit} or C{8bit}.  Bytes that it can't carry as they are go in base64.
    @ivar encoded: C{source} is in that encoding already, and is taken over as it is.
    """

    source: Source
    content_type: str = ""
    filename: str = ""
    content_id: str = ""
    disposition: str = ""
    encoding: str = "base64"
    encoded: bool = False


@dataclass(frozen=True, slots=True)
class Draft:
    """
    A message to be composed.

    @ivar message_id: with or without brackets.
    @ivar text: plain text, C{None} for none.
    @ivar html: C{None} for none; a message that has no C{text} gets one made of it.
    @ivar headers: further fields (name, value as people read it); one whose name is
        that of a member here is left out where that member is given, and so are all
        that describe the body.
    @ivar in_reply_to: Message-IDs with brackets.
    @ivar references: likewise.
    """

    date: datetime
    message_id: str
    sender: Address | None = None
    reply_to: tuple[Address, ...] = ()
    to: tuple[Address, ...] = ()
    cc: tuple[Address, ...] = ()
    bcc: tuple[Address, ...] = ()
    subject: str = ""
    text: str | None = None
    html: str | None = None
    attachments: tuple[Attachment, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    in_reply_to: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
