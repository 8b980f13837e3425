"""
Every command, and what the scheduler must know of it.

A command is added by its grammar (L{wildduck.imap.grammar.requests}), its handler
and one row here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from wildduck.imap.commands import (
    append,
    contexts,
    copying,
    fetch,
    idle,
    mailboxes,
    messages,
    naming,
    notify,
    quota,
    replace,
    search,
    selection,
    session,
    sign_in,
    sorting,
    status,
    urlauth,
    urlfetch,
)
from wildduck.imap.grammar.append import PieceStart
from wildduck.imap.session import Done, Session
from wildduck.imap.state import ANY, NOT_SIGNED_IN, ONLY_SELECTED, SIGNED_IN, State
from wildduck.imap.uploads import Upload


@dataclass(frozen=True, slots=True)
class Row:
    """
    @ivar name: as in L{wildduck.imap.grammar.values.Command.name}.
    @ivar states: in which it may be given; in others it is refused.
    @ivar handler: given the session and the command's value; a DomainError is
        answered NO.
    @ivar message: decides on a piece of a message, and gives what takes its bytes;
        C{None} for a URL, whose bytes it has taken itself.
    @ivar uses_sequence_numbers: no EXPUNGE may be sent while it runs (RFC 3501 §7.4.1).
    @ivar may_report_expunge: EXPUNGE may be sent between its end and its tagged response.
    @ivar names_by_number: its arguments or its answer are sequence numbers: refused
        in a session of UIDs only (RFC 9586).
    @ivar tells_flags: may tell flags in its answer: news of them wait until it has.
    @ivar reads: looks at the messages of the selected mailbox: the view is
        brought up to date before it.
    @ivar writes: changes them: refused in a mailbox opened by EXAMINE.
    @ivar idles: waits for its client (L{Session.ask}) as long as that likes: the
        client is told now and then that we are there.
    @ivar reports: what else happened in the mailbox is told after it.
    @ivar names: makes, takes away or subscribes names of mailboxes, which are
        C{mailbox} and C{target} of its value.
    @ivar expunges: takes messages out of the selected mailbox; its client is told
        so whatever else it wants to be told (RFC 5465).
    """

    name: str
    states: frozenset[State]
    handler: Callable[[Session, Any], Awaitable[Done]]
    message: Callable[[Session, PieceStart], Awaitable[Upload | None]] | None = None
    uses_sequence_numbers: bool = False
    names_by_number: bool = False
    may_report_expunge: bool = False
    reads: bool = False
    tells_flags: bool = False
    writes: bool = False
    reports: bool = False
    idles: bool = False
    names: bool = False
    expunges: bool = False


_ROWS = (
    Row("CAPABILITY", ANY, session.capability),
    Row("NOOP", ANY, session.noop, reports=True, may_report_expunge=True),
    Row("IDLE", SIGNED_IN, idle.idle, idles=True, reports=True, may_report_expunge=True),
    Row("LOGOUT", ANY, session.logout),
    Row("ID", ANY, session.identify),
    Row("ENABLE", frozenset((State.AUTHENTICATED,)), session.enable),
    Row("NOTIFY", SIGNED_IN, notify.notify),
    Row("COMPRESS", SIGNED_IN, session.compress),
    Row("UNAUTHENTICATE", SIGNED_IN, session.unauthenticate),
    Row("STARTTLS", NOT_SIGNED_IN, session.start_tls),
    Row("LOGIN", NOT_SIGNED_IN, sign_in.login),
    Row("AUTHENTICATE", NOT_SIGNED_IN, sign_in.authenticate),
    Row("LIST", SIGNED_IN, mailboxes.list_mailboxes, reports=True, may_report_expunge=True),
    Row("XLIST", SIGNED_IN, mailboxes.xlist, reports=True, may_report_expunge=True),
    Row("LSUB", SIGNED_IN, mailboxes.list_subscribed, reports=True, may_report_expunge=True),
    Row("NAMESPACE", SIGNED_IN, mailboxes.namespace, reports=True, may_report_expunge=True),
    Row("GETQUOTA", SIGNED_IN, quota.get_quota, reports=True, may_report_expunge=True),
    Row("GETQUOTAROOT", SIGNED_IN, quota.get_quota_root, reports=True, may_report_expunge=True),
    Row("SETQUOTA", SIGNED_IN, quota.set_quota, reports=True, may_report_expunge=True),
    Row("STATUS", SIGNED_IN, status.status, reports=True, may_report_expunge=True),
    Row("CREATE", SIGNED_IN, naming.create, reports=True, may_report_expunge=True, names=True),
    Row("DELETE", SIGNED_IN, naming.delete, reports=True, may_report_expunge=True, names=True),
    Row("RENAME", SIGNED_IN, naming.rename, reports=True, may_report_expunge=True, names=True),
    Row("SUBSCRIBE", SIGNED_IN, naming.subscribe, reports=True, may_report_expunge=True, names=True),
    Row("UNSUBSCRIBE", SIGNED_IN, naming.unsubscribe, reports=True, may_report_expunge=True, names=True),
    Row("SELECT", SIGNED_IN, selection.select),
    Row("EXAMINE", SIGNED_IN, selection.examine),
    Row("CLOSE", ONLY_SELECTED, selection.close),
    Row("UNSELECT", ONLY_SELECTED, selection.unselect),
    Row("CHECK", ONLY_SELECTED, session.noop, reports=True, may_report_expunge=True),
    Row("APPEND", SIGNED_IN, append.append, append.piece, reports=True, may_report_expunge=True),
    Row("RESETKEY", SIGNED_IN, urlauth.reset_key, reports=True, may_report_expunge=True),
    Row("GENURLAUTH", SIGNED_IN, urlauth.generate, reports=True, may_report_expunge=True),
    Row("URLFETCH", SIGNED_IN, urlfetch.fetch, reports=True, may_report_expunge=True),
    Row(
        "REPLACE",
        ONLY_SELECTED,
        replace.replace,
        replace.piece,
        writes=True,
        names_by_number=True,
        reports=True,
        may_report_expunge=True,
    ),
    Row(
        "UID REPLACE",
        ONLY_SELECTED,
        replace.replace,
        replace.piece,
        writes=True,
        reports=True,
        may_report_expunge=True,
    ),
    Row(
        "FETCH",
        ONLY_SELECTED,
        fetch.fetch,
        reads=True,
        tells_flags=True,
        uses_sequence_numbers=True,
        names_by_number=True,
    ),
    Row("UID FETCH", ONLY_SELECTED, fetch.fetch, reads=True, tells_flags=True),
    Row("SEARCH", ONLY_SELECTED, search.search, reads=True, uses_sequence_numbers=True, names_by_number=True),
    # Its keys may be sequence numbers as well: an EXPUNGE before it would change what they mean.
    Row("UID SEARCH", ONLY_SELECTED, search.search, reads=True, uses_sequence_numbers=True),
    Row("CANCELUPDATE", ONLY_SELECTED, contexts.cancel_update, reports=True, may_report_expunge=True),
    Row("SORT", ONLY_SELECTED, sorting.sort, reads=True, uses_sequence_numbers=True, names_by_number=True),
    Row("UID SORT", ONLY_SELECTED, sorting.sort, reads=True, uses_sequence_numbers=True),
    Row(
        "THREAD", ONLY_SELECTED, sorting.thread, reads=True, uses_sequence_numbers=True, names_by_number=True
    ),
    Row("UID THREAD", ONLY_SELECTED, sorting.thread, reads=True, uses_sequence_numbers=True),
    Row(
        "STORE",
        ONLY_SELECTED,
        messages.store,
        writes=True,
        uses_sequence_numbers=True,
        names_by_number=True,
        reports=True,
    ),
    Row("UID STORE", ONLY_SELECTED, messages.store, writes=True, reports=True, may_report_expunge=True),
    Row(
        "EXPUNGE",
        ONLY_SELECTED,
        messages.expunge,
        writes=True,
        reports=True,
        may_report_expunge=True,
        expunges=True,
    ),
    Row(
        "UID EXPUNGE",
        ONLY_SELECTED,
        messages.uid_expunge,
        writes=True,
        reports=True,
        may_report_expunge=True,
        expunges=True,
    ),
    Row("COPY", ONLY_SELECTED, copying.copy, names_by_number=True, reports=True, may_report_expunge=True),
    Row("UID COPY", ONLY_SELECTED, copying.copy, reports=True, may_report_expunge=True),
    Row(
        "MOVE",
        ONLY_SELECTED,
        copying.move,
        writes=True,
        names_by_number=True,
        reports=True,
        may_report_expunge=True,
        expunges=True,
    ),
    Row(
        "UID MOVE",
        ONLY_SELECTED,
        copying.move,
        writes=True,
        reports=True,
        may_report_expunge=True,
        expunges=True,
    ),
)

TABLE = {row.name: row for row in _ROWS}
