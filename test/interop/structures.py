"""ENVELOPE and BODYSTRUCTURE as named fields, so that a difference has a name that a table can list."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

_ENVELOPE = ("date", "subject", "from", "sender", "reply-to", "to", "cc", "bcc", "in-reply-to", "message-id")
_ONE = ("type", "subtype", "parameters", "id", "description", "encoding", "octets")
_ONE_MORE = ("md5", "disposition", "language", "location")
_MANY_MORE = ("parameters", "disposition", "language", "location")


def envelope_fields(envelope: list[Any], prefix: str = "") -> dict[str, Any]:
    """
    An ENVELOPE by the names of RFC 3501 §7.4.2.

    Sender and Reply-To are named as C{"as from"} where they repeat From: a
    difference there counts once.
    """
    fields = dict(zip(_ENVELOPE, envelope, strict=True))
    for name in ("sender", "reply-to"):
        if fields[name] == fields["from"]:
            fields[name] = "as from"
    return {prefix + name: value for name, value in fields.items()}


def structure_fields(structure: list[Any]) -> dict[str, Any]:
    """
    A BODY or BODYSTRUCTURE by part number and name, as in C{"1.2 octets"}.

    What RFC 2045 takes without regard to case is in lower case.
    """
    return dict(_fields(structure, ""))


def differences(ours: dict[str, Any], theirs: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """The names whose values differ, C{"absent"} standing for none."""
    names = dict.fromkeys([*ours, *theirs])
    pairs = {name: (ours.get(name, "absent"), theirs.get(name, "absent")) for name in names}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def _fields(part: list[Any], number: str, label: str = "") -> Iterator[tuple[str, Any]]:
    label = label or (f"{number} " if number else "message ")
    if isinstance(part[0], list):
        count = next((at for at, item in enumerate(part) if not isinstance(item, list)), len(part))
        yield label + "parts", count
        yield label + "subtype", _folded(part[count])
        yield from _named(label, _MANY_MORE, part[count + 1 :])
        for index, inner in enumerate(part[:count], 1):
            yield from _fields(inner, f"{number}.{index}" if number else str(index))
        return
    yield from _named(label, _ONE, part[:7])
    more = part[7:]
    kind = (_folded(part[0]), _folded(part[1]))
    if kind == (b"message", b"rfc822"):
        yield from envelope_fields(more[0], label + "envelope ").items()
        inner_number = number or "1"
        if isinstance(more[1][0], list):
            # The parts of a multipart within have the message's number before theirs, itself has none.
            yield from _fields(more[1], inner_number, f"{inner_number} inner ")
        else:
            yield from _fields(more[1], f"{inner_number}.1")
        yield label + "lines", more[2]
        more = more[3:]
    elif kind[0] == b"text":
        yield label + "lines", more[0]
        more = more[1:]
    yield from _named(label, _ONE_MORE, more)


def _named(label: str, names: tuple[str, ...], values: list[Any]) -> Iterator[tuple[str, Any]]:
    for at, value in enumerate(values):
        name = names[at] if at < len(names) else f"extension {at}"
        if name in ("type", "subtype", "encoding"):
            value = _folded(value)
        elif name == "parameters":
            value = _parameters(value)
        elif name == "disposition" and value is not None:
            value = [_folded(value[0]), _parameters(value[1])]
        yield label + name, value


def _parameters(value: list[Any] | None) -> list[Any] | None:
    if value is None:
        return None
    return [_folded(item) if at % 2 == 0 else item for at, item in enumerate(value)]


def _folded(value: Any) -> Any:
    return value.lower() if isinstance(value, bytes) else value
