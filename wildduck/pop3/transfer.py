"""RETR and TOP: a message on its way to the client."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any, Protocol, cast

from twisted.logger import Logger

from wildduck.accounts import DailyMeter
from wildduck.errors import ContentUnreadable
from wildduck.limits import KIB
from wildduck.mailstore.content import CONTENT_FIELDS, Content
from wildduck.mailstore.store import MailStore
from wildduck.mime.narrow import HEADER_FIELDS, root_header
from wildduck.pop3.maildrop import Entry, Maildrop, NoSuchMessage
from wildduck.pop3.replies import ok
from wildduck.pop3.stuffing import DotStuffer, TopCutter

#: Documents read at once for a client that fetches one message after the
#: other, and octets of these messages.
_AHEAD = 16
_AHEAD_BYTES = 256 * KIB
#: Fields of a document that mostly give the header.
_HEADER_FIELDS = dict.fromkeys(HEADER_FIELDS, True)
#: Bytes gathered before they are sent: until then a message that turns out to
#: be unreadable can be refused.
_GATHERED = 64 * KIB
_TOP = ok("top of message follows")


class Line(Protocol):
    """Where the bytes go (L{wildduck.pop3.session.Line})."""

    session: str

    def send(self, data: bytes) -> None: ...
    async def drained(self) -> None: ...


class Transfer:
    """
    Sends the messages of one maildrop.

    @ivar begun: a response was begun and not ended: nothing but its bytes may follow.
    """

    _log = Logger()

    def __init__(self, store: MailStore, maildrop: Maildrop, line: Line, meter: DailyMeter) -> None:
        """@param meter: of what the account downloads."""
        self.begun = False
        self._meter = meter
        self._store = store
        self._maildrop = maildrop
        self._line = line
        self._ahead: dict[int, Mapping[str, Any]] = {}
        self._fields: dict[str, bool] = {}  # of these
        self._latest = 0

    async def send(self, entry: Entry, lines: int | None = None) -> None:
        """
        Answer RETR or TOP with the whole response.

        @param lines: of the body, C{None} for all of the message.
        @raise NoSuchMessage: somebody else has removed it.
        @raise DailyLimitReached: the account has downloaded enough today.
        @raise ContentUnreadable: it can't be read; look at L{begun}.
        @raise twisted.internet.error.ConnectionLost: the client is gone.
        """
        await self._meter.check()
        try:
            if lines != 0 or not await self._send_header(entry):
                content = await self._store.content(await self._document(entry, CONTENT_FIELDS))
                await self._send(content, lines)
        except ContentUnreadable as error:
            self._log.error(
                "message {uid} of mailbox {mailbox} can not be read: {error}",
                uid=entry.uid,
                mailbox=str(self._maildrop.mailbox.id),
                error=error,
                session=self._line.session,
            )
            raise

    async def _send(self, content: Content, lines: int | None) -> None:
        end, cutter, first = content.length, None, ok(f"{content.length} octets")
        if lines is not None:
            _, header = content.rope.section((), "HEADER") or (0, 0)
            end = content.length if lines else header
            cutter, first = TopCutter(header, lines), _TOP
        # What is missing altogether is found before the first block comes.
        stuffer = DotStuffer()
        gathered, size = [first], 0
        blocks = cast("AsyncGenerator[bytes, None]", content.blocks(0, end))
        async with aclosing(blocks) as closing:
            async for block in closing:
                if cutter is not None:
                    block = cutter.feed(block)
                gathered.append(stuffer.feed(block))
                size += len(block)
                if cutter is not None and cutter.done:
                    break
                if size >= _GATHERED:
                    self.begun = True
                    self._line.send(b"".join(gathered))
                    self._meter.add(size)
                    gathered, size = [], 0
                    await self._line.drained()
        gathered.append(stuffer.finish())
        self._line.send(b"".join(gathered))
        self._meter.add(size)
        self.begun = False

    async def _send_header(self, entry: Entry) -> bool:
        """
        Send the header alone, without reading the bodies.

        @return: C{False} when nothing was sent, for the whole document is needed.
        """
        header = root_header(await self._document(entry, _HEADER_FIELDS))
        if header is None:
            return False
        stuffer = DotStuffer()
        self._line.send(_TOP + stuffer.feed(header) + stuffer.finish())
        self._meter.add(len(header))
        return True

    async def _document(self, entry: Entry, fields: dict[str, bool]) -> Mapping[str, Any]:
        """
        What the store knows of a message.

        @raise NoSuchMessage: nothing any more.
        """
        in_turn = entry.number == self._latest + 1
        self._latest = entry.number
        if entry.number not in self._ahead or fields is not self._fields:
            self._ahead.clear()
            self._fields = fields
            await self._read([entry, *(self._following(entry) if in_turn else ())])
        document = self._ahead.pop(entry.number, None)
        if document is None:
            raise NoSuchMessage(f"message {entry.number} is no longer there")
        return document

    def _following(self, entry: Entry) -> list[Entry]:
        """Messages behind this one that can be read with it."""
        found: list[Entry] = []
        size = entry.size
        for other in self._maildrop.entries[entry.number : entry.number + _AHEAD - 1]:
            size += other.size
            if size > _AHEAD_BYTES:
                break
            found.append(other)
        return found

    async def _read(self, entries: list[Entry]) -> None:
        numbers = {entry.uid: entry.number for entry in entries}
        rows = self._store.rows(self._maildrop.mailbox, list(numbers), self._fields)
        async for batch in rows:
            for document in batch:
                self._ahead[numbers[document["uid"]]] = document
