"""
What a search shall return: C{RETURN (...)} of SEARCH and SORT.

RFC 4466 §2.6.1, 4731 §3.1, 5182 (C{SAVE}), 5267 §4 (C{CONTEXT}, C{UPDATE},
C{PARTIAL}), 9394 (C{PARTIAL} from the end), 5465 §7 (what C{UPDATE} shall fetch).
"""

from __future__ import annotations

from dataclasses import dataclass

from wildduck.imap.grammar.cursor import Cursor
from wildduck.imap.grammar.fetch import Item, fetch_items
from wildduck.imap.grammar.partial import PartialRange, partial_range
from wildduck.imap.grammar.strings import Reading

#: Options without a value.
OPTIONS = ("MIN", "MAX", "ALL", "COUNT", "SAVE", "CONTEXT", "UPDATE")


@dataclass(frozen=True, slots=True)
class Returns:
    """
    @ivar options: of L{OPTIONS}, each once, in the order given; may be empty.
    @ivar partial: which results to tell, if given.
    @ivar items: what to fetch of new messages that match; only with C{UPDATE}.
    """

    options: tuple[str, ...] = ()
    partial: PartialRange | None = None
    items: tuple[Item, ...] = ()

    def __contains__(self, option: str) -> bool:
        return option in self.options

    @property
    def all(self) -> bool:
        """
        All results are told: asked for, or nothing is (RFC 4731 §3.1).

        C{SAVE}, C{CONTEXT} and C{UPDATE} are options like others in this: who gives
        one and no C{ALL} wants no list.
        """
        return "ALL" in self.options or (not self.options and self.partial is None)

    def compose(self) -> bytes:
        options = [name.encode("ascii") for name in self.options]
        if self.items:
            fetched = b" (" + b" ".join(item.compose() for item in self.items) + b")"
            options = [name + fetched if name == b"UPDATE" else name for name in options]
        if self.partial is not None:
            options.append(b"PARTIAL " + self.partial.compose())
        return b"RETURN (" + b" ".join(options) + b")"


def returns(cursor: Cursor) -> Reading[Returns | None]:
    """
    C{search-return-opts} with the SP behind it; the cursor is behind the SP before it.

    @return: C{None} when there are none.
    """
    if cursor.line[cursor.position : cursor.position + 7].upper() != b"RETURN ":
        return None
    cursor.position += 7
    cursor.expect(b"(", "a list of return options")
    options: dict[str, None] = {}
    partial = None
    items: tuple[Item, ...] = ()
    while not cursor.take(b")"):
        if options or partial is not None:
            cursor.space()
            cursor.another("return options")
        name = cursor.word("a return option").decode("ascii")
        if name == "PARTIAL":
            if partial is not None:
                raise cursor.error("a second range of results")
            cursor.space()
            partial = partial_range(cursor)
        elif name in OPTIONS:
            options[name] = None
            # RFC 5465 has no space there in its syntax, and one in its example.
            if name == "UPDATE" and (cursor.looking_at(b"(") or cursor.looking_at(b" (")):
                cursor.take(b" ")
                items = yield from fetch_items(cursor)
        else:
            raise cursor.error("unknown return option")
    if partial is not None and "ALL" in options:
        raise cursor.error("ALL and PARTIAL together")
    cursor.space()
    return Returns(tuple(options), partial, items)
