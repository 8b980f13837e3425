"""
Random and mutated bytes over real sockets leave the server answering, its log clean and its memory as it was.

Each worker plays one session after the other (L{test.imap.hostile_bytes}) on
accounts that it takes new ones of, so that what the bytes store stays little.
"""

from __future__ import annotations

import random
import re
import select
import socket
import threading
import time
from collections import Counter

from test.imap.hostile_bytes import Session, readable
from test.support.server_process import PASSWORD, ServerProcess

WORKERS = 4
#: Bytes by one worker on one account, and what it may store there.
_ACCOUNT_FED = 150_000
_ACCOUNT_QUOTA = 100_000
#: Resident bytes over those after the first tenth.
ALLOWED_BYTES = 60 * 1024 * 1024
#: Ends IDLE, AUTHENTICATE and most broken literals, and asks for an answer.
_CLOSER = b"\r\nDONE\r\n*\r\nzz NOOP\r\n"
_CLOSERS = 5
_SECONDS = 0.5
_TAGGED = re.compile(rb"^[^ *+\r\n]+ (OK|NO|BAD) ", re.MULTILINE)
#: A healthy session answers within.
_PATIENCE = 60.0


class _Fed:
    """What all workers have done together."""

    def __init__(self, server: ServerProcess, amount: int) -> None:
        self.server = server
        self.bytes = 0
        self.sessions = 0
        self.unanswered = 0
        self.answers: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.samples: list[tuple[int, int]] = []
        self._amount = amount
        self._step = max(1, amount // 50)
        self._lock = threading.Lock()

    @property
    def enough(self) -> bool:
        return self.bytes >= self._amount or len(self.wrong) > 20

    def add(self, fed: int, said: bytes, answered: bool) -> None:
        found = _TAGGED.findall(said)
        with self._lock:
            self.answers.update(word.decode() for word in found)
            before = self.bytes // self._step
            self.bytes += fed
            self.sessions += 1
            self.unanswered += not answered
            if self.bytes // self._step != before:
                self.samples.append((self.bytes, self.server.memory()))

    def grown(self) -> int:
        """Most bytes over the resident set after the first tenth, when all code has run once."""
        warm = [memory for fed, memory in self.samples if fed >= self._amount // 10]
        return max(warm) - warm[0] if warm else 0


def run(server: ServerProcess, amount: int, seed: int) -> bool:
    """
    @param amount: bytes fed in all.
    @param seed: of the first worker; the others have those after it.
    @return: whether the server answered to the end, in bounded memory.  (Its log is
        looked at by the caller.)
    """
    fed = _Fed(server, amount)
    began = time.monotonic()
    workers = [threading.Thread(target=_work, args=(fed, seed + index)) for index in range(WORKERS)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for text in fed.wrong:
        print(f"bytes: {text}")
    print(f"bytes: answers: {dict(fed.answers)}")
    memory = [sample for _, sample in fed.samples]
    print(
        f"bytes: {fed.bytes / 1e6:.1f} million in {fed.sessions} sessions and "
        f"{time.monotonic() - began:.0f} s; {fed.unanswered} ended within a literal"
    )
    if memory:
        first, last, most = (value / 2**20 for value in (memory[0], memory[-1], max(memory)))
        print(f"bytes: resident {first:.0f} MiB at first, {last:.0f} at last, {most:.0f} at most", flush=True)
    served = min(fed.answers[word] for word in ("OK", "NO", "BAD")) >= fed.sessions
    return served and not fed.wrong and fed.unanswered <= fed.sessions // 10 and fed.grown() <= ALLOWED_BYTES


def _work(fed: _Fed, seed: int) -> None:
    rng = random.Random(seed)
    name, left = "", 0
    number = 0
    try:
        while not fed.enough:
            if left <= 0:
                _check(fed, name)
                number += 1
                name, left = f"bytes-{seed}-{number}", _ACCOUNT_FED
                fed.server.account(name, _ACCOUNT_QUOTA)
            session = Session(rng, name.encode(), PASSWORD.encode())
            said, answered = _play(fed.server.ports["imap"], session)
            left -= session.fed + 1000
            fed.add(session.fed, said, answered)
            if b"SERVERBUG" in said:
                fed.wrong.append(f"SERVERBUG: {said[-2000:]!r}")
        _check(fed, name)
    except Exception as error:
        fed.wrong.append(f"worker {seed}: {error!r}")


def _check(fed: _Fed, name: str) -> None:
    """A session that does nothing wrong is served."""
    if name:
        with fed.server.imap(name) as client:
            client.select()


def _play(port: int, session: Session) -> tuple[bytes, bool]:
    """@return: what the server said, and whether it answered in the end, or ended the session."""
    said = bytearray()
    with socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE) as client:
        try:
            for piece in session.pieces():
                client.sendall(piece)
                _read(client, said, 0)
            for _ in range(_CLOSERS):
                client.sendall(session.packed(_CLOSER))
                goes_on = _read(client, said, _SECONDS)
                if not goes_on or b"\r\nzz " in readable(bytes(said)):
                    return readable(bytes(said)), True
        except ConnectionError:
            return readable(bytes(said)), True
    return readable(bytes(said)), False


def _read(client: socket.socket, said: bytearray, seconds: float) -> bool:
    """Take in what comes, until nothing does for that time or C{zz} is answered; false at the end."""
    while select.select([client], [], [], seconds)[0]:
        data = client.recv(1 << 16)
        if not data:
            return False
        said += data
        if seconds and b"\r\nzz " in data:
            return True
    return True
