"""
What an endpoint takes.

Unlike decoders that stop at the first error, L{Schema.read} looks at every
field, for an API error names all that failed (spec/api.md 'Error envelope').
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wildduck.api.frame.fields import (
    MOST_FAILURES,
    Boolean,
    Choice,
    Date,
    Field,
    Id,
    Integer,
    ListOf,
    NestedFailures,
    Number,
    Object,
    Path,
    String,
    is_absent,
)
from wildduck.errors import BadInput

__all__ = [
    "Boolean",
    "Choice",
    "Date",
    "Field",
    "Id",
    "Integer",
    "ListOf",
    "Number",
    "Object",
    "Parsed",
    "Schema",
    "String",
]

#: Characters of a name that is not allowed, as it is said back.
LONGEST_NAME = 255


@dataclass(frozen=True, kw_only=True)
class IpAddress(Field):
    """An IPv4 or IPv6 address without a prefix length or a zone."""

    def parse(self, value: Any) -> str:
        if not isinstance(value, str):
            raise ValueError("must be a string")
        try:
            if "%" in value:
                raise ValueError
            ipaddress.ip_address(value)
        except ValueError:
            raise ValueError(
                "must be a valid ip address of one of the following versions [ipv4, ipv6]"
                " with a forbidden CIDR"
            ) from None
        return value

    def json_schema(self) -> dict[str, Any]:
        return {"type": "string", "anyOf": [{"format": "ipv4"}, {"format": "ipv6"}, {"maxLength": 0}]}


#: Taken by nearly every endpoint, used for logs only (spec/api.md 'Extra params').
EXTRA: Mapping[str, Field] = {
    "sess": String(longest=255, about="Session identifier for the logs"),
    "ip": IpAddress(about="IP address for the logs"),
}


@dataclass(frozen=True)
class Parsed:
    """
    The parameters of one request.

    @ivar values: every declared field with its value or default.
    @ivar given: names that came with a value.
    @ivar emptied: names that came as an empty string.
    """

    values: dict[str, Any]
    given: frozenset[str]
    emptied: frozenset[str]


@dataclass(frozen=True)
class Schema:
    """
    The parameters of one endpoint.

    @ivar fields: by parameter name.
    @ivar loose: unknown parameters are ignored, else an error.
    @ivar extras: C{sess} and C{ip} are taken too.
    """

    fields: Mapping[str, Field]
    loose: bool = False
    extras: bool = True

    def parse(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """
        All declared fields with their values or defaults; an empty string is absent.

        @raise BadInput: with every failed field.
        """
        return self.read(parameters).values

    def all_fields(self) -> Mapping[str, Field]:
        """Declared fields and the extra ones."""
        return {**EXTRA, **self.fields} if self.extras else self.fields

    def read(self, parameters: Mapping[str, Any]) -> Parsed:
        """
        As L{parse}, with what was given.

        @raise BadInput: with every failed field.
        """
        failed: dict[Path, str] = {}
        values: dict[str, Any] = {}
        given: list[str] = []
        emptied: list[str] = []
        for name, field in self.fields.items():
            if name not in parameters or is_absent(parameters[name]):
                values[name] = field.default
                if field.required or (field.named and name not in parameters):
                    failed[(name,)] = "is required"
                elif name in parameters:
                    emptied.append(name)
                continue
            self._read_one(name, field, parameters[name], values, failed)
            given.append(name)
        self._read_others(parameters, values, failed)
        if failed:
            raise bad_input(failed)
        return Parsed(values, frozenset(given), frozenset(emptied))

    def _read_others(
        self, parameters: Mapping[str, Any], values: dict[str, Any], failed: dict[Path, str]
    ) -> None:
        for name, value in parameters.items():
            if name in self.fields:
                continue
            if self.extras and name in EXTRA:
                if not is_absent(value):
                    self._read_one(name, EXTRA[name], value, values, failed)
            elif not self.loose:
                if len(failed) > MOST_FAILURES:
                    break
                failed[(name[:LONGEST_NAME],)] = "is not allowed"

    @staticmethod
    def _read_one(
        name: str, field: Field, value: Any, values: dict[str, Any], failed: dict[Path, str]
    ) -> None:
        try:
            values[name] = field.read(value)
        except NestedFailures as error:
            failed.update({(name, *path): text for path, text in error.failures.items()})
        except ValueError as error:
            failed[(name,)] = str(error)


def bad_input(failed: Mapping[Path, str]) -> BadInput:
    """The error that names every failed field, in the envelope's form."""
    said = {path: f'"{_label(path)}" {text}' for path, text in list(failed.items())[:MOST_FAILURES]}
    return BadInput(
        ". ".join(said.values()),
        {_sayable(",".join(str(part) for part in path)): text for path, text in said.items()},
    )


def _label(path: Path) -> str:
    """C{targets[0].value}"""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return _sayable(text)


def _sayable(text: str) -> str:
    """Without lone surrogates, which JSON from outside can name but UTF-8 can not."""
    return text.encode("utf-8", "replace").decode("utf-8")
