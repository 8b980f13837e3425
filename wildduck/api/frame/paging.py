"""
Lists in pages (spec/api.md 'Paging').

A cursor tells where a page ends: the sort value of its last row, or the first
one's for going back, with the row's id where the value is not unique.  It is
text for clients; what comes back is checked like any parameter.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import bson
from bson import ObjectId, json_util
from bson.errors import BSONError

from wildduck.api.frame.answers import Success
from wildduck.api.frame.fields import Field, Integer, JsonSchema, String
from wildduck.database import Database
from wildduck.database.weights import fitting, weight_of

MOST_ROWS = 250
_SORTABLE = (ObjectId, datetime, str, int, float, type(None))
_CURSOR_LENGTH = 1024
#: What decoding one that is none comes to: extended JSON of the wrong shape is an error of any kind.
_NO_CURSOR = (
    ValueError, TypeError, AttributeError, LookupError, ArithmeticError, BSONError, binascii.Error,
    RecursionError,
)  # fmt: skip
_OPTIONS = json_util.JSONOptions(
    json_mode=json_util.JSONMode.RELAXED, tz_aware=True, unicode_decode_error_handler="replace"
)


@dataclass(frozen=True)
class Cursor:
    """
    @ivar values: the sort value, or (sort value, id).
    @ivar page: number of the page that it leads to.
    """

    values: tuple[Any, ...]
    page: int


@dataclass(frozen=True, kw_only=True)
class CursorField(Field):
    """C{next} or C{previous}; the value is a L{Cursor}."""

    def parse(self, value: Any) -> Cursor:
        text = String(longest=_CURSOR_LENGTH).parse(value)
        try:
            return _decoded(text)
        except _NO_CURSOR:
            raise ValueError("must be a valid paging cursor") from None

    def json_schema(self) -> JsonSchema:
        pattern = "^[A-Za-z0-9_-]*$"
        return {"type": "string", "format": "paging-cursor", "pattern": pattern, "maxLength": _CURSOR_LENGTH}


#: Parameters of a route that lists in pages.
PAGE_FIELDS: Mapping[str, Field] = {
    "limit": Integer(least=1, most=MOST_ROWS, default=20, about="Rows of one page"),
    "next": CursorField(about="nextCursor of an earlier answer"),
    "previous": CursorField(about="previousCursor of an earlier answer"),
}


class Page(Success, kw_only=True):
    """
    Base of answers that list in pages; subclasses add C{results}.

    @ivar total: rows that there are, on all pages.
    @ivar page: number of this page, from 1.
    @ivar previousCursor: C{False} on the first page.
    @ivar nextCursor: C{False} on the last page.
    """

    total: int
    page: int
    previousCursor: str | bool
    nextCursor: str | bool


@dataclass(frozen=True)
class Rows:
    """
    One page of documents.

    @ivar documents: in the order asked for.
    """

    documents: list[dict[str, Any]]
    page: int
    previous: str | bool
    next: str | bool

    def members(self, total: int) -> dict[str, Any]:
        """Members of a L{Page}, but for C{results}."""
        return {
            "total": total,
            "page": self.page,
            "previousCursor": self.previous,
            "nextCursor": self.next,
        }


async def find_page(
    database: Database,
    collection: str,
    query: Mapping[str, Any],
    values: Mapping[str, Any],
    *,
    sort: str = "_id",
    ascending: bool = True,
    projection: Mapping[str, Any] | None = None,
    slow: bool = True,
    long: Sequence[str] = (),
) -> Rows:
    """
    The page that a call asks for.

    @param values: C{limit}, C{next} and C{previous} of L{PAGE_FIELDS}.
    @param sort: field of the documents; rows with the same value are in the
        order of their ids.
    @param projection: must have C{sort}, if given.
    @param long: fields that can be long: a page of more than
        C{limits.LISTED_BYTES} of them ends early.
    @return: rows with the page's cursors; C{next} wins over C{previous}.
    """
    limit = values["limit"]
    cursor: Cursor | None = values["next"] or values["previous"]
    backwards = values["next"] is None and cursor is not None
    upwards = ascending != backwards
    clauses: list[Mapping[str, Any]] = [query] if query else []
    if cursor is not None:
        clauses.append(_after(sort, cursor, "$gt" if upwards else "$lt"))
    order = 1 if upwards else -1
    filter = {"$and": clauses} if len(clauses) > 1 else clauses[0] if clauses else {}
    keys = [(sort, order)] if sort == "_id" else [(sort, order), ("_id", order)]
    if long:
        weighed = await database.find(
            collection, filter, projection=weight_of(long), sort=keys, limit=limit + 1, slow=slow
        )
        limit = fitting(weighed[:limit])
        filter, more = {"_id": {"$in": [row["_id"] for row in weighed[:limit]]}}, len(weighed) > limit
    found = await database.find(
        collection,
        filter,
        projection=dict(projection) if projection is not None else None,
        sort=keys,
        limit=limit + 1,
        slow=slow,
    )
    more = more if long else len(found) > limit
    documents = found[:limit]
    if backwards:
        documents.reverse()
    return _rows(documents, sort, cursor, backwards, more)


def _rows(
    documents: list[dict[str, Any]], sort: str, cursor: Cursor | None, backwards: bool, more: bool
) -> Rows:
    has_previous = more if backwards else cursor is not None
    has_next = backwards or more
    page = 1
    if cursor is not None and has_previous:
        page = cursor.page
    return Rows(
        documents,
        page,
        _encoded(documents[0], sort, page - 1) if has_previous and documents else False,
        _encoded(documents[-1], sort, page + 1) if has_next and documents else False,
    )


def _after(sort: str, cursor: Cursor, operator: str) -> dict[str, Any]:
    """The rows beyond a cursor; values are compared as such, never as operators."""
    if sort == "_id":
        return {"_id": {operator: cursor.values[0]}}
    value = cursor.values[0]
    if len(cursor.values) == 1:
        return {sort: {operator: value}}
    return {"$or": [{sort: {operator: value}}, {sort: {"$eq": value}, "_id": {operator: cursor.values[1]}}]}


def _encoded(document: Mapping[str, Any], sort: str, page: int) -> str:
    value: Any = document.get(sort)
    return encode_cursor(value if sort == "_id" else [value, document["_id"]], page)


def encode_cursor(value: Any, page: int) -> str:
    """
    A cursor in WildDuck's form, for it may be the one to continue.

    @param value: the sort value, or [value, id].
    @param page: number of the page that it leads to.
    """
    return _base64(_text([_text(value), max(1, page)]))


def _text(value: Any) -> str:
    return json_util.dumps(value, json_options=_OPTIONS, separators=(",", ":"))


def _base64(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode("utf-8")).decode("ascii").rstrip("=")


def _decoded(text: str) -> Cursor:
    """@raise ValueError: it is no cursor of ours or of WildDuck."""
    value = _value(_unwrapped(text))
    page = 1
    if isinstance(value, list) and len(value) == 2 and isinstance(value[0], str) and _is_page(value[1]):
        try:
            value, page = _value(value[0]), max(1, int(value[1]))
        except ValueError:
            # A bare inner cursor of WildDuck before 1.45.7 whose sort value is text.
            page = 1
    values = tuple(value) if isinstance(value, list) else (value,)
    # Comparing with a regular expression or a script is an error of the database.
    if not 1 <= len(values) <= 2 or not all(isinstance(one, _SORTABLE) for one in values):
        raise ValueError
    # So is what BSON can not hold: integers of more than 64 bits, lone surrogates.
    bson.encode({"values": values})
    if len(values) == 2:
        # In some lists WildDuck has the id as text.
        values = (values[0], ObjectId(values[1]))
    return Cursor(values, page)


def _is_page(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 2**53


def _unwrapped(text: str) -> str:
    if not text.isascii() or not set(text) <= _ALPHABET:
        raise ValueError
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode("utf-8")


def _value(text: str) -> Any:
    """Extended JSON."""
    return json.loads(text, object_hook=lambda value: json_util.object_hook(value, _OPTIONS))


_ALPHABET = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
