"""
What an endpoint takes, as values that check one field each.

Unlike decoders that stop at the first error, L{Schema.parse} looks at every
field, for an API error names all that failed (spec/api.md 'Error envelope').
The rules of what counts as a number, a boolean or as absent are those that
WildDuck's clients know (spec/differences.md G, 'Merged-parameter rules').
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wildduck.errors import BadInput

#: Numbers outside are not exact in JavaScript clients.
SAFE_INTEGER = 2**53 - 1

_DECIMAL = re.compile(r"[+-]?(?:\d{1,20}(?:\.\d{0,20})?|\.\d{1,20})(?:[eE][+-]?\d{1,3})?\Z")
_TRUE = frozenset(("y", "true", "yes", "on", "1"))
_FALSE = frozenset(("n", "false", "no", "off", "0"))
#: Taken by every endpoint, used for logs only (spec/api.md 'Extra params').
_EVERYWHERE = ("sess", "ip", "accessToken")


@dataclass(frozen=True)
class Field:
    """
    One parameter.

    @ivar required: its absence is an error.
    @ivar default: what stands for an absent one.
    """

    required: bool = False
    default: Any = None

    def parse(self, value: Any) -> Any:
        """@raise ValueError: with the rest of a sentence that begins with the field's name."""
        return value


@dataclass(frozen=True)
class String(Field):
    """A string; scalars of other types are not turned into one. Lengths count UTF-16 units."""

    longest: int = 255
    shortest: int = 1

    def parse(self, value: Any) -> str:
        if not isinstance(value, str):
            raise ValueError("must be a string")
        if len(value) > self.longest or len(value.encode("utf-16-le", "surrogatepass")) > 2 * self.longest:
            raise ValueError(f"must be at most {self.longest} characters long")
        if len(value) < self.shortest:
            raise ValueError(f"must be at least {self.shortest} characters long")
        if any("\ud800" <= c <= "\udfff" for c in value):
            raise ValueError("must be valid Unicode")
        return value


@dataclass(frozen=True)
class Integer(Field):
    """A whole number, also as decimal text."""

    least: int = 0
    most: int = SAFE_INTEGER

    def parse(self, value: Any) -> int:
        if isinstance(value, str):
            text = value.strip()
            if not _DECIMAL.match(text):
                raise ValueError("must be a number")
            value = int(text) if text.lstrip("+-").isdigit() else float(text)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ValueError("must be a number")
        if abs(value) > SAFE_INTEGER or value != int(value):
            raise ValueError("must be a whole and safe number")
        if not self.least <= value <= self.most:
            raise ValueError(f"must be between {self.least} and {self.most}")
        return int(value)


@dataclass(frozen=True)
class Boolean(Field):
    """C{true}, C{false} or one of the words that stand for them, in any case."""

    def parse(self, value: Any) -> bool:
        if isinstance(value, bool):
            return value
        word = str(value).lower() if isinstance(value, (str, int)) else ""
        if word in _TRUE:
            return True
        if word in _FALSE:
            return False
        raise ValueError("must be a boolean")


@dataclass(frozen=True)
class Schema:
    """
    The parameters of one endpoint; unknown ones are an error.

    @ivar fields: by parameter name.
    """

    fields: Mapping[str, Field]

    def parse(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """
        All declared fields with their values or defaults; an empty string is absent.

        @raise BadInput: with every failed field.
        """
        failed: dict[str, str] = {}
        values: dict[str, Any] = {}
        for name, field in self.fields.items():
            value = parameters.get(name)
            if value is None or value == "":
                values[name] = field.default
                if field.required:
                    failed[name] = f"{name} is required"
                continue
            try:
                values[name] = field.parse(value)
            except ValueError as error:
                failed[name] = f"{name} {error}"
        for name in parameters:
            if name not in self.fields and name not in _EVERYWHERE:
                failed[name[:255]] = f"{name[:255]} is not allowed"
        if failed:
            raise BadInput(". ".join(failed.values()), failed)
        return values
