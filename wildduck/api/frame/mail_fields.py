"""The kinds of parameters that know mail (spec/api.md §0 and 'Common parameter types')."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import msgspec

from wildduck.accounts import normalise
from wildduck.accounts.stored import is_deeper
from wildduck.api.frame.fields import Field, JsonSchema, ListOf, Object, String
from wildduck.errors import BadInput
from wildduck.limits import MAILBOX_DEPTH, MAILBOX_SEGMENT, META_LEVELS, MIB

#: Bytes of C{metaData} as JSON.
METADATA_BYTES = MIB
TAG_LENGTH = 128

_RANGE = re.compile(r"\d{1,10}(?:,\d{1,10})*\Z|\d{1,10}:(?:\d{1,10}|\*)\Z", re.ASCII)
_LOCAL = re.compile(r"[^\s\x00-\x1f\x7f@<>()\[\]\\,;:\"]{1,64}\Z")
_QUOTED_LOCAL = re.compile(r'"(?:[^"\\\x00-\x1f\x7f]|\\[^\x00-\x1f\x7f]){0,62}"\Z')
_LABEL = re.compile(r"[^\W_](?:[\w-]{0,61}[^\W_])?\Z")


@dataclass(frozen=True, kw_only=True)
class MetaData(Field):
    """An object, or the JSON text of one; the value is a dictionary."""

    def parse(self, value: Any) -> dict[str, Any]:
        if isinstance(value, str):
            try:
                value = msgspec.json.decode(value.encode())
            except (msgspec.DecodeError, UnicodeError, RecursionError):
                raise ValueError("must be a valid JSON object") from None
        if not isinstance(value, dict):
            raise ValueError("must be a valid JSON object")
        try:
            encoded = msgspec.json.encode(value)
        except (UnicodeEncodeError, RecursionError, msgspec.MsgspecError):
            raise ValueError("must be a valid JSON object") from None
        if len(encoded) > METADATA_BYTES:
            raise ValueError(f"must have at most {METADATA_BYTES} bytes as JSON")
        if encoded.count(b"[") + encoded.count(b"{") > META_LEVELS and is_deeper(value, META_LEVELS):
            raise ValueError(f"must have at most {META_LEVELS} levels")
        return value

    def json_schema(self) -> JsonSchema:
        return {"type": "object"}


@dataclass(frozen=True, kw_only=True)
class Tags(Field):
    """
    Tags in a body: each trimmed, none twice in any case, sorted without regard to case.

    Their lower-cased copy is C{tagsview} (L{tag_fields<wildduck.accounts.stored.tag_fields>}).
    """

    most: int = 1000

    def parse(self, value: Any) -> list[str]:
        items = ListOf(item=String(longest=TAG_LENGTH, shortest=0, trim=True), most=self.most).parse(value)
        unique: dict[str, str] = {}
        for item in items:
            if item:
                unique.setdefault(item.lower(), item)
        return [unique[key] for key in sorted(unique)]

    def json_schema(self) -> JsonSchema:
        item = {"type": "string", "minLength": 1, "maxLength": TAG_LENGTH}
        return {"type": "array", "items": item, "maxItems": self.most}


@dataclass(frozen=True, kw_only=True)
class TagQuery(Field):
    """Tags in a query, with commas between them: trimmed, lower-cased, none twice."""

    longest: int = 1024

    def parse(self, value: Any) -> list[str]:
        text = String(longest=self.longest).parse(value)
        tags = (tag.strip().lower() for tag in text.split(","))
        return list(dict.fromkeys(tag for tag in tags if tag))

    def json_schema(self) -> JsonSchema:
        return {"type": "string", "maxLength": self.longest}


@dataclass(frozen=True, kw_only=True)
class Username(Field):
    """A sign-in name in its stored form."""

    def parse(self, value: Any) -> str:
        name = String(longest=normalise.USERNAME_LENGTH, trim=True).parse(value)
        try:
            return normalise.username(name)
        except BadInput:
            raise ValueError("fails to match the required pattern") from None

    def json_schema(self) -> JsonSchema:
        part = "[a-zA-Z0-9-]+(?:[._=:][a-zA-Z0-9-]+)*"
        return {"type": "string", "maxLength": 128, "pattern": f"^{part}(?:@{part})?$"}


def is_address(value: str) -> bool:
    """Whether text is one address with a domain of two labels or more (RFC 5321 §4.1.2, RFC 6531)."""
    local, at, domain = value.rpartition("@")
    if not at or not (_LOCAL.match(local) or _QUOTED_LOCAL.match(local)):
        return False
    if local.startswith(".") or local.endswith(".") or ".." in local and not local.startswith('"'):
        return False
    labels = domain.split(".")
    return len(labels) > 1 and len(domain) <= 255 and all(_LABEL.match(label) for label in labels)


@dataclass(frozen=True, kw_only=True)
class MailAddress(Field):
    """
    An e-mail address, as it was given but for outer blanks.

    @ivar wildcard: C{*} may stand in it.
    """

    longest: int = 255
    wildcard: bool = False

    def parse(self, value: Any) -> str:
        text = String(longest=self.longest, trim=True).parse(value)
        if "*" in text and self.wildcard:
            try:
                normalise.new_address(text)
            except BadInput:
                raise ValueError("must be a valid email") from None
            return text
        if not is_address(text):
            raise ValueError("must be a valid email")
        return text

    def json_schema(self) -> JsonSchema:
        return {"type": "string", "format": "email", "maxLength": self.longest}


def address_object(**options: Any) -> Object:
    """C{{name, address}} of a message's From, To and so on (spec 'Address obj')."""
    return Object(fields={"name": String(longest=255), "address": MailAddress(required=True)}, **options)


def header_object(**options: Any) -> Object:
    """C{{key, value}} of a header field (spec 'Header obj')."""
    return Object(fields={"key": String(longest=255), "value": String(longest=100 * 1024)}, **options)


@dataclass(frozen=True, kw_only=True)
class Url(Field):
    """
    A URL of certain schemes, with a host.

    @ivar schemes: lower case.
    """

    schemes: tuple[str, ...] = ("http", "https")
    longest: int = 1024

    def parse(self, value: Any) -> str:
        text = String(longest=self.longest, trim=True).parse(value)
        if not is_url(text, self.schemes):
            raise ValueError(
                f"must be a valid uri with a scheme matching the {'|'.join(self.schemes)} pattern"
            )
        return text

    def json_schema(self) -> JsonSchema:
        pattern = "^(?:" + "|".join(self.schemes) + ")://[a-zA-Z0-9]"
        return {"type": "string", "format": "uri", "pattern": pattern, "maxLength": self.longest}


def is_url(text: str, schemes: tuple[str, ...]) -> bool:
    """Whether text is a URL with a host and one of the schemes."""
    try:
        parts = urlsplit(text)
        known = parts.scheme.lower() in schemes and bool(parts.hostname)
        _ = parts.port
    except ValueError:
        return False
    return known and text.isprintable() and " " not in text


@dataclass(frozen=True, kw_only=True)
class Target(Field):
    """
    Where mail is forwarded to.

    The value is C{{"type": "mail" | "relay" | "http", "value": text}}.
    """

    longest: int = 1024

    def parse(self, value: Any) -> dict[str, str]:
        text = String(longest=self.longest, trim=True).parse(value)
        for kind, schemes in (("relay", ("smtp", "smtps")), ("http", ("http", "https"))):
            if is_url(text, schemes):
                return {"type": kind, "value": text}
        if not is_address(text):
            raise ValueError("must be a valid email, an smtp(s) or an http(s) URL")
        return {"type": "mail", "value": text}

    def json_schema(self) -> JsonSchema:
        pattern = "^(?:[sS][mM][tT][pP][sS]?|[hH][tT][tT][pP][sS]?)://[^ ]+$|^[^ ]+@[^ ]+[.][^ ]+$"
        return {"type": "string", "pattern": pattern, "maxLength": self.longest}


@dataclass(frozen=True, kw_only=True)
class MailboxPath(Field):
    """The path of a mailbox, in its stored form apart from INBOX in any case."""

    longest: int = MAILBOX_DEPTH * (MAILBOX_SEGMENT + 1) - 1

    def parse(self, value: Any) -> str:
        path = String(longest=self.longest).parse(value)
        if "//" in path or path.endswith("/"):
            raise ValueError("must not have an empty level")
        levels = path.lstrip("/").split("/")
        if len(levels) > MAILBOX_DEPTH:
            raise ValueError(f"must have at most {MAILBOX_DEPTH} levels")
        if any(len(level) > MAILBOX_SEGMENT for level in levels):
            raise ValueError(f"must have at most {MAILBOX_SEGMENT} characters in a level")
        return path

    def json_schema(self) -> JsonSchema:
        return {"type": "string", "maxLength": self.longest}


@dataclass(frozen=True, kw_only=True)
class MessageRange(Field):
    """C{5}, C{1,2,3}, C{3:15} or C{3:*}, as text; a number counts as its text."""

    longest: int = 65_536

    def parse(self, value: Any) -> str:
        if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**32:
            value = str(value)
        text = String(longest=self.longest, trim=True).parse(value)
        if not _RANGE.match(text) or any(part == "0" for part in re.split("[,:]", text)):
            raise ValueError("must be a message id, a list or a range of them")
        return text

    def json_schema(self) -> JsonSchema:
        number = "[1-9][0-9]{0,9}"
        return {"type": "string", "pattern": f"^{number}(?:(?:,{number})*|:(?:{number}|\\*))$"}
