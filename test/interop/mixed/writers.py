"""
Sessions of both servers that change two mailboxes at random, at the same time.

Not asked for is what WildDuck does not do right by itself (store.md §2, §3): its sessions miss changes whose
MODSEQs become visible out of order, and its STORE loses one that happens at the same time.
"""

from __future__ import annotations

import base64
import random
import threading
import time
from collections import Counter
from typing import Any

from test.interop.case import Failed, Setting, expect
from test.interop.mixed.cluster import Cluster, cluster
from test.interop.mixed.shown import same
from test.support.blocking_imap import Answer, Imap

_USER = "writers"
_MAILBOXES = ("INBOX", "Work")
_SECONDS = 12.0
#: What a hole in the order of MODSEQs may delay (store.md §2), and some more.
_SETTLE_SECONDS = 15.0
_SEED = 20260101
_FLAGS = ("\\Seen", "\\Flagged", "\\Answered", "\\Draft", "$Label1", "$Label2")


def random_writers(setting: Setting) -> str:
    """In the end both show the same, to old sessions and to new ones, and the verifier finds nothing."""
    mixed = cluster(setting)
    user = mixed.account(_USER)
    with mixed.imap("ours", _USER) as client:
        client.command("CREATE Work")
        for number in range(30):
            client.append("INBOX", _message(number))
    mixed.fill_counters(user)
    writers = [_Writer(mixed, server, number) for number, server in enumerate(["ours", "theirs"] * 2)]
    try:
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        problems = [problem for writer in writers for problem in writer.problems]
        expect(not problems, "\n".join(problems))
        for mailbox in _MAILBOXES:
            same(mixed, _USER, mailbox)
        for writer in writers:
            if writer.server == "ours":
                writer.settled()
        # How many are unseen WildDuck counts from documents as they were a while before.
        wrong = mixed.wrong_counters(user, ("total",))
        expect(not wrong, "; ".join(wrong))
    finally:
        for writer in writers:
            writer.client.close()
    _verified(mixed)
    done = sum((writer.done for writer in writers), Counter())
    refused = sum((writer.refused for writer in writers), Counter())
    said = ", ".join(f"{count} {name}" for name, count in sorted(done.items()))
    return said + (f"; WildDuck refused {dict(refused)}" if refused else "")


def _verified(mixed: Cluster) -> None:
    """
    Nothing is left behind, but for what is kept a while for messages that went while they were copied.

    @raise Failed: something is.
    """
    found = mixed.verified()
    if found:
        time.sleep(_SETTLE_SECONDS)
        found = mixed.verified()
    expect(not found, "verify:\n" + "\n".join(found))


class _Writer(threading.Thread):
    """
    One session.

    @ivar server: C{"ours"} or C{"theirs"}.
    @ivar done: commands that succeeded, by name.
    @ivar refused: commands that WildDuck refused.
    @ivar problems: what must not be.
    """

    def __init__(self, mixed: Cluster, server: str, number: int) -> None:
        super().__init__(daemon=True)
        self.client: Imap = mixed.imap(server, _USER)
        self.done: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.problems: list[str] = []
        self._mixed = mixed
        self.server = server
        self._rng = random.Random(_SEED + number)
        self._number = number
        self._appended = 0
        self._selected = ""
        self._select("INBOX")

    def run(self) -> None:
        until = time.monotonic() + _SECONDS
        acts = [self._append, self._store, self._copy, self._move, self._expunge, self._other, self._noop]
        try:
            while time.monotonic() < until and not self.problems:
                self._rng.choices(acts, weights=[4, 6, 2, 3, 2, 1, 2])[0]()
        except Exception as error:
            self.problems.append(f"{self._who}: {type(error).__name__}: {error}")

    @property
    def _who(self) -> str:
        return f"writer {self._number} of {self.server}"

    def settled(self) -> None:
        """
        The session, which was told of everything, shows what a new one does.

        @raise Failed: not soon.
        """
        deadline = time.monotonic() + _SETTLE_SECONDS
        while True:
            self.client.command("NOOP")
            mine = self._shown(self.client)
            with self._mixed.imap(self.server, _USER) as fresh:
                fresh.select(self._selected)
                there = self._shown(fresh)
            if mine == there:
                return
            if time.monotonic() > deadline:
                gone, came = sorted(set(mine) - set(there)), sorted(set(there) - set(mine))
                flags = {
                    uid: (mine[uid], there[uid]) for uid in mine if there.get(uid, mine[uid]) != mine[uid]
                }
                raise Failed(
                    f"{self._who} in {self._selected}: shows {gone} that are gone, "
                    f"does not show {came}, has other flags of {flags}"
                )
            time.sleep(0.2)

    def _shown(self, client: Imap) -> dict[int, Any]:
        rows = client.command("UID FETCH 1:* (UID FLAGS)").rows()
        return {row["UID"]: frozenset(row["FLAGS"]) - {b"\\Recent"} for row in rows.values() if "UID" in row}

    # --- what it does ----------------------------------------------------------

    def _command(self, line: str) -> Answer:
        answer = self.client.command(line, check=False)
        name = line.split()[1] if line.startswith("UID") else line.split()[0]
        self._count(name, answer)
        return answer

    def _count(self, name: str, answer: Answer) -> None:
        if answer.status == "OK":
            self.done[name] += 1
        elif self.server == "theirs" and answer.status == "NO":
            self.refused[f"{name}: {answer.text.decode('utf-8', 'replace')}"] += 1
        else:
            self.problems.append(f"{self._who}: {name}: {answer.status} {answer.text!r}")

    def _select(self, mailbox: str) -> None:
        self.client.select(mailbox)
        self._selected = mailbox

    def _some(self, most: int) -> str:
        """UIDs of a few messages, or of none that is there."""
        found = self._command("UID SEARCH ALL")
        uids = [
            uid for row in found.untagged if row[:1] == [b"SEARCH"] for uid in row[1:] if isinstance(uid, int)
        ]
        chosen = self._rng.sample(uids, min(len(uids), self._rng.randint(1, most)))
        return ",".join(map(str, sorted(chosen))) or "1"

    def _append(self) -> None:
        self._appended += 1
        message = _message(1000 * (self._number + 1) + self._appended)
        self._count("APPEND", self.client.append(self._rng.choice(_MAILBOXES), message, check=False))

    def _store(self) -> None:
        flags = " ".join(self._rng.sample(_FLAGS, self._rng.randint(1, 3)))
        self._command(f"UID STORE {self._some(8)} {self._rng.choice(['+', '-', ''])}FLAGS ({flags})")

    def _copy(self) -> None:
        self._command(f"UID COPY {self._some(3)} {self._rng.choice(_MAILBOXES)}")

    def _move(self) -> None:
        target = "Work" if self._selected == "INBOX" else "INBOX"
        self._command(f"UID MOVE {self._some(5)} {target}")

    def _expunge(self) -> None:
        uids = self._some(3)
        self._command(f"UID STORE {uids} +FLAGS.SILENT (\\Deleted)")
        self._command(f"UID EXPUNGE {uids}")

    def _other(self) -> None:
        self._select("Work" if self._selected == "INBOX" else "INBOX")

    def _noop(self) -> None:
        self._command("NOOP")


def _message(number: int) -> bytes:
    """Every third has an attachment, one of three contents."""
    head = f"From: w@example.net\r\nSubject: {number}\r\nMessage-ID: <{number}@w.example>\r\n"
    head += "MIME-Version: 1.0\r\n"
    if number % 3:
        return f"{head}\r\nnumber {number}\r\n".encode()
    content = base64.encodebytes(bytes([number % 7]) * 5000).replace(b"\n", b"\r\n")
    return (
        head.encode()
        + b'Content-Type: multipart/mixed; boundary="x"\r\n\r\n--x\r\nContent-Type: text/plain\r\n\r\n'
        b"see\r\n--x\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + content
        + b"--x--\r\n"
    )
