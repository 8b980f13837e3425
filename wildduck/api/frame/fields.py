"""
The kinds of parameters: each turns one value from outside into a typed one.

A field is told neither its name nor where its value came from: a query holds
text only, a JSON body all types, and both must give the same.  What counts as
a number, a boolean or a date are the rules that WildDuck's clients know
(spec/differences.md G, 'Merged-parameter rules'); the words of the refusals
are those of Joi, for some clients show them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from itertools import islice
from typing import Any

from bson import ObjectId

#: Failures that are said; a body can have thousands of unknown names.
MOST_FAILURES = 100
#: Numbers outside are not exact in JavaScript clients.
SAFE_INTEGER = 2**53 - 1

_DECIMAL = re.compile(r"[+-]?(?:\d{1,20}(?:\.\d{0,20})?|\.\d{1,20})(?:[eE][+-]?\d{1,3})?\Z", re.ASCII)
_SURROGATE = re.compile("[\ud800-\udfff]")
_TRUE = frozenset(("y", "true", "yes", "on", "1"))
_FALSE = frozenset(("n", "false", "no", "off", "0"))
_HEX_ID = re.compile(r"[0-9a-fA-F]{24}\Z")
_DATE = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d))?)?"
    r"(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?\s?([Zz]|[+-]\d\d(?::?\d\d)?)?)?\Z",
    re.ASCII,
)
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_LEAST_MS = int((datetime(1, 1, 1, tzinfo=timezone.utc) - _EPOCH).total_seconds()) * 1000
_MOST_MS = int((datetime(9999, 12, 31, tzinfo=timezone.utc) - _EPOCH).total_seconds()) * 1000

#: Where in a value something is wrong: names and indexes, outermost first.
Path = tuple[str | int, ...]
JsonSchema = dict[str, Any]


class NestedFailures(ValueError):
    """
    Several things are wrong inside one value.

    @ivar failures: place to the rest of a sentence that begins with its name.
    """

    def __init__(self, failures: Mapping[Path, str]) -> None:
        super().__init__("is invalid")
        self.failures = dict(failures)


def is_absent(value: Any) -> bool:
    """An empty string counts as not given (spec/api.md §0 'unset rule')."""
    return isinstance(value, str) and not value


@dataclass(frozen=True, kw_only=True)
class Field:
    """
    One parameter.

    @ivar required: its absence is an error.
    @ivar named: as C{required}, but an empty one will do.
    @ivar default: what stands for an absent one.
    @ivar nullable: JSON's C{null} is a value of its own.
    @ivar about: what it means, for the OpenAPI document.
    """

    required: bool = False
    named: bool = False
    default: Any = None
    nullable: bool = False
    about: str = ""

    def parse(self, value: Any) -> Any:
        """
        The typed value; never called with an empty string.

        @raise ValueError: with the rest of a sentence that begins with the field's name.
        @raise NestedFailures: where several things inside it are wrong.
        """
        return value

    def read(self, value: Any) -> Any:
        """As L{parse}, C{None} allowed where the field is L{nullable}."""
        if value is None and self.nullable:
            return None
        return self.parse(value)

    def json_schema(self) -> JsonSchema:
        """What it takes, as JSON Schema 2020-12 (the type that a JSON body should have)."""
        return {}

    def described(self) -> JsonSchema:
        """L{json_schema} with default, C{null} and description."""
        schema = self.json_schema()
        if self.nullable and isinstance(schema.get("type"), str):
            schema["type"] = [schema["type"], "null"]
            if "enum" in schema:
                schema["enum"] = [*schema["enum"], None]
        if self.default is not None and isinstance(self.default, (str, int, float, bool)):
            schema["default"] = self.default
        if self.about:
            schema["description"] = self.about
        return schema


@dataclass(frozen=True, kw_only=True)
class String(Field):
    """
    A string; scalars of other types are not turned into one.

    @ivar longest: in UTF-16 units, as JavaScript counts.
    @ivar lower: it is lower-cased.
    @ivar trim: outer white space is taken off before its length is judged.
    @ivar pattern: what it must match from begin to end.
    """

    longest: int = 255
    shortest: int = 1
    lower: bool = False
    trim: bool = False
    pattern: str = ""

    def parse(self, value: Any) -> str:
        if isinstance(value, (bytes, bytearray)):
            value = _text(bytes(value))
        if not isinstance(value, str):
            raise ValueError("must be a string")
        text = value.strip() if self.trim else value
        if self.lower:
            text = text.lower()
        if not text.isascii() and len(text) <= self.longest and _SURROGATE.search(text):
            raise ValueError("must be valid Unicode")
        if len(text) > self.longest or utf16_length(text) > self.longest:
            raise ValueError(f"length must be less than or equal to {self.longest} characters long")
        if len(text) < self.shortest:
            if not text:
                raise ValueError("is not allowed to be empty")
            raise ValueError(f"length must be at least {self.shortest} characters long")
        if self.pattern and not re.fullmatch(self.pattern, text):
            raise ValueError("fails to match the required pattern")
        return text

    def json_schema(self) -> JsonSchema:
        schema: JsonSchema = {"type": "string", "maxLength": self.longest}
        if self.pattern:
            schema["pattern"] = f"^(?:{self.pattern})$"
        return schema


def _text(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError("must be valid UTF-8") from None


def utf16_length(value: str) -> int:
    """Length as JavaScript counts it."""
    return len(value) if value.isascii() else len(value.encode("utf-16-le", "surrogatepass")) // 2


@dataclass(frozen=True, kw_only=True)
class Number(Field):
    """A number, also as decimal text; an C{int} where it is whole."""

    least: float = -SAFE_INTEGER
    most: float = SAFE_INTEGER

    def parse(self, value: Any) -> int | float:
        if isinstance(value, str):
            text = value.strip()
            if not _DECIMAL.match(text):
                raise ValueError("must be a number")
            value = int(text) if text.lstrip("+-").isdigit() else float(text)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value:
            raise ValueError("must be a number")
        if abs(value) > SAFE_INTEGER:
            raise ValueError("must be a safe number")
        if value < self.least:
            raise ValueError(f"must be greater than or equal to {self.least}")
        if value > self.most:
            raise ValueError(f"must be less than or equal to {self.most}")
        return int(value) if value == int(value) else value

    def json_schema(self) -> JsonSchema:
        return {"type": "number", "minimum": self.least, "maximum": self.most}


@dataclass(frozen=True, kw_only=True)
class Integer(Number):
    """A whole number, also as decimal text."""

    least: float = 0

    def parse(self, value: Any) -> int:
        number = super().parse(value)
        if not isinstance(number, int):
            raise ValueError("must be an integer")
        return number

    def json_schema(self) -> JsonSchema:
        return {**super().json_schema(), "type": "integer"}


@dataclass(frozen=True, kw_only=True)
class Boolean(Field):
    """C{true}, C{false} or one of the words that stand for them, in any case."""

    def parse(self, value: Any) -> bool:
        if isinstance(value, bool):
            return value
        word = str(value).strip().lower() if isinstance(value, (str, int)) else ""
        if word in _TRUE:
            return True
        if word in _FALSE:
            return False
        raise ValueError("must be a boolean")

    def json_schema(self) -> JsonSchema:
        return {"type": "boolean"}


@dataclass(frozen=True, kw_only=True)
class Date(Field):
    """
    A time as ISO 8601 text or as milliseconds since 1970, these also as text.

    Without a zone it is UTC.  The value is an aware C{datetime} in UTC, whole
    milliseconds.

    @ivar or_false: C{false} is a value too (C{False}): it takes a time away.
    """

    or_false: bool = False

    def parse(self, value: Any) -> datetime | bool:
        if self.or_false and (value is False or isinstance(value, str) and value.lower() == "false"):
            return False
        if isinstance(value, str):
            found = _DATE.match(value.strip())
            if found is None or len(value.strip()) == 4 and not value.strip().startswith(("1", "2")):
                return _from_ms(value)
            return _from_parts(found)
        return _from_ms(value)

    def json_schema(self) -> JsonSchema:
        times: list[JsonSchema] = [
            {"type": "string", "format": "date-time"},
            {"type": "number", "minimum": _LEAST_MS, "maximum": _MOST_MS},
        ]
        if self.or_false:
            times.append({"const": False})
        return {"anyOf": times}


def _from_ms(value: Any) -> datetime:
    try:
        milliseconds = Number().parse(value)
    except ValueError:
        raise ValueError("must be a valid date") from None
    if not _LEAST_MS <= milliseconds <= _MOST_MS:
        raise ValueError("must be a valid date")
    return _EPOCH + timedelta(milliseconds=int(milliseconds))


def _from_parts(found: re.Match[str]) -> datetime:
    year, month, day, hour, minute, second, fraction, zone = found.groups()
    offset = timedelta()
    if zone and zone not in "Zz":
        digits = zone[1:].replace(":", "").ljust(4, "0")
        offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:])) * (-1 if zone[0] == "-" else 1)
    milliseconds = int((fraction or "").ljust(3, "0")[:3])
    # RFC 3339 §5.6 allows a leap second; the clock that stores it has none.
    leap = second == "60"
    try:
        local = datetime(
            int(year), int(month or 1), int(day or 1), int(hour or 0), int(minute or 0),
            59 if leap else int(second or 0), milliseconds * 1000, timezone.utc,
        )  # fmt: skip
        time = local + timedelta(seconds=int(leap)) - offset
    except (ValueError, OverflowError):
        raise ValueError("must be a valid date") from None
    if time.year > 9998:
        raise ValueError("must be a valid date")
    return time


@dataclass(frozen=True, kw_only=True)
class Id(Field):
    """24 hexadecimal digits; the value is an C{ObjectId}."""

    def parse(self, value: Any) -> ObjectId:
        if not isinstance(value, str):
            raise ValueError("must be a string")
        if len(value) != 24:
            raise ValueError("length must be 24 characters long")
        if not _HEX_ID.match(value):
            raise ValueError("must only contain hexadecimal characters")
        return ObjectId(value)

    def json_schema(self) -> JsonSchema:
        return {"type": "string", "pattern": "^[0-9a-fA-F]{24}$"}


@dataclass(frozen=True, kw_only=True)
class IdOr(Field):
    """
    24 hexadecimal digits (the value is an C{ObjectId}), or what stands for an id.

    @ivar other: whose value is none.
    """

    other: Field

    def parse(self, value: Any) -> Any:
        if isinstance(value, str) and _HEX_ID.match(value.strip()):
            return ObjectId(value.strip())
        return self.other.parse(value)

    def json_schema(self) -> JsonSchema:
        return {"anyOf": [Id().json_schema(), self.other.json_schema()]}


@dataclass(frozen=True, kw_only=True)
class Choice(Field):
    """
    One of a few words.

    @ivar lower: it is compared in lower case.
    """

    values: Sequence[str]
    lower: bool = False

    def parse(self, value: Any) -> str:
        word = value.lower() if self.lower and isinstance(value, str) else value
        if not isinstance(word, str) or word not in self.values:
            raise ValueError(f"must be one of [{', '.join(self.values)}]")
        return word

    def json_schema(self) -> JsonSchema:
        return {"type": "string", "enum": list(self.values)}


@dataclass(frozen=True, kw_only=True)
class NotServed(Field):
    """
    A parameter of WildDuck's that could only be ignored here: it is refused, and no part of the document.

    @ivar why: the rest of a sentence that begins with its name.
    """

    why: str

    def parse(self, value: Any) -> Any:
        raise ValueError(self.why)

    def json_schema(self) -> JsonSchema:
        return {"not": {}}


@dataclass(frozen=True, kw_only=True)
class ListOf(Field):
    """
    A list whose items are all of one kind.

    @ivar most: items it may have.
    @ivar unique: no item may come twice.
    @ivar single: a value that is no list counts as a list of it alone.
    """

    item: Field
    most: int = 1000
    unique: bool = False
    single: bool = False

    def parse(self, value: Any) -> list[Any]:
        if not isinstance(value, list):
            if not self.single:
                raise ValueError("must be an array")
            value = [value]
        if len(value) > self.most:
            raise ValueError(f"must contain less than or equal to {self.most} items")
        items: list[Any] = []
        failures: dict[Path, str] = {}
        for index, one in enumerate(value):
            try:
                if is_absent(one):
                    raise ValueError("is not allowed to be empty")
                item = self.item.read(one)
            except ValueError as error:
                _note(failures, index, error)
            else:
                if self.unique and item in items:
                    failures[(index,)] = "contains a duplicate value"
                items.append(item)
        if failures:
            raise NestedFailures(failures)
        return items

    def json_schema(self) -> JsonSchema:
        item = self.item.described()
        if item.get("type") == "string":
            item.setdefault("minLength", 1)
        schema: JsonSchema = {"type": "array", "items": item, "maxItems": self.most}
        if self.unique:
            schema["uniqueItems"] = True
        return schema


def _note(failures: dict[Path, str], place: str | int, error: ValueError) -> None:
    """Keep what a nested value raised, under its place in the outer one."""
    if isinstance(error, NestedFailures):
        failures.update({(place, *path): text for path, text in error.failures.items()})
    else:
        failures[(place,)] = str(error)


@dataclass(frozen=True, kw_only=True)
class Object(Field):
    """
    An object with named fields; others are an error.

    The value is a dictionary of what was given and of defaults other than
    C{None}: a name that was given as an empty string is there with C{None},
    one that was not given is not there.
    """

    fields: Mapping[str, Field] = field(default_factory=dict)

    def parse(self, value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise ValueError("must be of type object")
        failures: dict[Path, str] = {}
        result: dict[str, Any] = {}
        for name, one in self.fields.items():
            if name not in value or is_absent(value[name]):
                if one.required:
                    failures[(name,)] = "is required"
                elif one.default is not None or name in value:
                    result[name] = one.default
                continue
            try:
                result[name] = one.read(value[name])
            except ValueError as error:
                _note(failures, name, error)
        unknown = islice((name for name in value if name not in self.fields), MOST_FAILURES)
        failures.update({(str(name)[:255],): "is not allowed" for name in unknown})
        if failures:
            raise NestedFailures(failures)
        return result

    def json_schema(self) -> JsonSchema:
        return object_schema(self.fields)


def object_schema(fields: Mapping[str, Field]) -> JsonSchema:
    """JSON Schema of an object with these members and no others."""
    properties = {}
    for name, one in fields.items():
        properties[name] = one.described()
        if one.required and properties[name].get("type") == "string":
            properties[name].setdefault("minLength", 1)
    schema: JsonSchema = {"type": "object", "properties": properties, "additionalProperties": False}
    required = [name for name, one in fields.items() if one.required or one.named]
    if required:
        schema["required"] = required
    return schema
