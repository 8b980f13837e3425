"""NOTIFY (RFC 5465 §8)."""

from __future__ import annotations

from dataclasses import dataclass

from wildduck import limits
from wildduck.imap.grammar.cursor import Cursor
from wildduck.imap.grammar.fetch import Item, fetch_items
from wildduck.imap.grammar.mailboxes import compose_mailbox, mailbox
from wildduck.imap.grammar.strings import Reading
from wildduck.imap.grammar.values import Command

MESSAGE_NEW = "MessageNew"
MESSAGE_EXPUNGE = "MessageExpunge"
FLAG_CHANGE = "FlagChange"
ANNOTATION_CHANGE = "AnnotationChange"
MAILBOX_NAME = "MailboxName"
SUBSCRIPTION_CHANGE = "SubscriptionChange"

#: What can happen to messages, and the events that a selected mailbox can be watched for.
MESSAGE_EVENTS = frozenset((MESSAGE_NEW, MESSAGE_EXPUNGE, FLAG_CHANGE, ANNOTATION_CHANGE))
_SPELLINGS = {
    name.upper(): name
    for name in (
        *MESSAGE_EVENTS,
        *(MAILBOX_NAME, SUBSCRIPTION_CHANGE, "MailboxMetadataChange", "ServerMetadataChange"),
    )
}

SELECTED = "SELECTED"
SELECTED_DELAYED = "SELECTED-DELAYED"
PERSONAL = "PERSONAL"
SUBSCRIBED = "SUBSCRIBED"
SUBTREE = "SUBTREE"
MAILBOXES = "MAILBOXES"
#: Those that are about the mailbox which is selected.
OF_SELECTED = (SELECTED, SELECTED_DELAYED)
#: Those that a list of names belongs to.
NAMED = (SUBTREE, MAILBOXES)
#: C{filter-mailboxes}.
FILTERS = (*OF_SELECTED, "INBOXES", PERSONAL, SUBSCRIBED, *NAMED)


@dataclass(frozen=True, slots=True)
class Event:
    """
    @ivar name: in the RFC's spelling where it has it.
    @ivar items: what to tell of a new message; of C{MessageNew} only.
    """

    name: str
    items: tuple[Item, ...] = ()

    def compose(self) -> bytes:
        name = self.name.encode("ascii")
        if not self.items:
            return name
        return name + b" (" + b" ".join(item.compose() for item in self.items) + b")"


@dataclass(frozen=True, slots=True)
class Group:
    """
    Some mailboxes and the events of interest there.

    @ivar filter: of L{FILTERS}.
    @ivar names: of mailboxes, at least one where the filter is one of L{NAMED}, else none.
    @ivar events: each once; none for C{NONE}.
    """

    filter: str
    names: tuple[str, ...] = ()
    events: tuple[Event, ...] = ()

    def compose(self) -> bytes:
        pieces = [self.filter.encode("ascii")]
        if self.names:
            pieces.append(b"(" + b" ".join(compose_mailbox(name, False) for name in self.names) + b")")
        events = b"(" + b" ".join(event.compose() for event in self.events) + b")"
        pieces.append(events if self.events else b"NONE")
        return b"(" + b" ".join(pieces) + b")"


@dataclass(frozen=True, slots=True)
class Notify(Command):
    """
    @ivar groups: none for C{NOTIFY NONE}.
    @ivar status: how the watched mailboxes are now is to be told.
    """

    verb = "NOTIFY"
    groups: tuple[Group, ...] = ()
    status: bool = False

    def arguments(self) -> list[bytes]:
        if not self.groups:
            return [b"NONE"]
        status = [b"STATUS"] if self.status else []
        return [b"SET", *status, *(group.compose() for group in self.groups)]


def parse_notify(cursor: Cursor) -> Reading[Notify]:
    """
    C{notify} = "NOTIFY" SP ("SET" [SP "STATUS"] 1*(SP event-group) / "NONE").

    @raise ProtocolError: also where §5 asks for BAD: events that need others.
    """
    cursor.space()
    verb = cursor.word("SET or NONE")
    if verb == b"NONE":
        return Notify()
    if verb != b"SET":
        raise cursor.error("expected SET or NONE")
    cursor.space()
    status = not cursor.looking_at(b"(")
    if status:
        if cursor.word("STATUS or a group of events") != b"STATUS":
            raise cursor.error("expected STATUS or a group of events")
        cursor.space()
    groups = [(yield from _group(cursor))]
    while cursor.take(b" "):
        if len(groups) == limits.IMAP_NOTIFY_GROUPS:
            raise cursor.error("too many groups of events")
        groups.append((yield from _group(cursor)))
    if sum(group.filter in OF_SELECTED for group in groups) > 1:
        raise cursor.error("the selected mailbox is in two groups of events")
    return Notify(tuple(groups), status)


def _group(cursor: Cursor) -> Reading[Group]:
    cursor.expect(b"(", "a group of events")
    filter = cursor.word("what mailboxes").decode("ascii")
    if filter not in FILTERS:
        raise cursor.error("unknown choice of mailboxes")
    names: tuple[str, ...] = ()
    cursor.space()
    if filter in NAMED:
        names = yield from _names(cursor)
        cursor.space()
    events = yield from _events(cursor)
    _check(cursor, filter, events)
    return Group(filter, names, events)


def _names(cursor: Cursor) -> Reading[tuple[str, ...]]:
    """C{one-or-more-mailbox}."""
    if not cursor.take(b"("):
        return ((yield from mailbox(cursor)),)
    names = {(yield from mailbox(cursor)): None}
    while cursor.take(b" "):
        cursor.another("mailboxes", limits.IMAP_NOTIFY_MAILBOXES)
        names[(yield from mailbox(cursor))] = None
    cursor.expect(b")", "the end of the list of mailboxes")
    return tuple(names)


def _events(cursor: Cursor) -> Reading[tuple[Event, ...]]:
    """
    C{events}, and the parenthesis that ends the group.

    The first example of §3.1 has its events without parentheses of their own,
    which the formal syntax has not: both are taken.
    """
    enclosed = cursor.take(b"(")
    if not enclosed and cursor.line[cursor.position : cursor.position + 5].upper() == b"NONE)":
        cursor.position += 5
        return ()
    events: dict[str, Event] = {}
    while True:
        event = yield from _event(cursor)
        events.setdefault(event.name, event)
        if cursor.take(b")"):
            break
        cursor.space()
        cursor.another("events")
    if enclosed:
        cursor.expect(b")", "the end of the group of events")
    return tuple(events.values())


def _event(cursor: Cursor) -> Reading[Event]:
    given = cursor.atom("an event").decode("ascii")
    name = _SPELLINGS.get(given.upper(), given)
    if name != MESSAGE_NEW or not cursor.looking_at(b" ("):
        return Event(name)
    cursor.space()
    return Event(name, (yield from fetch_items(cursor)))


def _check(cursor: Cursor, filter: str, events: tuple[Event, ...]) -> None:
    """@raise ProtocolError: what §5, §6.1 and §8 do not allow together."""
    names = {event.name for event in events}
    of_messages = names & MESSAGE_EVENTS
    if of_messages and not {MESSAGE_NEW, MESSAGE_EXPUNGE} <= of_messages:
        raise cursor.error("MessageNew and MessageExpunge must both be asked for")
    if filter in OF_SELECTED:
        if names & (set(_SPELLINGS.values()) - MESSAGE_EVENTS):
            raise cursor.error("the selected mailbox has events of messages only")
    elif any(event.items for event in events):
        raise cursor.error("items can be fetched from the selected mailbox only")
