"""The third step: header fields, from the lines of each header."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from wildduck.limits import KIB
from wildduck.mailstore.search.decide import Verdict
from wildduck.mailstore.search.keys import Field, Leaf
from wildduck.mailstore.search.reading import Answers, Reading
from wildduck.mailstore.search.whole import UNREADABLE, Whole
from wildduck.mime import headers, searched
from wildduck.mime.folded import fold

_BATCH = 500
#: Lines and bytes of a header that are looked through without a thread.
_LINES = 500
_SHORT = 64 * KIB
#: Where there is a layout, the tree may lack fields (store.md §7).
_PROJECTION = {"mimeTree.header": True, "mimeTree.native.layout": True}
KINDS = frozenset((Field,))


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
    async for batch in reading.documents(open, _PROJECTION, _BATCH):
        lacking = []
        for place, document in batch:
            tree = document.get("mimeTree")
            if not isinstance(tree, dict) or tree.get("native"):
                lacking.append(place)
            elif _is_long(tree.get("header")):
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
    return answers.verdicts()


def _is_long(lines: Any) -> bool:
    """Whether a header is looked through in a thread."""
    return isinstance(lines, list) and (
        len(lines) > _LINES or sum(len(line) for line in lines if isinstance(line, str)) > _SHORT
    )


class _Wanted:
    """The leaves, by the field that each looks into."""

    def __init__(self, leaves: list[Field]) -> None:
        self._by_name: dict[bytes, list[tuple[Field, str]]] = {}
        for leaf in leaves:
            self._by_name.setdefault(leaf.name.lower(), []).append((leaf, fold(leaf.text)))

    def look_in_tree(self, tree: dict[str, Any]) -> dict[Field, bool]:
        return self.look(headers.lines_of(tree))

    def look(self, lines: Sequence[bytes]) -> dict[Field, bool]:
        """@param lines: of a header, as of L{headers.split_header}."""
        found: dict[Field, bool] = {}
        for name, wanted in self._by_name.items():
            values = [fold(value) for value in searched.values(lines, name)]
            for leaf, text in wanted:
                found[leaf] = any(text in value for value in values)
        return found
