"""
What one session sees of its mailbox.

Sequence numbers are a promise to one client (RFC 3501 §2.3.1.2): they change
only when that client is told.  So a view has its own array of UIDs and a place
in the log of the L{MailboxIndex}, which all sessions of the worker share;
L{View.refresh} moves on in that log and says what the client must be told.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import compress

from wildduck.limits import BATCH_ROWS
from wildduck.mailstore.change_log import Came, Event, Went
from wildduck.mailstore.columns import cut
from wildduck.mailstore.flag_table import in_one_spelling
from wildduck.mailstore.index import MailboxIndex
from wildduck.mailstore.recent import Recents
from wildduck.mailstore.values import Change, Exists, Expunged, Flags, FlagsByUid, Mailbox, Recent

RECENT = "\\Recent"

#: MODSEQs that are compared before others have their turn: some milliseconds
#: where all are higher.
_SCANNED = 10_000


class View:
    """
    A selected mailbox, as one client knows it.

    @ivar index: what is really there; shared knowledge, of which a part may
        not have been told to this client yet.
    @ivar uids: UIDs by sequence number less one, ascending; C{array('I')}.
    @ivar recent: UIDs of the messages that are C{\\Recent} to this session (RFC 3501 §2.3.2).
    @ivar saved: UIDs that a search has kept for later commands (RFC 5182); some may be gone.
    """

    def __init__(self, index: MailboxIndex, *, recents: Recents, on_close: Callable[[], None]) -> None:
        """
        @param on_close: called once, when the client has left the mailbox.
        """
        self.index = index
        self.uids: array[int] = array("I", index.uids)
        self.recent: set[int] = set()
        self.saved: array[int] = array("I")
        self._recents = recents
        self._on_close: Callable[[], None] | None = on_close
        self._reader = index.log.join()
        self._gone: set[int] = set()
        #: Messages that a STORE of this session changed before it failed.
        self._untold: set[int] = set()
        #: The highest UID that the client was told of.
        self._last = self.uids[-1] if self.uids else 0
        #: Which of the messages up to this UID are recent is known.
        self._claimed = 0
        #: All flags up to this MODSEQ were told.
        self._modseq = index.highest_modseq
        self._highest_modseq = index.highest_modseq
        self._uid_next = index.uid_next

    # --- what the client knows ------------------------------------------------------

    @property
    def mailbox(self) -> Mailbox:
        """The mailbox as it was at the last refresh."""
        return self.index.mailbox

    @property
    def exists(self) -> int:
        """Number of messages."""
        return len(self.uids)

    @property
    def uid_next(self) -> int:
        """UIDNEXT: no message will appear below it that was not told of."""
        return self._uid_next

    @property
    def highest_modseq(self) -> int:
        """
        HIGHESTMODSEQ (RFC 7162 §3.1.2.1), at least 1; never falls.

        Every change up to it was told, or is in what the last refresh gave; so
        it waits while what is gone may not be told (§6).  The index may know
        more already, for other sessions look too.
        """
        return self._highest_modseq

    @property
    def flag_names(self) -> int:
        """How many flags have been seen in this mailbox, those of the system among them; never falls."""
        return len(self.index.flag_table.names)

    @property
    def keywords(self) -> tuple[str, ...]:
        """Custom flags of this mailbox."""
        return tuple(name for name in self.index.flag_table.names if not name.startswith("\\"))

    @property
    def key_resets(self) -> int:
        """How often the key of the mailbox's URLs was replaced (RFC 4467 §2.2)."""
        return self.index.key_resets

    @property
    def first_unseen(self) -> int:
        """Sequence number of the first message without C{\\Seen}, 0 when there is none."""
        if not self.index.unseen:
            return 0
        for uid in self.index.with_flag("\\Seen", False):
            seq = self.seq(uid)
            if seq:
                return seq
        return 0

    def seq(self, uid: int) -> int:
        """The sequence number of a message, 0 when the client does not know it."""
        place = bisect_left(self.uids, uid)
        return place + 1 if place < len(self.uids) and self.uids[place] == uid else 0

    def uid(self, seq: int) -> int:
        """
        The UID of a message.

        @raise IndexError: there is no such sequence number.
        """
        if not 1 <= seq <= len(self.uids):
            raise IndexError(seq)
        return self.uids[seq - 1]

    def uid_range(self, first: int, last: int) -> array[int]:
        """The UIDs that are there from C{first} to C{last}, inclusive, ascending."""
        return self.uids[bisect_left(self.uids, first) : bisect_left(self.uids, last + 1)]

    def saved_uids(self) -> array[int]:
        """What of L{saved} the client still knows, ascending."""
        return array("I", sorted(set(self.saved).intersection(self.uids)))

    def flags(self, uid: int) -> tuple[str, ...]:
        """The flags of a message, C{\\Recent} included; none when it is gone."""
        return self.with_recent(uid, self.index.flags(uid))

    def rows(self, uids: Iterable[int]) -> Iterator[tuple[int, int, tuple[str, ...], int]]:
        """
        Of many messages at once, without those that are gone or not known to the client.

        @param uids: quickest if ascending and near to one another.
        @return: sequence number, UID, flags as of L{flags}, and MODSEQ.
        """
        known, there, bits, modseqs = self.uids, self.index.uids, self.index.bits, self.index.modseqs
        unpack, recent = self.index.flag_table.unpack, self.recent
        seq = place = 0
        for uid in uids:
            # The next one is most often what stands behind the last one.
            if seq >= len(known) or known[seq] != uid:
                seq = bisect_left(known, uid)
                if seq == len(known) or known[seq] != uid:
                    continue
            if place >= len(there) or there[place] != uid:
                place = bisect_left(there, uid)
                if place == len(there) or there[place] != uid:
                    continue
            flags = unpack(uid, bits[place])
            modseq = modseqs[place]
            seq += 1
            place += 1
            yield seq, uid, (*flags, RECENT) if uid in recent else flags, modseq

    def with_recent(self, uid: int, flags: tuple[str, ...]) -> tuple[str, ...]:
        """A message's stored flags, and C{\\Recent} where it is that to this session."""
        return (*flags, RECENT) if uid in self.recent else flags

    def modseq(self, uid: int) -> int:
        """The MODSEQ of a message, 0 when it is gone."""
        return self.index.modseq(uid)

    async def changed_since(self, uids: Sequence[int], modseq: int) -> array[int]:
        """
        Those messages that have a higher MODSEQ, ascending.

        @param uids: ascending.
        """
        # Copies, for the index may change while others have their turn.
        there, modseqs = self.index.uids[:], self.index.modseqs[:]
        found: array[int] = array("I")
        for start in range(0, len(there), _SCANNED):
            if start:
                await self.index.breathe()
            higher = map(modseq.__lt__, modseqs[start : start + _SCANNED])
            changed = compress(there[start : start + _SCANNED], higher)
            found.extend(uid for uid in changed if _is_in(uids, uid))
        return found

    def spelled(self, flags: Iterable[str], *, everyhow: bool = False) -> tuple[str, ...]:
        """
        Flags as this mailbox spells them, for case does not count; new ones as given.

        @param everyhow: in all spellings that there are, for WildDuck's documents have several.
        """
        known = [self.index.flag_table.spellings(flag) or [flag] for flag in flags]
        if everyhow:
            return tuple(dict.fromkeys(spelling for all_known in known for spelling in all_known))
        return in_one_spelling(all_known[0] for all_known in known)

    def deleted(self) -> list[int]:
        """UIDs of the known messages with C{\\Deleted}, ascending."""
        return [uid for uid in self.index.deleted() if self.seq(uid)]

    @property
    def has_gone(self) -> bool:
        """Whether messages are gone that the client still counts."""
        return bool(self._gone)

    @contextmanager
    def knows_own_changes(
        self, expected: Callable[[tuple[str, ...]], tuple[str, ...]]
    ) -> Iterator[Callable[[FlagsByUid], None]]:
        """
        While a STORE of this session is at work: what it has changed, batch by
        batch, is known at once and is no news to this client, who is told in
        the answer; unless the STORE fails, or others have changed the same messages.

        @param expected: what the STORE makes of flags (L{MailboxIndex.apply}).
        """
        known: list[int] = []

        def done(changed: FlagsByUid) -> None:
            self.index.apply(changed, self, expected)
            known.extend(changed)

        try:
            yield done
        except BaseException:
            self._untold.update(known)
            raise

    # --- what it must be told ---------------------------------------------------------

    async def refresh(self, *, may_expunge: bool) -> list[Change]:
        """
        Catch up with the mailbox.

        @param may_expunge: sequence numbers may change now (RFC 3501 §7.4.1
            forbids it during FETCH, STORE and SEARCH); else what is gone keeps
            its number until a later refresh.
        @return: what to tell the client, in this order: expunged, exists, recent, flags.
        @raise MailboxNotFound: the mailbox is gone.
        """
        await self.index.catch_up()
        await self.claim_recent()
        changes, changed = self._news(may_expunge)
        for start in range(0, len(changed), BATCH_ROWS):
            if start:
                await self.index.breathe()
            changes += self.flag_news(changed[start : start + BATCH_ROWS])
        return changes

    def all_recent(self, unclaimed: int) -> int:
        """
        How many messages are recent to this session, with what it was not told of yet.

        @param unclaimed: messages that no session was told of, those that EXAMINE shows included.
        """
        # One that is gone elsewhere is in view until this session is told.
        own = sum(self.index.position(uid) >= 0 for uid in self.recent)
        return unclaimed + own if self._recents is Recents.CLAIMED else max(unclaimed, own)

    async def claim_recent(self) -> None:
        """Be the session that is first told of what has come, if no other was."""
        if self._recents is Recents.IGNORED:
            return
        # While the database is asked another session may learn of more.
        while self.index.uids and self.index.uids[-1] > self._claimed:
            await self._claim()

    async def _claim(self) -> None:
        """As L{claim_recent}, of what is known now."""
        index = self.index
        newest = index.uids[-1]
        if self._recents is Recents.CLAIMED:
            claimed = await index.claim_recent()
        else:
            claimed = range(max(index.recent, self._claimed + 1), newest + 1) if index.recent else range(0)
        self._claimed = max(newest, claimed.stop - 1)
        there = index.uids
        self.recent.update(there[bisect_left(there, claimed.start) : bisect_left(there, claimed.stop)])

    def _news(self, may_expunge: bool) -> tuple[list[Change], list[int]]:
        """
        What is known since the last call, without asking the database.

        @return: what to tell but flags, and the UIDs whose flags are to be told, ascending.
        """
        events = self._reader.take()
        came, changed = self._compare() if events is None else self._take(events)
        self._modseq = self.index.highest_modseq
        self._uid_next = self.index.uid_next
        changed |= self._untold
        self._untold.clear()
        changes: list[Change] = list(self._expunge()) if may_expunge else []
        if not self._gone:
            self._highest_modseq = self._modseq
        if came:
            self.uids.extend(came)
            self._last = came[-1]
            changes.append(Exists(len(self.uids)))
            if self._recents is not Recents.IGNORED:
                changes.append(Recent(len(self.recent)))
        return changes, sorted(changed)

    def flag_news(self, changed: Iterable[int]) -> Iterator[Flags]:
        """What to tell of these messages; nothing of those that are gone."""
        for uid in changed:
            seq, modseq = self.seq(uid), self.modseq(uid)
            if seq and modseq and uid not in self._gone:
                yield Flags(seq, uid, self.flags(uid), modseq)

    def _take(self, events: Iterable[Event]) -> tuple[list[int], set[int]]:
        """@return: arrivals that are still there, and known messages with other flags."""
        came: dict[int, None] = {}
        changed: set[int] = set()
        for event in events:
            if isinstance(event, Came):
                came[event.uid] = None
            elif isinstance(event, Went):
                if event.uid in came:
                    del came[event.uid]
                    self.recent.discard(event.uid)
                else:
                    self._gone.add(event.uid)
            elif event.origin is not self and event.uid not in came:
                changed.add(event.uid)
        return list(came), changed

    def _compare(self) -> tuple[list[int], set[int]]:
        """As L{_take}, when so much has happened that the log does not go back so far."""
        there = self.index.uids
        self._gone.update(set(self.uids).difference(there))
        self.recent.intersection_update(there)
        modseqs = zip(there, self.index.modseqs, strict=True)
        changed = {uid for uid, modseq in modseqs if modseq > self._modseq and uid <= self._last}
        return list(there[bisect_left(there, self._last + 1) :]), changed

    def _expunge(self) -> list[Expunged]:
        """What is gone, from the last: so each has the number that it always had."""
        seqs = sorted(filter(None, map(self.seq, self._gone)))
        told = [Expunged(seq, self.uids[seq - 1]) for seq in reversed(seqs)]
        cut(self.uids, [seq - 1 for seq in seqs])
        self.recent -= self._gone
        self._gone.clear()
        return told

    def close(self) -> None:
        """The client has left the mailbox."""
        on_close, self._on_close = self._on_close, None
        if on_close is not None:
            self._reader.close()
            on_close()


def _is_in(uids: Sequence[int], uid: int) -> bool:
    place = bisect_left(uids, uid)
    return place < len(uids) and uids[place] == uid
