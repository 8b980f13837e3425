"""RESETKEY and GENURLAUTH, and who may use a URL (RFC 4467, RFC 5092 §6.1, RFC 5593)."""

from __future__ import annotations

import hashlib
import hmac

from bson import ObjectId

from wildduck.accounts import Account
from wildduck.errors import CannotDo, MailboxNotFound, ProtocolError
from wildduck.imap.commands.referred import Unresolved, check_fresh
from wildduck.imap.grammar.responses import Condition
from wildduck.imap.grammar.url import Access, ImapUrl, parse, rump
from wildduck.imap.grammar.urlauth import INTERNAL, URL_MECH, GenUrlAuth, GenUrlAuthData, ResetKey
from wildduck.imap.session import Done, Session
from wildduck.mailstore.access_keys import random_key
from wildduck.mailstore.values import Mailbox

#: Begins each token and says how it was made (RFC 4467 §2.4.1): HMAC with SHA-256.
_VERSION = "01"
#: Access identifiers without a user name.
_PLAIN = ("authuser", "anonymous")
#: What the RFCs know; an operator may add others.
_APPLICATIONS = frozenset(("submit", "stream"))


def token(key: bytes, url: bytes) -> str:
    """
    @param key: of the mailbox.
    @param url: the rump.
    """
    return _VERSION + hmac.new(key, url, hashlib.sha256).hexdigest()


# --- commands -----------------------------------------------------------------------


async def reset_key(session: Session, command: ResetKey) -> Done:
    """
    RFC 4467 §7.

    @raise MailboxNotFound: there is no such mailbox.
    @raise CannotDo: a mechanism is not known.
    """
    keys = session.store.access_keys
    if command.mailbox is None:
        await keys.remove_all(session.user.id)
        return Done("All keys removed")
    if any(name != INTERNAL for name in command.mechanisms):
        raise CannotDo("This mechanism is not known")
    mailbox = await session.store.mailboxes.get(session.user.id, command.mailbox)
    await keys.reset(mailbox)
    return Done("RESETKEY completed", URL_MECH)


async def generate(session: Session, command: GenUrlAuth) -> Done:
    """
    RFC 4467 §7: all URLs, or none.

    @raise ProtocolError: one can not be authorized; no other refusal is allowed.
    """
    mailboxes = [await _mailbox_for(session, url, mechanism) for url, mechanism in command.urls]
    made = []
    for (url, _), mailbox in zip(command.urls, mailboxes, strict=True):
        key = await session.store.access_keys.make(mailbox)
        made.append(url + f":internal:{token(key, url)}".encode("ascii"))
    session.respond(GenUrlAuthData(tuple(made)))
    return Done("GENURLAUTH completed")


async def _mailbox_for(session: Session, raw: bytes, mechanism: str) -> Mailbox:
    """@raise ProtocolError: see L{generate}."""
    if mechanism != INTERNAL:
        raise ProtocolError("This mechanism is not known")
    url = parse(raw)
    if url.server is None or not url.server.user:
        raise ProtocolError("Missing owner username in supplied URL")
    if url.access is None:
        raise ProtocolError("Missing access identifier in supplied URL")
    if url.token:
        raise ProtocolError("The supplied URL has a token already")
    if not _is_known(session, url.access):
        raise ProtocolError("Invalid access identifier in supplied URL")
    if not await names_user(session, url.server.user):
        raise ProtocolError("Only own mailboxes can be authorized")
    assert url.mailbox is not None
    try:
        mailbox = await session.store.mailboxes.get(session.user.id, url.mailbox)
        check_fresh(mailbox, url)
    except (MailboxNotFound, Unresolved):
        raise ProtocolError("No such mailbox") from None
    return mailbox


def _is_known(session: Session, access: Access) -> bool:
    if access.application in _PLAIN:
        return not access.user
    if access.application in ("user", "submit"):
        return bool(access.user)
    return access.application in _APPLICATIONS.union(session.services.settings.imap.url_applications)


# --- who may use a URL ------------------------------------------------------------------


async def names_user(session: Session, name: str) -> bool:
    """Whether a name is that of the session's account, by whatever name it signs in."""
    found = await session.services.accounts.directory.find_by_name(name)
    return found is not None and found[0].id == session.user.id


async def authorized(session: Session, raw: bytes, url: ImapUrl) -> Mailbox:
    """
    The mailbox of a URL that authorizes this session.

    Whatever is wrong, a token is made and compared, so that the time tells
    nothing of what mailboxes there are (RFC 4467 §6).

    @param raw: the URL as given.
    @raise Unresolved: it does not.
    """
    if url.server is None or url.access is None or url.mechanism != INTERNAL or url.mailbox is None:
        raise Unresolved()
    owner = await _account(session, url.server.user)
    mailbox = await _mailbox(session, ObjectId() if owner is None else owner.id, url.mailbox)
    key = None if mailbox is None else await session.store.access_keys.find(mailbox)
    right = hmac.compare_digest(token(key or random_key(), rump(raw)), url.token)
    expired = url.expire is not None and session.now() > url.expire
    if not right or key is None or mailbox is None or expired:
        raise Unresolved()
    if not await _may(session, url.access):
        raise Unresolved()
    return mailbox


async def _account(session: Session, name: str) -> Account | None:
    """The owner of a mailbox, if it may be read over IMAP at all."""
    found = await session.services.accounts.directory.find_by_name(name)
    if found is None:
        return None
    account = found[0]
    shut = account.disabled or account.suspended or "imap" in account.disabled_scopes
    return None if shut else account


async def _mailbox(session: Session, user: ObjectId, path: str) -> Mailbox | None:
    try:
        mailbox = await session.store.mailboxes.get(user, path)
    except MailboxNotFound:
        return None
    return None if mailbox.hidden else mailbox


async def _may(session: Session, access: Access) -> bool:
    if access.application in _PLAIN:
        # There are no sessions of nobody.
        return not access.user
    if access.application == "user":
        return await names_user(session, access.user)
    allowed = session.services.settings.imap.url_applications.get(access.application, ())
    for name in allowed:
        if await names_user(session, name):
            return True
    return False


def mechanisms() -> Condition:
    """What SELECT, EXAMINE and a replaced key are followed by (RFC 4467 §8)."""
    return Condition("OK", "URL mechanisms", URL_MECH)
