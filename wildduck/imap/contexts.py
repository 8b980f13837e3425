"""
Searches whose results a client is kept up to date about: contexts (RFC 5267 §4.3).

What has changed since a context was looked at comes from the log of the open
mailbox (L{wildduck.mailstore.change_log}), as it does for the view; only those
messages are searched again.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, insort
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from twisted.logger import Logger

from wildduck import limits
from wildduck.errors import DomainError
from wildduck.imap.grammar.fetch import Item
from wildduck.imap.grammar.search_responses import EsearchData
from wildduck.imap.grammar.sequence import from_numbers
from wildduck.mailstore.change_log import Came, Went
from wildduck.mailstore.search import keys
from wildduck.mailstore.search.decide import leaves
from wildduck.mailstore.search.run import Found, Ordered
from wildduck.mailstore.search.sorting import Criterion
from wildduck.mailstore.values import Change, Expunged

if TYPE_CHECKING:
    from wildduck.imap.session import Session

#: (position in the client's list or 0, messages) as of RFC 5267 §4.3.3.
Updates = list[tuple[int, list[int]]]
#: What is to be fetched of messages, by UID.
ItemsByUid: TypeAlias = "Mapping[int, tuple[Item, ...]]"


class Results:
    """UIDs in the order of the mailbox; the client puts them where they belong."""

    def __init__(self, uids: array[int]) -> None:
        """@param uids: ascending."""
        self.uids = uids

    def __contains__(self, uid: int) -> bool:
        place = bisect_left(self.uids, uid)
        return place < len(self.uids) and self.uids[place] == uid

    def remove(self, gone: Iterable[int]) -> Updates:
        """@param gone: they are among the results."""
        left = set(gone)
        if not left:
            return []
        self.uids = array("I", [uid for uid in self.uids if uid not in left])
        return [(0, sorted(left))]

    def add(self, came: Ordered) -> Updates:
        """@param came: they are not among the results."""
        uids = sorted(came.found.uids)
        if not uids:
            return []
        self.uids = array("I", sorted((*self.uids, *uids)))
        return [(0, uids)]


class _Place:
    """Where a message belongs among the sorted ones."""

    __slots__ = ("criteria", "uid", "values")

    def __init__(self, uid: int, values: tuple[Any, ...], criteria: Sequence[Criterion]) -> None:
        self.uid = uid
        self.values = values
        self.criteria = criteria

    def __lt__(self, other: _Place) -> bool:
        for one, mine, its in zip(self.criteria, self.values, other.values, strict=True):
            if mine != its:
                return bool((mine < its) != one.reverse)
        return self.uid < other.uid


class SortedResults:
    """Messages in the order asked for, each at its position."""

    def __init__(self, criteria: Sequence[Criterion], found: Ordered) -> None:
        self._criteria = criteria
        self._places = self._of(found)
        self._uids = {place.uid for place in self._places}

    def _of(self, found: Ordered) -> list[_Place]:
        pairs = zip(found.found.uids, found.values, strict=True)
        return [_Place(uid, values, self._criteria) for uid, values in pairs]

    @property
    def uids(self) -> Sequence[int]:
        return [place.uid for place in self._places]

    def __contains__(self, uid: int) -> bool:
        return uid in self._uids

    def remove(self, gone: Iterable[int]) -> Updates:
        """The last first, so that the positions of the others stay."""
        left = set(gone)
        self._uids -= left
        places = [n for n, place in enumerate(self._places) if place.uid in left] if left else []
        return [(n + 1, [self._places.pop(n).uid]) for n in reversed(places)]

    def add(self, came: Ordered) -> Updates:
        """In ascending positions; neighbours together."""
        updates: Updates = []
        for place in self._of(came):
            position = bisect_left(self._places, place) + 1
            insort(self._places, place)
            self._uids.add(place.uid)
            if updates and position == updates[-1][0] + len(updates[-1][1]):
                updates[-1][1].append(place.uid)
            else:
                updates.append((position, [place.uid]))
        return updates


@dataclass(frozen=True)
class Context:
    """
    @ivar tag: of the command that has asked for updates.
    @ivar by_uid: its numbers are UIDs.
    @ivar key: what a message must match.
    @ivar criteria: how the results are sorted; C{None} as the mailbox is.
    @ivar results: as the client has them.
    @ivar items: to be fetched of new messages that match (RFC 5465 §7).
    """

    tag: bytes
    by_uid: bool
    key: keys.Key
    criteria: Sequence[Criterion] | None
    results: Results | SortedResults
    items: tuple[Item, ...] = ()

    @property
    def moves(self) -> bool:
        """Messages match or not as time goes by."""
        return any(isinstance(leaf, keys.Age) for leaf in leaves(self.key))


@dataclass(frozen=True)
class _Seen:
    """
    What a look at a context has found.

    @ivar gone: UIDs that leave the results.
    @ivar came: messages that they get.
    """

    context: Context
    gone: Sequence[int]
    came: Ordered


class Contexts:
    """The contexts of one selected mailbox."""

    _log = Logger()

    def __init__(self, session: Session, fetch: Callable[[ItemsByUid], Awaitable[None]]) -> None:
        """
        From now on what happens in the mailbox is noted.

        @param fetch: sends items of messages.
        """
        self._session = session
        self._fetch = fetch
        self._view = session.selected
        self._reader = self._view.index.log.join()
        self._contexts: dict[bytes, Context] = {}
        #: UIDs that have changed and were not looked at.
        self._changed: set[int] = set()
        #: Of these, messages that are new and were not added by the client.
        self._new: set[int] = set()
        #: Messages that it has added and that were not noted yet.
        self._own: set[int] = set()
        #: So much has happened that all messages must be.
        self._lost = False
        #: What was found and not told, and the UIDs that were looked at.
        self._seen: list[_Seen] = []
        self._known: list[int] = []

    def __contains__(self, tag: bytes) -> bool:
        return tag in self._contexts

    def __len__(self) -> int:
        return len(self._contexts)

    def has_room(self, count: int, is_sorted: bool) -> bool:
        """
        Whether one more context may be kept.

        @param count: its results.
        """
        if len(self._contexts) >= limits.IMAP_CONTEXTS:
            return False
        most = limits.IMAP_SORTED_CONTEXT_MESSAGES if is_sorted else limits.IMAP_CONTEXT_MESSAGES
        alike = [one for one in self._contexts.values() if (one.criteria is not None) == is_sorted]
        return count + sum(len(one.results.uids) for one in alike) <= most

    def add(self, context: Context) -> None:
        """@param context: its results are those of a search that began after this object was made."""
        self._contexts[context.tag] = context

    def cancel(self, tag: bytes) -> None:
        """Tell nothing more of a context, if there is one."""
        self._contexts.pop(tag, None)

    def added(self, uids: Iterable[int]) -> None:
        """The client has added these itself: no items are fetched of them (RFC 5465 §5.2)."""
        self._own.update(uids)

    def close(self) -> None:
        self._contexts.clear()
        self._reader.close()

    # --- telling ------------------------------------------------------------------

    def tell_expunged(self, changes: Iterable[Change]) -> None:
        """
        What is about to be told as expunged leaves the results before that, while
        its sequence number is what it was (RFC 5267 §4.3.4).
        """
        seqs = {change.uid: change.seq for change in changes if isinstance(change, Expunged)}
        for context in self._contexts.values():
            gone = [uid for uid in seqs if uid in context.results]
            self._respond(context, context.results.remove(gone), [], seqs)

    async def tell_changes(self) -> None:
        """
        Look at what has changed, and tell which messages have come and gone: first
        what was asked for of new ones, then their numbers (RFC 5465 §7).

        @raise twisted.internet.error.ConnectionLost: the client is gone.
        """
        asked = await self.look()
        if asked:
            try:
                await self._fetch(asked)
            except DomainError as error:
                self._put_off(error)
        self.tell()

    async def look(self) -> ItemsByUid:
        """
        See which messages have come and gone, for L{tell} to tell it.

        @return: what is to be fetched of those that are new, by ascending UIDs.
        @raise twisted.internet.error.ConnectionLost: the client is gone.
        """
        self._note()
        self._known = [uid for uid in self._changed if self._view.seq(uid)]
        self._seen = []
        asked: dict[int, tuple[Item, ...]] = {}
        try:
            for context in list(self._contexts.values()):
                seen = await self._look(context, None if self._lost or context.moves else self._known)
                self._seen.append(seen)
                for uid in self._new.intersection(seen.came.found.uids) if context.items else ():
                    asked[uid] = (*asked.get(uid, ()), *context.items)
        except DomainError as error:
            self._put_off(error)
            return {}
        return dict(sorted(asked.items()))

    def _put_off(self, error: DomainError) -> None:
        """All is looked at again with the next change."""
        self._log.info("context can not be updated: {error}", error=error, session=self._session.id)
        self._seen, self._known = [], []

    def tell(self) -> None:
        """Which messages have come and gone, as the last L{look} has found."""
        for seen in self._seen:
            results = seen.context.results
            removed = results.remove(seen.gone)
            self._respond(seen.context, removed, results.add(seen.came), {})
        if self._seen:
            self._lost = False
        # The others are not known to the client yet.
        self._changed.difference_update(self._known)
        self._new.intersection_update(self._changed)
        self._seen, self._known = [], []

    def _note(self) -> None:
        """See what has happened."""
        events, view = self._reader.take(), self._view
        if events is None:
            self._lost = True
            there = view.index.uids
            self._changed = set(there[bisect_left(there, view.uids[-1] + 1 if view.uids else 0) :])
            self._new = self._changed - self._own
            self._own.clear()
            return
        for event in events:
            if isinstance(event, Went) and not view.seq(event.uid):
                # It has left the results, or never was in them.
                self._changed.discard(event.uid)
            else:
                self._changed.add(event.uid)
                if isinstance(event, Came):
                    if event.uid not in self._own:
                        self._new.add(event.uid)
                    self._own.discard(event.uid)

    async def _look(self, context: Context, changed: Sequence[int] | None) -> _Seen:
        """@param changed: UIDs of the only messages that may be others now; C{None} for all."""
        if changed is not None and not changed:
            return _Seen(context, (), await self._ordered(context, ()))
        key = context.key
        if changed is not None:
            key = keys.And((keys.Uids(from_numbers(sorted(changed)).ranges), key))
        session, results = self._session, context.results
        found = await session.store.search(self._view, key, session.breathe)
        there = set(found.uids)
        asked = results.uids if changed is None else changed
        gone = [uid for uid in asked if uid in results and uid not in there]
        came = [uid for uid in found.uids if uid not in results]
        return _Seen(context, gone, await self._ordered(context, came))

    async def _ordered(self, context: Context, uids: Sequence[int]) -> Ordered:
        if context.criteria is None or not uids:
            return Ordered(Found(array("I", uids), array("I"), array("Q")), [])
        session = self._session
        key = keys.Uids(from_numbers(uids).ranges)
        return await session.store.sort(self._view, key, context.criteria, session.breathe)

    def _respond(self, context: Context, removed: Updates, added: Updates, seqs: dict[int, int]) -> None:
        """@param seqs: sequence numbers by UID where the view does not know them any more."""
        items = []
        for name, updates in ((b"REMOVEFROM", removed), (b"ADDTO", added)):
            pairs = []
            for position, uids in updates:
                numbers = uids if context.by_uid else [seqs.get(uid) or self._view.seq(uid) for uid in uids]
                pairs.append(b"%d %b" % (position, from_numbers(numbers).compose()))
            if pairs:
                items.append((name, b"(" + b" ".join(pairs) + b")"))
        if items:
            self._session.respond(EsearchData(context.tag, context.by_uid, tuple(items)))
