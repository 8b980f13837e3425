"""
Clients that come back to a mailbox that others have changed, and hear by CONDSTORE (RFC 7162 §3.1) or
QRESYNC (§3.2) what has changed and nothing else: imaplib, IMAPClient, imapflow.

Each takes all messages over and leaves; comes back and catches up; then it looks on while more is changed.
"""

from __future__ import annotations

import imaplib
import json
import os
import re
import sys
from collections.abc import Callable, Sequence

from test.interop import others, workers
from test.interop.case import Failed, Setting, expect
from test.interop.packages import npm, pypi
from test.interop.recorder import Conversation
from test.support.server_process import PASSWORD

_HERE = os.path.dirname(os.path.abspath(__file__))
_SECONDS = 60.0


class _Mirror:
    """
    INBOX by imaplib's means.

    @ivar state: as L{others.truth}.
    """

    def __init__(self) -> None:
        self.state: others.State = {}
        self._validity = 0
        self._modseq = 0

    def open(self, port: int, user: str) -> imaplib.IMAP4:
        """Sign in and select; by QRESYNC, unless it is the first time."""
        client = imaplib.IMAP4("127.0.0.1", port, timeout=_SECONDS)
        client.login(user, PASSWORD)
        # It asks for the capabilities once only, before sign-in, when ENABLE is not among them.
        client.capabilities = tuple(client.capability()[1][0].decode().split())
        answer = client.enable("QRESYNC")
        expect(answer[0] == "OK", f"ENABLE was answered {answer}")
        known = f" (QRESYNC ({self._validity} {self._modseq}))" if self._modseq else ""
        answer = client.select(f"INBOX{known}")
        expect(answer[0] == "OK", f"SELECT was answered {answer}")
        validity = int(_last(client, "UIDVALIDITY"))
        expect(self._validity in (0, validity), "UIDVALIDITY has changed")
        self._validity = validity
        self.hear(client)
        self._modseq = int(_last(client, "HIGHESTMODSEQ"))
        return client

    def hear(self, client: imaplib.IMAP4) -> None:
        """Take in the untagged responses, and fetch what is new."""
        for row in _untagged(client, "VANISHED"):
            for uid in _expanded(row.rpartition(b" ")[2]):
                self.state.pop(uid, None)
        for row in _untagged(client, "FETCH"):
            uid, flags = _uid_and_flags(row)
            if uid in self.state:
                self.state[uid] = (flags, self.state[uid][1])
        first = max(self.state, default=0) + 1
        for row in client.uid("FETCH", f"{first}:*", "(FLAGS BODY.PEEK[])")[1]:
            if isinstance(row, tuple):
                uid, flags = _uid_and_flags(row[0])
                self.state[uid] = (flags, others.digest(row[1]))


def imaplib_resyncs(setting: Setting) -> str:
    """imaplib by QRESYNC, and by NOOP while it is there."""
    user = "imaplib-resyncs"
    others.prepare(setting, user)
    mirror = _Mirror()
    mirror.open(setting.ports["imap"], user).logout()
    others.compare(setting, user, mirror.state)
    changes = others.change(setting, user, 1)
    before = len(setting.recorder.seen())
    client = mirror.open(setting.ports["imap"], user)
    others.compare(setting, user, mirror.state)
    others.told(setting.recorder.seen()[before:], changes)
    others.change(setting, user, 2)
    client.noop()
    mirror.hear(client)
    others.compare(setting, user, mirror.state)
    client.logout()
    talks = setting.recorder.seen()[before:]
    others.asked(talks, r"ENABLE QRESYNC", r"SELECT INBOX \(QRESYNC \(\d+ \d+\)\)")
    _heard(talks, rb"VANISHED \(EARLIER\) [\d,:]+", rb"VANISHED [\d,:]+")
    return "caught up by SELECT (QRESYNC ...) and NOOP"


def imapclient_condstore(setting: Setting) -> str:
    """IMAPClient by CHANGEDSINCE and SEARCH, and IDLE."""
    talks = _script(setting, "imapclient-condstore", _imapclient, "CONDSTORE")
    others.asked(talks, r"ENABLE CONDSTORE", r"UID FETCH .* \(CHANGEDSINCE \d+\)", r"IDLE")
    return "caught up by FETCH (CHANGEDSINCE ...) and in IDLE"


def imapclient_qresync(setting: Setting) -> str:
    """IMAPClient by CHANGEDSINCE with VANISHED, and IDLE."""
    talks = _script(setting, "imapclient-qresync", _imapclient, "QRESYNC")
    others.asked(talks, r"ENABLE QRESYNC", r"UID FETCH .* \(CHANGEDSINCE \d+ VANISHED\)", r"IDLE")
    _heard(talks, rb"VANISHED \(EARLIER\) [\d,:]+", rb"VANISHED [\d,:]+")
    return "caught up by FETCH (CHANGEDSINCE ... VANISHED) and in IDLE"


def imapflow(setting: Setting) -> str:
    """imapflow by QRESYNC and IDLE, compressed."""
    talks = _script(setting, "imapflow-resyncs", _imapflow, "")
    others.asked(
        talks, r"COMPRESS DEFLATE", r"ENABLE .*QRESYNC", r"SELECT INBOX \(QRESYNC \(\d+ \d+\)\)", r"IDLE"
    )
    _heard(talks, rb"VANISHED \(EARLIER\) [\d,:]+", rb"VANISHED [\d,:]+")
    return "caught up by SELECT (QRESYNC ...) and in IDLE, compressed"


def _imapclient(extension: str) -> tuple[list[str], list[str]]:
    folder = pypi("IMAPClient", "3.0.1")
    return [sys.executable, os.path.join(_HERE, "imapclient_resyncs.py"), folder], [extension]


def _imapflow(_extension: str) -> tuple[list[str], list[str]]:
    node, folder = npm("imapflow", "2.1.2")
    return [node, os.path.join(_HERE, "imapflow_resyncs.js"), folder], []


def _script(
    setting: Setting, user: str, program: Callable[[str], tuple[list[str], list[str]]], extension: str
) -> list[Conversation]:
    """
    Run a script three times: for all messages, for what has changed, and for what changes meanwhile.

    @return: what was said from the second time on.
    """
    others.prepare(setting, user)
    path = os.path.join(setting.place(user), "state.json")
    first, options = program(extension)
    known = [*first, str(setting.ports["imap"]), user, PASSWORD, "", path, *options]

    def run(keyword: str, happen: Callable[[str], object] = lambda step: None) -> None:
        workers.steps(setting, user, [*known, keyword], happen)
        with open(path) as file:
            rows = json.load(file)["rows"]
        others.compare(setting, user, {int(uid): (row[0], row[1]) for uid, row in rows.items()})

    run("")
    changes = others.change(setting, user, 1)
    before = len(setting.recorder.seen())
    run("")
    others.told(setting.recorder.seen()[before:], changes)
    run(others.last(2), lambda step: others.change(setting, user, 2))
    return setting.recorder.seen()[before:]


def _untagged(client: imaplib.IMAP4, code: str) -> list[bytes]:
    return [row for row in client.response(code)[1] if row is not None]


def _last(client: imaplib.IMAP4, code: str) -> bytes:
    found = _untagged(client, code)
    expect(found, f"SELECT told no {code}")
    return found[-1]


def _uid_and_flags(row: bytes) -> tuple[int, list[str]]:
    uid, flags = re.search(rb"\bUID (\d+)", row), re.search(rb"\bFLAGS \(([^)]*)\)", row)
    if not uid or not flags:
        raise Failed(f"FETCH without UID or FLAGS: {row!r}")
    return int(uid[1]), sorted(set(flags[1].decode().split()) - {"\\Recent"})


def _expanded(uids: bytes) -> set[int]:
    found: set[int] = set()
    for piece in uids.split(b","):
        first, _, end = piece.partition(b":")
        found |= set(range(int(first), int(end or first) + 1))
    return found


def _heard(talks: Sequence[Conversation], *patterns: bytes) -> None:
    answers = b"".join(talk.said(True) for talk in talks)
    for pattern in patterns:
        expect(re.search(rb"(?m)^\* " + pattern + rb"\r$", answers), f"the server did not say {pattern!r}")
