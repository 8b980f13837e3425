"""
LIST, XLIST, LSUB, NAMESPACE: commands that tell which mailboxes there are
(RFC 3501 §6.3, 2342, 5258, 5819, 6154).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from wildduck.imap.grammar import utf7
from wildduck.imap.grammar.cursor import Cursor
from wildduck.imap.grammar.mailboxes import compose_mailbox, decoded, list_mailbox
from wildduck.imap.grammar.status import compose_items, status_items
from wildduck.imap.grammar.strings import Reading, astring, compose_string
from wildduck.imap.grammar.values import Command

#: Options of LIST (RFC 5258 §3.1, §3.2, RFC 6154 §2, RFC 5819 §2).
SUBSCRIBED = "SUBSCRIBED"
SPECIAL_USE = "SPECIAL-USE"
REMOTE = "REMOTE"
RECURSIVE_MATCH = "RECURSIVEMATCH"
CHILDREN = "CHILDREN"
STATUS = "STATUS"

#: Those that select, and those that say what is returned.
SELECTION_OPTIONS = (SUBSCRIBED, SPECIAL_USE, REMOTE, RECURSIVE_MATCH)
RETURN_OPTIONS = (SUBSCRIBED, SPECIAL_USE, CHILDREN)


@dataclass(frozen=True, slots=True)
class List(Command):
    """
    @ivar reference: decoded; put before each pattern.
    @ivar patterns: decoded, with C{*} and C{%}; exactly one unless L{several}.
    @ivar selection: of L{SELECTION_OPTIONS}; C{None}: no list of them was given.
    @ivar returned: of L{RETURN_OPTIONS}; C{None}: no C{RETURN} was given.
    @ivar status: items of C{RETURN (STATUS (...))}.
    @ivar several: the patterns stand in parentheses, be it a single one.
    """

    verb = "LIST"
    reference: str
    patterns: tuple[str, ...]
    selection: frozenset[str] | None = None
    returned: frozenset[str] | None = None
    status: tuple[str, ...] = ()
    several: bool = False

    @property
    def extended(self) -> bool:
        """The syntax is that of RFC 5258 §1, in one of its three ways."""
        return self.selection is not None or self.returned is not None or self.several

    def selects(self, option: str) -> bool:
        return self.selection is not None and option in self.selection

    def returns(self, option: str) -> bool:
        """A selection option implies the return option of its name (RFC 5258 §3.1)."""
        return self.selects(option) or (self.returned is not None and option in self.returned)

    def arguments(self) -> list[bytes]:
        patterns = [compose_string(utf7.encode(pattern), False) for pattern in self.patterns]
        before = [] if self.selection is None else [_compose_options(sorted(self.selection))]
        names = [compose_mailbox(self.reference, False), _compose_list(patterns, self.several)]
        if self.returned is None:
            return [*before, *names]
        status = [b"STATUS " + compose_items(self.status)] if self.status else []
        return [*before, *names, b"RETURN", _compose_options(sorted(self.returned), status)]


@dataclass(frozen=True, slots=True)
class _Names(Command):
    """
    @ivar reference: as of L{List}.
    @ivar pattern: as of L{List}.
    """

    reference: str
    pattern: str

    def arguments(self) -> list[bytes]:
        return [compose_mailbox(self.reference, False), compose_string(utf7.encode(self.pattern), False)]


@dataclass(frozen=True, slots=True)
class Lsub(_Names):
    verb = "LSUB"


@dataclass(frozen=True, slots=True)
class Xlist(_Names):
    """Gmail's, from before there was RFC 6154."""

    verb = "XLIST"


@dataclass(frozen=True, slots=True)
class Namespace(Command):
    verb = "NAMESPACE"


def _compose_options(names: Iterable[str], more: Iterable[bytes] = ()) -> bytes:
    return b"(" + b" ".join((*(name.encode("ascii") for name in names), *more)) + b")"


def _compose_list(patterns: list[bytes], several: bool) -> bytes:
    return b"(" + b" ".join(patterns) + b")" if several else patterns[0]


def parse_list(cursor: Cursor) -> Reading[List]:
    """C{list} of RFC 5258 §6."""
    cursor.space()
    selection = _selection(cursor)
    if selection is not None:
        cursor.space()
    reference = yield from _reference(cursor)
    cursor.space()
    several = cursor.looking_at(b"(")
    patterns = yield from _patterns(cursor)
    returned, status = _returned(cursor)
    return List(reference, patterns, selection, returned, status, several)


def parse_lsub(cursor: Cursor) -> Reading[Lsub]:
    return Lsub(*(yield from _names(cursor)))


def parse_xlist(cursor: Cursor) -> Reading[Xlist]:
    return Xlist(*(yield from _names(cursor)))


def _names(cursor: Cursor) -> Reading[tuple[str, str]]:
    cursor.space()
    reference = yield from _reference(cursor)
    cursor.space()
    return reference, (yield from list_mailbox(cursor))


def _reference(cursor: Cursor) -> Reading[str]:
    return decoded((yield from astring(cursor, "a reference name")), cursor.modes)


def _patterns(cursor: Cursor) -> Reading[tuple[str, ...]]:
    """C{mbox-or-pat}."""
    if not cursor.take(b"("):
        return ((yield from list_mailbox(cursor)),)
    patterns = [(yield from list_mailbox(cursor))]
    while cursor.take(b" "):
        cursor.another("patterns")
        patterns.append((yield from list_mailbox(cursor)))
    cursor.expect(b")", "the end of the list of patterns")
    return tuple(patterns)


def _selection(cursor: Cursor) -> frozenset[str] | None:
    """
    C{list-select-opts}; an option given twice counts once.

    @raise ProtocolError: C{RECURSIVEMATCH} with nothing that is to be matched: of
        the others C{SUBSCRIBED} alone is a C{list-select-base-opt} (RFC 5258 §6, 6154 §6).
    """
    if not cursor.take(b"("):
        return None
    options: set[str] = set()
    first = True
    while not cursor.take(b")"):
        if not first:
            cursor.space()
            cursor.another("selection options")
        first = False
        options.add(_option(cursor, SELECTION_OPTIONS))
    if RECURSIVE_MATCH in options and SUBSCRIBED not in options:
        raise cursor.error("RECURSIVEMATCH needs SUBSCRIBED")
    return frozenset(options)


def _returned(cursor: Cursor) -> tuple[frozenset[str] | None, tuple[str, ...]]:
    """C{[SP list-return-opts]}, the items of STATUS apart."""
    if not cursor.take(b" "):
        return None, ()
    if cursor.word("RETURN") != b"RETURN":
        raise cursor.error("expected RETURN")
    cursor.space()
    cursor.expect(b"(", "a list of return options")
    options: set[str] = set()
    status: dict[str, None] = {}
    first = True
    while not cursor.take(b")"):
        if not first:
            cursor.space()
            cursor.another("return options")
        first = False
        option = _option(cursor, (*RETURN_OPTIONS, STATUS))
        if option == STATUS:
            cursor.space()
            status.update(dict.fromkeys(status_items(cursor)))
        else:
            options.add(option)
    return frozenset(options), tuple(status)


def _option(cursor: Cursor, known: tuple[str, ...]) -> str:
    option = cursor.word("an option").decode("ascii")
    if option not in known:
        raise cursor.error("unknown option")
    return option
