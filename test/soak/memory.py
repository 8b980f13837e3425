"""
Memory does not grow with messages: one session reads large ones slowly while another appends.

Both are done once for warming up; from then on the resident set of the
server's process, sampled each second, must stay close to what it was.
"""

from __future__ import annotations

import hashlib
import itertools
import random
import threading
import time
from collections.abc import Iterator

from test.support.blocking_imap import Digest, digest_of
from test.support.server_process import ServerProcess

MESSAGE_BYTES = 50_000_000
#: Above and below the warm value.
ALLOWED_BYTES = 60 * 1024 * 1024
READS = 20
READ_RATE = 20_000_000.0
_SAMPLE_SECONDS = 1.0
_USER = "soak-memory"
_BLOCK = 1 << 18
_LINE = 76


class Large:
    """A message of one base64 attachment, made block by block and the same each time."""

    def __init__(self, seed: int, length: int = MESSAGE_BYTES) -> None:
        self._seed = seed
        self._head = (
            f"From: soak@example.net\r\nSubject: large {seed}\r\nMIME-Version: 1.0\r\n"
            'Content-Type: application/octet-stream; name="large.bin"\r\n'
            "Content-Transfer-Encoding: base64\r\n\r\n"
        ).encode()
        self._lines = (length - len(self._head)) // (_LINE + 2)
        self.length = len(self._head) + self._lines * (_LINE + 2)

    def blocks(self) -> Iterator[bytes]:
        """The message; lines come from a small stock, in an order that no other seed has."""
        rng = random.Random(self._seed)
        alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
        stock = ["".join(rng.choices(alphabet, k=_LINE)).encode() + b"\r\n" for _ in range(997)]
        yield self._head
        block: list[bytes] = []
        size = 0
        for number in range(self._lines):
            line = stock[(number * number + number // 7) % len(stock)]
            block.append(line)
            size += len(line)
            if size >= _BLOCK:
                yield b"".join(block)
                block, size = [], 0
        yield b"".join(block)


class _Sampler(threading.Thread):
    """Notes the resident set each second until it is stopped."""

    def __init__(self, server: ServerProcess) -> None:
        super().__init__(daemon=True)
        self._server = server
        self._enough = threading.Event()
        self.samples = [server.memory()]

    def run(self) -> None:
        while not self._enough.wait(_SAMPLE_SECONDS):
            self.samples.append(self._server.memory())

    def stop(self) -> list[int]:
        """The samples, the first from before."""
        self._enough.set()
        self.join()
        return [*self.samples, self._server.memory()]


class _Appender(threading.Thread):
    """Appends one large message after the other."""

    def __init__(self, server: ServerProcess) -> None:
        super().__init__(daemon=True)
        self._server = server
        self._enough = threading.Event()
        self.appended = 0
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            with self._server.imap(_USER) as client:
                for seed in itertools.count(1000):
                    message = Large(seed)
                    client.append("Drafts", message.blocks(), message.length)
                    self.appended += 1
                    if self._enough.is_set():
                        return
        except Exception as error:
            self.error = error

    def stop(self) -> None:
        """Let it finish the message at hand."""
        self._enough.set()
        self.join()


def run(server: ServerProcess, reads: int = READS, rate: float = READ_RATE) -> bool:
    """
    @param reads: messages of L{MESSAGE_BYTES} that are read.
    @param rate: bytes per second that the reader takes.
    @return: whether memory stayed where it was, and every byte came.
    """
    server.account(_USER)
    wanted = []
    with server.imap(_USER) as client:
        for seed in range(reads):
            message = Large(seed)
            client.append("INBOX", message.blocks(), message.length)
            wanted.append(_digest(message))
    right = _read(server, 1, 0) == wanted[:1]  # the warm-up; the appends before were the other half
    sampler, appender = _Sampler(server), _Appender(server)
    sampler.start()
    appender.start()
    began = time.monotonic()
    right = _read(server, reads, rate) == wanted and right
    seconds = time.monotonic() - began
    appender.stop()
    samples = sampler.stop()
    warm, least, most = samples[0], min(samples), max(samples)
    print(
        f"memory: read {reads} messages of {MESSAGE_BYTES / 1e6:.0f} MB in {seconds:.0f} s, "
        f"appended {appender.appended} of them meanwhile"
    )
    mib = [f"{value / 2**20:.1f}" for value in (warm, least, most)]
    print(f"memory: warm {mib[0]} MiB, then {mib[1]} to {mib[2]} MiB in {len(samples)} samples", flush=True)
    if appender.error:
        print(f"memory: APPEND failed: {appender.error}", flush=True)
    if not right:
        print("memory: other bytes came back", flush=True)
    near = most - warm <= ALLOWED_BYTES and warm - least <= ALLOWED_BYTES
    return near and right and appender.error is None and appender.appended > 0


def _read(server: ServerProcess, count: int, rate: float) -> list[Digest]:
    """Read the first messages, at most so many bytes per second; their digests."""
    with server.imap(_USER, receive=1 << 16) as client:
        client.read_rate = rate or None
        client.select()
        rows = (client.command(f"FETCH {number} (BODY.PEEK[])").row() for number in range(1, count + 1))
        return [digest_of(row["BODY[]"]) for row in rows]


def _digest(message: Large) -> Digest:
    sha256 = hashlib.sha256()
    for block in message.blocks():
        sha256.update(block)
    return Digest(message.length, sha256.digest())
