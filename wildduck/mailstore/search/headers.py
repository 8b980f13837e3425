"""
What sorting and threading know of a message: values of a few header fields.

They are read from the C{parsedHeader} of its tree, where WildDuck's documents have
them too, so that no more of a header is sent than is needed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from wildduck.mime import dates, words
from wildduck.mime.base_subject import BaseSubject, base_subject
from wildduck.mime.collation import collated
from wildduck.mime.envelope import NO_DOMAIN, NO_MAILBOX

#: Characters of a value that are looked at; what is compared is no longer.
_LOOKED_AT = 2000
_ESCAPED = re.compile(r"\\(.)")


def parsed_header(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """@param document: with the fields of C{mimeTree.parsedHeader} that are wanted."""
    tree = document.get("mimeTree")
    parsed = tree.get("parsedHeader") if isinstance(tree, Mapping) else None
    return parsed if isinstance(parsed, Mapping) else {}


def last(value: object) -> str:
    """The last of a repeated field; C{""} for what is no text."""
    if isinstance(value, list):
        value = value[-1] if value else ""
    return value if isinstance(value, str) else ""


def sent_seconds(document: Mapping[str, Any]) -> int | None:
    """
    The Date field in UTC (RFC 5256 §2.2), in seconds since 1970.

    @param document: with C{mimeTree.parsedHeader.date}.
    @return: C{None} where INTERNALDATE stands for it.
    """
    moment = dates.sent(last(parsed_header(document).get("date")))
    return None if moment is None else seconds(moment)


def seconds(moment: datetime) -> int:
    """Since 1970."""
    return int(moment.timestamp() // 1)


def subject(document: Mapping[str, Any]) -> BaseSubject:
    """
    The base subject, as it is compared.

    @param document: with C{mimeTree.parsedHeader.subject}.
    """
    text, answers = base_subject(words.decode(last(parsed_header(document).get("subject"))[:_LOOKED_AT]))
    return BaseSubject(collated(text), answers)


def mailbox(document: Mapping[str, Any], field: str) -> str:
    """
    C{addr-mailbox} of a field's first address (RFC 5256 §3), as it is compared.

    @param document: with C{mimeTree.parsedHeader} of the field.
    @param field: C{"from"}, C{"to"} or C{"cc"}.
    """
    return collated(_address(parsed_header(document).get(field))[1])


def display(document: Mapping[str, Any], field: str) -> str:
    """
    What is shown of a field's first address (RFC 5957 §3), as it is compared.

    @param document: with C{mimeTree.parsedHeader} of the field.
    @param field: C{"from"} or C{"to"}.
    """
    name, local, domain = _address(parsed_header(document).get(field))
    return collated(words.decode(name) or (f"{local}@{domain}" if domain else local))


def _address(entries: object) -> tuple[str, str, str]:
    """
    Display name, mailbox and host of the first address, as ENVELOPE has them
    (L{wildduck.mime.envelope}); empty where it has NIL.
    """
    entry = entries[0] if isinstance(entries, list) and entries else None
    if not isinstance(entry, Mapping):
        return "", "", ""
    name, address = entry.get("name"), entry.get("address")
    name = name[:_LOOKED_AT] if isinstance(name, str) else ""
    if isinstance(entry.get("group"), list):
        # The group's name is in place of a mailbox (RFC 3501 §7.4.2).
        return "", name, ""
    if not isinstance(address, str) or not address:
        # A lone word is a local part, as cron and old mail write it.
        return (name, NO_MAILBOX, NO_DOMAIN) if " " in name else ("", name or NO_MAILBOX, NO_DOMAIN)
    local, at, domain = address[:_LOOKED_AT].rpartition("@")
    if not at:
        local, domain = domain, ""
    if local.startswith('"') and local.endswith('"') and len(local) > 1:
        local = _ESCAPED.sub(r"\1", local[1:-1])
    return name, local or NO_MAILBOX, domain or NO_DOMAIN
