"""IDLE (RFC 2177)."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.logger import Logger
from twisted.python.failure import Failure

from wildduck.errors import DomainError, MailboxNotFound
from wildduck.imap.grammar.session import Idle
from wildduck.imap.session import Done, Session
from wildduck.mailstore.together import Together


async def idle(session: Session, command: Idle) -> Done:
    """What happens in the mailbox is told at once, until the client says C{DONE}."""
    teller = _Teller(session)
    session.news.on_ping = teller.wake
    teller.wake()
    try:
        line = await session.ask(b"idling")
    finally:
        session.news.on_ping = None
        await teller.end()
    if line is None or line.upper() != b"DONE":
        return Done("Expected DONE", status="BAD")
    return Done("IDLE terminated")


class _Teller:
    """Tells a waiting client what happened in its mailbox, one look at a time."""

    _log = Logger()

    def __init__(self, session: Session) -> None:
        self._session = session
        self._look = Together(self._tell)
        self._ended = False

    def wake(self) -> None:
        """Something may have happened."""
        self._look.ask().addErrback(self._failed)

    def end(self) -> Deferred[None]:
        """Tell nothing more; fires when what is being told has been."""
        self._ended = True
        return self._look.ask()

    async def _tell(self) -> None:
        session = self._session
        if self._ended:
            return
        try:
            # A client that does not read is told later, all at once.
            await session.line.drained()
            await session.news.announce(may_expunge=True)
            # No tagged response will come for long.
            if session.news.owes_highest_modseq:
                session.news.say_highest_modseq()
        except MailboxNotFound:
            session.bye("The selected mailbox was deleted")
        except DomainError as error:
            # It is told with the next change, or when open mailboxes are asked for.
            self._log.info("changes can not be told: {error}", error=error, session=session.id)
        except (ConnectionLost, ConnectionDone):
            self._ended = True

    def _failed(self, failure: Failure) -> None:
        self._log.failure("IDLE can not tell what happened", failure, session=self._session.id)
