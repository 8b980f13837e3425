"""Which parser reads the arguments of which command."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from wildduck.errors import ProtocolError
from wildduck.imap.grammar import (
    append,
    contexts,
    copying,
    fetch,
    listing,
    mailbox,
    messages,
    naming,
    notify,
    quota,
    replace,
    search,
    selection,
    session,
    sign_in,
    sort,
    status,
    urlauth,
)
from wildduck.imap.grammar.cursor import Cursor
from wildduck.imap.grammar.values import Command

#: Takes the cursor behind the command's name; gives the value, or a generator
#: that yields what it meets on the way (L{wildduck.imap.grammar.strings.Reading}).
Parser = Callable[[Cursor], Any]


def _plain(command: type[Command]) -> Parser:
    """For a command without arguments."""
    return lambda cursor: command()


PARSERS: dict[bytes, Parser] = {
    # session.py
    b"CAPABILITY": _plain(session.Capability),
    b"NOOP": _plain(session.Noop),
    b"IDLE": _plain(session.Idle),
    b"LOGOUT": _plain(session.Logout),
    b"STARTTLS": _plain(session.StartTls),
    b"ID": session.parse_id,
    b"NOTIFY": notify.parse_notify,
    b"ENABLE": session.parse_enable,
    b"COMPRESS": session.parse_compress,
    b"UNAUTHENTICATE": _plain(session.Unauthenticate),
    # sign_in.py
    b"LOGIN": sign_in.parse_login,
    b"AUTHENTICATE": sign_in.parse_authenticate,
    # selection.py
    b"SELECT": selection.parse_select,
    b"EXAMINE": selection.parse_examine,
    # mailbox.py
    b"CLOSE": _plain(mailbox.Close),
    b"UNSELECT": _plain(mailbox.Unselect),
    b"CHECK": _plain(mailbox.Check),
    # status.py
    b"STATUS": status.parse_status,
    # listing.py
    b"LIST": listing.parse_list,
    b"LSUB": listing.parse_lsub,
    b"XLIST": listing.parse_xlist,
    b"NAMESPACE": _plain(listing.Namespace),
    # naming.py
    b"CREATE": naming.parse_create,
    b"DELETE": naming.parser_of(naming.Delete),
    b"RENAME": naming.parse_rename,
    b"SUBSCRIBE": naming.parser_of(naming.Subscribe),
    b"UNSUBSCRIBE": naming.parser_of(naming.Unsubscribe),
    # quota.py
    b"GETQUOTA": quota.parse_get_quota,
    b"GETQUOTAROOT": quota.parse_get_quota_root,
    b"SETQUOTA": quota.parse_set_quota,
    # append.py
    b"APPEND": append.parse_append,
    # replace.py
    b"REPLACE": replace.parse_replace,
    b"UID REPLACE": replace.parse_uid_replace,
    # urlauth.py
    b"RESETKEY": urlauth.parse_reset_key,
    b"GENURLAUTH": urlauth.parse_gen_url_auth,
    b"URLFETCH": urlauth.parse_url_fetch,
    # fetch.py
    b"FETCH": fetch.parse_fetch,
    b"UID FETCH": fetch.parse_uid_fetch,
    # copying.py
    b"COPY": copying.parse_copy,
    b"UID COPY": copying.parse_uid_copy,
    b"MOVE": copying.parse_move,
    b"UID MOVE": copying.parse_uid_move,
    # messages.py
    b"STORE": messages.parse_store,
    b"UID STORE": messages.parse_uid_store,
    b"EXPUNGE": _plain(messages.Expunge),
    b"UID EXPUNGE": messages.parse_uid_expunge,
    # search.py
    b"SEARCH": search.parse_search,
    b"UID SEARCH": search.parse_uid_search,
    # contexts.py
    b"CANCELUPDATE": contexts.parse_cancel_update,
    # sort.py
    b"SORT": sort.parse_sort,
    b"UID SORT": sort.parse_uid_sort,
    b"THREAD": sort.parse_thread,
    b"UID THREAD": sort.parse_uid_thread,
}


def parser_for(cursor: Cursor) -> Parser:
    """
    The parser for the command named here; the cursor goes behind the name.

    @raise ProtocolError: no name, or no such command.
    """
    name = cursor.atom("a command").upper()
    if name == b"UID":
        cursor.space()
        name += b" " + cursor.atom("a command").upper()
    parser = PARSERS.get(name)
    if parser is None:
        raise ProtocolError("unknown command")
    return parser
