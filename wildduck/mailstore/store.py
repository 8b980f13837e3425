"""
The mail store as the faces see it: one object for each worker.

Mailboxes, messages, flags, and their bytes.  How each of these stays right when
writers race, crash or share the database with WildDuck is told in store.md; the
modules of this package have a rule of it each.
"""

from __future__ import annotations

import datetime
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from bson import ObjectId
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from wildduck.config import Settings
from wildduck.database import Databases, Redis
from wildduck.errors import MailboxNotFound
from wildduck.events import Notifier
from wildduck.events.notifier import CommandListener, Listener
from wildduck.interfaces import IAccountMail, IMailAccount
from wildduck.mailstore import (
    clearing,
    deletion,
    inbox_move,
    oldest_shown,
    prepared,
    rows,
    selection,
    vanished,
)
from wildduck.mailstore.access_keys import AccessKeys
from wildduck.mailstore.append import Appender, internal_date as as_internal_date
from wildduck.mailstore.at_once import AllAtOnce, Means
from wildduck.mailstore.attachments import Attachments
from wildduck.mailstore.backend import Backend
from wildduck.mailstore.building import Builder
from wildduck.mailstore.chores import Chores
from wildduck.mailstore.clearing import Cleared, Scheduled
from wildduck.mailstore.collector import Collector
from wildduck.mailstore.content import Content
from wildduck.mailstore.copying import Copier
from wildduck.mailstore.documents import Origin
from wildduck.mailstore.drafting import Drafting
from wildduck.mailstore.expunge import expunge
from wildduck.mailstore.flag_table import DELETED, canonical, in_one_spelling
from wildduck.mailstore.flags import FlagStore, changed_flags
from wildduck.mailstore.keywords import check_count
from wildduck.mailstore.listing import Listing
from wildduck.mailstore.mailboxes import Mailboxes
from wildduck.mailstore.message import Reading
from wildduck.mailstore.moving import Mover
from wildduck.mailstore.news import Feed
from wildduck.mailstore.open_indexes import OpenIndexes
from wildduck.mailstore.paths import INBOX, normal_path
from wildduck.mailstore.prepared import Prepared
from wildduck.mailstore.quota import Quota
from wildduck.mailstore.recent import Recents
from wildduck.mailstore.referenced import Follows
from wildduck.mailstore.removal import Removal
from wildduck.mailstore.search import Search
from wildduck.mailstore.search.keys import Key
from wildduck.mailstore.search.run import Found, Ordered, Threads
from wildduck.mailstore.search.sorting import Criterion
from wildduck.mailstore.selection import Selection
from wildduck.mailstore.statuses import Statuses
from wildduck.mailstore.text_index import TextIndex
from wildduck.mailstore.updates import Change, Updater
from wildduck.mailstore.values import Appended, Copied, Mailbox, Progress, Stored, unnoted
from wildduck.mailstore.vanished import Range
from wildduck.mailstore.verifier import Verifier
from wildduck.mailstore.view import View
from wildduck.mime.effort import takes_long
from wildduck.mime.message import Message
from wildduck.threads import BoundedPool

T = TypeVar("T")


@implementer(IAccountMail)
class MailStore:
    """
    Everything that is kept of mail.

    @ivar mailboxes: L{Mailboxes}: list, listed, get, get_special, create, subscribe, delete.
    @ivar statuses: L{Statuses}: what STATUS tells of one mailbox or many.
    @ivar drafting: L{Drafting}: what messages are composed of.
    @ivar quota: L{Quota}: reserve, release, recount.
    @ivar access_keys: L{AccessKeys}: by which URLs authorize others.
    @ivar at_once: L{AllAtOnce}: add, replace.
    @ivar listing: L{Listing}: pages of a mailbox.
    @ivar reading: L{Reading}: single messages.
    @ivar chores: L{Chores}: steps of background work.
    @ivar verifier: L{Verifier}: verify.
    """

    def __init__(
        self,
        databases: Databases,
        redis: Redis,
        notifier: Notifier,
        settings: Settings,
        reactor: IReactorTime,
        mime_pool: BoundedPool,
    ) -> None:
        """
        @param reactor: tells the time and makes delayed calls; tests give a
            L{task.Clock <twisted.internet.task.Clock>}.
        @param mime_pool: threads for long messages.
        """
        self._backend = Backend(databases, redis, notifier, settings, reactor, mime_pool)
        self._attachments = Attachments(self._backend)
        self.quota = Quota(self._backend)
        self.mailboxes = Mailboxes(self._backend)
        self._open = OpenIndexes(self._backend)
        self.statuses = Statuses(self._backend, self._open)
        builder = Builder(self._backend, self._attachments)
        self._appender = Appender(self._backend, builder, self.quota)
        self._flags = FlagStore(self._backend)
        self._updater = Updater(self._backend)
        self.listing = Listing(self._backend, self.mailboxes.counting)
        self.reading = Reading(self._backend, self.mailboxes, self._flags)
        self.drafting = Drafting(self._backend)
        self.chores = Chores(self._backend)
        self._text_index = TextIndex(self._backend)
        self._backend.arrived = self._text_index.note
        self._search = Search(self._backend, self._text_index)
        self._removal = Removal(self._backend, self._attachments, self.quota)
        self.access_keys = AccessKeys(self._backend)
        self.at_once = AllAtOnce(Means(self._backend, builder, self.quota, self._removal, self.mailboxes))
        self._copier = Copier(self._backend, self._attachments, self.quota, self._removal)
        self._mover = Mover(self._backend)
        self.verifier = Verifier(self._backend, self._attachments, self.quota)

    async def settle(self) -> None:
        """Begin nothing more, and wait for what still runs behind answers that were given; at shutdown."""
        self._open.stop()
        await self._text_index.indexer.stop()
        await self._backend.settle()

    # --- storing --------------------------------------------------------------------

    async def prepare(self, message: Message) -> Prepared:
        """
        Analyse a message, once for all that is done with it.

        For each further recipient call it with C{message.with_prefix(…)} of the
        same content: what depends on the content alone is found once.

        @raise Overloaded: too many big messages wait already.
        """
        return await prepared.prepare(self._backend, message)

    async def add(
        self,
        account: IMailAccount,
        mailbox: Mailbox,
        message: Message,
        *,
        flags: Iterable[str] = (),
        internal_date: datetime.datetime | None = None,
        meta: Mapping[str, Any],
        session: str | bytes = "",
        prepared: Prepared | None = None,
        extra: Mapping[str, Any] | None = None,
        follows: Follows | None = None,
    ) -> Appended:
        """
        Store a message for good (store.md §1): when this returns, 250 may be said.

        @param message: stays the caller's to close.
        @param flags: without C{\\Recent}; system flags in any case.
        @param internal_date: now, if not given.
        @param meta: WildDuck's C{meta} (spec/schema.md): source, from, to, origin,
            transtype, time...
        @param session: id of the session that does it; it needs no telling.
        @param prepared: of this very message, if it was analysed already.
        @param extra: further WildDuck fields: filters, forwardTargets, outbound,
            verificationResults.
        @param follows: the conversation of the message that it answers.
        @raise OverQuota: it does not fit into the account's storage.
        @raise MailboxNotFound: the mailbox has been deleted meanwhile, or is another account's.
        @raise LimitReached: a keyword is too long.
        @raise CannotDo: it would be stored in clear where mailbox or account want encryption.
        @raise Unavailable: it could not be stored, or whether it is can't be told.
        """
        if account.id != mailbox.user:
            raise MailboxNotFound()
        if prepared is None or prepared.message is not message:
            prepared = await self.prepare(message)
        date = as_internal_date(internal_date, self._backend)
        origin = Origin(in_one_spelling(canonical(flags)), date, meta, extra or {}, follows)
        try:
            return await self._appender.add(mailbox, prepared, origin, _session(session))
        except MailboxNotFound:
            now = await self.mailboxes.again(mailbox)
        return await self._appender.add(now, prepared, origin, _session(session))

    # --- looking ----------------------------------------------------------------------

    async def open(self, user: ObjectId, path: str, *, recents: Recents = Recents.IGNORED) -> View:
        """
        Open a mailbox for a session.

        @param recents: what the session has to do with C{\\Recent}.
        @raise MailboxNotFound: there is none of that name.
        """
        return await self.open_mailbox(await self.mailboxes.get(user, path), recents=recents)

    async def open_mailbox(self, mailbox: Mailbox, *, recents: Recents = Recents.IGNORED) -> View:
        """As L{open}, for a mailbox that was found already."""
        return await self._open.open(mailbox, recents=recents)

    def listen(
        self, user: ObjectId, callback: Listener, on_command: CommandListener | None = None
    ) -> Callable[[], None]:
        """See L{Notifier.listen}."""
        return self._backend.notifier.listen(user, callback, on_command)

    def feed(self, user: ObjectId, last: ObjectId | None) -> Feed:
        """
        What happens in an account from now on.

        @param last: the last journal entry that was told before.
        """
        return Feed(self._backend, self.mailboxes.counting, user, last)

    async def oldest_shown(self, mailbox: Mailbox) -> int:
        """See L{oldest_shown.get}."""
        return await oldest_shown.get(self._backend.redis, mailbox)

    def keep_oldest_shown(self, mailbox: Mailbox, uid: int) -> None:
        """See L{oldest_shown.keep}; nobody need wait for it."""
        self._backend.background(oldest_shown.keep(self._backend.redis, mailbox, uid))

    def rows(
        self, mailbox: Mailbox, uids: Sequence[int], projection: Mapping[str, Any], *, batch_size: int = 0
    ) -> AsyncIterator[list[dict[str, Any]]]:
        """See L{rows.rows}."""
        return rows.rows(self._backend, mailbox, uids, projection, batch_size=batch_size)

    async def content(self, document: Mapping[str, Any], *, exact: bool = False) -> Content:
        """
        The bytes of a message.

        @param document: with L{CONTENT_FIELDS <wildduck.mailstore.content.CONTENT_FIELDS>}.
        @param exact: with its NULs, as it came in, instead of as it is sent.
        @raise ContentUnreadable: what makes the message exact is missing.
        """
        return await Content.of(self._backend.gridfs, document, self._backend.mime_pool, exact=exact)

    async def compute(
        self,
        function: Callable[..., T],
        document: Mapping[str, Any],
        *arguments: Any,
        in_thread: bool = False,
    ) -> T:
        """
        Call a function of a message document, in a thread if its tree is large.

        @param document: the first argument.
        @param in_thread: in any case.
        @raise Overloaded: too many such calls wait already.
        """
        if in_thread or takes_long(document.get("mimeTree")):
            return await self._backend.mime_pool.run(function, document, *arguments)
        return function(document, *arguments)

    async def search(
        self,
        view: View,
        key: Key,
        breathe: Callable[[], Awaitable[None]],
        progress: Progress = unnoted,
    ) -> Found:
        """See L{Search.run}."""
        return await self._search.run(view, key, breathe, progress)

    def vanished(
        self, view: View, known: Sequence[Range], modseq: int, after: int = 0
    ) -> AsyncIterator[list[Range]]:
        """See L{vanished.told}."""
        return vanished.told(self._backend, view, known, modseq, after)

    async def sort(
        self,
        view: View,
        key: Key,
        criteria: Sequence[Criterion],
        breathe: Callable[[], Awaitable[None]],
        progress: Progress = unnoted,
    ) -> Ordered:
        """See L{Search.sort}."""
        return await self._search.sort(view, key, criteria, breathe, progress)

    async def thread(
        self,
        view: View,
        key: Key,
        algorithm: str,
        breathe: Callable[[], Awaitable[None]],
        progress: Progress = unnoted,
    ) -> Threads:
        """See L{Search.thread}."""
        return await self._search.thread(view, key, algorithm, breathe, progress)

    # --- changing ---------------------------------------------------------------------

    async def store_flags(
        self,
        mailbox: View | Mailbox,
        uids: Sequence[int],
        mode: str,
        flags: Iterable[str],
        *,
        unchanged_since: int | None = None,
        session: str | bytes = "",
        progress: Progress = unnoted,
    ) -> Stored:
        """
        Change the flags of messages (store.md §3).

        Given a view, that view knows the result at once and will not report it
        as news, except where others have changed the same message; and keywords
        are those that the mailbox has, whatever their case.

        @param mode: C{"+"}, C{"-"} or C{"="}.
        @param unchanged_since: change only messages with a MODSEQ up to this one.
        @raise LimitReached: a keyword is too long, or there are more flags than a message may have.
        @raise Unavailable: some messages may have been changed.
        """
        wanted = canonical(flags)
        check_count(wanted)
        store = partial(
            self._flags.store, unchanged_since=unchanged_since, session=_session(session), progress=progress
        )
        if not isinstance(mailbox, View):
            return await store(mailbox, uids, mode, wanted)
        given = mailbox.spelled(wanted, everyhow=mode == "-")
        with mailbox.knows_own_changes(lambda known: changed_flags(known, mode, given)) as done:
            return await store(mailbox.mailbox, uids, mode, given, done=done)

    async def copy(
        self,
        mailbox: View | Mailbox,
        uids: Sequence[int],
        target: Mailbox,
        *,
        session: str | bytes = "",
        add_flags: Iterable[str] = (),
        progress: Progress = unnoted,
    ) -> Copied:
        """
        Copy messages, with their flags, INTERNALDATE and thread.

        When this returns they are there for good; when it fails the target is
        as before.  Those that no longer exist are left out.

        @param target: of the same account; may be the same mailbox.
        @param add_flags: flags that the copies get beside.
        @raise OverQuota: they do not fit into the account's storage; none is copied.
        @raise MailboxNotFound: the target has been deleted meanwhile, or is another account's.
        @raise CannotDo: something would be stored in clear that is to be encrypted.
        @raise LimitReached: a keyword is too long.
        @raise Unavailable: some may be copied, where the database can't tell.
        """
        source = mailbox.mailbox if isinstance(mailbox, View) else mailbox
        return await self._copier.copy(
            source, uids, target, canonical(add_flags), _session(session), progress
        )

    async def move(
        self,
        mailbox: View | Mailbox,
        uids: Sequence[int],
        target: Mailbox,
        *,
        session: str | bytes = "",
        add_flags: Iterable[str] = (),
        ham: bool = False,
        progress: Progress = unnoted,
    ) -> Copied:
        """
        Move messages (RFC 6851), with their flags, INTERNALDATE and thread.

        A view of the mailbox learns of it by its next refresh.  Those that no
        longer exist are left out.

        @param target: of the same account; in the same mailbox the messages get new UIDs.
        @param add_flags: flags that the messages get beside.
        @param ham: tell that they were no spam.
        @raise MailboxNotFound: a mailbox has been deleted meanwhile, or the
            target is another account's.
        @raise CannotDo: something would stand in clear that is to be encrypted.
        @raise InUse: another session moves or removes messages for too long.
        @raise LimitReached: a keyword is too long.
        @raise Unavailable: each message is moved, or is where it was.
        """
        source = mailbox.mailbox if isinstance(mailbox, View) else mailbox
        return await self._mover.move(
            source, uids, target, canonical(add_flags), _session(session), ham=ham, progress=progress
        )

    async def expunge(
        self,
        mailbox: View | Mailbox,
        uids: Sequence[int] | None = None,
        session: str | bytes = "",
        progress: Progress = unnoted,
    ) -> list[int]:
        """
        Remove messages that have C{\\Deleted}; their attachments and quota go or
        they go to the archive (spec/schema.md §7).

        A view learns of it by its next refresh.

        @param uids: of these messages only (UID EXPUNGE); C{None}: of all that
            the view knows, or that are there.
        @return: UIDs that are gone now, ascending.
        @raise InUse: another session moves or removes messages for too long.
        """
        target = mailbox.mailbox if isinstance(mailbox, View) else mailbox
        if uids is None:
            if isinstance(mailbox, View):
                uids = mailbox.deleted()
            else:
                uids = await rows.all_uids(self._backend, target, {"flags": DELETED})
        return await expunge(self._backend, self._removal, target, uids, _session(session), progress)

    # --- changing as the API does it ------------------------------------------------------

    async def update(
        self, mailbox: Mailbox, selected: Selection, change: Change, *, session: str | bytes = ""
    ) -> int:
        """
        Change flags, expiry and metaData of messages.

        @return: messages that were there, changed or as wanted already.
        @raise CannotDo: a message in clear would cease to be a draft where messages are to be encrypted.
        @raise Unavailable: some messages may have been changed.
        """
        return await self._updater.update(mailbox, selected, change, _session(session))

    async def move_and_update(
        self,
        mailbox: Mailbox,
        selected: Selection,
        target: Mailbox,
        change: Change,
        *,
        session: str | bytes = "",
        ham: bool = False,
    ) -> Copied:
        """
        Move messages, and change them where they are then.

        Flags that are only added come with the move itself.

        @param ham: tell that they were no spam.
        @raise DomainError: see L{move} and L{update}; when the move is refused
            nothing has changed.
        """
        uids = await selection.uids(self._backend, mailbox, selected)
        if not uids:
            return Copied(target.uid_validity, (), ())
        await self._updater.check(mailbox, Selection.of(uids), change, target)
        moved = await self.move(mailbox, uids, target, session=session, add_flags=change.added, ham=ham)
        if moved.target and (change.removed or change.fields):
            where = await self.mailboxes.get_by_id(target.user, target.id)
            await self._updater.update(where, Selection.of(moved.target), change, _session(session))
        return moved

    async def clear(
        self,
        mailbox: Mailbox,
        selected: Selection | None = None,
        *,
        archive: bool = True,
        session: str | bytes = "",
    ) -> Cleared:
        """
        Remove messages, with or without C{\\Deleted}.

        @param selected: C{None} for all that are there now.
        @param archive: keep them in C{archived} for a while; drafts never are.
        @raise InUse: another session moves or removes messages for too long.
        @raise Unavailable: some may be gone.
        """
        return await clearing.clear(
            self._backend,
            self._removal,
            mailbox,
            selected or Selection(),
            archive=archive,
            session=_session(session),
        )

    async def schedule_clear(self, mailbox: Mailbox, *, archive: bool = True) -> Scheduled:
        """See L{clearing.schedule}."""
        return await clearing.schedule(self._backend, mailbox, archive=archive)

    async def rename(
        self, user: ObjectId, path: str, target: str, *, user_retention: int = 0, session: str | bytes = ""
    ) -> None:
        """
        Rename as IMAP does it (RFC 3501 §6.3.5): L{Mailboxes.rename}, but INBOX
        stays, and what lies under it, and its messages go to a new mailbox.

        Where this fails on the way each message is in one of the two, and the same
        command goes on with the rest.

        @param user_retention: the account's retention in milliseconds, 0 for ever.
        @raise DomainError: see L{wildduck.mailstore.rename.rename}, L{Mailboxes.create} and L{move}.
        """
        if normal_path(path) != INBOX:
            await self.mailboxes.rename(user, path, target)
            return
        inbox = await self.mailboxes.get(user, INBOX)
        made = await inbox_move.begin(self._backend, self.mailboxes, user, target, user_retention)
        await self.move(inbox, await rows.all_uids(self._backend, inbox), made, session=session)
        await inbox_move.end(self._backend, made)

    # --- accounts come and go -----------------------------------------------------------

    async def create_defaults(
        self, user: Any, language: str = "", retention: int = 0, names: Mapping[str, str] | None = None
    ) -> None:
        """See L{IAccountMail.create_defaults}."""
        await self.mailboxes.create_defaults(user, language, retention, names)

    async def delete_user_data(self, user: Any, check: Callable[[], None] | None = None) -> None:
        """See L{IAccountMail.delete_user_data}."""
        await deletion.delete_user_data(self._backend, user, check)

    # --- keeping it clean -----------------------------------------------------------------

    def collector(self) -> Collector:
        """@return: a new service; one for each server process."""
        return Collector(self._backend, self.mailboxes, self._attachments, self._removal)


def _session(session: str | bytes) -> str | None:
    """A session's id as journal entries hold it."""
    if isinstance(session, bytes):
        session = session.decode("ascii", "replace")
    return session or None
