"""SELECT and EXAMINE with their parameters (RFC 3501 §6.3.1, RFC 4466 §2.1, RFC 7162 §7)."""

from __future__ import annotations

from dataclasses import dataclass

from wildduck.imap.grammar.cursor import MAX_NUMBER64, Cursor
from wildduck.imap.grammar.mailboxes import compose_mailbox, given_mailbox
from wildduck.imap.grammar.sequence import SequenceSet, known_set
from wildduck.imap.grammar.strings import Reading
from wildduck.imap.grammar.values import Command


@dataclass(frozen=True, slots=True)
class SequenceMatch:
    """
    What a client remembers of some messages (RFC 7162 §3.2.5.2).

    @ivar numbers: sequence numbers, ascending.
    @ivar uids: UIDs of the same messages, as many, ascending.
    """

    numbers: SequenceSet
    uids: SequenceSet

    def compose(self) -> bytes:
        return b"(%b %b)" % (self.numbers.compose(), self.uids.compose())


@dataclass(frozen=True, slots=True)
class QuickResync:
    """
    What a client knew of the mailbox when it left (RFC 7162 §3.2.5).

    @ivar known: UIDs that it wants to hear of; C{None} for all.
    """

    uid_validity: int
    modseq: int
    known: SequenceSet | None = None
    match: SequenceMatch | None = None

    def compose(self) -> bytes:
        parts = [b"%d %d" % (self.uid_validity, self.modseq)]
        parts += [part.compose() for part in (self.known, self.match) if part is not None]
        return b"QRESYNC (" + b" ".join(parts) + b")"


@dataclass(frozen=True, slots=True)
class Select(Command):
    """
    @ivar mailbox: decoded, as the client wrote it: INBOX in any case.
    @ivar condstore: MODSEQ shall be told from now on.
    """

    verb = "SELECT"
    mailbox: str
    condstore: bool = False
    resync: QuickResync | None = None

    def arguments(self) -> list[bytes]:
        parameters = [b"CONDSTORE"] if self.condstore else []
        if self.resync is not None:
            parameters.append(self.resync.compose())
        name = compose_mailbox(self.mailbox, False)
        return [name, b"(" + b" ".join(parameters) + b")"] if parameters else [name]


@dataclass(frozen=True, slots=True)
class Examine(Select):
    verb = "EXAMINE"


def parse_select(cursor: Cursor) -> Reading[Select]:
    cursor.space()
    name = yield from given_mailbox(cursor)
    return Select(name, *_parameters(cursor))


def parse_examine(cursor: Cursor) -> Reading[Examine]:
    cursor.space()
    name = yield from given_mailbox(cursor)
    return Examine(name, *_parameters(cursor))


def _parameters(cursor: Cursor) -> tuple[bool, QuickResync | None]:
    """C{select-params} = SP "(" select-param *(SP select-param) ")", in any order, each once."""
    condstore, resync = False, None
    if not cursor.take(b" "):
        return condstore, resync
    cursor.expect(b"(", "a list of parameters")
    while True:
        name = cursor.word("a parameter")
        if name == b"CONDSTORE" and not condstore:
            condstore = True
        elif name == b"QRESYNC" and resync is None:
            resync = _resync(cursor)
        else:
            raise cursor.error("unknown or repeated parameter")
        if not cursor.take(b" "):
            break
    cursor.expect(b")", "the end of the list of parameters")
    return condstore, resync


def _resync(cursor: Cursor) -> QuickResync:
    """
    C{"QRESYNC" SP "(" uidvalidity SP mod-sequence-value [SP known-uids] [SP seq-match-data] ")"}.

    A mod-sequence of 0, which no message has, is taken for "everything".
    """
    cursor.space()
    cursor.expect(b"(", "the arguments of QRESYNC")
    validity = cursor.nz_number("UIDVALIDITY")
    cursor.space()
    modseq = cursor.number("a mod-sequence", MAX_NUMBER64)
    known = match = None
    if cursor.looking_at(b" ") and not cursor.looking_at(b" ("):
        cursor.space()
        known = known_set(cursor)
    if cursor.take(b" "):
        match = _match(cursor)
    cursor.expect(b")", "the end of the arguments of QRESYNC")
    return QuickResync(validity, modseq, known, match)


def _match(cursor: Cursor) -> SequenceMatch:
    """C{seq-match-data} = "(" known-sequence-set SP known-uid-set ")"."""
    cursor.expect(b"(", "sequence numbers and their UIDs")
    numbers = known_set(cursor)
    cursor.space()
    uids = known_set(cursor)
    cursor.expect(b")", "the end of the UIDs")
    if not (numbers.is_ascending and uids.is_ascending):
        raise cursor.error("sequence numbers and UIDs must be in ascending order")
    if numbers.count != uids.count:
        raise cursor.error("there must be as many UIDs as sequence numbers")
    return SequenceMatch(numbers, uids)
