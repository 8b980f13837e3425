"""SORT, UID SORT (RFC 5256, 5957, 5267 §3) and THREAD, UID THREAD (RFC 5256)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from wildduck import limits
from wildduck.imap.grammar.cursor import Cursor
from wildduck.imap.grammar.search_keys import Key, read_keys
from wildduck.imap.grammar.search_returns import Returns, returns
from wildduck.imap.grammar.strings import Reading, astring, compose_astring
from wildduck.imap.grammar.values import Command

#: C{sort-key} (RFC 5256 §5, RFC 5957 §5).
SORT_KEYS = ("ARRIVAL", "CC", "DATE", "DISPLAYFROM", "DISPLAYTO", "FROM", "SIZE", "SUBJECT", "TO")
#: C{thread-alg}.
ALGORITHMS = ("ORDEREDSUBJECT", "REFERENCES")


@dataclass(frozen=True, slots=True)
class SortKey:
    """
    @ivar name: of L{SORT_KEYS}.
    @ivar reverse: descending.
    """

    name: str
    reverse: bool = False

    def compose(self) -> bytes:
        return (b"REVERSE " if self.reverse else b"") + self.name.encode("ascii")


@dataclass(frozen=True, slots=True)
class Sort(Command):
    """
    @ivar order: the most important first.
    @ivar charset: of the strings in C{keys}, as given.
    @ivar keys: a message must match all of them.
    @ivar returns: what to answer in an ESEARCH response; C{None} when not given.
    @ivar by_uid: the answer holds UIDs.
    """

    verb: ClassVar[str] = "SORT"
    order: tuple[SortKey, ...]
    charset: bytes
    keys: tuple[Key, ...]
    returns: Returns | None = None
    by_uid: bool = False

    @property
    def name(self) -> str:
        return "UID SORT" if self.by_uid else "SORT"

    def arguments(self) -> list[bytes]:
        options = [] if self.returns is None else [self.returns.compose()]
        order = b"(" + b" ".join(key.compose() for key in self.order) + b")"
        return [*options, order, compose_astring(self.charset, False), *(key.compose() for key in self.keys)]


@dataclass(frozen=True, slots=True)
class Thread(Command):
    """
    @ivar algorithm: of L{ALGORITHMS}.
    @ivar charset: as of L{Sort}.
    @ivar keys: as of L{Sort}.
    @ivar by_uid: the answer holds UIDs.
    """

    verb: ClassVar[str] = "THREAD"
    algorithm: str
    charset: bytes
    keys: tuple[Key, ...]
    by_uid: bool = False

    @property
    def name(self) -> str:
        return "UID THREAD" if self.by_uid else "THREAD"

    def arguments(self) -> list[bytes]:
        charset = compose_astring(self.charset, False)
        return [self.algorithm.encode("ascii"), charset, *(key.compose() for key in self.keys)]


def parse_sort(cursor: Cursor, by_uid: bool = False) -> Reading[Sort]:
    """
    C{["UID" SP] "SORT" [search-return-opts] SP sort-criteria SP search-criteria}.

    The options may stand behind the charset too, where some clients give them:
    no search key has their name.
    """
    cursor.space()
    options = yield from returns(cursor)
    order = _order(cursor)
    charset = yield from _charset(cursor)
    if options is None:
        options = yield from returns(cursor)
    return Sort(order, charset, (yield from read_keys(cursor)), options, by_uid)


def parse_uid_sort(cursor: Cursor) -> Reading[Sort]:
    return parse_sort(cursor, True)


def parse_thread(cursor: Cursor, by_uid: bool = False) -> Reading[Thread]:
    """C{["UID" SP] "THREAD" SP thread-alg SP search-criteria}."""
    cursor.space()
    algorithm = cursor.word("a threading algorithm").decode("ascii")
    if algorithm not in ALGORITHMS:
        raise cursor.error("unknown threading algorithm")
    charset = yield from _charset(cursor)
    return Thread(algorithm, charset, (yield from read_keys(cursor)), by_uid)


def parse_uid_thread(cursor: Cursor) -> Reading[Thread]:
    return parse_thread(cursor, True)


def _order(cursor: Cursor) -> tuple[SortKey, ...]:
    """C{sort-criteria} = "(" sort-criterion *(SP sort-criterion) ")"."""
    cursor.expect(b"(", "a list of sort keys")
    order = [_sort_key(cursor)]
    while cursor.take(b" "):
        if len(order) == limits.IMAP_SORT_KEYS:
            raise cursor.error("too many sort keys")
        order.append(_sort_key(cursor))
    cursor.expect(b")", "the end of the list of sort keys")
    return tuple(order)


def _sort_key(cursor: Cursor) -> SortKey:
    name = cursor.word("a sort key").decode("ascii")
    reverse = name == "REVERSE"
    if reverse:
        cursor.space()
        name = cursor.word("a sort key").decode("ascii")
    if name not in SORT_KEYS:
        raise cursor.error("unknown sort key")
    return SortKey(name, reverse)


def _charset(cursor: Cursor) -> Reading[bytes]:
    """C{SP charset SP}: unlike in SEARCH there is always one, before the keys."""
    cursor.space()
    charset = yield from astring(cursor, "a charset")
    cursor.space()
    return charset
