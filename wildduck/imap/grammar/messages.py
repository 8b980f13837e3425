"""STORE, EXPUNGE and their UID forms (RFC 3501 §6.4, 4315)."""

from __future__ import annotations

from dataclasses import dataclass

from wildduck.imap.grammar.cursor import Cursor
from wildduck.imap.grammar.flags import compose_flags, store_flags
from wildduck.imap.grammar.sequence import SequenceSet, sequence_set
from wildduck.imap.grammar.values import Command


@dataclass(frozen=True, slots=True)
class Store(Command):
    """
    @ivar mode: C{"="} replaces the flags, C{"+"} adds, C{"-"} takes away.
    @ivar silent: no untagged FETCH for what this command itself changes.
    @ivar by_uid: the set holds UIDs.
    """

    verb = "STORE"
    numbers: SequenceSet
    mode: str
    flags: tuple[str, ...]
    silent: bool = False
    by_uid: bool = False

    @property
    def name(self) -> str:
        return "UID STORE" if self.by_uid else "STORE"

    def arguments(self) -> list[bytes]:
        sign = b"" if self.mode == "=" else self.mode.encode("ascii")
        item = sign + (b"FLAGS.SILENT" if self.silent else b"FLAGS")
        return [self.numbers.compose(), item, compose_flags(self.flags)]


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
    mode = "+" if cursor.take(b"+") else "-" if cursor.take(b"-") else "="
    item = cursor.word("FLAGS")
    if item not in (b"FLAGS", b"FLAGS.SILENT"):
        raise cursor.error("expected FLAGS or FLAGS.SILENT")
    cursor.space()
    return Store(numbers, mode, store_flags(cursor), item == b"FLAGS.SILENT", by_uid)


def parse_uid_store(cursor: Cursor) -> Store:
    return parse_store(cursor, True)


def parse_uid_expunge(cursor: Cursor) -> UidExpunge:
    cursor.space()
    return UidExpunge(sequence_set(cursor))
