"""
Words of messages, and what of a text is looked for among them.

A word is a longest run of characters that are no separators; separators are the
ASCII characters but letters, digits and C{_}.  Everything beyond ASCII belongs to
words: in UTF-8 these are the bytes from 0x80 on, so a text is cut without looking
at its characters.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from wildduck.limits import TEXT_INDEX_TEXT, TEXT_INDEX_WORDS
from wildduck.mailstore.content import Content
from wildduck.mailstore.search.whole import Whole
from wildduck.mime import headers, rebuild, searched
from wildduck.mime.folded import fold
from wildduck.threads import BoundedPool

#: Of the way from a message to its words: this code's, and that of what folds.  What was
#: made by another way is not asked.
VERSION = f"2 {unicodedata.unidata_version}"

#: Stands between the words of a segment, and in none of them.
BETWEEN = b"\n"

#: Words of a phrase that are looked up: the longest ones.
_WORDS_OF_PHRASE = 8

_CUT = bytes(byte if byte >= 0x80 or chr(byte).isalnum() or byte == 0x5F else 0x20 for byte in range(256))


def split(text: str) -> list[bytes]:
    """
    @param text: folded.
    @return: its words in UTF-8, one that is there twice twice.
    """
    return text.encode("utf-8", "surrogatepass").translate(_CUT).split()


@dataclass(frozen=True, slots=True)
class Words:
    """
    Of one message.

    @ivar body: what L{Body <wildduck.mailstore.search.keys.Body>} looks at.
    @ivar head: what L{Text <wildduck.mailstore.search.keys.Text>} looks at besides.
    """

    body: set[bytes] = field(default_factory=set)
    head: set[bytes] = field(default_factory=set)

    @property
    def size(self) -> int:
        """Bytes of all words."""
        return sum(map(len, self.body)) + sum(map(len, self.head))

    @property
    def are_few(self) -> bool:
        """Whether they may be kept."""
        return self.size <= TEXT_INDEX_WORDS

    def add_header(self, lines: list[bytes], role: str) -> None:
        """@param role: of L{searched.walk}."""
        where = self.body if role == searched.MESSAGE else self.head
        where.update(split(fold(searched.text_of_header(lines))))

    def add_text(self, text: str) -> None:
        """@param text: of a part, decoded."""
        self.body.update(split(fold(text)))


def of_tree(tree: dict[str, Any]) -> Words | None:
    """
    The words of a message that is in its tree as a whole.

    @return: C{None} if it is not.
    """
    native = tree.get("native")
    if isinstance(native, Mapping) and "layout" in native:
        # The tree may lack header fields (store.md §7).
        return None
    words = Words()
    for node, role in searched.walk(rebuild.nodes(tree)):
        words.add_header(headers.lines_of(node.tree), role)
        leaf = searched.leaf(node)
        if leaf is None:
            continue
        if leaf.body is None:
            return None
        words.add_text(leaf.text())
    return words


async def of_content(content: Content, pool: BoundedPool) -> Words | None:
    """
    The words of a message that is read as a whole.

    @return: C{None} if it has more text than is indexed.
    @raise ContentUnreadable: something that was needed is missing.
    """
    words = Words()
    total = 0
    for node, role in searched.walk(content.rope.root):
        raw = await Whole.header(content, (node.header_start, node.body_start))
        leaf = searched.leaf(node)
        total += len(raw) + (0 if leaf is None else max(0, node.body_end - node.body_start))
        if total > TEXT_INDEX_TEXT:
            return None
        await pool.run(words.add_header, headers.split_header(raw), role)
        if leaf is not None:
            body = await content.read(node.body_start, node.body_end)
            await pool.run(_add_leaf, words, replace(leaf, body=body))
    return words


def _add_leaf(words: Words, leaf: searched.Leaf) -> None:
    words.add_text(leaf.text())


@dataclass(frozen=True, slots=True)
class Needle:
    """
    What is looked for.

    @ivar patterns: each of them must stand in the words of a message, which are
        joined by L{BETWEEN}, one before the first and one after the last.
    @ivar is_word: then the message matches; else it may.
    """

    patterns: tuple[bytes, ...]
    is_word: bool

    @classmethod
    def of(cls, text: str) -> Needle | None:
        """
        @param text: folded.
        @return: C{None} if words say nothing of it.
        """
        raw = text.encode("utf-8", "surrogatepass")
        found = raw.translate(_CUT).split()
        if not found:
            return None
        if found == [raw]:
            return cls((raw,), True)
        # What has a separator beside it is a whole word on that side.
        joined = BETWEEN.join(found)
        begins, ends = raw.startswith(found[0]), raw.endswith(found[-1])
        joined = (b"" if begins else BETWEEN) + joined + (b"" if ends else BETWEEN)
        patterns = set()
        at = 0
        for word in found:
            start = joined.index(word, at)
            at = start + len(word)
            patterns.add(joined[max(0, start - 1) : at + 1])
        return cls(tuple(sorted(patterns, key=len, reverse=True)[:_WORDS_OF_PHRASE]), False)
