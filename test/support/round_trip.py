"""One message through the server and back, compared by digest while it streams."""

from __future__ import annotations

import hashlib
from typing import Any

from test.support.blocking_imap import Digest, Sink
from test.support.server_process import ServerProcess

#: Ways in.
DATA, APPEND, BDAT, APPEND_WITHOUT_WAITING = range(4)

_BLOCK = 1 << 18
_ATTEMPTS = 3
_TEMPORARY = ("4", "NO [UNAVAILABLE]")
#: Lines that delivery adds: two of them, whatever their order.
_ADDED_LINES = 2
_ADDED_BYTES = 1000


class _AfterAdded:
    """Digests what follows the lines that delivery adds."""

    def __init__(self, lines: int) -> None:
        self._lines = lines
        self._head = b""
        self.length = 0
        self.sha256 = hashlib.sha256()

    def __call__(self, block: bytes) -> None:
        if self._lines:
            self._head += block
            if self._head.count(b"\n") < self._lines and len(self._head) < _ADDED_BYTES:
                return
            block = self._head.split(b"\n", self._lines)[-1]
            self._lines = 0
        self.length += len(block)
        self.sha256.update(block)

    def value(self) -> Digest:
        return Digest(self.length, self.sha256.digest())


class RoundTrip:
    """
    Sends messages by BDAT, APPEND and DATA in turns, and reads each one back.

    What is refused for the moment (a disk that stands still for seconds) is sent again, as any sender does.

    @ivar repeated: how often that was.
    """

    def __init__(self, server: ServerProcess, user: str = "roundtrip") -> None:
        self.repeated = 0
        self._address = server.account(user)
        self._lmtp = server.lmtp()
        self._imap = server.imap(user)
        self._imap.select()

    def __enter__(self) -> RoundTrip:
        return self

    def __exit__(self, *_: object) -> None:
        self._lmtp.close()
        self._imap.close()

    def run(self, way: int, message: bytes) -> list[str]:
        """
        Send and read one message.

        @param way: L{DATA}, L{APPEND} and so on, or any number.
        @return: what went wrong, in words.
        """
        way %= 4
        refused = ""
        for _ in range(_ATTEMPTS):
            refused = self._send(way, message)
            if not refused.startswith(_TEMPORARY):
                break
            self.repeated += 1
        if refused:
            return [f"refused: {refused}"]
        expected = Digest(len(message), hashlib.sha256(message).digest())
        sink = _AfterAdded(_ADDED_LINES if way in (DATA, BDAT) else 0)
        row = self.newest("(RFC822.SIZE BODY.PEEK[])", sink)
        problems = []
        if sink.value() != expected:
            problems.append(f"{sink.value().length} other bytes came back, not the {expected.length} sent")
        if row["RFC822.SIZE"] != row["BODY[]"].length:
            problems.append(f"RFC822.SIZE {row['RFC822.SIZE']}, but BODY[] has {row['BODY[]'].length} bytes")
        return problems

    def _send(self, way: int, message: bytes) -> str:
        """What a refusal said, or nothing."""
        blocks = [message[at : at + _BLOCK] for at in range(0, len(message), _BLOCK)]
        if way in (APPEND, APPEND_WITHOUT_WAITING):
            synchronizing = way == APPEND
            answer = self._imap.append(
                "INBOX", blocks, len(message), synchronizing=synchronizing, check=False
            )
            return "" if answer.status == "OK" else f"{answer.status} {answer.text.decode()}"
        send = self._lmtp.data if way == DATA else self._lmtp.bdat
        (reply,) = send(message if way == DATA else blocks, [self._address])
        return "" if reply.code == 250 else f"{reply.code} {reply.text}"

    def newest(self, items: str, sink: Sink | None = None) -> dict[str, Any]:
        """FETCH of the last message."""
        self._imap.command("NOOP")
        return self._imap.command(f"FETCH * {items}", sink=sink).row()
