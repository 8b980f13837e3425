"""
One client's session: its state, its account and its mailbox, and how commands answer.

Command handlers know this class and nothing of the transport behind it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Protocol

from bson import ObjectId
from twisted.internet.error import ConnectionLost
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from wildduck.accounts import IMAP_UPLOAD, Account, Accounts, DailyLimit, DailyMeter, SessionCounter
from wildduck.config import Settings
from wildduck.imap.capabilities import Circumstances, capabilities
from wildduck.imap.contexts import Contexts
from wildduck.imap.enabling import enabled
from wildduck.imap.grammar.cursor import MAX_NUMBER
from wildduck.imap.grammar.flags import SYSTEM_FLAGS
from wildduck.imap.grammar.modes import PLAIN, Modes
from wildduck.imap.grammar.notify import FLAG_CHANGE
from wildduck.imap.grammar.responses import (
    Condition,
    FlagsData,
    Response,
    capability_code,
    number_code,
    permanent_flags_code,
)
from wildduck.imap.grammar.urlauth import URL_MECH
from wildduck.imap.highest_modseq import HighestModseq
from wildduck.imap.interests import Interests
from wildduck.imap.state import Move, State, after
from wildduck.imap.untagged import responses
from wildduck.imap.uploads import Uploads
from wildduck.mailstore.store import MailStore
from wildduck.mailstore.values import Change, Expunged, Flags
from wildduck.mailstore.view import View

#: Changes told before other connections have their turn.
_AT_ONCE = 500


class Line(Protocol):
    """The session's side of the connection (L{wildduck.imap.connection.ImapConnection})."""

    session: str

    @property
    def secure(self) -> bool: ...
    @property
    def can_start_tls(self) -> bool: ...
    @property
    def peer_host(self) -> str: ...
    @property
    def choked(self) -> bool: ...
    @property
    def compressed(self) -> bool: ...

    def send(self, data: bytes) -> None: ...
    async def drained(self) -> None: ...
    async def ask(self, prompt: bytes) -> bytes | None: ...
    def start_tls(self) -> None: ...
    def lose(self) -> None: ...
    def abort(self) -> None: ...
    def signed_in(self) -> None: ...
    def signed_out(self) -> None: ...
    def start_deflate(self) -> None: ...
    def end_deflate(self) -> None: ...
    def set_modes(self, modes: Modes) -> None: ...
    def announce(self) -> None: ...
    def regulate(self, busy: bool) -> None: ...
    def progressed(self) -> None: ...


class Watching(Protocol):
    """What NOTIFY has asked for (L{wildduck.imap.watching.Watch})."""

    interests: Interests

    async def look(self) -> None: ...
    async def own(self, paths: Iterable[str]) -> None: ...
    async def arrived(self, uids: Sequence[int]) -> None: ...
    def added(self, uids: Iterable[int]) -> None: ...
    def stop(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Services:
    """What all sessions of a worker share."""

    accounts: Accounts
    store: MailStore
    settings: Settings
    clock: IReactorTime
    counter: SessionCounter


@dataclass(frozen=True, slots=True)
class Done:
    """
    How a command ended.

    @ivar code: response code without brackets.
    @ivar then: called when the tagged response has been sent.
    """

    text: str
    code: bytes | None = None
    status: str = "OK"
    then: Callable[[], None] | None = None


class Session:
    """
    @ivar state: see L{wildduck.imap.state}.
    @ivar account: C{None} before sign-in.
    @ivar view: the selected mailbox, or C{None}.
    @ivar read_only: it was opened by EXAMINE.
    @ivar modes: what the client has enabled; changed by L{enable} only.
    @ivar tag: of the command whose handler was called last; that reads it before it waits for anything.
    @ivar modseqs: what the client makes of the MODSEQs that it was told.
    @ivar held: UIDs of which flags are news that the running command may tell
        itself; what it has not told follows behind its answer.
    @ivar contexts: searches that are kept up to date, C{None} when there are none.
    @ivar watch: what NOTIFY has asked for; C{None} until it is given.
    @ivar uploads: messages of the APPEND or REPLACE that is coming in, C{None} before the first one.
    @ivar literal_open: a response with a literal was begun, and not all of it sent:
        nothing but its bytes may follow.
    @ivar progress: of the running command: messages dealt with and messages in all;
        C{None} where it can't tell (RFC 9585).
    """

    def __init__(self, line: Line, services: Services) -> None:
        self.line = line
        self.services = services
        self.state = State.NOT_AUTHENTICATED
        self.account: Account | None = None
        self.view: View | None = None
        self.read_only = False
        self.modes = PLAIN
        self.tag = b""
        self.modseqs = HighestModseq()
        self.held: set[int] = set()
        self.contexts: Contexts | None = None
        self.watch: Watching | None = None
        self.uploads: Uploads | None = None
        self.literal_open = False
        self.progress: tuple[int, int] | None = None
        #: Called when something may have happened in one of the account's mailboxes.
        self.on_news: Callable[[], None] | None = None
        self._unlisten: Callable[[], None] | None = None
        self._told_keywords: tuple[str, ...] = ()
        self._told_resets = 0
        #: Flags (as a set) and MODSEQ by UID that the running command has told.
        self._told_flags: dict[int, tuple[frozenset[str], int]] = {}
        self._meters: dict[DailyLimit, DailyMeter] = {}

    # --- who and where ---------------------------------------------------------

    @property
    def id(self) -> str:
        """Names this connection in the log and in the journal's C{ignore}."""
        return self.line.session

    @property
    def store(self) -> MailStore:
        return self.services.store

    @property
    def user(self) -> Account:
        """
        The account; the command table lets nobody ask before sign-in.

        @raise twisted.internet.error.ConnectionLost: the client is gone.
        """
        self._check_alive()
        assert self.account is not None, "not signed in"
        return self.account

    @property
    def selected(self) -> View:
        """
        The view; the command table lets nobody ask without a selected mailbox.

        @raise twisted.internet.error.ConnectionLost: the client is gone.
        """
        self._check_alive()
        assert self.view is not None, "no mailbox selected"
        return self.view

    def _check_alive(self) -> None:
        if self.state is State.LOGOUT:
            raise ConnectionLost()

    def now(self) -> datetime:
        """The time, in UTC."""
        return datetime.fromtimestamp(self.services.clock.seconds(), timezone.utc)

    def meter(self, limit: DailyLimit) -> DailyMeter:
        """
        Counts what this session uploads or downloads.

        @param limit: L{IMAP_UPLOAD} or L{IMAP_DOWNLOAD}.
        """
        if limit not in self._meters:
            imap = self.services.settings.imap
            default = imap.upload_per_day if limit is IMAP_UPLOAD else imap.download_per_day
            self._meters[limit] = self.services.accounts.meter(limit, self.user, default)
        return self._meters[limit]

    def capabilities(self) -> tuple[str, ...]:
        return capabilities(
            Circumstances(
                state=self.state,
                secure=self.line.secure,
                can_start_tls=self.line.can_start_tls,
                append_limit=self.services.settings.limits.max_message_size,
                compressed=self.line.compressed,
            )
        )

    # --- moves -------------------------------------------------------------------

    async def sign_in(self, account: Account) -> None:
        """
        @raise LimitReached: the account has too many sessions.
        @raise twisted.internet.error.ConnectionLost: the client is gone.
        """
        self._check_alive()
        services = self.services
        await services.counter.enter(account)
        if self.state is State.LOGOUT:
            services.counter.leave(account)
        self._check_alive()
        self.account = account
        self.state = after(self.state, Move.SIGN_IN)
        self._unlisten = self.store.listen(account.id, self.news, self._commanded)
        self.line.signed_in()

    def news(self) -> None:
        """Something may have happened that the client is to be told of at once, if it waits for that."""
        if self.on_news is not None:
            self.on_news()
        elif self.watch is not None:
            self.line.announce()

    def _commanded(self, command: Mapping[str, Any]) -> None:
        """Another part of the cluster ends the account's sessions (spec/schema.md §10 C{wd_events})."""
        if command.get("command") != "LOGOUT":
            self.news()
        elif self.literal_open:
            self.line.abort()
        else:
            self.bye(str(command.get("reason") or "Signed out by the administrator"))

    def select(self, view: View, read_only: bool) -> None:
        """@raise twisted.internet.error.ConnectionLost: the client is gone."""
        if self.state is State.LOGOUT:
            view.close()
        self._check_alive()
        self.state = after(self.state, Move.SELECT)
        self.view, self.read_only = view, read_only
        self.modseqs = HighestModseq()
        self._told_keywords = view.keywords
        self._told_resets = view.key_resets

    def deselect(self) -> bool:
        """
        Leave the mailbox, if one is selected.

        @return: whether there was one.
        """
        if self.view is None:
            return False
        self.drop_contexts()
        view, self.view = self.view, None
        view.close()
        self.held.clear()
        self._told_flags.clear()
        self.state = after(self.state, Move.DESELECT)
        return True

    def drop_contexts(self) -> None:
        """No search is kept up to date any more."""
        contexts, self.contexts = self.contexts, None
        if contexts is not None:
            contexts.close()

    def close(self) -> None:
        """Say no more."""
        self.line.lose()

    def bye(self, text: str, code: bytes | None = None) -> None:
        """End the session from our side."""
        self.respond(Condition("BYE", text, code))
        self.close()

    def ended(self) -> None:
        """The connection is over; may be called again."""
        self._leave()
        self.state = after(self.state, Move.END)

    def sign_out(self) -> None:
        """Forget the account and all that depends on it (RFC 8437 §3, §4.1)."""
        self._leave()
        self.state = after(self.state, Move.SIGN_OUT)
        self.modes = PLAIN
        self.line.set_modes(PLAIN)
        self.line.signed_out()

    def watch_with(self, watch: Watching | None) -> None:
        """
        From now on tell what this one has asked for.

        @raise twisted.internet.error.ConnectionLost: the client is gone.
        """
        if watch is not None:
            self._check_alive()
        before, self.watch = self.watch, watch
        if before is not None:
            before.stop()

    def _leave(self) -> None:
        self.drop_uploads()
        self.watch_with(None)
        self.deselect()
        account, self.account = self.account, None
        unlisten, self._unlisten = self._unlisten, None
        if unlisten is not None:
            unlisten()
        for meter in self._meters.values():
            meter.flush()
        self._meters.clear()
        if account is not None:
            self.services.counter.leave(account)

    def take_uploads(self) -> Uploads:
        """The messages that came with the command, from now on the caller's."""
        uploads, self.uploads = self.uploads, None
        assert uploads is not None, "no message came"
        return uploads

    def drop_uploads(self) -> None:
        """The command that they belong to will not be executed, or has been."""
        if self.uploads is not None:
            self.take_uploads().close()

    def enable(self, extension: str) -> bool:
        """
        Enable an extension from the next command on.

        What else enables CONDSTORE, a "CONDSTORE enabling command" (RFC 7162
        §3.1), calls this too, before it answers: in a selected mailbox the client
        is told HIGHESTMODSEQ.

        @param extension: a key of L{wildduck.imap.enabling.EXTENSIONS}.
        @return: whether that changed anything.
        """
        before, self.modes = self.modes, enabled(self.modes, extension)
        self.line.set_modes(self.modes)
        if self.modes.condstore and not before.condstore and self.view is not None:
            self.say_highest_modseq()
        return self.modes != before

    # --- answers -----------------------------------------------------------------

    def respond(self, response: Response) -> None:
        self.line.send(response.compose(self.modes))

    async def ask(self, prompt: bytes = b"") -> bytes | None:
        """
        Ask the client to go on with the running command.

        @return: its line without CRLF, C{None} when it is too long or broken.
        @raise twisted.internet.error.ConnectionLost: it went away.
        """
        return await self.line.ask(prompt)

    async def breathe(self) -> None:
        """
        Let other connections have their turn, in long work that waits for nothing.

        @raise twisted.internet.error.ConnectionLost: the client is gone.
        """
        await self.line.drained()
        await deferLater(self.services.clock, 0)

    def greeting(self) -> Condition:
        text = f"{self.services.settings.hostname} ready, session {self.id}"
        return Condition("OK", text, capability_code(self.capabilities()))

    # --- what happened in the mailbox ------------------------------------------------

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
        view = self.selected
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
        if self.contexts is not None:
            await self.contexts.tell_changes()
        if self.watch is not None:
            await self.watch.arrived(view.uid_range(last + 1, MAX_NUMBER))

    def added(self, mailbox: ObjectId, uids: Iterable[int]) -> None:
        """The running command has added messages to a mailbox, which may be the selected one."""
        if self.view is None or self.view.mailbox.id != mailbox:
            return
        if self.watch is not None:
            self.watch.added(uids)
        if self.contexts is not None:
            self.contexts.added(uids)

    async def announce(self, *, may_expunge: bool) -> None:
        """
        Tell what the client wants to be told between commands, or in IDLE, which
        tells the same once NOTIFY was given (RFC 5465 §4).

        @param may_expunge: also where the client wants this only with its commands.
        @raise MailboxNotFound: the mailbox is gone.
        @raise twisted.internet.error.ConnectionLost: the client is.
        """
        watch = self.watch
        if self.view is not None:
            at_once = watch is not None and watch.interests.at_once
            await self.catch_up(may_expunge=may_expunge or at_once)
        if watch is not None:
            await watch.look()

    async def report(self, changes: Sequence[Change]) -> None:
        """
        Tell what a refresh of the view found, but not what the command has told.

        @raise twisted.internet.error.ConnectionLost: the client is gone.
        """
        self.report_keywords()
        self._report_key()
        changes = [change for change in changes if not self._is_told(change)]
        self._told_flags.clear()
        if self.modes.condstore:
            self._note_modseqs(changes)
        for start in range(0, len(changes), _AT_ONCE):
            if start:
                await self.breathe()
            some = changes[start : start + _AT_ONCE]
            told = responses(some, self.modes, with_uid=self.watch is not None or self.modes.rev2)
            self.line.send(b"".join(response.compose(self.modes) for response in told))

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
            await self.report(list(self.selected.flag_news(held)))

    def told_flags(self, uid: int, flags: Iterable[str], modseq: int) -> None:
        """
        The command has told all there is to tell of a message's flags.

        @param flags: C{\\Recent} included.
        """
        self._told_flags[uid] = (frozenset(flags), modseq)

    def say_highest_modseq(self) -> None:
        """Send C{HIGHESTMODSEQ} in an untagged response."""
        self.respond(Condition("OK", "Highest mod-sequence", self.highest_modseq_code()))

    def highest_modseq_code(self) -> bytes:
        """The response code C{HIGHESTMODSEQ}, which is then sent at once."""
        modseq = self.selected.highest_modseq
        self.modseqs.said(modseq)
        return number_code("HIGHESTMODSEQ", modseq)

    @property
    def owes_highest_modseq(self) -> bool:
        """Whether the client would otherwise take a wrong value for it (RFC 7162 §6)."""
        view = self.view
        return view is not None and self.modes.condstore and self.modseqs.due(view.highest_modseq)

    def report_keywords(self) -> None:
        """Tell of keywords that are new in the mailbox (RFC 3501 §7.2.6)."""
        keywords = self.selected.keywords
        if keywords != self._told_keywords:
            self._told_keywords = keywords
            for response in self.flag_responses():
                self.respond(response)

    def _report_key(self) -> None:
        """Tell that URLs of the mailbox authorize nobody any more (RFC 4467 §7 C{RESETKEY})."""
        resets = self.selected.key_resets
        if resets != self._told_resets:
            self._told_resets = resets
            self.respond(Condition("OK", "The key of this mailbox was replaced", URL_MECH))

    def flag_responses(self) -> list[Response]:
        """C{FLAGS} and C{PERMANENTFLAGS} of the selected mailbox."""
        flags = (*SYSTEM_FLAGS.values(), *self.selected.keywords)
        if self.read_only:
            permanent = Condition("OK", "Read-only mailbox", permanent_flags_code(()))
        else:
            permanent = Condition("OK", "Flags permitted", permanent_flags_code((*flags, "\\*")))
        return [FlagsData(flags), permanent]
