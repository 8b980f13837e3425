"""
The mailboxes of an account that are not selected, watched for a client (RFC 5465 §5).

A watch knows the mailboxes as they were when it looked last, looks again when
the account had a ping, and tells what has become of them.  So nothing is lost with
a ping: every L{POLL_SECONDS} it looks by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from bson import ObjectId
from twisted.internet.interfaces import IDelayedCall

from wildduck import limits
from wildduck.errors import NotificationOverflow
from wildduck.imap.commands.fetch import tell_each
from wildduck.imap.contexts import ItemsByUid
from wildduck.imap.grammar.mailbox_responses import StatusData
from wildduck.imap.grammar.notify import FLAG_CHANGE, MESSAGE_NEW
from wildduck.imap.grammar.responses import Condition
from wildduck.imap.interests import Interests
from wildduck.imap.name_changes import levels, name_changes
from wildduck.imap.session import Session
from wildduck.limits import POLL_SECONDS
from wildduck.mailstore.values import Mailbox, Status

_Mailboxes = dict[ObjectId, Mailbox]

#: An account's mailboxes are looked at no more often.
PAUSE_SECONDS = 0.2
#: What a writer is still at work on is looked for again, for as long as it may take.
_AGAIN_SECONDS = 1.0
_AGAIN_MOST = int(2 * limits.MODSEQ_HOLE_SECONDS / _AGAIN_SECONDS)


class Watch:
    """
    What one C{NOTIFY SET} has asked for.

    @ivar interests: of which mailbox what is told.
    """

    def __init__(self, session: Session, interests: Interests) -> None:
        self.interests = interests
        self._session = session
        self._known: _Mailboxes = {}
        #: What was told last, as far as it was.
        self._told: dict[ObjectId, Status] = {}
        #: Mailboxes of which something has changed that can not be seen yet, and
        #: how often it was looked for.
        self._unseen: dict[ObjectId, int] = {}
        #: What the client has added to the selected mailbox and was not counted yet.
        self._own: set[int] = set()
        self._looked = 0.0
        self._timer: IDelayedCall | None = None
        self._stopped = False

    async def begin(self, *, status: bool) -> None:
        """
        Note how the mailboxes are now.

        @param status: and tell it, of those whose messages are watched (§3.1).
        @raise NotificationOverflow: there are too many.
        """
        if not self.interests.any_others:
            return
        self._known = await self._mailboxes()
        if len(self._known) > limits.IMAP_NOTIFY_MAILBOXES:
            raise NotificationOverflow()
        if status:
            await self._tell_statuses(self._known, first=True)
        self._plan(POLL_SECONDS)

    def stop(self) -> None:
        """The client is told no more."""
        self._stopped = True
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()

    async def look(self) -> None:
        """Tell what has happened since, now or soon; or, when it is too much, tell nothing any more."""
        if not self.interests.any_others or self._stopped:
            return
        left = self._looked + PAUSE_SECONDS - self._now()
        if left > 0:
            self._plan(left)
            return
        try:
            await self._look(frozenset())
        except NotificationOverflow as error:
            self._session.respond(Condition("OK", str(error), b"NOTIFICATIONOVERFLOW"))
            self._session.news.watch_with(Watch(self._session, Interests(())))
            return
        self._plan(_AGAIN_SECONDS if self._unseen else POLL_SECONDS)

    async def own(self, paths: Iterable[str]) -> None:
        """
        The client itself has made, deleted, renamed or subscribed mailboxes: it
        need not be told (§5).

        @param paths: their names, before and after.
        """
        if self.interests.any_others:
            names = list(paths)
            parents = [name[:length] for name in names for length in levels(name)]
            await self._look(frozenset((*names, *parents)))

    async def arrived(self, uids: Sequence[int], asked: ItemsByUid) -> None:
        """
        Messages are new in the selected mailbox: tell what was asked for (§5.2).

        @param asked: of these or others, what searches that are kept up to date ask for.
        """
        items = self.interests.items
        wanted = dict(asked)
        for uid in uids if items else ():
            if uid not in self._own:
                wanted[uid] = (*items, *wanted.get(uid, ()))
        self._own.clear()
        await tell_each(self._session, dict(sorted(wanted.items())))

    def added(self, uids: Iterable[int]) -> None:
        """The client has added these to the selected mailbox itself, and need not be told of them."""
        self._own.update(uids)

    # --- looking ------------------------------------------------------------------------

    def _now(self) -> float:
        return self._session.services.clock.seconds()

    def _plan(self, seconds: float) -> None:
        """Look again after this long, or sooner if that was planned."""
        timer = self._timer
        if self._stopped or (timer is not None and timer.getTime() <= self._now() + seconds):
            return
        if timer is not None:
            timer.cancel()
        self._timer = self._session.services.clock.callLater(seconds, self._due)

    def _due(self) -> None:
        self._timer = None
        self._session.news.ping()

    async def _mailboxes(self) -> _Mailboxes:
        session = self._session
        mailboxes = await session.store.mailboxes.list(session.user.id)
        return {mailbox.id: mailbox for mailbox in mailboxes if not mailbox.hidden}

    async def _look(self, own: frozenset[str]) -> None:
        self._looked = self._now()
        after = await self._mailboxes()
        if len(after) > limits.IMAP_NOTIFY_MAILBOXES:
            raise NotificationOverflow()
        before, self._known = self._known, after
        for response in name_changes(self.interests, before, after, own):
            self._session.respond(response)
        changed = {
            id: mailbox for id, mailbox in after.items() if id in before and _moved_on(before[id], mailbox)
        }
        unseen = {id: after[id] for id in self._unseen if id in after}
        self._unseen = {id: self._unseen[id] for id in unseen if id not in changed}
        self._told = {id: status for id, status in self._told.items() if id in after}
        await self._tell_statuses({**unseen, **changed}, first=False)

    # --- messages -----------------------------------------------------------------------------

    async def _tell_statuses(self, mailboxes: Mapping[ObjectId, Mailbox], *, first: bool) -> None:
        """@param first: of all of them, not only what has changed."""
        session = self._session
        selected = None if session.view is None else session.view.mailbox.id
        wanted: dict[ObjectId, frozenset[str]] = {}
        for id, mailbox in mailboxes.items():
            events = self.interests.of_messages(mailbox.path, mailbox.subscribed)
            if events and id != selected:
                wanted[id] = events
        statuses = await session.store.statuses.many(session.user.id, wanted.keys())
        for id, events in wanted.items():
            status = statuses.get(id)
            if status is None:
                continue
            if not first and status.highest_modseq < mailboxes[id].modify_index:
                self._look_again(id)
            items = self._items(events, None if first else self._told.get(id), status, first)
            if items:
                session.respond(StatusData(mailboxes[id].path, items))
            self._told[id] = status

    def _look_again(self, id: ObjectId) -> None:
        tries = self._unseen.get(id, 0) + 1
        if tries <= _AGAIN_MOST:
            self._unseen[id] = tries
        else:
            self._unseen.pop(id, None)

    def _items(
        self, events: frozenset[str], told: Status | None, status: Status, first: bool
    ) -> tuple[tuple[str, int], ...]:
        """What STATUS tells of a change, nothing where that is of no interest (§5.1 to §5.3)."""
        condstore = self._session.modes.condstore
        validity = ("UIDVALIDITY", status.uid_validity)
        # With FlagChange the first one has it whether the client has enabled CONDSTORE or not (§3.1).
        with_modseq = condstore or (first and FLAG_CHANGE in events)
        modseq = (("HIGHESTMODSEQ", status.highest_modseq),) if with_modseq else ()
        counts = (("MESSAGES", status.messages), ("UIDNEXT", status.uid_next))
        if told is not None and (told.uid_validity, told.highest_modseq) == (
            status.uid_validity,
            status.highest_modseq,
        ):
            return ()
        if first or told is None:
            unseen = (("UNSEEN", status.unseen),) if FLAG_CHANGE in events and not first else ()
            return (*counts, validity, *unseen, *modseq)
        if (told.messages, told.uid_next) != (status.messages, status.uid_next):
            return (*counts, *modseq) if MESSAGE_NEW in events else ()
        if FLAG_CHANGE not in events:
            return ()
        if condstore or told.unseen != status.unseen or told.uid_validity != status.uid_validity:
            return (validity, ("UNSEEN", status.unseen), *modseq)
        return ()


def _moved_on(before: Mailbox, after: Mailbox) -> bool:
    return (before.uid_validity, before.uid_next, before.modify_index) != (
        after.uid_validity,
        after.uid_next,
        after.modify_index,
    )
