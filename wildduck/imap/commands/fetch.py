"""FETCH and UID FETCH (RFC 3501 §6.4.5, RFC 7162 §3.1.4, §3.2.6)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from itertools import groupby
from operator import itemgetter
from typing import Any, cast

from twisted.logger import Logger

from wildduck.accounts import IMAP_DOWNLOAD
from wildduck.errors import (
    CannotDo,
    ContentUnreadable,
    DailyLimitReached,
    DomainError,
    ProtocolError,
    UnknownEncoding,
)
from wildduck.imap.commands import documents, parts
from wildduck.imap.commands.binary import StreamedDecoded
from wildduck.imap.commands.fetch_items import Document, Source, Streamed, Value, Wanted, wanted
from wildduck.imap.commands.resync import tell_vanished
from wildduck.imap.commands.sets import uids_of
from wildduck.imap.grammar.fetch import Attribute, Binary, Fetch, Item, Section
from wildduck.imap.grammar.flags import compose_flags
from wildduck.imap.grammar.modes import Modes
from wildduck.imap.grammar.responses import FETCH_END, fetch_start, modseq_value
from wildduck.imap.session import Done, Session
from wildduck.limits import KIB
from wildduck.mime import narrow

#: Messages of one round: read with their trees, without them, not at all.
_WITH_TREE = 50
_WITHOUT_TREE = 500
_FROM_VIEW = 1000
#: Responses gathered before they are sent.
_GATHERED = 64 * KIB
#: Composed values of one message held before any of it is sent: until then a
#: message that turns out to be unreadable can be left out.
_HELD = 1024 * KIB
#: Seconds of work before other connections have their turn.
_AT_A_STRETCH = 0.01

#: What comes of a document whose fields have other types than WildDuck's: it is
#: that message's damage, and the others can be told.
_DAMAGED = (AttributeError, KeyError, IndexError, TypeError, ValueError, RecursionError)

_SEEN = "\\Seen"
_UID = Attribute("UID")
_MODSEQ = Attribute("MODSEQ")


async def fetch(session: Session, command: Fetch) -> Done:
    """
    Messages that another session has expunged are left out, and the answer says
    so (RFC 9051 §7.1 EXPUNGEISSUED), also where nothing is left.  Only who asks
    for nothing but the UIDs of such messages is told them: until a client is told
    that it is gone, a sequence number has its UID (RFC 2180 §4.1).

    @raise DailyLimitReached: bodies are asked for, and the account has downloaded enough today.
    @raise ProtocolError: VANISHED without QRESYNC enabled (RFC 7162 §3.2.6).
    """
    if command.modifiers.vanished and not session.modes.qresync:
        raise ProtocolError("QRESYNC must be enabled first")
    items = _items(command, session.modes)
    if _MODSEQ in items:
        session.enable("CONDSTORE")
    uids = await _chosen(session, command)
    job = _Fetch(session, items)
    async for done in _in_rounds(job, session, uids):
        session.note_progress(done, len(uids))
    job.flush()
    if not job.told and items == (_UID,) and not command.by_uid:
        job.tell_uids(uids)
    if job.unreadable:
        return Done("Some messages can not be read", b"CORRUPTION", "NO")
    if job.refused is not None:
        return Done(str(job.refused), (job.refused.imap_code or "CANNOT").encode("ascii"), "NO")
    if job.told < len(uids) and not command.by_uid:
        return Done("Some messages are gone", b"EXPUNGEISSUED")
    return Done("FETCH completed")


async def _chosen(session: Session, command: Fetch) -> Sequence[int]:
    """UIDs of the messages, ascending; what is gone is told, if that was asked for."""
    view, since = session.selected, command.modifiers.changed_since
    uids: Sequence[int] = uids_of(view, command.numbers, command.by_uid)
    if command.modifiers.vanished and since is not None:
        # Who asks for all up to the last message also means what has gone behind it.
        await tell_vanished(session, command.numbers.resolve(view.uid_next - 1), since)
    if since is not None:
        uids = await view.changed_since(uids, since)
    partial = command.modifiers.partial
    return uids if partial is None else partial.select(uids)


async def tell_each(session: Session, wanted: Mapping[int, tuple[Item, ...]]) -> None:
    """
    FETCH responses that no FETCH has asked for (RFC 5465 §5.2, §7), one for each message.

    Bodies count as those of FETCH do, and are left out when they are too many for
    a day: a FETCH of the client is told why.

    @param wanted: what is to be told, by UID, these ascending.
    """
    for items, uids in groupby(wanted, wanted.__getitem__):
        await _tell(session, list(uids), items)


async def _tell(session: Session, uids: Sequence[int], items: tuple[Item, ...]) -> None:
    job = _Fetch(session, _unasked(items, session.modes))
    try:
        async for _ in _in_rounds(job, session, uids):
            pass
    except DailyLimitReached:
        pass
    job.flush()


async def _in_rounds(job: _Fetch, session: Session, uids: Sequence[int]) -> AsyncIterator[int]:
    """
    Before each round: how many messages are done.

    @raise DailyLimitReached: it sends bodies, and the account has downloaded enough today.
    """
    size = job.round_size
    meter = session.meter(IMAP_DOWNLOAD) if job.with_bodies else None
    for start in range(0, len(uids), size):
        yield start
        if meter is not None:
            await meter.check()
        try:
            await job.round(uids[start : start + size])
        finally:
            if meter is not None:
                meter.add(job.take_sent())


def _unasked(items: tuple[Item, ...], modes: Modes) -> tuple[Item, ...]:
    """With what such responses must have: MODSEQ, and the UID as with flags (RFC 7162 §3.1, 9051 §7.5.2)."""
    items = _distinct(items)
    if (modes.condstore or modes.rev2) and _UID not in items and not modes.uidonly:
        items = (_UID, *items)
    if modes.condstore and _MODSEQ not in items:
        items = (*items, _MODSEQ)
    return items


def _items(command: Fetch, modes: Modes) -> tuple[Item, ...]:
    """
    What is told of each message.

    Unasked that is the UID by a UID FETCH (RFC 3501 §6.4.8) whose response does not
    begin with it anyway (RFC 9586), and MODSEQ with CHANGEDSINCE (RFC 7162 §3.1.4.1).
    What is asked for twice is told once: else a short command could ask for any amount.
    """
    items = _distinct(command.items)
    if command.by_uid and _UID not in items and not modes.uidonly:
        items = (_UID, *items)
    if command.modifiers.changed_since is not None and _MODSEQ not in items:
        items = (*items, _MODSEQ)
    return items


def _distinct(items: Sequence[Item]) -> tuple[Item, ...]:
    """Each once, in the order given; of a section and the same with PEEK the one that sets C{\\Seen}."""
    found: dict[Item, Item] = {}
    for item in items:
        key = replace(item, peek=True) if isinstance(item, (Binary, Section)) else item
        if key not in found or item.sets_seen:
            found[key] = item
    return tuple(found.values())


def _fields(items: Sequence[Wanted]) -> set[str]:
    """Fields of the documents to begin with."""
    fields = {name for item in items for name in item.fields}
    if sum(map(parts.is_part, fields)) > parts.MOST:
        fields.update(documents.ALL_FIELDS)
    return fields


def _with_bodies(fields: set[str]) -> bool:
    """Whether bodies may be among these fields."""
    return "mimeTree" in fields or any(map(parts.is_part, fields))


class _Fetch:
    """
    One FETCH command at work.

    @ivar told: messages that were sent.
    @ivar unreadable: messages that could not be.
    @ivar refused: why others were not, C{None} if none was.
    """

    _log = Logger()

    def __init__(self, session: Session, items: tuple[Item, ...]) -> None:
        self.told = 0
        self.unreadable = 0
        self.refused: DomainError | None = None
        self._session = session
        self._view = session.selected
        self._wanted = wanted(items)
        self._seen_matters = not session.read_only and any(item.sets_seen for item in items)
        self._modes = session.modes
        self._names = {item.name for item in items if isinstance(item, Attribute)}
        #: It tells all that a FETCH response about other flags would tell.
        self._tells_news = "FLAGS" in self._names and ("MODSEQ" in self._names or not session.modes.condstore)
        self._fields = _fields(self._wanted)
        #: Composed flags, for few combinations are many messages'.
        self._flags: dict[tuple[str, ...], bytes] = {}
        self._clock = session.services.clock
        self._since = self._clock.seconds()
        self._gathered: list[bytes] = []
        self._gathered_size = 0
        self._sent = 0
        #: A piece of the response for the message in hand was sent.
        self._begun = False

    @property
    def with_bodies(self) -> bool:
        """Whether it sends bodies, which are counted."""
        return any(item.is_body for item in self._wanted)

    def take_sent(self) -> int:
        """Bytes of responses since this was asked last."""
        sent, self._sent = self._sent, 0
        return sent

    @property
    def round_size(self) -> int:
        """Messages to be given to L{round} at once."""
        if not self._fields:
            return _FROM_VIEW
        return _WITH_TREE if _with_bodies(self._fields) else _WITHOUT_TREE

    async def round(self, uids: Sequence[int]) -> None:
        """Tell of some messages, ascending."""
        newly_seen = await self._mark_seen(uids) if self._seen_matters else frozenset()
        if not self._fields:
            self._tell_from_view(uids)
            await self._session.breathe()
            return
        left: Sequence[int] = uids
        everything = (*documents.ALL_FIELDS, *(name for item in self._wanted for name in item.more_fields))
        for more in ((), narrow.HEADER_FIELDS, everything):
            fields = self._fields.union(more)
            left = await self._read(left, fields, newly_seen)
            if not left:
                return

    async def _mark_seen(self, uids: Sequence[int]) -> frozenset[int]:
        """Fetching a body sets C{\\Seen}; @return: UIDs whose flags that has changed."""
        view = self._view
        unseen = [uid for uid in uids if view.modseq(uid) and _SEEN not in view.flags(uid)]
        if not unseen:
            return frozenset()
        stored = await self._session.store.store_flags(view, unseen, "+", (_SEEN,), session=self._session.id)
        return frozenset(stored.changed)

    async def _read(self, uids: Sequence[int], fields: set[str], newly_seen: frozenset[int]) -> list[int]:
        """
        Tell of messages as far as these fields of their documents suffice.

        @return: UIDs of those that need more.
        """
        lacking: list[int] = []
        store = self._session.store
        rows = store.rows(
            self._view.mailbox,
            uids,
            documents.projection(fields),
            batch_size=_WITH_TREE if _with_bodies(fields) else 0,
        )
        async with aclosing(cast("AsyncGenerator[list[dict[str, Any]], None]", rows)) as batches:
            async for batch in batches:
                for document in batch:
                    source = self._source(document, "mimeTree" in fields)
                    if not await self._tell(document["uid"], source, newly_seen):
                        lacking.append(document["uid"])
        return lacking

    def _source(self, document: Document, whole: bool) -> Source:
        return Source(
            self._session.store,
            document,
            whole,
            leaves_only=self._modes.rev2,
            global_messages=self._modes.global_messages,
        )

    def _tell_from_view(self, uids: Sequence[int]) -> None:
        """By a form for each combination of flags, which the numbers are put into."""
        forms: dict[tuple[str, ...], bytes] = {}
        told: list[bytes] = []
        highest = 0
        numbers = itemgetter(*self._numbers())
        for row in self._view.rows(uids):
            flags, modseq = row[2:]
            form = forms.get(flags)
            if form is None:
                form = forms[flags] = self._form(flags)
            told.append(form % numbers(row))
            if modseq > highest:
                highest = modseq
        self._note_told(uids, highest)
        self.told += len(told)
        self._session.news.report_keywords()
        self._session.line.send(b"".join(told))

    def tell_uids(self, uids: Sequence[int]) -> None:
        """Of messages that are gone; they do not count as told."""
        told = (b"* %d FETCH (UID %d" % (self._view.seq(uid), uid) + FETCH_END for uid in uids)
        self._session.line.send(b"".join(told))

    def _numbers(self) -> list[int]:
        """Places, in what L{View.rows} gives, of the numbers of L{_form}."""
        places = {"UID": 1, "MODSEQ": 3}
        first = 1 if self._modes.uidonly else 0
        return [first, *(places[item.name] for item in self._wanted if item.name in places)]

    def _form(self, flags: tuple[str, ...]) -> bytes:
        """A response of what the view knows, with places for the numbers."""
        composed = compose_flags(flags, self._modes).replace(b"%", b"%%")
        values = {"UID": b"%d", "FLAGS": composed, "MODSEQ": b"(%d)"}
        items = b" ".join(item.label + b" " + values[item.name] for item in self._wanted)
        kind = b"UIDFETCH" if self._modes.uidonly else b"FETCH"
        return b"* %d " + kind + b" (" + items + FETCH_END

    def _note_told(self, uids: Sequence[int], modseq: int) -> None:
        """
        These messages were told of.

        @param modseq: the highest of theirs.
        """
        session = self._session
        if session.news.held and self._tells_news:
            session.news.held.difference_update(uids)
        if "MODSEQ" in self._names:
            session.news.modseqs.told(modseq)

    async def _tell(self, uid: int, source: Source, newly_seen: frozenset[int]) -> bool:
        """@return: C{False} when more of the document must be read first."""
        self._begun = False
        found: list[tuple[bytes, Value]] | None = []
        left_out = False
        try:
            found = await self._values(uid, source)
        except (CannotDo, UnknownEncoding) as error:
            self.refused, left_out = error, True
        except (ContentUnreadable, *_DAMAGED) as error:
            self._log_damage(uid, error)
            if self._begun:
                raise
            left_out = True
            self.unreadable += 1
        if found is None:
            return False
        if uid in newly_seen:
            found += self._news(uid, left_out)
        if found or self._begun:
            await self._send(uid, found, True)
        if not left_out:
            self._note_told((uid,), self._view.modseq(uid))
            self.told += 1
        return True

    def _log_damage(self, uid: int, error: Exception) -> None:
        if isinstance(error, ContentUnreadable):
            text = "message {uid} of mailbox {mailbox} can not be read: {error}"
            self._log.error(text, **self._place(uid), error=error)
        else:
            self._log.failure("message {uid} of mailbox {mailbox} is damaged", **self._place(uid))

    async def _values(self, uid: int, source: Source) -> list[tuple[bytes, Value]] | None:
        """
        What is to be sent of a message, but for what was sent already because it is so much.

        @return: C{None} when more of the document must be read first.
        """
        values: list[tuple[bytes, Value]] = []
        held = 0
        for item in self._wanted:
            value: Value | None
            if item.from_view:
                value = self._known(uid, item.name)
            else:
                # Most of many messages' values need no waiting.
                value = source.at_hand(item)
                if value is None:
                    value = await source.value(item)
                    if value is None:
                        return None
            if isinstance(value, bytes):
                held += len(value)
            else:
                await value.prepare()
            values.append((item.label, value))
            if held >= _HELD:
                if not source.whole:
                    return None
                await self._send(uid, values, False)
                values, held = [], 0
            if self._clock.seconds() - self._since >= _AT_A_STRETCH:
                await self._give_way()
        return values

    def _news(self, uid: int, left_out: bool) -> list[tuple[bytes, Value]]:
        """
        What must be told of a message that is C{\\Seen} now, and was not asked for (RFC 7162 §3.2.4).

        @param left_out: nothing that was asked for is told of it.
        """
        names = ["FLAGS"]
        if self._modes.condstore:
            self._session.news.modseqs.told(self._view.modseq(uid))
            names += ["MODSEQ"] if self._modes.uidonly else ["UID", "MODSEQ"]
        elif left_out and ("UID" in self._names or self._modes.rev2):
            names.append("UID")
        unasked = (name for name in names if left_out or name not in self._names)
        return [(name.encode("ascii"), self._known(uid, name)) for name in unasked]

    def _place(self, uid: int) -> dict[str, Any]:
        """For the log."""
        return {"uid": uid, "mailbox": str(self._view.mailbox.id), "session": self._session.id}

    async def _give_way(self) -> None:
        """Let other connections have their turn."""
        await self._session.breathe()
        self._since = self._clock.seconds()

    def _known(self, uid: int, name: str) -> bytes:
        """The value of what the view knows."""
        if name == "UID":
            return b"%d" % uid
        if name == "MODSEQ":
            return modseq_value(max(1, self._view.modseq(uid)))
        flags = self._view.flags(uid)
        if not self._begun:
            # Another session may have learnt of one since this command began.
            self._session.news.report_keywords()
        composed = self._flags.get(flags)
        if composed is None:
            composed = self._flags[flags] = compose_flags(flags, self._modes)
        return composed

    async def _send(self, uid: int, values: list[tuple[bytes, Value]], ends: bool) -> None:
        """
        Send a response, or a piece of one.

        @param ends: no further piece follows.
        """
        begun, self._begun = self._begun, True
        if not begun:
            self._gather(fetch_start(self._view.seq(uid), uid, self._modes))
        for number, (label, value) in enumerate(values):
            self._gather(b" " + label + b" " if number or begun else label + b" ")
            if isinstance(value, bytes):
                self._gather(value)
            else:
                await self._stream(value)
        session = self._session
        if ends:
            self._gather(FETCH_END)
            if session.literal_open:
                # Others may write to the connection only when no half of a response is left here.
                self.flush()
        # Half a response is like half a literal: nothing else may follow it.
        session.literal_open = not ends
        if self._gathered_size >= _GATHERED:
            self.flush()
            await self._session.line.drained()

    async def _stream(self, value: Streamed | StreamedDecoded) -> None:
        """From the announcement on nothing but the rest of the response may follow."""
        self._gather(value.announcement)
        session = self._session
        session.literal_open = True
        self.flush()
        blocks = value.blocks()
        async with aclosing(cast("AsyncGenerator[bytes, None]", blocks)) as closing:
            async for block in closing:
                self._sent += len(block)
                session.line.send(block)
                await session.line.drained()

    def _gather(self, data: bytes) -> None:
        self._gathered.append(data)
        self._gathered_size += len(data)
        self._sent += len(data)

    def flush(self) -> None:
        """Send what was gathered."""
        self._session.line.send(b"".join(self._gathered))
        self._gathered.clear()
        self._gathered_size = 0
