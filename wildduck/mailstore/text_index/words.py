"""
Words and fields of messages, and what of a search is looked for among them.

A word is a longest run of characters that are no separators; separators are the
ASCII characters but letters, digits and C{_}.  Everything beyond ASCII belongs to
words: in UTF-8 these are the bytes from 0x80 on, so a text is cut without looking
at its characters.

Of some fields the decoded and folded value is kept as a whole, in UTF-8 too: what
stands within one is found without reading the message, phrases and addresses too.
Apart from it stands what ENVELOPE shows of a field of addresses otherwise than it is
written (L{wildduck.mime.shown}): IMAP's FROM looks into both, HEADER FROM does not.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from wildduck.limits import KIB, TEXT_INDEX_TEXT, TEXT_INDEX_WORDS
from wildduck.mailstore.content import Content
from wildduck.mailstore.search.whole import Whole
from wildduck.mime import headers, rebuild, searched, shown
from wildduck.mime.folded import fold
from wildduck.threads import BoundedPool

#: Of the way from a message to its words: this code's, and that of what folds.  What was
#: made by another way is not asked.
VERSION = f"4 {unicodedata.unidata_version}"

#: Stands between the words of a segment, and in none of them.
BETWEEN = b"\n"
#: In a value in its place: no UTF-8 has this byte.
_LINE_FEED = b"\xff"

#: Fields whose values are kept.
FIELDS = ("from", "to", "cc", "bcc", "subject")
#: Where that is kept which ENVELOPE shows of such a field and its value lacks.
SHOWN = {"from": "from_shown", "to": "to_shown", "cc": "cc_shown", "bcc": "bcc_shown"}
#: What is kept of a message: L{Words.body}, L{Words.head} and L{Words.fields}.
BODY, HEAD = "body", "head"
TABLES = (BODY, HEAD, *FIELDS, *SHOWN.values())

#: In longer values, which are few, nobody looks for what is shown: it is kept in any case.
_LOOKED_THROUGH = 8 * KIB

#: Words of a phrase that are looked up: the longest ones.
_WORDS_OF_PHRASE = 8

#: Names of fields that stand in the words of a header as they are written.
_PLAIN_NAME = re.compile(rb"[A-Za-z0-9_-]+")
_BY_NAME = {name.encode("ascii"): name for name in FIELDS}

_CUT = bytes(byte if byte >= 0x80 or chr(byte).isalnum() or byte == 0x5F else 0x20 for byte in range(256))


def split(text: str) -> list[bytes]:
    """
    @param text: folded.
    @return: its words in UTF-8, one that is there twice twice.
    """
    return text.encode("utf-8", "surrogatepass").translate(_CUT).split()


def whole(text: str) -> bytes:
    """
    A value as it is kept, or what is looked for in one.

    @param text: folded.
    """
    return text.encode("utf-8", "surrogatepass").replace(BETWEEN, _LINE_FEED)


@dataclass(frozen=True, slots=True)
class Words:
    """
    Of one message.

    @ivar body: what L{Body <wildduck.mailstore.search.keys.Body>} looks at.
    @ivar head: what L{Text <wildduck.mailstore.search.keys.Text>} looks at besides.
    @ivar fields: values of L{FIELDS} in the message's own header, and those of L{SHOWN}.
    """

    body: set[bytes] = field(default_factory=set)
    head: set[bytes] = field(default_factory=set)
    fields: defaultdict[str, set[bytes]] = field(default_factory=lambda: defaultdict(set))

    @property
    def size(self) -> int:
        """Bytes of all words and values."""
        return sum(sum(map(len, some)) for _, some in self.tables())

    def tables(self) -> Iterator[tuple[str, set[bytes]]]:
        """All of them, by the names of L{TABLES}; one that is empty may lack."""
        yield BODY, self.body
        yield HEAD, self.head
        yield from self.fields.items()

    @property
    def are_few(self) -> bool:
        """Whether they may be kept."""
        return self.size <= TEXT_INDEX_WORDS

    def add_header(self, lines: list[bytes], role: str) -> None:
        """@param role: of L{searched.walk}."""
        where = self.body if role == searched.MESSAGE else self.head
        where.update(split(fold(searched.text_of_header(lines))))
        if role == searched.ROOT:
            for name, body in searched.bodies_by_name(lines, _BY_NAME):
                self._add_field(_BY_NAME[name], body)

    def _add_field(self, name: str, body: bytes) -> None:
        value = fold(searched.decoded(body))
        self.fields[name].add(whole(value))
        if name in SHOWN and not shown.is_plain(body):
            texts = map(fold, shown.texts(body))
            lacking = {whole(text) for text in texts if len(value) > _LOOKED_THROUGH or text not in value}
            if lacking:
                self.fields[SHOWN[name]] |= lacking

    def add_text(self, text: str) -> None:
        """@param text: of a part, decoded."""
        self.body.update(split(fold(text)))


def of_tree(tree: dict[str, Any]) -> Words | None:
    """
    The words of a message that is in its tree as a whole.

    @param tree: read with L{texts.PARTS <wildduck.mailstore.search.texts.PARTS>} and C{mimeTree.header}.
    @return: C{None} if it is not.
    """
    if tree.get("native"):
        # There is a layout: the tree may lack header fields (store.md §7).
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
    @ivar is_exact: then the message matches; else it may.
    """

    patterns: tuple[bytes, ...]
    is_exact: bool

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

    @classmethod
    def in_value(cls, text: str) -> Needle:
        """
        For values of L{FIELDS} and L{SHOWN}.

        @param text: folded, not empty.
        """
        return cls((whole(text),), True)

    @classmethod
    def in_line(cls, name: bytes, text: str) -> Needle | None:
        """
        For the words of a header: those of a field's name and of what it should contain.

        @param name: in any case.
        @param text: folded; an empty one says nothing.
        @return: as of L{of}.
        """
        if not _PLAIN_NAME.fullmatch(name):
            return None
        # What is beside the name is no part of its words.
        both = (cls.of(text), cls.of(f"\n{name.decode('ascii').lower()}:"))
        patterns = [pattern for needle in both if needle is not None for pattern in needle.patterns]
        return cls(tuple(patterns), False) if patterns else None
