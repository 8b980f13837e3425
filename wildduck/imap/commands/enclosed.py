"""
What sessions see of message/global within a message (RFC 9051 §6.4.5, §7.5.2).

Its body is read and scanned when it is asked for what is in it; all other
messages, and sessions that know no message/global, have nothing of that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeAlias, TypeVar

from wildduck import limits
from wildduck.mailstore.content import Content
from wildduck.mime import enclosed, rope
from wildduck.mime.fields import FieldBudget
from wildduck.mime.part import Part
from wildduck.mime.rebuild import Node
from wildduck.mime.scanner import Scanner

#: Bytes of a body that is scanned without a thread: parts can be as short as nine bytes.
_SHORT = 2 * limits.KIB
_T = TypeVar("_T")
#: The identity of a node of the stored tree, how its message was scanned, and the fields of
#: its parts (L{enclosed.tree}).
Found: TypeAlias = tuple[int, Part, dict[int, list[bytes]]]


class InThread(Protocol):
    """Calls a function in a thread."""

    async def __call__(self, function: Callable[..., _T], *arguments: Any) -> _T: ...


class Enclosed:
    """
    The message/global of one message; each is scanned once.

    @ivar content: of the whole message.
    """

    def __init__(self, content: Content, in_thread: InThread) -> None:
        """@param content: as it is sent or exact; offsets are those of it."""
        self.content = content
        self._in_thread = in_thread
        self._scanned: dict[int, tuple[Part, Node] | None] = {}
        self._room = limits.ENCLOSED_PARTS

    async def section(self, path: tuple[int, ...], what: str) -> tuple[int, int] | None:
        """
        L{rope.Rope.section} for what it does not find, as that is within a message/global.

        @raise ContentUnreadable: its body is missing.
        """
        inner, rest = await self._inner(path)
        return None if inner is None else rope.section_within(inner, rest, what)

    async def node(self, path: tuple[int, ...]) -> Node | None:
        """L{rope.Rope.node}, likewise."""
        inner, rest = await self._inner(path)
        return None if inner is None or not rest else rope.find(inner, rest)

    async def found(self, trees: frozenset[int]) -> list[Found]:
        """
        What is in some of them, as far as they can be looked into.

        @param trees: of L{enclosed.all_in}.
        @raise ContentUnreadable: a body is missing.
        """
        found = []
        for node in self.content.rope.root.walk():
            message = await self._message(node) if id(node.tree) in trees else None
            if message is not None:
                root = message[0]
                found.append((id(node.tree), root, await self._headers(root, node.body_start)))
        return found

    async def _inner(self, path: tuple[int, ...]) -> tuple[Node | None, tuple[int, ...]]:
        """The message/global that a path leads to or into, and the rest of the path."""
        last, rest = enclosed.leading_to(self.content.rope.root, path)
        message = None if last is None else await self._message(last)
        return None if message is None else message[1], rest

    async def _message(self, node: Node) -> tuple[Part, Node] | None:
        """C{None} for a message that is not looked into: it has NULs, or too many parts."""
        if id(node) not in self._scanned:
            self._scanned[id(node)] = None if self._is_changed(node) else await self._scan(node)
        return self._scanned[id(node)]

    def _is_changed(self, node: Node) -> bool:
        """It is sent in base64, for it has NULs (design.md §4)."""
        segments = self.content.rope.slice(node.body_start, node.body_end)
        return any(isinstance(segment, rope.Stored) and segment.as_base64 for segment in segments)

    async def _scan(self, node: Node) -> tuple[Part, Node] | None:
        if self._room <= 0:
            return None
        scanner = Scanner(enclosed=True)
        run = _here if node.body_end - node.body_start <= _SHORT else self._in_thread
        async for block in self.content.blocks(node.body_start, node.body_end):
            await run(scanner.feed, block)
        found = await run(_close, scanner, node.body_start, self._room)
        if found is None:
            return None
        count, root, top = found
        self._room -= count
        return root, top

    async def _headers(self, root: Part, start: int) -> dict[int, list[bytes]]:
        """Read one after the other from one stream, for each may be stored in a row of GridFS; bounded."""
        found: dict[int, list[bytes]] = {}
        budget = FieldBudget()
        parts = list(root.walk())
        header = bytearray()
        position = index = 0
        async for block in self.content.blocks(start, start + parts[-1].body_start):
            end = position + len(block)
            while index < len(parts) and parts[index].header_start < end:
                part = parts[index]
                piece = block[max(0, part.header_start - position) : max(0, part.body_start - position)]
                header += piece[: limits.HEADER_BYTES - len(header)]
                if part.body_start > end:
                    break
                run = _here if len(header) <= _SHORT else self._in_thread
                found[part.header_start] = await run(enclosed.fields_of, part, bytes(header), budget)
                header.clear()
                index += 1
            position = end
        return found


async def _here(function: Callable[..., _T], *arguments: Any) -> _T:
    return function(*arguments)


def _close(scanner: Scanner, start: int, room: int) -> tuple[int, Part, Node] | None:
    """
    @param start: offset of the body's first byte.
    @return: the number of parts, and these; C{None} for what is not looked into.
    """
    root = scanner.close()
    parts = list(root.walk())
    if len(parts) > room or any(part.has_nul or part.header_has_nul for part in parts):
        return None
    return len(parts), root, enclosed.placed(root, start)


def grafted(found: Sequence[Found]) -> dict[int, dict[str, Any]]:
    """What L{wildduck.mime.bodystructure.from_tree} is given."""
    return {identity: enclosed.tree(root, kept) for identity, root, kept in found}
