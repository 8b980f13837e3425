"""
One client's session: its state, its account and its mailbox, and how commands answer.

Command handlers know this class and nothing of the transport behind it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Protocol

from twisted.internet.error import ConnectionLost
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from wildduck.accounts import IMAP_UPLOAD, Account, Accounts, DailyLimit, DailyMeter, SessionCounter
from wildduck.config import Settings
from wildduck.imap.capabilities import Circumstances, capabilities
from wildduck.imap.enabling import enabled
from wildduck.imap.grammar.modes import PLAIN, Modes
from wildduck.imap.grammar.responses import Condition, Response, capability_code
from wildduck.imap.news import News
from wildduck.imap.state import Move, State, after
from wildduck.imap.uploads import Uploads
from wildduck.mailstore.store import MailStore
from wildduck.mailstore.view import View


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
    def flush(self) -> None: ...
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
    @ivar news: tells what has happened without being asked for.
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
        self.news = News(self)
        self.uploads: Uploads | None = None
        self.literal_open = False
        self.progress: tuple[int, int] | None = None
        self._unlisten: Callable[[], None] | None = None
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
        self.check_alive()
        assert self.account is not None, "not signed in"
        return self.account

    @property
    def selected(self) -> View:
        """
        The view; the command table lets nobody ask without a selected mailbox.

        @raise twisted.internet.error.ConnectionLost: the client is gone.
        """
        self.check_alive()
        assert self.view is not None, "no mailbox selected"
        return self.view

    def check_alive(self) -> None:
        """@raise twisted.internet.error.ConnectionLost: the client is gone."""
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
        self.check_alive()
        services = self.services
        await services.counter.enter(account)
        if self.state is State.LOGOUT:
            services.counter.leave(account)
        self.check_alive()
        self.account = account
        self.state = after(self.state, Move.SIGN_IN)
        self._unlisten = self.store.listen(account.id, self.news.ping, self._commanded)
        self.line.signed_in()

    def _commanded(self, command: Mapping[str, Any]) -> None:
        """Another part of the cluster ends the account's sessions (spec/schema.md §10 C{wd_events})."""
        if command.get("command") != "LOGOUT":
            self.news.ping()
        elif self.literal_open:
            self.line.abort()
        else:
            self.bye(str(command.get("reason") or "Signed out by the administrator"))

    def select(self, view: View, read_only: bool) -> None:
        """@raise twisted.internet.error.ConnectionLost: the client is gone."""
        if self.state is State.LOGOUT:
            view.close()
        self.check_alive()
        self.state = after(self.state, Move.SELECT)
        self.view, self.read_only = view, read_only
        self.news.begin(view)

    def deselect(self) -> bool:
        """
        Leave the mailbox, if one is selected.

        @return: whether there was one.
        """
        if self.view is None:
            return False
        self.news.end()
        view, self.view = self.view, None
        view.close()
        self.state = after(self.state, Move.DESELECT)
        return True

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

    def _leave(self) -> None:
        self.drop_uploads()
        self.news.watch_with(None)
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
            self.news.say_highest_modseq()
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

    def note_progress(self, done: int, goal: int) -> None:
        """
        How far the running command is, for a client that waits long (RFC 9585).

        @param done: messages dealt with; what is begun again is not told, for the number never falls.
        @param goal: messages in all, at least one.
        """
        if self.progress is None or done > self.progress[0]:
            self.progress = done, goal

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
