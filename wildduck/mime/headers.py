"""
Header fields: raw lines, WildDuck's stored strings, and its parsedHeader
(spec/schema.md 'mimeTree node').
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from wildduck import limits
from wildduck.mime import addresses, charsets, parameters, words
from wildduck.mime.part import ContentType

#: May stand before the colon of a field.
BLANK = b" \t"
# A line feed that is not followed by a blank ends a field; CRs before it are cut off.
_FIELD_END = re.compile(rb"\n(?![ \t])")


def split_header(raw: bytes) -> list[bytes]:
    """
    Split a header into its fields.

    A line that begins with a blank continues the field before it.  Lines
    without a colon are fields of their own and are kept.

    @param raw: the header, with or without the empty line that ends it.
    @return: each field with its folding, without its final line break.
    """
    fields = [field.rstrip(b"\r") for field in _FIELD_END.split(raw)]
    while fields and not fields[-1].strip(b"\r\n"):
        fields.pop()
    return fields


def all_of(lines: Iterable[bytes], name: bytes) -> list[bytes]:
    """
    The raw bodies of every field of one name.

    @param lines: as of L{split_header}.
    @param name: the field's name in any case.
    """
    wanted = name.lower()
    length = len(wanted)
    found = []
    for line in lines:
        if line[:length].lower() == wanted:
            rest = line[length:].lstrip(BLANK)
            if rest[:1] == b":":
                found.append(rest[1:])
    return found


def first(lines: Iterable[bytes], name: bytes) -> bytes | None:
    """The raw body of the first field of this name, folding kept; C{None} without one."""
    found = all_of(lines, name)
    return found[0] if found else None


def last(lines: Iterable[bytes], name: bytes) -> bytes | None:
    """The raw body of the last field of this name, folding kept; C{None} without one."""
    found = all_of(lines, name)
    return found[-1] if found else None


def content_type(raw_value: bytes | None, in_digest: bool = False) -> ContentType:
    """
    Read a Content-Type field (RFC 2045 §5.1).

    What can not be read is text/plain (RFC 2045 §5.2), but a lone type is
    taken at its word.

    @param raw_value: the field's body, or C{None} where there is no field.
    @param in_digest: the part lies directly in a multipart/digest, whose
        default is message/rfc822 (RFC 2046 §5.1.5).
    """
    if raw_value is None:
        return ContentType("message", "rfc822") if in_digest else ContentType()
    parsed = parameters.parse(raw_value)
    major, minor = media_type(parsed.value) or ("text", "plain")
    return ContentType(major.lower(), minor.lower(), parameters.decoded(parsed))


def media_type(value: str) -> tuple[str, str] | None:
    """
    The type and subtype in a Content-Type's value, as they are written.

    What follows the subtype without a semicolon is left out.

    @param value: without its parameters.
    """
    match = _MEDIA_TYPE.match(value)
    if match is None:
        return None
    major, minor = match.groups()
    if not minor:
        if match.end() < len(value):
            return None
        minor = _LONE_TYPES.get(major.lower(), "octet-stream")
        major = major if major.lower() in _LONE_TYPES else "application"
    return major, minor


#: What a type without a subtype means; others are unknown data.
_LONE_TYPES = {"text": "plain", "multipart": "mixed"}

_TOKEN_CHARACTERS = r"[!#$%&'*+\-.0-9A-Z^_`a-z{|}~]"
_MEDIA_TYPE = re.compile(rf"({_TOKEN_CHARACTERS}+)\s*(?:/\s*({_TOKEN_CHARACTERS}*))?")
_TOKEN = re.compile(_TOKEN_CHARACTERS + "+")


def token(raw: bytes) -> str:
    """The first token of a structured value (RFC 2045 §5.1); C{""} if it does not begin with one."""
    match = _TOKEN.match(_structured(raw))
    return match.group() if match is not None else ""


def transfer_encoding(raw: bytes | None) -> str:
    """
    The mechanism of a Content-Transfer-Encoding (RFC 2045 §6.1), as written.

    @param raw: the field's body; C{"7bit"} stands for a missing one and for
        what is no token.  A semicolon and what follows it are left out.
    """
    value = _structured(raw or b"").partition(";")[0].strip()
    return value if _TOKEN.fullmatch(value) else "7bit"


def _structured(raw: bytes) -> str:
    return parameters.without_comments(raw[:_TOKEN_SEARCHED].decode("latin-1")).strip()


_TOKEN_SEARCHED = 4 * limits.KIB


#: Fields whose value is an address list in parsedHeader.
ADDRESS_FIELDS = ("from", "sender", "reply-to", "to", "cc", "bcc")

#: Fields of which parsedHeader keeps only the last.
_SINGLE_FIELDS = frozenset(
    (
        "in-reply-to",
        "message-id",
        "content-transfer-encoding",
        "content-id",
        "content-description",
        "content-language",
        "content-md5",
        "content-location",
        "content-type",
        "content-disposition",
    )
)

# WildDuck leaves other names out; they would be odd keys in MongoDB.
_KEY = re.compile(r"[a-z0-9\-]{1,99}")
# The look-behind keeps a long run of blanks from being scanned from each of them.
_FOLD = re.compile(r"(?<!\s)\s*\n\s*")


def stored_lines(raw: bytes, budget: int = limits.HEADER_BYTES) -> list[str]:
    """
    WildDuck's C{header} list: every byte one character, folds as CRLF.

    @param raw: the header, as for L{split_header}.
    @param budget: bytes in all; a field that does not fit is left out.
    """
    return stored(bounded(split_header(raw), budget))


def stored(lines: Iterable[bytes]) -> list[str]:
    """L{stored_lines} for what was split already."""
    return [_LINE_BREAK.sub(b"\r\n", line).decode("latin-1") for line in lines]


def lines_of(node: dict[str, Any]) -> list[bytes]:
    """
    The raw fields of a stored tree's node.

    @param node: its C{header} list is of strings whose characters are bytes;
        what WildDuck may have written otherwise is taken as UTF-8.
    """
    stored = node.get("header")
    lines = []
    for line in stored if isinstance(stored, list) else ():
        try:
            lines.append(str(line).encode("latin-1"))
        except UnicodeEncodeError:
            lines.append(str(line).encode("utf-8", "replace"))
    return lines


_LINE_BREAK = re.compile(rb"(?<!\r)\r*\n")


def bounded(lines: Iterable[bytes], budget: int = limits.HEADER_BYTES) -> list[bytes]:
    """The fields that fit into C{budget} bytes; one that does not fit is left out."""
    kept = []
    for line in lines:
        if len(line) <= budget:
            budget -= len(line)
            kept.append(line)
    return kept


def parsed_header(lines: Iterable[bytes]) -> dict[str, Any]:
    """
    WildDuck's C{parsedHeader} (spec/schema.md 'mimeTree node').

    @param lines: as of L{split_header}; no more than L{limits.HEADER_BYTES}
        of them, and L{limits.ADDRESSES} addresses in all, are read.
    @return: by lower-case name: text, a list of texts of a repeated field, an
        address list, or the parsed content-type and content-disposition.
        Encoded-words stay as they are.
    """
    collected: dict[str, list[bytes]] = {}
    # WildDuck reads from the bottom: the keys are in that order.
    for line in reversed(bounded(lines)):
        name, colon, value = line.partition(b":")
        key = name.decode("latin-1").strip().lower()
        if colon and _KEY.fullmatch(key):
            collected.setdefault(key, []).append(value)
    for values in collected.values():
        values.reverse()
    parsed: dict[str, Any] = {}
    left = limits.ADDRESSES
    lists: dict[str, Any] = {}
    # In this order, so that a long list of recipients leaves room for the sender.
    for key in ADDRESS_FIELDS:
        if key in collected:
            lists[key], left = _address_lists(collected[key], left)
    for key, values in collected.items():
        if key in lists:
            parsed[key] = lists[key]
        elif key in _SINGLE_FIELDS:
            parsed[key] = _unfolded(values[-1])
        elif len(values) == 1:
            parsed[key] = _unfolded(values[0])
        else:
            # WildDuck unfolds only the last one.
            folded = [charsets.sniff(_LINE_BREAK.sub(b"\r\n", value)).strip() for value in values[:-1]]
            parsed[key] = [*folded, _unfolded(values[-1])]
    _replace_structured(parsed, collected)
    return parsed


def _unfolded(value: bytes) -> str:
    return _FOLD.sub(" ", charsets.sniff(value)).strip()


def _address_lists(values: Sequence[bytes], left: int) -> tuple[Any, int]:
    """All lists of one field name together; an empty field stays an empty text."""
    if not any(value.strip() for value in values):
        return "", left
    found: list[dict[str, Any]] = []
    for value in values:
        entries = addresses.parse(_unfolded(value), left)
        left -= sum(1 + len(entry.get("group", ())) for entry in entries)
        found.extend(entries)
    return found, left


#: Fields that can be searched for (spec/schema.md 'messages').
_INDEXED_FIELDS = frozenset(
    (
        "to",
        "cc",
        "bcc",
        "subject",
        "from",
        "sender",
        "reply-to",
        "message-id",
        "thread-index",
        "list-id",
        "delivered-to",
    )
)

#: Bytes of an indexed value, and what WildDuck takes off a longer one.
_INDEXED_BYTES = 880
_INDEXED_CUT = 4
#: Indexed values of one message; a header may repeat its fields.
_INDEXED_VALUES = 1000

_LIST_ID = re.compile(r"<([^<>]*)>")


def indexed(lines: Iterable[bytes]) -> list[dict[str, str]]:
    """
    The C{headers} list of a message document.

    @param lines: as of L{split_header}.
    @return: C{key} and C{value}, decoded and in lower case, of the fields that
        can be searched for, in order; at most L{_INDEXED_VALUES}.
    """
    found: list[dict[str, str]] = []
    for line in lines:
        colon = line.find(b":", 0, 100)
        key = line[: max(colon, 0)].decode("latin-1").strip().lower()
        if key in _INDEXED_FIELDS and len(found) < _INDEXED_VALUES:
            # Decoding shortens no text to less than a tenth.
            value = words.decode(_unfolded(line[colon + 1 : colon + 1 + 20 * _INDEXED_BYTES])).lower()
            match = _LIST_ID.search(value) if key == "list-id" else None
            found.append({"key": key, "value": _cut(match.group(1) if match is not None else value)})
    return found


def _cut(value: str) -> str:
    """As WildDuck cuts: bytes first, then characters (UTF-16 units)."""
    data = value.encode("utf-8", "replace")
    if len(data) < _INDEXED_BYTES:
        return value
    units = data[:_INDEXED_BYTES].decode("utf-8", "replace").encode("utf-16-le")
    return units[: -2 * _INDEXED_CUT].decode("utf-16-le", "ignore")


def subject(lines: Iterable[bytes]) -> str:
    """The decoded Subject, blanks collapsed, as a message document has it; C{""} without one."""
    raw = last(lines, b"subject")
    return " ".join(words.decode(_unfolded(raw[: limits.HEADER_BYTES])).split()) if raw is not None else ""


def _replace_structured(parsed: dict[str, Any], collected: dict[str, list[bytes]]) -> None:
    for key in ("content-type", "content-disposition"):
        if parsed.get(key):
            parsed[key] = parameters.stored(collected[key][-1])
    if not parsed.get("content-type"):
        parsed["content-type"] = parameters.stored(b"text/plain")
