"""Client libraries that do everything in an account, and IDLE: imapflow (npm), IMAPClient (PyPI)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from test.interop import supply
from test.interop.case import Failed, Setting, environment, expect
from test.interop.packages import npm, pypi
from test.support.server_process import PASSWORD

_HERE = os.path.dirname(os.path.abspath(__file__))
_SECONDS = 60.0

#: (subject, sender, text)
_MAIL = (
    ("report 1", "boss@example.net", "Text."),
    ("report 2", "boss@example.net", "Text."),
    ("offer 1", "shop@example.net", "Text."),
    ("offer 2", "shop@example.net", "Text."),
    ("news", "list@example.net", "Text."),
    ("hello", "friend@example.net", "A needle."),
)

#: What both scripts print at each step, but for what is compared apart.
_SEEN: dict[str, Any] = {
    "all": [subject for subject, _, _ in _MAIL],
    "search": [1, 2],
    "or": [3, 4, 6],
    "since": 6,
    "moved": [1, 2],
    "copied": [3, 4],
    "keyword": 2,
    "left": ["offer 1", "offer 2", "hello"],
    "appended": True,
    "idling": True,
    "exists": 4,
    "flags": ["\\Answered"],
    "expunge": 1,
}
_USE = {"\\Inbox": "INBOX", "\\Drafts": "Drafts", "\\Junk": "Junk", "\\Sent": "Sent Mail", "\\Trash": "Trash"}


def imapflow(setting: Setting) -> str:
    """imapflow without TLS."""
    return _imapflow(setting, "imapflow-works", "imap", "")


def imapflow_tls(setting: Setting) -> str:
    """imapflow in TLS, with the certificate checked."""
    return _imapflow(setting, "imapflow-tls", "imap_tls", setting.certificate())


def imapclient(setting: Setting) -> str:
    """IMAPClient without TLS."""
    return _imapclient(setting, "imapclient-works", "imap", "")


def imapclient_tls(setting: Setting) -> str:
    """IMAPClient in TLS, with the certificate checked."""
    return _imapclient(setting, "imapclient-tls", "imap_tls", setting.certificate())


def _imapflow(setting: Setting, user: str, listener: str, certificate: str) -> str:
    node, folder = npm("imapflow", "2.1.2")
    script = os.path.join(_HERE, "imapflow_works.js")
    seen = _work(setting, user, [node, script, folder], listener, certificate)
    expect(seen["namespace"] == {"prefix": "", "delimiter": "/"}, f"NAMESPACE {seen['namespace']}")
    return "mailboxes, search, move, copy, delete, append, status, and three events in IDLE"


def _imapclient(setting: Setting, user: str, listener: str, certificate: str) -> str:
    folder = pypi("IMAPClient", "3.0.1")
    script = os.path.join(_HERE, "imapclient_works.py")
    seen = _work(setting, user, [sys.executable, script, folder], listener, certificate)
    expect(seen["namespace"] == [[["", "/"]], None, None], f"NAMESPACE {seen['namespace']}")
    return "mailboxes, search, move, copy, delete, append, status, and three events in IDLE"


def _work(
    setting: Setting, user: str, command: Sequence[str], listener: str, certificate: str
) -> dict[str, Any]:
    """Run a script with mail of its own, and judge what both print alike; all that it printed."""
    address = setting.account(user)
    for subject, sender, text in _MAIL:
        head = f"From: {sender}\r\nSubject: {subject}\r\nDate: Mon, 2 Nov 2026 10:00:00 +0200\r\n"
        supply.deliver(setting, address, [f"{head}\r\n{text}\r\n".encode()])
    arguments = [*command, str(setting.ports[listener]), user, PASSWORD, certificate]
    seen = steps(setting, user, arguments, lambda step: _happen(setting, user, step))
    for step, wanted in _SEEN.items():
        expect(seen.get(step) == wanted, f"{step}: {seen.get(step)}, not {wanted}")
    boxes = seen["mailboxes"]
    paths = sorted(["Drafts", "INBOX", "Junk", "Older", "Sent Mail", "Trash", "Work", "Work/Reports"])
    expect(boxes["paths"] == paths, f"LIST shows {boxes['paths']}")
    expect(boxes["use"] == _USE, f"special uses: {boxes['use']}")
    status = seen["status"]
    expect((status["messages"], status["unseen"]) == (3, 2), f"STATUS shows {status}")
    return seen


def steps(
    setting: Setting,
    user: str,
    command: Sequence[str],
    happen: Callable[[str], object],
    variables: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """
    What a script prints, by step; its errors, which are its log, are judged.

    @param happen: called with the name of each step, for what the script then waits for.
    @param variables: added to its environment.
    @raise Failed: it fails, or does not end in time.
    """
    home = setting.place(user)
    process = subprocess.Popen(
        list(command),
        env=environment(home) | dict(variables or {}),
        cwd=home,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    )
    assert process.stdout is not None and process.stderr is not None
    log: list[str] = []
    reader = threading.Thread(target=log.extend, args=(process.stderr,), daemon=True)
    reader.start()
    watchdog = threading.Timer(_SECONDS, process.kill)
    watchdog.start()
    seen: dict[str, Any] = {}
    try:
        for line in process.stdout:
            step = json.loads(line)
            seen[step["step"]] = step["seen"]
            happen(step["step"])
        status = process.wait()
    finally:
        watchdog.cancel()
        process.kill()
        process.wait()
        reader.join()
        process.stdout.close()
        process.stderr.close()
    if status:
        raise Failed(f"{command[0]} ended with {status} after {list(seen)}:\n{''.join(log)[-1500:]}")
    setting.judge_log("".join(log))
    return seen


def _happen(setting: Setting, user: str, step: str) -> None:
    """A delivery, then a flag, then an expunge, each when the idling client has heard of what was before."""
    if step == "idling":
        supply.deliver(setting, f"{user}@example.com", [b"Subject: while idle\r\n\r\nText\r\n"])
    elif step in ("exists", "flags"):
        with setting.server.imap(user) as client:
            client.select()
            if step == "exists":
                client.command("STORE 3 +FLAGS (\\Answered)")
            else:
                client.command("STORE 1 +FLAGS.SILENT (\\Deleted)")
                client.command("EXPUNGE")
