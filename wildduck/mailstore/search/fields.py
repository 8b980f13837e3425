"""
The third step: header fields, from the lines of each header.

Where most messages are asked, the database leaves out those whose raw lines show
that they can't match (L{_possible}); what a line really says is decided here.  What
the index has told (L{wildduck.mailstore.text_index}) is not asked.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from wildduck.mailstore.search import masks
from wildduck.mailstore.search.decide import Verdict
from wildduck.mailstore.search.keys import Field, Leaf
from wildduck.mailstore.search.reading import Answers, Reading
from wildduck.mailstore.search.whole import UNREADABLE, Whole
from wildduck.mime import headers, searched, shown
from wildduck.mime.effort import decoding_takes_long, reading_addresses_takes_long
from wildduck.mime.folded import fold

_BATCH = 500
#: Where there is a layout, the tree may lack fields (store.md §7).
_PROJECTION = {"mimeTree.header": True, "mimeTree.native.layout": True}
KINDS = frozenset((Field,))

#: Characters of a text that are put into a regular expression; mongod takes some 32,000 in all.
_LONGEST = 500
#: On longer lines mongod's regular expressions give up, without a word, and would not match.
_LONG_LINE = 20_000
#: What is encoded, or is no ASCII, may become any text.
_MAY_BE_ANYTHING = r"(?:[\x00-<>-\x7f]++|=(?!\?))*+[\s\S]"


async def answer(reading: Reading, leaves: list[Leaf], open: int, whole: Whole) -> dict[Leaf, Verdict]:
    """
    @param leaves: of L{KINDS}.
    @param open: the messages that are not decided yet.
    @param whole: reads those whose header the tree does not hold.
    """
    answers = Answers(reading.known, leaves)
    wanted = _Wanted([leaf for leaf in leaves if isinstance(leaf, Field)])

    def say(place: int, found: Mapping[Field, bool]) -> None:
        for leaf, matches in found.items():
            answers.say(place, leaf, matches)

    pool = reading.backend.mime_pool
    possible = _possible(leaves) if await reading.all_there(open) else None
    left_out = set(masks.pick(open, range(len(reading.known.uids)), len(reading.known.uids)))
    async for batch in reading.documents(open, _PROJECTION, _BATCH, possible):
        left_out.difference_update(place for place, _ in batch)
        lacking = []
        for place, document in batch:
            tree = document.get("mimeTree")
            if not isinstance(tree, dict) or tree.get("native"):
                lacking.append(place)
            elif wanted.take_long(tree.get("header")):
                say(place, await pool.run(wanted.look_in_tree, tree))
            else:
                say(place, wanted.look_in_tree(tree))
            await reading.turn.pause()
        async for place, content in whole.contents(lacking):
            try:
                lines = headers.split_header(await whole.header(content))
            except UNREADABLE as error:
                whole.unreadable(place, error)
                continue
            say(place, await pool.run(wanted.look, lines))
    if possible is not None:
        answers.deny(left_out)
    return answers.verdicts()


def _possible(leaves: Iterable[Leaf]) -> dict[str, Any] | None:
    """
    A filter that matches every message that any of these leaves matches, and few others.

    @return: C{None} where there is none that mongod takes.
    """
    lines = []
    for leaf in leaves:
        assert isinstance(leaf, Field)
        text = fold(leaf.text)
        if len(text) > _LONGEST or "\0" in text or b"\0" in leaf.name:
            return None
        name = re.escape(leaf.name.decode("latin-1"))
        said = [_MAY_BE_ANYTHING]
        if text.isascii():
            # A blank can be where a line is folded: one word is enough.
            word = max(text.split(" "), key=len)
            said.insert(0, rf"[\s\S]*{re.escape(word)}")
        if leaf.shown:
            said.insert(0, rf"(?!{shown.PLAIN}\z)")
        # Decided first, without looking further.
        said.insert(0, rf"[\s\S]{{{_LONG_LINE}}}")
        line = rf"^{name}[ \t]*:(?:{'|'.join(said)})"
        lines.append({"mimeTree.header": {"$regex": line, "$options": "i"}})
    # Of these the header must be read elsewhere, or is none.
    others = [
        {"mimeTree.native.layout": {"$exists": True}},
        {"mimeTree.header": {"$not": {"$type": "array"}}},
    ]
    return {"$or": [*lines, *others]}


class _Wanted:
    """The leaves, by the field that each looks into."""

    def __init__(self, leaves: list[Field]) -> None:
        self._some_shown = any(leaf.shown for leaf in leaves)
        self._by_name: dict[bytes, list[tuple[Field, str]]] = {}
        for leaf in leaves:
            self._by_name.setdefault(leaf.name.lower(), []).append((leaf, fold(leaf.text)))

    def take_long(self, lines: Any) -> bool:
        """@param lines: C{header} of a tree, or anything."""
        return decoding_takes_long(lines) or (self._some_shown and reading_addresses_takes_long(lines))

    def look_in_tree(self, tree: dict[str, Any]) -> dict[Field, bool]:
        return self.look(headers.lines_of(tree))

    def look(self, lines: Sequence[bytes]) -> dict[Field, bool]:
        """@param lines: of a header, as of L{headers.split_header}."""
        found: dict[Field, bool] = {}
        for name, wanted in self._by_name.items():
            bodies = searched.bodies(lines, name)
            values = [fold(searched.decoded(body)) for body in bodies]
            for leaf, text in wanted:
                found[leaf] = any(text in value for value in values)
            left = [(leaf, text) for leaf, text in wanted if leaf.shown and not found[leaf]]
            if left:
                texts = _shown(bodies)
                for leaf, text in left:
                    found[leaf] = any(text in one for one in texts)
        return found


def _shown(bodies: Iterable[bytes]) -> list[str]:
    """What ENVELOPE shows of these fields otherwise than it is written, folded."""
    return [fold(text) for body in bodies if not shown.is_plain(body) for text in shown.texts(body)]
