"""
The state of an LMTP session, and which commands each state allows.

No transport and no delivery here: L{wildduck.lmtp.connection} asks what may be
done, does it, and tells what became of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from wildduck import limits
from wildduck.lmtp import replies
from wildduck.lmtp.grammar import (
    Bdat,
    Command,
    Data,
    Help,
    Lhlo,
    Mail,
    Noop,
    Quit,
    Rcpt,
    Rset,
    StartTls,
    Vrfy,
)
from wildduck.lmtp.replies import Reply
from wildduck.mime.message import Intake


class State(Enum):
    """Where a session is."""

    #: Not greeted, or TLS has just begun.
    START = "start"
    #: Between transactions.
    READY = "ready"
    #: A sender, no accepted recipient.
    MAIL = "mail"
    #: At least one accepted recipient.
    RCPT = "rcpt"
    #: Chunks of the message are here, its last one is not.
    CHUNKS = "chunks"


_ANYWHERE = frozenset(State)
_READY = frozenset((State.READY,))
_IN_MAIL = frozenset((State.MAIL, State.RCPT))

#: The states that allow a command.
ALLOWED: dict[type[Command], frozenset[State]] = {
    Lhlo: _ANYWHERE,
    Mail: _READY,
    Rcpt: _IN_MAIL,
    Data: frozenset((State.RCPT,)),
    Bdat: frozenset((State.RCPT, State.CHUNKS)),
    Rset: _ANYWHERE,
    Noop: _ANYWHERE,
    Vrfy: _ANYWHERE,
    Help: _ANYWHERE,
    StartTls: _ANYWHERE,
    Quit: _ANYWHERE,
}

#: What is wrong with a command that a state does not allow.
_MISSING: dict[State, Reply] = {
    State.START: replies.LHLO_FIRST,
    State.READY: replies.MAIL_FIRST,
    State.MAIL: replies.RCPT_FIRST,
    State.RCPT: replies.NESTED_MAIL,
    State.CHUNKS: replies.CHUNKS_BEGUN,
}


@dataclass(slots=True)
class Transaction:
    """
    One message on its way in.

    @ivar mail: the MAIL command.
    @ivar destinations: of the accepted recipients, in the order of RCPT; one
        that was given twice stands here twice, for each gets a reply.
    @ivar intake: the message so far, C{None} until it begins.
    @ivar failure: why the message can't be delivered to anybody, e.g. its size;
        what still comes of it is dropped.
    """

    mail: Mail
    destinations: list[Any] = field(default_factory=list)
    intake: Intake | None = None
    failure: Reply | None = None

    def abort(self) -> None:
        """Drop what came of the message."""
        if self.intake is not None:
            self.intake.abort()
            self.intake = None


class Session:
    """
    @ivar state: see L{State}.
    @ivar client: what the client calls itself.
    @ivar transaction: C{None} outside of one.
    """

    def __init__(self) -> None:
        self.state = State.START
        self.client = ""
        self.transaction: Transaction | None = None

    def refusal(self, command: Command) -> Reply | None:
        """The reply to a command that can't be followed now; C{None} for one that can."""
        if self.state not in ALLOWED[type(command)]:
            if isinstance(command, Mail) and self.state is State.MAIL:
                return replies.NESTED_MAIL
            return _MISSING[self.state]
        transaction = self.transaction
        if transaction is None:
            return None
        if isinstance(command, Data) and transaction.mail.body == "BINARYMIME":
            return replies.NO_DATA_FOR_BINARY
        if isinstance(command, Rcpt) and len(transaction.destinations) >= limits.LMTP_RECIPIENTS:
            return replies.TOO_MANY_RECIPIENTS
        return None

    def greeted(self, client: str) -> None:
        """LHLO was accepted; a transaction that was under way is forgotten (RFC 5321 §4.1.4)."""
        self.end_transaction()
        self.state = State.READY
        self.client = client

    def restart(self) -> None:
        """TLS has begun: nothing that was said before counts (RFC 3207 §4.2)."""
        self.end_transaction()
        self.state = State.START
        self.client = ""

    def begin(self, mail: Mail) -> None:
        """MAIL was accepted."""
        self.transaction = Transaction(mail)
        self.state = State.MAIL

    def accepted(self, destination: Any) -> None:
        """RCPT was accepted."""
        assert self.transaction is not None
        self.transaction.destinations.append(destination)
        self.state = State.RCPT

    def chunk_begun(self) -> None:
        """The message comes in chunks."""
        self.state = State.CHUNKS

    def take_transaction(self) -> Transaction:
        """The complete transaction, which the caller answers for from now on; the session is ready again."""
        transaction, self.transaction = self.transaction, None
        assert transaction is not None
        self.state = State.READY
        return transaction

    def end_transaction(self) -> None:
        """Forget the transaction, if there is one."""
        if self.transaction is not None:
            self.transaction.abort()
            self.transaction = None
        if self.state is not State.START:
            self.state = State.READY
