"""
ENVELOPE: as WildDuck stores it, and as IMAP sends it (RFC 3501 §7.4.2).

The stored form is decoded text; the wire form is made from the raw header
alone, for RFC 3501 wants header strings with their encoded-words in place.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from wildduck import limits
from wildduck.mime import addresses, headers, words
from wildduck.mime.wire import NIL, nstring, parenthesized, string

_BLANK = b" \t\r\n"
_BLANKS = re.compile(r"[ \t\r\n]+")
# The look-behind keeps a long run of blanks from being scanned from each of them.
_FOLD = re.compile(rb"(?<![ \t\r\n])[ \t]*[\r\n][ \t\r\n]*")

#: What stands where a mailbox or a domain is missing: NIL would mean a group.
NO_MAILBOX = "MISSING_MAILBOX"
NO_DOMAIN = "MISSING_DOMAIN"

_END_OF_GROUP = b"(NIL NIL NIL NIL)"


def field_value(raw: bytes) -> bytes:
    """
    A field's body as one line: unfolded (RFC 5322 §2.2.3), outer blanks
    removed, a NUL as 0x80.

    At most L{limits.HEADER_BYTES} of it.
    """
    return words.unfold(raw[: limits.HEADER_BYTES]).replace(b"\0", b"\x80").strip(b" \t")


def wire(lines: Sequence[bytes]) -> bytes:
    """
    The ENVELOPE of a header.

    Of repeated fields the last counts, address fields add up.  Sender and
    Reply-To are From where absent or empty (RFC 3501 §7.4.2).  No more than
    L{limits.ADDRESSES} addresses are listed in all.

    @param lines: as of L{headers.split_header}.
    """
    fields = _fields(lines)
    left = limits.ADDRESSES
    lists: dict[bytes, bytes] = {}
    for name in _LISTS:
        lists[name], left = _address_list(fields.get(name, ()), left)
    for name in (b"sender", b"reply-to"):
        if lists[name] == NIL:
            lists[name] = lists[b"from"]
    return parenthesized(
        (
            _last(fields, b"date"),
            _subject(fields),
            *(lists[name] for name in _LISTS),
            _last(fields, b"in-reply-to"),
            _last(fields, b"message-id"),
        )
    )


_LISTS = (b"from", b"sender", b"reply-to", b"to", b"cc", b"bcc")
_NAMES = frozenset((b"date", b"subject", b"in-reply-to", b"message-id", *_LISTS))
_LONGEST_NAME = 64


def _fields(lines: Iterable[bytes]) -> dict[bytes, list[bytes]]:
    found: dict[bytes, list[bytes]] = {}
    for line in lines:
        colon = line.find(b":", 0, _LONGEST_NAME)
        name = line[: max(colon, 0)].rstrip(b" \t").lower()
        if name in _NAMES:
            found.setdefault(name, []).append(line[colon + 1 :])
    return found


def _last(fields: dict[bytes, list[bytes]], name: bytes) -> bytes:
    values = fields.get(name)
    return string(field_value(values[-1])) if values else NIL


def _subject(fields: dict[bytes, list[bytes]]) -> bytes:
    values = fields.get(b"subject")
    if not values:
        return NIL
    # A fold with its blanks, often a tab, reads as one blank.
    return string(_FOLD.sub(b" ", values[-1][: limits.HEADER_BYTES].strip(_BLANK)).replace(b"\0", b"\x80"))


def _address_list(values: Iterable[bytes], left: int) -> tuple[bytes, int]:
    encoded: list[bytes] = []
    for value in values:
        if left <= 0:
            break
        text = value[: limits.HEADER_BYTES].replace(b"\0", b"\x80").decode("latin-1")
        for entry in addresses.scan(text, left):
            left -= 1
            if isinstance(entry, addresses.Group):
                left -= len(entry.members)
                encoded.append(_address(None, None, entry.name, None))
                encoded.extend(map(_mailbox, entry.members))
                encoded.append(_END_OF_GROUP)
            elif entry.name or entry.angle or entry.domain is not None:
                # Not for a field that is nothing but a comment.
                encoded.append(_mailbox(entry))
    return (b"(%s)" % b"".join(encoded) if encoded else NIL), left


def _mailbox(mailbox: addresses.Mailbox) -> bytes:
    name, route, local, domain = shown(mailbox)
    return _address(name or None, route or None, local or NO_MAILBOX, domain or NO_DOMAIN)


def shown(mailbox: addresses.Mailbox) -> tuple[str, str, str, str]:
    """
    Display name, source route, mailbox and host, encoded-words in place; empty where
    there is none.
    """
    name, local = mailbox.name, mailbox.mailbox
    if mailbox.atom and not mailbox.angle and mailbox.domain is None:
        # A lone word is a local part, as cron and old mail write it.
        name, local = "", name
    # Not str.split: of what is decoded as Latin-1 a byte of a letter would be a blank.
    name = name or _BLANKS.sub(" ", mailbox.following).strip(" ")
    return name, mailbox.route, local, mailbox.domain or ""


def _address(*parts: str | None) -> bytes:
    encoded = (None if part is None else part.encode("latin-1", "replace") for part in parts)
    return parenthesized(map(nstring, encoded))


# --- the stored form ---

#: Longest label of a domain (RFC 1035 §2.3.4).
_LABEL = 63


def stored(parsed_header: dict[str, Any]) -> list[Any]:
    """
    WildDuck's ten items: text of names and subject as UTF-8 bytes, the rest as strings.

    @param parsed_header: as of L{headers.parsed_header}.
    """
    lists = {name: _stored_list(parsed_header.get(name)) for name in headers.ADDRESS_FIELDS}
    sender = lists["from"]
    return [
        last(parsed_header.get("date")) or None,
        words.decode(last(parsed_header.get("subject"))).encode("utf-8", "replace"),
        sender,
        lists["sender"] or sender,
        lists["reply-to"] or sender,
        lists["to"],
        lists["cc"],
        lists["bcc"],
        last(parsed_header.get("in-reply-to")) or None,
        last(parsed_header.get("message-id")) or None,
    ]


def last(value: object) -> str:
    """The last of a parsed header's repeated field; C{""} for what is no text."""
    if isinstance(value, list):
        value = value[-1] if value else ""
    return value if isinstance(value, str) else ""


def _stored_list(entries: object) -> list[list[bytes | None]] | None:
    if not isinstance(entries, list):
        return None
    encoded: list[list[bytes | None]] = []
    for entry in entries:
        if not isinstance(entry, dict):
            continue
        if isinstance(entry.get("group"), list):
            name = words.decode(str(entry.get("name", ""))).encode("utf-8", "replace")
            encoded.append([None, None, name, None])
            encoded.extend(_stored_address(member) for member in entry["group"] if isinstance(member, dict))
            encoded.append([None, None, None, None])
        else:
            encoded.append(_stored_address(entry))
    return encoded or None


def _stored_address(entry: dict[str, Any]) -> list[bytes | None]:
    name = words.decode(str(entry.get("name", "")))
    address = str(entry.get("address", ""))
    local, at, domain = address.rpartition("@")
    if not at:
        local, domain = address, ""
    return [_text(name), None, _text(local), _text(unicode_domain(domain))]


def _text(value: str) -> bytes | None:
    return value.encode("utf-8", "replace") if value else None


def unicode_domain(domain: str) -> str:
    """
    A domain with its C{xn--} labels as people read them (RFC 3492).

    A label that is no punycode stays as it is.
    """
    if "xn--" not in domain.lower():
        return domain
    return ".".join(map(_unicode_label, domain.split(".")))


def _unicode_label(label: str) -> str:
    if len(label) > _LABEL or label[:4].lower() != "xn--":
        return label
    try:
        decoded = label[4:].encode("ascii").decode("punycode")
    except (UnicodeError, ValueError, OverflowError):
        return label
    return decoded if decoded.isprintable() else label


def from_tree(mime_tree: dict[str, Any]) -> bytes:
    """
    L{wire} for a stored tree, as WildDuck writes it.

    @param mime_tree: a document's mimeTree, or the C{message} in a node of one.
    """
    return wire(headers.lines_of(mime_tree))
