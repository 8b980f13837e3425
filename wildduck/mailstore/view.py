"""
What one session sees of its mailbox.

Sequence numbers are a promise to one client (RFC 3501 §2.3.1.2): they change
only when that client is told.  So a view has its own array of UIDs and a
position in the log of the L{MailboxIndex}; L{View.refresh} moves on in that log
and says what the client must be told.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left

from wildduck.mailstore.backend import Backend
from wildduck.mailstore.index import Came, Changed, Event, MailboxIndex, Went
from wildduck.mailstore.values import Change, Exists, Expunged, Flags, Mailbox


class View:
    """
    A selected mailbox, as one client knows it.

    @ivar index: what is really there; shared knowledge, of which a part may
        not have been told to this client yet.
    @ivar uids: UIDs by sequence number less one, ascending; C{array('I')}.
    """

    def __init__(self, backend: Backend, index: MailboxIndex) -> None:
        self._backend = backend
        self.index = index
        self.uids: array[int] = array("I", index.uids)
        self._position = index.log_end
        self._gone: set[int] = set()
        self._closed = False

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
        """UIDNEXT: no message will appear below it."""
        return self.index.uid_next

    @property
    def highest_modseq(self) -> int:
        """HIGHESTMODSEQ (RFC 7162 §3.1.2.1), at least 1; never falls."""
        return self.index.highest_modseq

    @property
    def keywords(self) -> tuple[str, ...]:
        """Custom flags of this mailbox."""
        return tuple(name for name in self.index.flag_table.names if not name.startswith("\\"))

    @property
    def first_unseen(self) -> int:
        """Sequence number of the first message without C{\\Seen}, 0 when there is none."""
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

    def flags(self, uid: int) -> tuple[str, ...]:
        """The flags of a message, none when it is gone."""
        return self.index.flags(uid)

    def modseq(self, uid: int) -> int:
        """The MODSEQ of a message, 0 when it is gone."""
        return self.index.modseq(uid)

    def deleted(self) -> list[int]:
        """UIDs of the known messages with C{\\Deleted}, ascending."""
        return [uid for uid in self.index.deleted() if self.seq(uid)]

    @property
    def has_gone(self) -> bool:
        """Whether messages are gone that the client still counts."""
        return bool(self._gone)

    # --- what it must be told ---------------------------------------------------------

    async def refresh(self, *, may_expunge: bool) -> list[Change]:
        """
        Catch up with the mailbox.

        @param may_expunge: sequence numbers may change now (RFC 3501 §7.4.1
            forbids it during FETCH, STORE and SEARCH); else what is gone keeps
            its number until a later refresh.
        @return: what to tell the client, in this order: expunged, exists, flags.
        @raise MailboxNotFound: the mailbox is gone.
        """
        await self.index.catch_up()
        return self.pending(may_expunge=may_expunge)

    def pending(self, *, may_expunge: bool) -> list[Change]:
        """As L{refresh}, of what is known without asking the database."""
        came, changed = self._take(self.index.events(self._position))
        self._position = self.index.log_end
        self.index.forget_events(self._position)
        changes: list[Change] = list(self._expunge()) if may_expunge else []
        if came:
            self.uids.extend(came)
            changes.append(Exists(len(self.uids)))
        for uid in sorted(changed):
            seq = self.seq(uid)
            if seq and uid not in self._gone:
                changes.append(Flags(seq, uid, self.flags(uid), self.modseq(uid)))
        return changes

    def _take(self, events: list[Event]) -> tuple[list[int], set[int]]:
        """@return: arrivals that are still there, and known messages with other flags."""
        came: dict[int, None] = {}
        changed: set[int] = set()
        for event in events:
            if isinstance(event, Came):
                came[event.uid] = None
            elif isinstance(event, Went):
                if event.uid in came:
                    del came[event.uid]
                else:
                    self._gone.add(event.uid)
            elif isinstance(event, Changed) and event.origin is not self and event.uid not in came:
                changed.add(event.uid)
        return list(came), changed

    def _expunge(self) -> list[Expunged]:
        told = []
        for uid in sorted(self._gone, reverse=True):
            seq = self.seq(uid)
            if seq:
                del self.uids[seq - 1]
                told.append(Expunged(seq, uid))
        self._gone.clear()
        return told

    def close(self) -> None:
        """The client has left the mailbox."""
        if not self._closed:
            self._closed = True
            self._backend.background(self.index.keep_mark())
