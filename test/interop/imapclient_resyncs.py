"""
Brings INBOX into a file with IMAPClient, or up to date there, and then looks on in IDLE.

It runs as a program of its own: folder with the package, port, user, password, certificate or "", file,
CONDSTORE or QRESYNC, and the keyword that ends IDLE or "".  When it idles it prints a line "idling".
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import ssl
import sys
import time
from typing import Any

_SECONDS = 30.0


def main() -> None:
    folder, port, user, password, certificate, path, extension, keyword = sys.argv[1:]
    sys.path.insert(0, folder)
    from imapclient import IMAPClient

    logging.basicConfig(stream=sys.stderr, level=logging.DEBUG, format="%(message)s")
    state: dict[str, Any] = {"rows": {}}
    if os.path.exists(path):
        with open(path) as file:
            state = json.load(file)
    context = ssl.create_default_context(cafile=certificate) if certificate else None
    with IMAPClient(
        "localhost", port=int(port), ssl=bool(certificate), ssl_context=context, timeout=_SECONDS
    ) as client:
        client.login(user, password)
        assert client.enable(extension)
        opened = client.select_folder("INBOX")
        assert state.setdefault("uidvalidity", opened[b"UIDVALIDITY"]) == opened[b"UIDVALIDITY"]
        _catch_up(client, state, extension)
        state["modseq"] = opened[b"HIGHESTMODSEQ"]
        if keyword:
            _idle(client, keyword.encode())
            _catch_up(client, state, extension)
    with open(path, "w") as file:
        json.dump(state, file)


def _catch_up(client: Any, state: dict[str, Any], extension: str) -> None:
    """What has changed since the state's MODSEQ, what is gone, and what is new."""
    rows: dict[str, Any] = state["rows"]
    if "modseq" in state:
        since = f"CHANGEDSINCE {state['modseq']}"
        for uid, row in client.fetch(
            f"1:{max(map(int, rows))}", ["FLAGS"], _modifiers(since, extension)
        ).items():
            assert row[b"MODSEQ"][0] > state["modseq"]
            if str(uid) in rows:
                rows[str(uid)][0] = _flags(row)
        for uid in _gone(client, rows, extension):
            rows.pop(str(uid), None)
    first = max(map(int, rows), default=0) + 1
    for uid, row in client.fetch(f"{first}:*", ["FLAGS", "BODY.PEEK[]"]).items():
        rows[str(uid)] = [_flags(row), hashlib.sha256(row[b"BODY[]"]).hexdigest()]


def _modifiers(since: str, extension: str) -> list[str]:
    return [since, "VANISHED"] if extension == "QRESYNC" else [since]


def _gone(client: Any, rows: dict[str, Any], extension: str) -> set[int]:
    if extension == "CONDSTORE":
        return {int(uid) for uid in rows} - set(client.search("ALL"))
    gone: set[int] = set()
    for row in client._imap.response("VANISHED")[1]:
        for piece in (row or b"").rpartition(b" ")[2].split(b","):
            first, _, end = piece.partition(b":")
            gone |= set(range(int(first or 1), int(end or first or 0) + 1))
    return gone


def _flags(row: dict[bytes, Any]) -> list[str]:
    return sorted({flag.decode() for flag in row[b"FLAGS"]} - {"\\Recent"})


def _idle(client: Any, keyword: bytes) -> None:
    """Until a message is told to have the keyword."""
    client.idle()
    print(json.dumps({"step": "idling", "seen": True}), flush=True)
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline:
        for response in client.idle_check(timeout=1):
            if response[1] == b"FETCH" and keyword in response[2][response[2].index(b"FLAGS") + 1]:
                client.idle_done()
                return
    raise TimeoutError(f"no {keyword!r} in IDLE")


if __name__ == "__main__":
    main()
