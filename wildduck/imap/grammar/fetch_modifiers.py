"""What narrows a FETCH beside its set: a list of modifiers behind the items (RFC 4466 §2.4)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from wildduck.errors import ProtocolError
from wildduck.imap.grammar.cursor import MAX_NUMBER64, Cursor
from wildduck.imap.grammar.partial import PartialRange, partial_range


@dataclass(frozen=True, slots=True)
class Modifiers:
    """
    @ivar changed_since: C{CHANGEDSINCE}: only messages with a higher MODSEQ (RFC 7162 §3.1.4.1).
    @ivar vanished: C{VANISHED}: tell also which of the set are gone (RFC 7162 §3.2.6).
    @ivar partial: C{PARTIAL}: only so many of what is left (RFC 9394 §3.3).
    """

    changed_since: int | None = None
    vanished: bool = False
    partial: PartialRange | None = None

    def arguments(self) -> list[bytes]:
        """The list as a client writes it; none where there is no modifier."""
        given = []
        if self.changed_since is not None:
            given.append(b"CHANGEDSINCE %d" % self.changed_since)
        if self.vanished:
            given.append(b"VANISHED")
        if self.partial is not None:
            given.append(b"PARTIAL " + self.partial.compose())
        return [b"(" + b" ".join(given) + b")"] if given else []


NO_MODIFIERS = Modifiers()


def _changed_since(cursor: Cursor, found: Modifiers) -> Modifiers:
    """C{chgsince-fetch-mod}; 0, which the syntax leaves out, names all messages, as elsewhere."""
    cursor.space()
    return replace(found, changed_since=cursor.number("a mod-sequence", MAX_NUMBER64))


def _vanished(cursor: Cursor, found: Modifiers) -> Modifiers:
    return replace(found, vanished=True)


def _partial(cursor: Cursor, found: Modifiers) -> Modifiers:
    cursor.space()
    return replace(found, partial=partial_range(cursor))


#: By name: passes what follows the name, and adds it to what was found before.
_PARSERS: dict[bytes, Callable[[Cursor, Modifiers], Modifiers]] = {
    b"CHANGEDSINCE": _changed_since,
    b"VANISHED": _vanished,
    b"PARTIAL": _partial,
}


def fetch_modifiers(cursor: Cursor, by_uid: bool) -> Modifiers:
    """
    C{fetch-modifiers}, to the end of the command.

    @raise ProtocolError: none of the list that we know, one of them twice, or
        C{VANISHED} without what it needs (RFC 7162 §3.2.6).
    """
    if cursor.at_end:
        return NO_MODIFIERS
    if not cursor.take(b" ("):
        raise cursor.error("unexpected characters after the items")
    found, names = NO_MODIFIERS, set[bytes]()
    while True:
        name = cursor.word("a modifier")
        if name not in _PARSERS:
            raise cursor.error("unknown modifier")
        if name in names:
            raise cursor.error("a modifier is given twice")
        names.add(name)
        found = _PARSERS[name](cursor, found)
        if not cursor.take(b" "):
            break
    cursor.expect(b")", "the end of the list of modifiers")
    if found.vanished and not (by_uid and found.changed_since is not None):
        raise ProtocolError("VANISHED needs UID FETCH and CHANGEDSINCE")
    return found
