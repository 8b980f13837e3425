"""A reader of C{GET /users/:user/updates}, an event stream of either server."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

from test.interop.case import Failed


class EventStream:
    """
    Reads in a thread of its own while its context lasts.

    @ivar events: what came, each with its C{id}.
    """

    def __init__(self, port: int, user: object, last: str | None = None) -> None:
        """@param last: C{Last-Event-ID}."""
        self.events: list[dict[str, Any]] = []
        self._changed = threading.Condition()
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": last} if last else {})
        self._connection.request("GET", f"/users/{user}/updates", headers=headers)
        self._answer = self._connection.getresponse()
        kind = self._answer.headers.get("Content-Type") or ""
        if self._answer.status != 200 or "text/event-stream" not in kind:
            raise Failed(f"the event stream answers {self._answer.status} {kind}")
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def __enter__(self) -> EventStream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Hang up."""
        if self._connection.sock is not None:
            self._connection.sock.shutdown(socket.SHUT_RDWR)
        self._thread.join(10)
        self._connection.close()

    def wait(self, holds: Callable[[dict[str, Any]], Any], seconds: float, what: str) -> dict[str, Any]:
        """
        The first event of which something is true, also one that came before.

        @raise Failed: there is none within that time.
        """
        deadline = time.monotonic() + seconds
        with self._changed:
            while True:
                for event in self.events:
                    if holds(event):
                        return event
                left = deadline - time.monotonic()
                if left <= 0:
                    raise Failed(f"the event stream does not tell of {what}: {self.events[-5:]}")
                self._changed.wait(left)

    def _read(self) -> None:
        lines: list[str] = []
        try:
            while raw := self._answer.readline():
                lines = self._line(raw, lines)
        except (OSError, ValueError, AttributeError):
            return

    def _line(self, raw: bytes, lines: list[str]) -> list[str]:
        """Take a line; those of the event that is under way."""
        line = raw.decode().rstrip("\r\n")
        if line.startswith(":"):
            return lines
        if line:
            return [*lines, line]
        self._event(lines)
        return []

    def _event(self, lines: list[str]) -> None:
        data = "\n".join(line[5:].strip() for line in lines if line.startswith("data:"))
        if data:
            event = json.loads(data)
            event["id"] = next((line[3:].strip() for line in lines if line.startswith("id:")), None)
            with self._changed:
                self.events.append(event)
                self._changed.notify_all()
