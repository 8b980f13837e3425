"""The order of what a search found (RFC 5256 §3 SORT, RFC 5957)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from wildduck.mailstore.search import headers, masks
from wildduck.mailstore.search.ordering import ordered
from wildduck.mailstore.search.reading import Reading
from wildduck.mime import narrow, native

_BATCH = 400
#: More rows are sorted in a thread.
_FEW = 2000

ARRIVAL, DATE = "arrival", "date"


@dataclass(frozen=True, slots=True)
class Criterion:
    """
    @ivar name: C{"arrival"}, C{"date"}, or of L{_VALUES}.
    @ivar reverse: descending.
    """

    name: str
    reverse: bool = False


def _header(field: str) -> tuple[str, ...]:
    return (f"mimeTree.parsedHeader.{field}",)


def _size(document: Mapping[str, Any]) -> int:
    try:
        return native.sent_length(document)
    except (TypeError, ValueError):
        return 0


def _subject(document: Mapping[str, Any]) -> str:
    return headers.subject(document).text


#: By criterion: fields to read, and the value that they give.
_VALUES: dict[str, tuple[tuple[str, ...], Callable[[Mapping[str, Any]], Any]]] = {
    DATE: (_header("date"), headers.sent_seconds),
    "cc": (_header("cc"), partial(headers.mailbox, field="cc")),
    "from": (_header("from"), partial(headers.mailbox, field="from")),
    "to": (_header("to"), partial(headers.mailbox, field="to")),
    "displayfrom": (_header("from"), partial(headers.display, field="from")),
    "displayto": (_header("to"), partial(headers.display, field="to")),
    "size": (narrow.SIZE_FIELDS, _size),
    "subject": (_header("subject"), _subject),
}
CRITERIA = (ARRIVAL, *_VALUES)


@dataclass(frozen=True, slots=True)
class Sorted:
    """
    @ivar places: of the messages in L{Known.uids
        <wildduck.mailstore.search.known.Known.uids>}, in their order.
    @ivar values: by what each of them was sorted, in the order of C{places}.
    """

    places: list[int]
    values: list[tuple[Any, ...]]


async def sort(reading: Reading, found: int, criteria: Sequence[Criterion]) -> Sorted:
    """
    Messages that are equal keep the order of the mailbox; what is gone is left out.

    @param found: the set of messages.
    @param criteria: the most important first.
    @raise Overloaded: too much other work waits for a thread already.
    """
    places, rows = await _rows(reading, found, criteria)
    columns = [([row[n] for row in rows], one.reverse) for n, one in enumerate(criteria)]
    if len(rows) <= _FEW:
        order = ordered(len(rows), columns)
    else:
        order = await reading.backend.mime_pool.run(ordered, len(rows), columns)
    return Sorted([places[n] for n in order], [rows[n] for n in order])


async def _rows(
    reading: Reading, found: int, criteria: Sequence[Criterion]
) -> tuple[list[int], list[tuple[Any, ...]]]:
    """Places of messages, ascending, and their values by criterion."""
    known = reading.known
    names = [one.name for one in criteria]
    asked = [_VALUES[name] for name in dict.fromkeys(names) if name != ARRIVAL]
    if not asked:
        places = list(masks.pick(found, range(len(known.uids)), len(known.uids)))
        return places, [(known.arrival(place),) * len(names) for place in places]
    places, rows = [], []
    projection = {field: True for fields, _value in asked for field in fields}
    makers = [_value_of(name, known.arrival) for name in names]
    async for batch in reading.documents(found, projection, _BATCH):
        for place, document in batch:
            places.append(place)
            rows.append(tuple([make(place, document) for make in makers]))
            await reading.turn.pause()
    return places, rows


def _value_of(name: str, arrival: Callable[[int], int]) -> Callable[[int, Mapping[str, Any]], Any]:
    if name == ARRIVAL:
        return lambda place, document: arrival(place)
    value = _VALUES[name][1]
    if name == DATE:
        # INTERNALDATE where there is no Date that can be read (RFC 5256 §2.2).
        def date(place: int, document: Mapping[str, Any]) -> int:
            sent = value(document)
            return arrival(place) if sent is None else int(sent)

        return date
    return lambda place, document: value(document)
