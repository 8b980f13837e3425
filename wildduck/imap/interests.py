"""What a client wants to be told of which mailbox (RFC 5465 §5, §6)."""

from __future__ import annotations

from collections.abc import Iterable

from wildduck.imap.grammar.fetch import Item
from wildduck.imap.grammar.mailboxes import DELIMITER
from wildduck.imap.grammar.notify import (
    FLAG_CHANGE,
    MAILBOX_NAME,
    MAILBOXES,
    MESSAGE_EVENTS,
    MESSAGE_EXPUNGE,
    MESSAGE_NEW,
    OF_SELECTED,
    SELECTED,
    SUBSCRIBED,
    SUBSCRIPTION_CHANGE,
    SUBTREE,
    Event,
    Group,
)

#: The events that are told; others are refused with this list (§3.1).
TOLD = (FLAG_CHANGE, MESSAGE_NEW, MESSAGE_EXPUNGE, MAILBOX_NAME, SUBSCRIPTION_CHANGE)


def unknown(groups: Iterable[Group]) -> bool:
    """Whether an event is among them that is not of L{TOLD}."""
    return any(event.name not in TOLD for group in groups for event in group.events)


class Interests:
    """
    @ivar items: what to fetch of messages that are new in the selected mailbox.
    @ivar at_once: what is expunged there is told whenever it happens (C{SELECTED}),
        not with the next command (C{SELECTED-DELAYED}).
    """

    def __init__(self, groups: Iterable[Group]) -> None:
        """@param groups: of one C{NOTIFY SET}; none for C{NOTIFY NONE}."""
        groups = tuple(groups)
        self._others = [group for group in groups if group.filter not in OF_SELECTED and group.events]
        selected = next((group for group in groups if group.filter in OF_SELECTED), None)
        events: tuple[Event, ...] = () if selected is None else selected.events
        self._selected = frozenset(event.name for event in events)
        self.items: tuple[Item, ...] = next((event.items for event in events if event.items), ())
        self.at_once = selected is not None and selected.filter == SELECTED

    @property
    def any_others(self) -> bool:
        """Whether mailboxes are watched that are not selected."""
        return bool(self._others)

    @property
    def of_selected(self) -> frozenset[str]:
        """The events that are told of the selected mailbox."""
        return self._selected

    def of(self, path: str, subscribed: bool) -> frozenset[str]:
        """
        The events that are told of another mailbox.

        What C{INBOXES} means can not be computed, for filters deliver anywhere:
        it is C{PERSONAL} (§6.3), which is all that an account has.
        """
        return frozenset(
            event.name for group in self._others if _covers(group, path, subscribed) for event in group.events
        )

    def of_messages(self, path: str, subscribed: bool) -> frozenset[str]:
        """Those of L{of} that are about messages."""
        return self.of(path, subscribed) & MESSAGE_EVENTS


def _covers(group: Group, path: str, subscribed: bool) -> bool:
    if group.filter == SUBSCRIBED:
        return subscribed
    if group.filter == MAILBOXES:
        return path in group.names
    if group.filter == SUBTREE:
        return any(
            path == name or path.startswith(name.rstrip(DELIMITER) + DELIMITER) for name in group.names
        )
    return True
