"""
What a session's client is told without having asked for it: the news of its selected
mailbox (RFC 3501 §7, RFC 7162), of its contexts (RFC 5267) and of what NOTIFY
watches (RFC 5465).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Protocol

from bson import ObjectId

from wildduck.imap.contexts import Contexts, ItemsByUid
from wildduck.imap.grammar.cursor import MAX_NUMBER
from wildduck.imap.grammar.flags import SYSTEM_FLAGS
from wildduck.imap.grammar.notify import FLAG_CHANGE
from wildduck.imap.grammar.responses import (
    Condition,
    FlagsData,
    Response,
    number_code,
    permanent_flags_code,
)
from wildduck.imap.grammar.urlauth import URL_MECH
from wildduck.imap.highest_modseq import HighestModseq
from wildduck.imap.interests import Interests
from wildduck.imap.untagged import responses
from wildduck.mailstore.values import Change, Expunged, Flags
from wildduck.mailstore.view import View

if TYPE_CHECKING:
    from wildduck.imap.session import Session

#: Changes told before other connections have their turn.
_AT_ONCE = 500


class Watching(Protocol):
    """What NOTIFY has asked for (L{wildduck.imap.watching.Watch})."""

    interests: Interests

    async def look(self) -> None: ...
    async def own(self, paths: Iterable[str]) -> None: ...
    async def arrived(self, uids: Sequence[int], asked: ItemsByUid) -> None: ...
    def added(self, uids: Iterable[int]) -> None: ...
    def stop(self) -> None: ...


class News:
    """
    @ivar modseqs: what the client makes of the MODSEQs that it was told.
    @ivar held: UIDs of which flags are news that the running command may tell
        itself; what it has not told follows behind its answer.
    @ivar contexts: searches that are kept up to date, C{None} when there are none.
    @ivar watch: what NOTIFY has asked for; C{None} until it is given.
    @ivar on_ping: called when something may have happened in one of the account's
        mailboxes; C{None} where no command waits for that.
    """

    def __init__(self, session: Session) -> None:
        self.modseqs = HighestModseq()
        self.held: set[int] = set()
        self.contexts: Contexts | None = None
        self.watch: Watching | None = None
        self.on_ping: Callable[[], None] | None = None
        self._session = session
        #: How many names of flags the client was told.
        self._told_names = 0
        self._told_resets = 0
        #: Flags (as a set) and MODSEQ by UID that the running command has told.
        self._told_flags: dict[int, tuple[frozenset[str], int]] = {}

    def begin(self, view: View) -> None:
        """A mailbox is selected, and the client is about to be told how it is."""
        self.modseqs = HighestModseq()
        self._told_names = view.flag_names
        self._told_resets = view.key_resets

    def end(self) -> None:
        """It is selected no more."""
        self.drop_contexts()
        self.held.clear()
        self._told_flags.clear()

    def drop_contexts(self) -> None:
        """No search is kept up to date any more."""
        contexts, self.contexts = self.contexts, None
        if contexts is not None:
            contexts.close()

    def watch_with(self, watch: Watching | None) -> None:
        """
        From now on tell what this one has asked for.

        @raise twisted.internet.error.ConnectionLost: the client is gone.
        """
        if watch is not None:
            self._session.check_alive()
        before, self.watch = self.watch, watch
        if before is not None:
            before.stop()

    # --- when to look ------------------------------------------------------------

    def ping(self) -> None:
        """Something may have happened that the client is to be told of at once, if it waits for that."""
        if self.on_ping is not None:
            self.on_ping()
        elif self.watch is not None:
            self._session.line.announce()

    async def announce(self, *, may_expunge: bool) -> None:
        """
        Tell what the client wants to be told between commands, or in IDLE, which
        tells the same once NOTIFY was given (RFC 5465 §4).

        @param may_expunge: also where the client wants this only with its commands.
        @raise MailboxNotFound: the mailbox is gone.
        @raise twisted.internet.error.ConnectionLost: the client is.
        """
        watch = self.watch
        if self._session.view is not None:
            at_once = watch is not None and watch.interests.at_once
            await self.catch_up(may_expunge=may_expunge or at_once)
        if watch is not None:
            await watch.look()

    async def catch_up(self, *, may_expunge: bool, hold_flags: bool = False, own: bool = False) -> None:
        """
        Bring the view up to date and tell the client, if it wants to be told of
        the selected mailbox (RFC 5465 §3.1).

        @param hold_flags: the command that is about to run may tell flags itself:
            news of them wait in L{held} for L{tell_held}.
        @param own: the client has changed something itself: it is told anyhow.
        @raise MailboxNotFound: the mailbox is gone.
        @raise twisted.internet.error.ConnectionLost: the client is.
        """
        wanted = None if self.watch is None else self.watch.interests.of_selected
        if wanted is not None and not (wanted or own):
            return
        view = self._session.selected
        last = view.uids[-1] if view.uids else 0
        changes = await view.refresh(may_expunge=may_expunge)
        if wanted is not None and FLAG_CHANGE not in wanted:
            changes = [change for change in changes if not isinstance(change, Flags)]
        if hold_flags:
            self.held.update(change.uid for change in changes if isinstance(change, Flags))
            changes = [change for change in changes if not isinstance(change, Flags)]
        if self.contexts is not None:
            self.contexts.tell_expunged(changes)
        await self.report(changes)
        await self._tell_arrived(view.uid_range(last + 1, MAX_NUMBER))

    async def _tell_arrived(self, uids: Sequence[int]) -> None:
        """
        Of new messages what searches and NOTIFY have asked for, all in one FETCH: with
        items of NOTIFY behind ADDTO (RFC 5465 §5.2), without them before it (§7).
        """
        contexts, watch = self.contexts, self.watch
        asked: ItemsByUid = {}
        if contexts is not None and watch is not None and watch.interests.items:
            asked = await contexts.look()
            contexts.tell()
        elif contexts is not None:
            await contexts.tell_changes()
        if watch is not None:
            await watch.arrived(uids, asked)

    def added(self, mailbox: ObjectId, uids: Iterable[int]) -> None:
        """The running command has added messages to a mailbox, which may be the selected one."""
        view = self._session.view
        if view is None or view.mailbox.id != mailbox:
            return
        if self.watch is not None:
            self.watch.added(uids)
        if self.contexts is not None:
            self.contexts.added(uids)

    # --- telling -------------------------------------------------------------------

    async def report(self, changes: Sequence[Change]) -> None:
        """
        Tell what a refresh of the view found, but not what the command has told.

        @raise twisted.internet.error.ConnectionLost: the client is gone.
        """
        session, modes = self._session, self._session.modes
        self.report_keywords()
        self._report_key()
        changes = [change for change in changes if not self._is_told(change)]
        self._told_flags.clear()
        if modes.condstore:
            self._note_modseqs(changes)
        for start in range(0, len(changes), _AT_ONCE):
            if start:
                await session.breathe()
            some = changes[start : start + _AT_ONCE]
            told = responses(some, modes, with_uid=self.watch is not None or modes.rev2)
            session.line.send(b"".join(response.compose(modes) for response in told))

    def _is_told(self, change: Change) -> bool:
        if not isinstance(change, Flags) or change.uid not in self._told_flags:
            return False
        return self._told_flags[change.uid] == (frozenset(change.flags), change.modseq)

    def _note_modseqs(self, changes: Sequence[Change]) -> None:
        for change in changes:
            if isinstance(change, Flags):
                self.modseqs.told(change.modseq)
            elif isinstance(change, Expunged):
                self.modseqs.owe()

    async def tell_held(self) -> None:
        """Tell those news of flags that the command has not told itself."""
        if self.held:
            held = sorted(self.held)
            self.held.clear()
            await self.report(list(self._session.selected.flag_news(held)))

    def told_flags(self, uid: int, flags: Iterable[str], modseq: int) -> None:
        """
        The command has told all there is to tell of a message's flags.

        @param flags: C{\\Recent} included.
        """
        self._told_flags[uid] = (frozenset(flags), modseq)

    # --- HIGHESTMODSEQ, keywords and keys ------------------------------------------------

    def say_highest_modseq(self) -> None:
        """Send C{HIGHESTMODSEQ} in an untagged response."""
        self._session.respond(Condition("OK", "Highest mod-sequence", self.highest_modseq_code()))

    def highest_modseq_code(self) -> bytes:
        """The response code C{HIGHESTMODSEQ}, which is then sent at once."""
        modseq = self._session.selected.highest_modseq
        self.modseqs.said(modseq)
        return number_code("HIGHESTMODSEQ", modseq)

    @property
    def owes_highest_modseq(self) -> bool:
        """Whether the client would otherwise take a wrong value for it (RFC 7162 §6)."""
        view = self._session.view
        return view is not None and self._session.modes.condstore and self.modseqs.due(view.highest_modseq)

    def report_keywords(self) -> None:
        """Tell of keywords that are new in the mailbox (RFC 3501 §7.2.6)."""
        names = self._session.selected.flag_names
        if names != self._told_names:
            self._told_names = names
            for response in self.flag_responses():
                self._session.respond(response)

    def _report_key(self) -> None:
        """Tell that URLs of the mailbox authorize nobody any more (RFC 4467 §7 C{RESETKEY})."""
        resets = self._session.selected.key_resets
        if resets != self._told_resets:
            self._told_resets = resets
            self._session.respond(Condition("OK", "The key of this mailbox was replaced", URL_MECH))

    def flag_responses(self) -> list[Response]:
        """C{FLAGS} and C{PERMANENTFLAGS} of the selected mailbox."""
        flags = (*SYSTEM_FLAGS.values(), *self._session.selected.keywords)
        if self._session.read_only:
            permanent = Condition("OK", "Read-only mailbox", permanent_flags_code(()))
        else:
            permanent = Condition(
                "OK", "Flags permitted", permanent_flags_code((*flags, "\\*"), self._session.modes)
            )
        return [FlagsData(flags), permanent]
