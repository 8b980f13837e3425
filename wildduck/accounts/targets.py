"""
Where mail is forwarded to: an address, another server, an URL.

Source: spec/api.md 'Common parameter types', 'target'.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from bson import ObjectId

from wildduck.accounts import normalise
from wildduck.accounts.stored import stored_string

MAIL, RELAY, HTTP = "mail", "relay", "http"

#: Characters of a target.
TARGET_LENGTH = 2048

_SCHEMES = {"smtp": RELAY, "smtps": RELAY, "http": HTTP, "https": HTTP}
_URL = re.compile(r"([a-z]+)://[^\s\x00-\x20\x7f]+\Z", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Target:
    """
    One target.

    @ivar kind: L{MAIL}, L{RELAY} (C{smtp://} or C{smtps://}) or L{HTTP}.
    @ivar user: the local account that has the address, known for forwarded addresses only.
    """

    id: ObjectId
    kind: str
    value: str
    user: ObjectId | None = None

    @classmethod
    def new(cls, value: str) -> Target:
        """@raise ValueError: it is no target."""
        return cls(ObjectId(), *_parsed(value))

    def document(self) -> dict[str, Any]:
        """As it is stored."""
        document: dict[str, Any] = {"id": self.id, "type": self.kind, "value": self.value}
        if self.user is not None:
            document["user"] = self.user
        return document


def stored_targets(value: Any) -> tuple[Target, ...]:
    """The targets of a document; what is none is left out."""
    if not isinstance(value, list):
        return ()
    return tuple(
        Target(
            id=row["id"] if isinstance(row.get("id"), ObjectId) else ObjectId(),
            kind=stored_string(row.get("type")) or MAIL,
            value=row["value"],
            user=row["user"] if isinstance(row.get("user"), ObjectId) else None,
        )
        for row in value
        if isinstance(row, Mapping) and isinstance(row.get("value"), str)
    )


def _parsed(value: str) -> tuple[str, str]:
    value = value.strip()
    if len(value) > TARGET_LENGTH:
        raise ValueError(f"must be at most {TARGET_LENGTH} characters long")
    match = _URL.match(value)
    if match and match[1].lower() in _SCHEMES:
        try:
            parts = urlsplit(value)
            has_host = bool(parts.hostname) and (parts.port is None or parts.port > 0)
        except ValueError:
            has_host = False
        if has_host:
            return _SCHEMES[match[1].lower()], value
    if normalise.is_address(value):
        return MAIL, value
    raise ValueError("must be an email address or an smtp(s) or http(s) URL")
