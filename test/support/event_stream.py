"""A blocking reader of event streams (WHATWG HTML §9.2), run in a thread."""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass
from typing import Any

from twisted.internet.threads import deferToThread


@dataclass(frozen=True)
class Event:
    """
    @ivar data: decoded; C{None} for a block without data.
    @ivar id: C{""} for none.
    @ivar comment: text of a comment in the block.
    """

    data: Any
    id: str
    kind: str
    comment: str


class EventStream:
    """
    @ivar status: of the answer.
    @ivar last: the last id, to begin again with.
    """

    def __init__(self, port: int, path: str, headers: dict[str, str]) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self._connection.request("GET", path, None, headers)
        self._answer = self._connection.getresponse()
        self.status = self._answer.status
        self.headers = {name.lower(): value for name, value in self._answer.getheaders()}
        self.last = ""

    @classmethod
    async def open(cls, port: int, path: str, headers: dict[str, str]) -> EventStream:
        """Connect and read the header."""
        return await deferToThread(cls, port, path, headers)

    async def block(self) -> Event | None:
        """The next block, be it an event or not; C{None} at the end."""
        return await deferToThread(self._block)

    async def event(self) -> Any:
        """The data of the next event; C{None} at the end."""
        while True:
            block = await self.block()
            if block is None or block.data is not None:
                return block.data if block is not None else None

    async def events(self, count: int) -> list[Event]:
        """So many events with data, or all that come until the end."""
        return await deferToThread(self._events, count)

    async def refusal(self) -> Any:
        """The JSON of an answer that is no stream."""
        return json.loads(await deferToThread(self._answer.read))

    def close(self) -> None:
        """Hang up."""
        self._answer.close()
        self._connection.close()

    def _events(self, count: int) -> list[Event]:
        found: list[Event] = []
        while len(found) < count:
            block = self._block()
            if block is None:
                break
            if block.data is not None:
                found.append(block)
        return found

    def _block(self) -> Event | None:
        data: list[str] = []
        id = kind = comment = ""
        while True:
            line = self._answer.readline().decode()
            if not line:
                return None
            line = line.rstrip("\n")
            if not line:
                break
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if name == "data":
                data.append(value)
            elif name == "id":
                id = self.last = value
            elif name == "event":
                kind = value
            elif not name:
                comment = value
        return Event(json.loads("\n".join(data)) if data else None, id, kind, comment)
