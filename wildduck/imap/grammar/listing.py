"""LIST, LSUB, NAMESPACE: commands that tell which mailboxes there are (RFC 3501 §6.3, 2342, 6154)."""

from __future__ import annotations

from dataclasses import dataclass

from wildduck.imap.grammar import utf7
from wildduck.imap.grammar.cursor import Cursor
from wildduck.imap.grammar.mailboxes import compose_mailbox, decoded, list_mailbox
from wildduck.imap.grammar.strings import Reading, astring, compose_string
from wildduck.imap.grammar.values import Command

#: The selection option and the return option that RFC 6154 §2 adds to LIST.
SPECIAL_USE = "SPECIAL-USE"


@dataclass(frozen=True, slots=True)
class List(Command):
    """
    @ivar reference: decoded; put before the pattern.
    @ivar pattern: decoded, with C{*} and C{%}.
    @ivar special_use_only: the selection option C{SPECIAL-USE} is given.
    @ivar return_special_use: the return option is; LIST tells of the uses without it, too.
    """

    verb = "LIST"
    reference: str
    pattern: str
    special_use_only: bool = False
    return_special_use: bool = False

    def arguments(self) -> list[bytes]:
        before = [b"(SPECIAL-USE)"] if self.special_use_only else []
        after = [b"RETURN (SPECIAL-USE)"] if self.return_special_use else []
        return [*before, *_compose_names(self.reference, self.pattern), *after]


@dataclass(frozen=True, slots=True)
class Lsub(Command):
    """
    @ivar reference: as of L{List}.
    @ivar pattern: as of L{List}.
    """

    verb = "LSUB"
    reference: str
    pattern: str

    def arguments(self) -> list[bytes]:
        return _compose_names(self.reference, self.pattern)


@dataclass(frozen=True, slots=True)
class Namespace(Command):
    verb = "NAMESPACE"


def _compose_names(reference: str, pattern: str) -> list[bytes]:
    return [compose_mailbox(reference, False), compose_string(utf7.encode(pattern), False)]


def parse_list(cursor: Cursor) -> Reading[List]:
    """C{list}, with the options of RFC 5258 §6, of which there is one."""
    cursor.space()
    only = _options(cursor)
    if only is not None:
        cursor.space()
    reference, pattern = yield from _names(cursor)
    returned = None
    if cursor.take(b" "):
        if cursor.word("RETURN") != b"RETURN":
            raise cursor.error("expected RETURN")
        cursor.space()
        returned = _options(cursor)
        if returned is None:
            raise cursor.error("expected a list of return options")
    return List(reference, pattern, bool(only), bool(returned))


def parse_lsub(cursor: Cursor) -> Reading[Lsub]:
    cursor.space()
    return Lsub(*(yield from _names(cursor)))


def _names(cursor: Cursor) -> Reading[tuple[str, str]]:
    reference = decoded((yield from astring(cursor, "a reference name")), cursor.modes)
    cursor.space()
    return reference, (yield from list_mailbox(cursor))


def _options(cursor: Cursor) -> set[str] | None:
    """A list of options in parentheses, which may be empty; C{None}: there is none."""
    if not cursor.take(b"("):
        return None
    options: set[str] = set()
    while not cursor.take(b")"):
        if options:
            cursor.space()
        option = cursor.word("an option").decode("ascii")
        if option != SPECIAL_USE:
            raise cursor.error("unknown option")
        options.add(option)
    return options
