"""
C{GET /users/:user/updates}: what happens in an account, as an event stream
(spec/api.md §18; WHATWG HTML §9.2 'Server-sent events').
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Mapping
from typing import Any

import msgspec
from bson import ObjectId

from wildduck import limits
from wildduck.api.frame.application import Application, error_answer
from wildduck.api.frame.call import Call
from wildduck.api.frame.route import Route
from wildduck.api.frame.schema import Id, Schema
from wildduck.api.frame.streams import Stream
from wildduck.api.messages.shapes import plain
from wildduck.database import Databases
from wildduck.errors import BadInput, DomainError, Overloaded, UserNotFound
from wildduck.mailstore import MailStore
from wildduck.mailstore.news import Changed, Commanded, Counted, Feed, Missed, News

_LAST = "Last-Event-ID"
_SCHEMA = Schema({_LAST: Id(about="id of the last event that was received; also taken as a header")})

#: Members of a journal entry that are of no use to clients.
_HIDDEN = frozenset(("_id", "ignore", "user", "modseq", "unseenChange", "created", "unseen"))

_HEADERS = {
    "Cache-Control": "no-cache",
    # nginx would keep events back.
    "X-Accel-Buffering": "no",
}


class TooManyReaders(DomainError):
    """An account has as many streams as it may."""

    http = (429, "TooManyReaders")
    text = "Too many streams of updates are open for this account"


class UpdatesApi:
    """The streams of one worker."""

    def __init__(self, store: MailStore, databases: Databases) -> None:
        self._store = store
        self._users = databases.users
        self._feeds: set[Feed] = set()
        self._readers: Counter[ObjectId] = Counter()
        self._ended = False

    def register(self, application: Application) -> None:
        """Add the route; streams end with the application."""
        application.add(
            Route(
                "GET",
                "/users/<user>/updates",
                _SCHEMA,
                Stream,
                self.updates,
                permission=("users", "read"),
                tag="Users",
                summary="What happens in an account, as an event stream",
                content_type="text/event-stream",
            )
        )
        application.at_end(self.end)

    def end(self) -> None:
        """End all streams and begin none."""
        self._ended = True
        for feed in list(self._feeds):
            feed.stop()

    async def updates(self, call: Call) -> Stream:
        """
        @raise UserNotFound: there is no such account.
        @raise TooManyReaders: it has too many streams.
        @raise Overloaded: there are too many in all.
        """
        last = call.values[_LAST] or _from_header(call)
        if await self._users.find_one("users", {"_id": call.user}, projection={"_id": True}) is None:
            raise UserNotFound()
        if self._readers[call.user] >= limits.UPDATE_READERS_PER_ACCOUNT:
            raise TooManyReaders()
        if self._ended or len(self._feeds) >= limits.UPDATE_READERS:
            raise Overloaded()
        feed = self._store.feed(call.user, last)
        self._feeds.add(feed)
        self._readers[call.user] += 1
        # One that waits for news would not notice.
        request: Any = call.request
        request.notifyFinish().addBoth(lambda _: feed.stop())
        return Stream("text/event-stream", self._blocks(call.user, feed), None, _HEADERS)

    async def _blocks(self, user: ObjectId, feed: Feed) -> AsyncIterator[bytes]:
        begun = False
        try:
            async for news in feed.news():
                begun = True
                yield block(news)
        except DomainError as error:
            if not begun:
                raise
            yield b"event: error\n" + _data(error_answer(error)[1]) + b"\n"
        finally:
            self._feeds.discard(feed)
            self._readers[user] -= 1
            if self._readers[user] <= 0:
                del self._readers[user]


def _from_header(call: Call) -> ObjectId | None:
    """@raise BadInput: the header is no id."""
    header = call.request.getHeader(b"last-event-id")
    if not header:
        return None
    try:
        return Id().parse(header.decode("latin-1"))
    except ValueError as error:
        text = f'"{_LAST}" {error}'
        raise BadInput(text, {_LAST: text}) from None


def block(news: News) -> bytes:
    """Some news as bytes of the stream; what is no event keeps the connection."""
    if isinstance(news, Changed):
        return b"".join(_event(_shown(entry), entry["_id"]) for entry in news.entries)
    if isinstance(news, Counted):
        counts = news.counts
        told = {"command": "COUNTERS", "mailbox": str(news.mailbox)}
        return _event({**told, "total": counts.total, "unseen": counts.unseen}, news.place)
    if isinstance(news, Commanded):
        return _event(plain(news.payload), None)
    if isinstance(news, Missed):
        return _event({"command": "RESET", "reason": "Earlier events have expired"}, news.place)
    place = b"id: %b\n" % str(news.place).encode() if news.place is not None else b""
    return b": still here\n" + place + b"\n"


def _shown(entry: Mapping[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = plain({name: value for name, value in entry.items() if name not in _HIDDEN})
    return shown


def _event(data: Mapping[str, Any], id: ObjectId | None) -> bytes:
    end = b"id: %b\n\n" % str(id).encode() if id is not None else b"\n"
    return _data(data) + end


def _data(value: Mapping[str, Any]) -> bytes:
    """JSON as WildDuck writes it, a C{data} field for each line; it holds no other line breaks."""
    lines = msgspec.json.format(msgspec.json.encode(value), indent=2).split(b"\n")
    return b"".join(b"data: %b\n" % line for line in lines)
