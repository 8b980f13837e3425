"""The second step: Date fields, sizes and ids, a few values of each document."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any

from wildduck.mailstore import identity, zones
from wildduck.mailstore.search.decide import Verdict
from wildduck.mailstore.search.keys import EmailId, Leaf, Saved, Sent, Size, ThreadId
from wildduck.mailstore.search.reading import Answers, Reading
from wildduck.mime import dates, native

_BATCH = 2000

#: By kind of leaf the fields that it needs.
_FIELDS: dict[type, tuple[str, ...]] = {
    Sent: ("idate", zones.FIELD, "mimeTree.parsedHeader.date"),
    Saved: identity.SAVED_FIELDS,
    EmailId: identity.EMAIL_FIELDS,
    ThreadId: identity.THREAD_FIELDS,
    Size: (
        "size",
        "magic",
        "mimeTree.native.v",
        "mimeTree.native.size",
        "mimeTree.native.magic",
        "mimeTree.native.length",
        "mimeTree.native.sent",
    ),
}
KINDS = frozenset(_FIELDS)


async def answer(reading: Reading, leaves: list[Leaf], open: int) -> dict[Leaf, Verdict]:
    """
    @param leaves: of L{KINDS}.
    @param open: the messages that are not decided yet.
    """
    answers = Answers(reading.known, leaves)
    projection = {field: True for leaf in leaves for field in _FIELDS[type(leaf)]}
    questions = [(leaf, _QUESTIONS[type(leaf)]) for leaf in leaves]
    async for batch in reading.documents(open, projection, _BATCH):
        for place, document in batch:
            for leaf, question in questions:
                matches = question(leaf, document)
                if matches is not None:
                    answers.say(place, leaf, matches)
            await reading.turn.pause()
    return answers.verdicts()


def _sent(leaf: Sent, document: Mapping[str, Any]) -> bool:
    return _lies_in(_written_day(document) or _internal_day(document), leaf.since, leaf.before)


def _saved(leaf: Saved, document: Mapping[str, Any]) -> bool:
    moment = identity.saved_date(document)
    return _lies_in(None if moment is None else moment.date(), leaf.since, leaf.before)


def _has_email_id(leaf: EmailId, document: Mapping[str, Any]) -> bool:
    return identity.email_id(document) == leaf.id


def _has_thread_id(leaf: ThreadId, document: Mapping[str, Any]) -> bool:
    return identity.thread_id(document) == leaf.id


def _size(leaf: Size, document: Mapping[str, Any]) -> bool | None:
    """C{None} where the size is none."""
    try:
        size = native.sent_length(document)
    except (TypeError, ValueError):
        return None
    return (leaf.above is None or size > leaf.above) and (leaf.below is None or size < leaf.below)


def _internal_day(document: Mapping[str, Any]) -> date | None:
    moment = document.get("idate")
    return zones.placed(moment, document).date() if isinstance(moment, datetime) else None


def _written_day(document: Mapping[str, Any]) -> date | None:
    tree = document.get("mimeTree")
    parsed = tree.get("parsedHeader") if isinstance(tree, Mapping) else None
    value = parsed.get("date") if isinstance(parsed, Mapping) else None
    if isinstance(value, list):
        value = value[-1] if value else None
    return dates.written(value) if isinstance(value, str) else None


def _lies_in(day: date | None, since: date | None, before: date | None) -> bool:
    return day is not None and (since is None or day >= since) and (before is None or day < before)


_QUESTIONS: dict[type, Callable[[Any, Mapping[str, Any]], bool | None]] = {
    Sent: _sent,
    Saved: _saved,
    EmailId: _has_email_id,
    ThreadId: _has_thread_id,
    Size: _size,
}
