"""
Message-IDs in header fields, normalised so that they can be compared (RFC 5256 §3 C{REFERENCES}).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

#: Characters of one field that are looked at.
_LOOKED_AT = 64 * 1024
# What is in quotes has no angle bracket here, so that nothing is looked at twice.
_MESSAGE_ID = re.compile(r'<\s*(?:"((?:[^"\\<>]|\\[^<>])*)"|([^<>@"\s]+))\s*@\s*([^<>\s]+)\s*>')
_ESCAPED = re.compile(r"\\(.)")


def message_ids(value: str) -> Iterator[str]:
    """
    The valid ones, in their order, without angle brackets and without quoting.

    @param value: of a Message-ID, In-Reply-To or References field.
    """
    for match in _MESSAGE_ID.finditer(value, 0, _LOOKED_AT):
        quoted, plain, domain = match.groups()
        local = plain if quoted is None else _ESCAPED.sub(r"\1", quoted)
        yield f"{local}@{domain}"


def first_message_id(value: str) -> str | None:
    """C{None} where there is none that is valid."""
    return next(message_ids(value), None)
