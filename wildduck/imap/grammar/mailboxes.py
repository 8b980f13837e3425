"""Mailbox names and patterns as arguments and in responses (RFC 3501 §5.1, §9 'mailbox')."""

from __future__ import annotations

from wildduck.imap.grammar import utf7
from wildduck.imap.grammar.cursor import LIST_ATOM, Cursor
from wildduck.imap.grammar.strings import Reading, astring, compose_astring, string

#: Separates levels of a name.
DELIMITER = "/"
INBOX = "INBOX"


def canonical(name: str) -> str:
    """INBOX in any case, alone or as the first level, in upper case."""
    first, delimiter, rest = name.partition(DELIMITER)
    return INBOX + delimiter + rest if first.upper() == INBOX else name


def mailbox(cursor: Cursor) -> Reading[str]:
    """C{mailbox}: a decoded name, INBOX in upper case."""
    return canonical(utf7.decode((yield from astring(cursor, "a mailbox name"))))


def list_mailbox(cursor: Cursor) -> Reading[str]:
    """C{list-mailbox}: a decoded pattern in which C{*} and C{%} are wildcards."""
    match = cursor.match(LIST_ATOM)
    if match is not None:
        return utf7.decode(match.group())
    return utf7.decode((yield from string(cursor, "a mailbox pattern")))


def compose_mailbox(name: str, synchronizing: bool = True) -> bytes:
    return compose_astring(utf7.encode(name), synchronizing)
