"""CATENATE: pieces of messages that are stored already (RFC 4469)."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import cast

from wildduck.errors import DomainError, MailboxNotFound, ProtocolError
from wildduck.imap.commands.enclosed import Enclosed
from wildduck.imap.commands.referred import (
    Octets,
    Unresolved,
    check_fresh,
    document_of,
    octets_of,
    opened,
)
from wildduck.imap.commands.urlauth import authorized, names_user
from wildduck.imap.grammar.responses import bad_url_code
from wildduck.imap.grammar.url import ImapUrl, parse
from wildduck.imap.session import Session
from wildduck.imap.uploads import Uploads
from wildduck.mailstore.values import Mailbox


class BadUrl(DomainError):
    """Nothing can be read by a URL, which the response code repeats (RFC 4469 §4.1)."""

    def __init__(self, url: bytes) -> None:
        super().__init__("A URL names nothing that could be appended")
        self.imap_code = bad_url_code(url).decode("ascii")


async def add(session: Session, uploads: Uploads, raw: bytes) -> None:
    """
    Let the message that is coming in go on with what a URL names.

    It is never in memory as a whole.

    @param raw: the URL as given.
    @raise BadUrl: it is none, names nothing, or may not be used.
    @raise MessageTooBig: the message, or all of them together, would be too big.
    @raise ContentUnreadable: what is stored is damaged.
    """
    try:
        octets = await _octets(session, uploads, raw, parse(raw))
    except (ProtocolError, Unresolved, MailboxNotFound):
        raise BadUrl(raw) from None
    upload = uploads.expect(octets.length)
    await octets.prepare()
    blocks = octets.blocks()
    async with aclosing(cast("AsyncGenerator[bytes, None]", blocks)) as closing:
        async for block in closing:
            upload.write(block)
            # What the document itself holds comes without waiting for anybody.
            await session.breathe()


async def _octets(session: Session, uploads: Uploads, raw: bytes, url: ImapUrl) -> Octets:
    mailbox = await _mailbox(session, raw, url)
    check_fresh(mailbox, url)
    return await octets_of(await _message(session, uploads, mailbox, url), url)


async def _message(session: Session, uploads: Uploads, mailbox: Mailbox, url: ImapUrl) -> Enclosed:
    """The message; that of the URL before most often, read once."""
    last = uploads.last_read
    if last is not None and last[:2] == (mailbox.id, url.uid):
        return last[2]
    message = await opened(session, await document_of(session, mailbox, url))
    uploads.last_read = (mailbox.id, url.uid, message)
    return message


async def _mailbox(session: Session, raw: bytes, url: ImapUrl) -> Mailbox:
    """
    The mailbox that a URL names: the session's own, or what the URL authorizes it to read.

    @raise Unresolved: it is another's.
    """
    if url.access is not None or url.expire is not None:
        return await authorized(session, raw, url)
    if url.server is not None and not await names_user(session, url.server.user):
        raise Unresolved()
    if url.mailbox is None:
        if session.view is None:
            raise Unresolved()
        return session.view.mailbox
    return await session.store.mailboxes.get(session.user.id, url.mailbox)
