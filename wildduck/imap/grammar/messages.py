"""STORE, EXPUNGE and their UID forms (RFC 3501 §6.4, RFC 4315, RFC 7162 §3.1.3)."""

from __future__ import annotations

from dataclasses import dataclass

from wildduck.imap.grammar.cursor import MAX_NUMBER64, Cursor
from wildduck.imap.grammar.flags import compose_flags, store_flags
from wildduck.imap.grammar.sequence import SequenceSet, sequence_set
from wildduck.imap.grammar.values import Command


@dataclass(frozen=True, slots=True)
class Store(Command):
    """
    @ivar mode: C{"="} replaces the flags, C{"+"} adds, C{"-"} takes away.
    @ivar silent: no untagged FETCH for what this command itself changes.
    @ivar by_uid: the set holds UIDs.
    @ivar unchanged_since: only messages whose MODSEQ is not higher, C{None}: all.
    """

    verb = "STORE"
    numbers: SequenceSet
    mode: str
    flags: tuple[str, ...]
    silent: bool = False
    by_uid: bool = False
    unchanged_since: int | None = None

    @property
    def name(self) -> str:
        return "UID STORE" if self.by_uid else "STORE"

    def arguments(self) -> list[bytes]:
        sign = b"" if self.mode == "=" else self.mode.encode("ascii")
        item = sign + (b"FLAGS.SILENT" if self.silent else b"FLAGS")
        since = self.unchanged_since
        modifiers = [] if since is None else [b"(UNCHANGEDSINCE %d)" % since]
        return [self.numbers.compose(), *modifiers, item, compose_flags(self.flags)]


@dataclass(frozen=True, slots=True)
class Expunge(Command):
    verb = "EXPUNGE"


@dataclass(frozen=True, slots=True)
class UidExpunge(Command):
    verb = "UID EXPUNGE"
    numbers: SequenceSet

    def arguments(self) -> list[bytes]:
        return [self.numbers.compose()]


def parse_store(cursor: Cursor, by_uid: bool = False) -> Store:
    cursor.space()
    numbers = sequence_set(cursor)
    cursor.space()
    unchanged_since = _modifiers(cursor)
    mode = "+" if cursor.take(b"+") else "-" if cursor.take(b"-") else "="
    item = cursor.word("FLAGS")
    if item not in (b"FLAGS", b"FLAGS.SILENT"):
        raise cursor.error("expected FLAGS or FLAGS.SILENT")
    cursor.space()
    return Store(numbers, mode, store_flags(cursor), item == b"FLAGS.SILENT", by_uid, unchanged_since)


def _modifiers(cursor: Cursor) -> int | None:
    """C{store-modifiers}, of which there is one (RFC 4466 §2.5), and the space behind them."""
    if not cursor.take(b"("):
        return None
    if cursor.word("UNCHANGEDSINCE") != b"UNCHANGEDSINCE":
        raise cursor.error("unknown modifier of STORE")
    cursor.space()
    modseq = cursor.number("a mod-sequence", MAX_NUMBER64)
    cursor.expect(b")", "the end of the modifiers")
    cursor.space()
    return modseq


def parse_uid_store(cursor: Cursor) -> Store:
    return parse_store(cursor, True)


def parse_uid_expunge(cursor: Cursor) -> UidExpunge:
    cursor.space()
    return UidExpunge(sequence_set(cursor))
