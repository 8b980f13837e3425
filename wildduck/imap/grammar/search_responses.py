"""Responses of searches as values, and their bytes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from wildduck.imap.grammar.modes import PLAIN, Modes


@dataclass(frozen=True, slots=True)
class SearchData:
    """
    C{SEARCH} (RFC 3501 §7.2.5), also when nothing was found.

    @ivar numbers: sequence numbers or UIDs.
    @ivar modseq: the highest of the messages, told when MODSEQ was a key
        (RFC 7162 §3.1.6); C{None} when nothing was found.
    """

    numbers: Sequence[int]
    modseq: int | None = None

    def compose(self, modes: Modes = PLAIN) -> bytes:
        return _numbers("SEARCH", self.numbers, self.modseq)


@dataclass(frozen=True, slots=True)
class SortData:
    """
    C{SORT} (RFC 5256 §4), also when nothing was found.

    @ivar numbers: as of L{SearchData}, in the order asked for.
    @ivar modseq: as of L{SearchData}.
    """

    numbers: Sequence[int]
    modseq: int | None = None

    def compose(self, modes: Modes = PLAIN) -> bytes:
        return _numbers("SORT", self.numbers, self.modseq)


def _numbers(name: str, numbers: Sequence[int], modseq: int | None) -> bytes:
    # By way of str, for there may be 100,000: three times as fast as "%d".
    words = ["* " + name, *map(str, numbers)]
    if modseq is not None:
        words.append(f"(MODSEQ {modseq})")
    return " ".join(words).encode("ascii") + b"\r\n"


@dataclass(frozen=True, slots=True)
class EsearchData:
    """
    C{ESEARCH} (RFC 4466 §2.6.2, 9051 §7.3.4).

    @ivar tag: of the command that it answers.
    @ivar by_uid: its numbers are UIDs.
    @ivar items: (name, composed value) in the order sent.
    """

    tag: bytes
    by_uid: bool
    items: tuple[tuple[bytes, bytes], ...] = ()

    def compose(self, modes: Modes = PLAIN) -> bytes:
        uid = b" UID" if self.by_uid else b""
        items = b"".join(b" " + name + b" " + value for name, value in self.items)
        # A tag has no character that a quoted string would escape.
        return b'* ESEARCH (TAG "%b")%b%b\r\n' % (self.tag, uid, items)


#: A number of a message, C{None} for one that is not there, and its children.
Tree: TypeAlias = "tuple[int | None, Sequence[Tree]]"


@dataclass(frozen=True, slots=True)
class ThreadData:
    """
    C{THREAD} (RFC 5256 §4), also when nothing was found.

    @ivar trees: what has no number of its own has two children or more, and is at the top.
    @ivar numbers: what the numbers in C{trees} stand for, by place; C{None} for themselves.
    """

    trees: Sequence[Tree]
    numbers: Sequence[int] | None = None

    def compose(self, modes: Modes = PLAIN) -> bytes:
        return b"".join(self.pieces())

    def pieces(self) -> Iterator[bytes]:
        """The response in pieces, each of them a moment's work."""
        if not self.trees:
            yield b"* THREAD\r\n"
            return
        yield b"* THREAD "
        pending: list[Tree | None] = list(reversed(self.trees))
        pieces: list[str] = []
        while pending:
            tree = pending.pop()
            if tree is None:
                pieces.append(")")
                continue
            number, children = tree
            pieces.append("(")
            if number is not None:
                pieces.append(self._number(number))
            # One child after the other: no list of its own.
            while len(children) == 1:
                number, children = children[0]
                assert number is not None
                pieces.append(" " + self._number(number))
            if children and number is not None:
                pieces.append(" ")
            pending.append(None)
            pending.extend(reversed(children))
            if len(pieces) >= _PIECES:
                yield "".join(pieces).encode("ascii")
                pieces.clear()
        yield "".join(pieces).encode("ascii") + b"\r\n"

    def _number(self, number: int) -> str:
        return str(number if self.numbers is None else self.numbers[number])


#: Numbers and parentheses that are put together at once.
_PIECES = 5000
