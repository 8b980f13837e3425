"""
The last step: the texts of messages.

Most messages have all their text in the tree; of others what is stored
elsewhere is streamed, in bounded memory.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any, cast

from wildduck.limits import KIB
from wildduck.mailstore.content import Content
from wildduck.mailstore.search.decide import Verdict
from wildduck.mailstore.search.keys import Body, Leaf, Text
from wildduck.mailstore.search.reading import Answers, Reading
from wildduck.mailstore.search.whole import UNREADABLE, Whole
from wildduck.mime import headers, rebuild, searched
from wildduck.mime.effort import DECODED_LENGTH, takes_long
from wildduck.mime.folded import Finder, fold
from wildduck.mime.pieces import BrokenOff, StreamedText

_BATCH = 100
#: Bytes of text that are looked through without a thread.
_SHORT = 64 * KIB
KINDS = frozenset((Body, Text))

PARTS = (
    "size",
    "mimeTree.body",
    "mimeTree.size",
    "mimeTree.attachmentId",
    "mimeTree.boundary",
    "mimeTree.childNodes",
    "mimeTree.message",
    "mimeTree.parsedHeader.content-type",
    "mimeTree.parsedHeader.content-transfer-encoding",
    # Where there is one, the tree may lack header fields (store.md §7).
    "mimeTree.native.layout",
)


async def answer(reading: Reading, leaves: list[Leaf], open: int, whole: Whole) -> dict[Leaf, Verdict]:
    """
    @param leaves: of L{KINDS}.
    @param open: the messages that are not decided yet.
    @param whole: reads those whose texts the tree does not hold.
    """
    answers = Answers(reading.known, leaves)
    wanted = _Wanted([leaf for leaf in leaves if isinstance(leaf, (Body, Text))])
    projection = dict.fromkeys((*PARTS, "mimeTree.header") if wanted.with_header else PARTS, True)
    pool = reading.backend.mime_pool
    async for batch in reading.documents(open, projection, _BATCH):
        lacking: dict[int, _Looking] = {}
        for place, document in batch:
            tree = document.get("mimeTree")
            tree = tree if isinstance(tree, dict) else {}
            looking = _Looking(wanted)
            if takes_long_to_look(document, tree):
                complete = await pool.run(looking.in_tree, tree)
            else:
                complete = looking.in_tree(tree)
            looking.say(answers, place, complete)
            if looking.left and not complete:
                lacking[place] = looking
            await reading.turn.pause()
        async for place, content in whole.contents(lacking):
            complete = True
            try:
                await _Stream(reading, content, lacking[place]).run()
            except UNREADABLE as error:
                whole.unreadable(place, error)
                complete = False
            lacking[place].say(answers, place, complete)
    return answers.verdicts()


class _Wanted:
    """
    @ivar leaves: with their texts, folded.
    @ivar anywhere: what is looked for in parts.
    @ivar with_header: of these, what may stand in the header as well.
    """

    def __init__(self, leaves: list[Body | Text]) -> None:
        self.leaves = [(leaf, fold(leaf.text)) for leaf in leaves]
        self.anywhere = {text for _, text in self.leaves if text}
        self.with_header = {text for leaf, text in self.leaves if isinstance(leaf, Text)}


class _Looking:
    """
    What was found in one message so far.

    @ivar left: texts that may still decide something.
    """

    def __init__(self, wanted: _Wanted) -> None:
        self._wanted = wanted
        self._in_parts: set[str] = set()
        self._in_headers: set[str] = set()
        self.left = wanted.anywhere

    def in_tree(self, tree: dict[str, Any]) -> bool:
        """
        Look through what the tree holds.

        @return: whether that was all of the message's text.
        """
        native = tree.get("native")
        has_layout = isinstance(native, Mapping) and "layout" in native
        complete = not has_layout
        for node, role in searched.walk(rebuild.nodes(tree)):
            if not self.left:
                return True
            if not has_layout and self.wants_header(role):
                self.in_header(headers.lines_of(node.tree), role)
            leaf = searched.leaf(node)
            if leaf is None:
                continue
            if leaf.body is None:
                complete = False
            else:
                self.found(_in(leaf.text(), self.left))
        return complete

    def wants_header(self, role: str) -> bool:
        return role == searched.MESSAGE or bool(self._wanted.with_header & self.left)

    def in_header(self, lines: list[bytes], role: str) -> None:
        """@param role: of L{searched.walk}."""
        found = _in(searched.text_of_header(lines), self.left)
        if role == searched.MESSAGE:
            self.found(found)
            return
        if found:
            self._in_headers |= found
            self._settle()

    def found(self, texts: set[str]) -> None:
        """These stand in a part."""
        if texts:
            self._in_parts |= texts
            self._settle()

    def _settle(self) -> None:
        # A text that stands in the header is still looked for in the parts when
        # a Body asks for it too.
        self.left = {
            text
            for leaf, text in self._wanted.leaves
            if text and text not in self._in_parts and not self._matches_header(leaf, text)
        }

    def _matches_header(self, leaf: Body | Text, text: str) -> bool:
        return isinstance(leaf, Text) and text in self._in_headers

    def say(self, answers: Answers, place: int, complete: bool) -> None:
        """
        @param place: of the message.
        @param complete: all texts of the message were looked through; else only
            what was found is said.
        """
        for leaf, text in self._wanted.leaves:
            matches = not text or text in self._in_parts or self._matches_header(leaf, text)
            if matches or complete:
                answers.say(place, leaf, matches)


class _Stream:
    """Looks through a whole message."""

    def __init__(self, reading: Reading, content: Content, looking: _Looking) -> None:
        self._reading = reading
        self._content = content
        self._looking = looking

    async def run(self) -> None:
        """@raise ContentUnreadable: something that was needed is missing."""
        pool = self._reading.backend.mime_pool
        looking = self._looking
        for node, role in searched.walk(self._content.rope.root):
            if not looking.left:
                return
            if looking.wants_header(role):
                raw = await Whole.header(self._content, (node.header_start, node.body_start))
                await pool.run(looking.in_header, headers.split_header(raw), role)
            leaf = searched.leaf(node)
            if leaf is None or not looking.left:
                continue
            try:
                await self._leaf(leaf, leaf.charset)
            except BrokenOff:
                await self._leaf(leaf, None)
            await self._reading.turn.pause()

    async def _leaf(self, leaf: searched.Leaf, charset: str | None) -> None:
        pool = self._reading.backend.mime_pool
        text = StreamedText(leaf.encoding, charset, lambda: Finder(self._looking.left))
        blocks = self._content.blocks(leaf.node.body_start, leaf.node.body_end)
        async with aclosing(cast("AsyncGenerator[bytes, None]", blocks)) as closing:
            async for block in closing:
                if await pool.run(text.feed, block):
                    break
                await self._reading.turn.pause()
        self._looking.found(self._looking.left - await pool.run(text.finish))


def _in(text: str, wanted: set[str]) -> set[str]:
    folded = fold(text)
    return {one for one in wanted if one in folded}


def takes_long_to_look(document: Mapping[str, Any], tree: dict[str, Any]) -> bool:
    """Whether it is better done in a thread."""
    size = document.get("size")
    if isinstance(size, int) and 0 <= size <= DECODED_LENGTH:
        # Headers and bodies are no more than this, and a part has some bytes.
        return False
    return takes_long(tree, DECODED_LENGTH) or _inline_bytes(tree) > _SHORT


def _inline_bytes(tree: dict[str, Any]) -> int:
    """Bytes of the bodies in a tree, counted until they are known to be many."""
    total = 0
    for node in rebuild.nodes(tree).walk():
        total += len(node.body)
        if total > _SHORT:
            break
    return total
