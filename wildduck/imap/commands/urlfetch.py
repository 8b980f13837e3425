"""URLFETCH: octets that URLs name, where they authorize it (RFC 4467, RFC 5524)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import cast

from twisted.logger import Logger

from wildduck.accounts import IMAP_DOWNLOAD
from wildduck.errors import (
    CannotDo,
    ContentUnreadable,
    MailboxNotFound,
    ProtocolError,
    UnknownEncoding,
)
from wildduck.imap.commands import binary, documents
from wildduck.imap.commands.enclosed import Enclosed, Found
from wildduck.imap.commands.referred import (
    Document,
    Octets,
    Unresolved,
    check_fresh,
    document_of,
    octets_of,
    opened,
)
from wildduck.imap.commands.urlauth import authorized
from wildduck.imap.grammar.fetch import Section, section_of
from wildduck.imap.grammar.strings import LiteralStart
from wildduck.imap.grammar.url import ImapUrl, parse
from wildduck.imap.grammar.urlauth import (
    BINARY,
    BODY,
    STRUCTURE,
    UrlFetch,
    UrlFetchData,
    Wanted,
    url_fetch_start,
)
from wildduck.imap.session import Done, Session
from wildduck.mailstore.decoded import Decoded, Measured
from wildduck.mime.enclosed import all_in
from wildduck.mime.identity_encoding import IdentityEncoding

#: Whatever keeps a URL from being read: who asks gets NIL.
_NOTHING = (ProtocolError, Unresolved, MailboxNotFound, ContentUnreadable)
_log = Logger()


@dataclass(frozen=True, slots=True)
class _Value:
    """
    One piece of an answer.

    @ivar name: C{b""} in an unextended answer.
    @ivar head: the value, or what announces it.
    @ivar blocks: what follows, C{None} for nothing.
    """

    name: bytes
    head: bytes
    blocks: AsyncIterator[bytes] | None = None


async def fetch(session: Session, command: UrlFetch) -> Done:
    """
    A response for each URL, NIL where it can not be read.

    @raise DailyLimitReached: the account has downloaded enough today.
    """
    meter = session.meter(IMAP_DOWNLOAD)
    for wanted in command.wanted:
        await meter.check()
        try:
            values = await _values(session, wanted)
        except _NOTHING as error:
            if isinstance(error, ContentUnreadable):
                _log.error("what a URL names can not be read: {error}", error=error, session=session.id)
            session.respond(UrlFetchData(wanted.url))
            continue
        meter.add(await _send(session, wanted.url, values))
    return Done("URLFETCH completed")


async def _values(session: Session, wanted: Wanted) -> list[_Value]:
    """@raise Exception: of L{_NOTHING}."""
    url = parse(wanted.url)
    mailbox = await authorized(session, wanted.url, url)
    check_fresh(mailbox, url)
    part = _Part(session, await document_of(session, mailbox, url), url)
    if not wanted.parameters:
        return [await part.body(b"")]
    values = []
    if STRUCTURE in wanted.parameters:
        values.append(await part.structure(decoded=BINARY in wanted.parameters))
    if BINARY in wanted.parameters:
        values.append(await part.binary())
    if BODY in wanted.parameters:
        values.append(await part.body(BODY.encode("ascii")))
    return values


async def _send(session: Session, url: bytes, values: list[_Value]) -> int:
    """@return: bytes of the octets that were sent."""
    sent = 0
    gathered = url_fetch_start(url)
    for number, value in enumerate(values):
        gathered += b" " * bool(number) + (b"(" + value.name + b" " if value.name else b"") + value.head
        if value.blocks is not None:
            # From the announcement on nothing but the rest of the response may follow.
            session.literal_open = True
            session.line.send(gathered)
            async with aclosing(cast("AsyncGenerator[bytes, None]", value.blocks)) as closing:
                async for block in closing:
                    sent += len(block)
                    session.line.send(block)
                    await session.line.drained()
            gathered = b""
        gathered += b")" if value.name else b""
    session.line.send(gathered + b"\r\n")
    session.literal_open = False
    return sent


class _Part:
    """What a URL names, of a message that has been read."""

    def __init__(self, session: Session, document: Document, url: ImapUrl) -> None:
        self._session = session
        self._document = document
        self._url = url
        self._section = section_of(url.section) if url.section else Section()

    async def body(self, name: bytes) -> _Value:
        """The octets as BODY[...] sends them."""
        octets = await octets_of(await opened(self._session, self._document), self._url)
        await octets.prepare()
        return _octets(name, octets)

    async def binary(self) -> _Value:
        """The octets without transfer encoding, NIL where that is not known."""
        name = BINARY.encode("ascii")
        decoded = await self._decoded(leaves_only=False)
        if decoded is None:
            return await self.body(name) if self._has_no_encoding else _Value(name, b"NIL")
        first, most = self._url.partial or (0, None)
        measured = await decoded.measure(first, most)
        if not measured.length:
            return _Value(name, b'""')
        start = LiteralStart(measured.length, binary=measured.has_nul)
        return _Value(name, start.compose(), decoded.blocks(first, measured.length))

    async def structure(self, *, decoded: bool) -> _Value:
        """
        @param decoded: as the part is without its transfer encoding.
        @raise Unresolved: the URL names no part, but a header, or octets of none.
        """
        name = STRUCTURE.encode("ascii")
        if self._section.what:
            raise Unresolved()
        # A multipart or a message is what it is without an encoding, too.
        part = await self._decoded(leaves_only=True) if decoded and self._section.path else None
        measured = None if part is None else await _described(part)
        structure = None
        if not self._session.modes.global_messages:
            structure = await self._described_by(measured, None)
        if structure is None:
            structure = await self._described_by(measured, await self._found())
        if structure is None:
            raise Unresolved()
        return _Value(name, structure)

    async def _found(self) -> list[Found]:
        """What is in each message/global."""
        trees = await self._session.store.compute(all_in, self._document)
        return await (await opened(self._session, self._document)).found(trees) if trees else []

    async def _described_by(
        self, measured: tuple[int, str] | None, found: Sequence[Found] | None
    ) -> bytes | None:
        """@param found: as of L{documents.part_structure}."""
        return await self._session.store.compute(
            documents.part_structure,
            self._document,
            self._section.path,
            measured,
            found,
            in_thread=bool(found),
        )

    @property
    def _has_no_encoding(self) -> bool:
        """It is a header, or a text that has parts with encodings of their own."""
        return bool(self._section.what)

    async def _decoded(self, *, leaves_only: bool) -> Decoded | None:
        """
        @param leaves_only: as of L{binary.of_whole}.
        @return: C{None} for what has no transfer encoding, or one that nobody knows.
        """
        if self._section.what:
            return None
        message = await opened(self._session, self._document, exact=True)
        path = self._section.path
        inside: Enclosed | None = message
        if not self._session.modes.global_messages and message.content.rope.node(path) is not None:
            inside = None
        try:
            decoded = await binary.of_whole(message.content, path, leaves_only=leaves_only, inside=inside)
        except (UnknownEncoding, CannotDo):
            return None
        if decoded is None:
            raise Unresolved()
        return decoded


def _octets(name: bytes, octets: Octets) -> _Value:
    if not octets.length:
        return _Value(name, b'""')
    return _Value(name, LiteralStart(octets.length).compose(), octets.blocks())


async def _described(part: Decoded) -> tuple[int, str]:
    """Octets of a decoded part, and the encoding that suits them, which changes nothing."""
    measured: Measured = await part.measure()
    kind = IdentityEncoding()
    if measured.data is not None:
        kind.feed(measured.data)
    elif not measured.has_nul:
        async with aclosing(cast("AsyncGenerator[bytes, None]", part.blocks(0, measured.length))) as blocks:
            async for block in blocks:
                kind.feed(block)
                if kind.binary:
                    break
    return measured.length, "binary" if measured.has_nul else kind.name
