"""What an IMAP URL names: octets of a stored message (RFC 5092 §6)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from wildduck.errors import DomainError
from wildduck.imap.commands.enclosed import Enclosed
from wildduck.imap.commands.header_fields import select
from wildduck.imap.grammar.fetch import Section, section_of
from wildduck.imap.grammar.url import ImapUrl
from wildduck.imap.session import Session
from wildduck.mailstore.content import CONTENT_FIELDS, Content
from wildduck.mailstore.values import Mailbox

T = TypeVar("T")
#: A message document.
Document: TypeAlias = Mapping[str, Any]


class Unresolved(DomainError):
    """Nothing can be read by this URL; who asks is not told why, for it may be of others' mailboxes."""

    text = "Nothing can be read by this URL"


@dataclass(frozen=True, slots=True)
class Octets:
    """
    A range of a message as BODY[...] sends it.

    @ivar content: of the message.
    @ivar end: exclusive.
    @ivar data: the octets themselves, where they are no range of the content.
    """

    content: Content
    start: int
    end: int
    data: bytes | None = None

    @property
    def length(self) -> int:
        return self.end - self.start

    async def prepare(self) -> None:
        """
        See that they can be read; call it before announcing their length.

        @raise ContentUnreadable: they can not.
        """
        if self.data is None:
            await self.content.prepare(self.start, self.end)

    async def blocks(self) -> AsyncIterator[bytes]:
        """@raise ContentUnreadable: they are not what they should be; what was given is right."""
        if self.data is not None:
            yield self.data[self.start : self.end]
            return
        async for block in self.content.blocks(self.start, self.end):
            yield block


def check_fresh(mailbox: Mailbox, url: ImapUrl) -> None:
    """@raise Unresolved: the mailbox that a URL names has another UIDVALIDITY than it had."""
    if url.uid_validity not in (None, mailbox.uid_validity):
        raise Unresolved()


async def document_of(session: Session, mailbox: Mailbox, url: ImapUrl) -> Document:
    """
    The message that a URL names, with what its content needs.

    @param mailbox: that the URL names.
    @raise Unresolved: there is none of this UID.
    """
    async for batch in session.store.rows(mailbox, [url.uid], CONTENT_FIELDS):
        for document in batch:
            return document
    raise Unresolved()


async def opened(session: Session, document: Document, *, exact: bool = False) -> Enclosed:
    """
    The content of a message, which a URL sees into whatever this session has enabled.

    For it names the same for who made it and for who reads it.

    @param exact: as of L{MailStore.content<wildduck.mailstore.store.MailStore.content>}.
    @raise ContentUnreadable: it is damaged.
    """

    async def in_thread(function: Callable[..., T], *arguments: Any) -> T:
        return await session.store.compute(lambda _: function(*arguments), document, in_thread=True)

    return Enclosed(await session.store.content(document, exact=exact), in_thread)


async def octets_of(message: Enclosed, url: ImapUrl) -> Octets:
    """
    The octets of a message that a URL names.

    @raise Unresolved: the message has no such part.
    """
    content = message.content
    section = section_of(url.section) if url.section else Section()
    what = "HEADER" if section.fields else section.what
    place = content.rope.section(section.path, what)
    if place is None:
        place = await message.section(section.path, what)
    if place is None:
        raise Unresolved()
    if not section.fields:
        return Octets(content, *_partial(*place, url))
    header = await content.read(*place)
    data = select(header, section.fields, section.what == "HEADER.FIELDS.NOT")
    return Octets(content, *_partial(0, len(data), url), data)


def _partial(start: int, end: int, url: ImapUrl) -> tuple[int, int]:
    """What a URL's PARTIAL leaves of a range; nothing when it begins beyond the end."""
    if url.partial is None:
        return start, end
    first, most = url.partial
    start = min(start + first, end)
    return start, end if most is None else min(start + most, end)
