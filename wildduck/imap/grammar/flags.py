"""Flags (RFC 3501 §2.3.2, §9 'flag')."""

from __future__ import annotations

from collections.abc import Iterable

from wildduck import limits
from wildduck.imap.grammar.cursor import ATOM, Cursor
from wildduck.imap.grammar.keywords import compose_keyword, keyword
from wildduck.imap.grammar.modes import PLAIN, Modes

#: As RFC 3501 writes them, by upper-case name; what STORE and APPEND may set.
SYSTEM_FLAGS = {name.upper(): name for name in ("\\Answered", "\\Flagged", "\\Deleted", "\\Seen", "\\Draft")}
RECENT = "\\Recent"


def flag(cursor: Cursor) -> str:
    """
    A system flag in its usual spelling, or a keyword as given.

    @raise ProtocolError: C{\\Recent}, which no client can set, an unknown system
        flag, a keyword that is too long, or no flag at all.
    """
    if not cursor.take(b"\\"):
        name = keyword(cursor, "a flag")
        if len(name.encode("utf-8")) > limits.KEYWORD_BYTES:
            raise cursor.error("the flag's name is too long")
        return name
    name = "\\" + cursor.atom("a flag").decode("ascii")
    known = SYSTEM_FLAGS.get(name.upper())
    if known is None:
        raise cursor.error("this system flag can not be set")
    return known


def flag_list(cursor: Cursor) -> tuple[str, ...]:
    """C{flag-list}: flags in parentheses, possibly none; repeated ones once."""
    cursor.expect(b"(", "a list of flags")
    if cursor.take(b")"):
        return ()
    flags = _flags(cursor)
    cursor.expect(b")", "the end of the list of flags")
    return flags


def store_flags(cursor: Cursor) -> tuple[str, ...]:
    """STORE's flags: a list, or one flag or more without parentheses."""
    return flag_list(cursor) if cursor.looking_at(b"(") else _flags(cursor)


def _flags(cursor: Cursor) -> tuple[str, ...]:
    flags = {flag(cursor): None}
    while cursor.take(b" "):
        cursor.another("flags")
        flags[flag(cursor)] = None
    return tuple(flags)


def compose_flags(flags: Iterable[str], modes: Modes = PLAIN) -> bytes:
    """
    A list of flags, as a session with these modes writes keywords.

    A stored flag that is no flag by the grammar, or is too long (another program
    put it there), is left out, for it would break the response.
    """
    return b"(" + b" ".join(filter(None, (_compose_flag(name, modes) for name in flags))) + b")"


def _compose_flag(name: str, modes: Modes) -> bytes:
    if not name.startswith("\\"):
        return compose_keyword(name, modes)
    raw = name.encode("utf-8", "replace")
    return raw if len(raw) <= limits.KEYWORD_BYTES and ATOM.fullmatch(raw, 1) else b""
