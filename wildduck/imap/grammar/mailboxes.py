"""Mailbox names and patterns as arguments and in responses (RFC 3501 §5.1, §9 'mailbox')."""

from __future__ import annotations

from wildduck.imap.grammar import utf7
from wildduck.imap.grammar.cursor import LIST_ATOM, Cursor
from wildduck.imap.grammar.modes import PLAIN, Modes
from wildduck.imap.grammar.strings import Reading, astring, compose_astring, string, text

#: Separates levels of a name.
DELIMITER = "/"
INBOX = "INBOX"


def canonical(name: str) -> str:
    """INBOX in any case, alone or as the first level, in upper case."""
    first, delimiter, rest = name.partition(DELIMITER)
    return INBOX + delimiter + rest if first.upper() == INBOX else name


def mailbox(cursor: Cursor) -> Reading[str]:
    """C{mailbox}: a decoded name, INBOX in upper case."""
    return canonical((yield from given_mailbox(cursor)))


def given_mailbox(cursor: Cursor) -> Reading[str]:
    """C{mailbox}: a decoded name as the client wrote it, where OLDNAME may have to tell it so."""
    return decoded((yield from astring(cursor, "a mailbox name")), cursor.modes)


def list_mailbox(cursor: Cursor) -> Reading[str]:
    """C{list-mailbox}: a decoded pattern in which C{*} and C{%} are wildcards."""
    match = cursor.match(LIST_ATOM)
    if match is not None:
        return decoded(match.group(), cursor.modes)
    return decoded((yield from string(cursor, "a mailbox pattern")), cursor.modes)


def decoded(name: bytes, modes: Modes) -> str:
    """
    A name, or a part or pattern of one, as it was meant.

    @raise ProtocolError: it is not in the spelling that the session uses.
    """
    return text(name, "a mailbox name") if modes.unicode_names else utf7.decode(name)


def compose_mailbox(name: str, synchronizing: bool = True, modes: Modes = PLAIN) -> bytes:
    """A lone surrogate, which no UTF-8 text can hold, is written as U+FFFD (UTF-8) or likewise (UTF-7)."""
    if not modes.unicode_names:
        return compose_astring(utf7.encode(name), synchronizing)
    spelled = name.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode("utf-8")
    return compose_astring(spelled, synchronizing, unicode=True)
