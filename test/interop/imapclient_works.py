"""
Works in an account with IMAPClient and prints what it saw as JSON, one line for each step.

After the lines "idling", "exists" and "flags" it waits for a new message, a flag and an expunge from outside.
It runs as a program of its own: folder with the package, port, user, password, certificate or "".
"""

from __future__ import annotations

import datetime
import json
import logging
import ssl
import sys
import time
from typing import Any

_SECONDS = 30.0


def main() -> None:
    folder, port, user, password, certificate = sys.argv[1:]
    sys.path.insert(0, folder)
    from imapclient import IMAPClient

    logging.basicConfig(stream=sys.stderr, level=logging.DEBUG, format="%(message)s")
    context = ssl.create_default_context(cafile=certificate) if certificate else None
    with IMAPClient(
        "localhost", port=int(port), ssl=bool(certificate), ssl_context=context, timeout=_SECONDS
    ) as client:
        client.login(user, password)
        _mailboxes(client)
        _messages(client)
        _idle(client)


def say(step: str, seen: object) -> None:
    print(json.dumps({"step": step, "seen": seen}), flush=True)


def _mailboxes(client: Any) -> None:
    client.create_folder("Work")
    client.create_folder("Work/Reports")
    client.create_folder("Old")
    client.rename_folder("Old", "Older")
    client.subscribe_folder("Older")
    assert "Older" in [name for _, _, name in client.list_sub_folders()]
    listed = client.list_folders()
    use = {b"\\Inbox": "INBOX"}
    for flags, _, name in listed:
        use.update({flag: name for flag in flags if flag in (b"\\Drafts", b"\\Junk", b"\\Sent", b"\\Trash")})
    for flag in (b"\\Drafts", b"\\Junk", b"\\Sent", b"\\Trash"):
        assert client.find_special_folder(flag) == use[flag]
    named = {flag.decode(): name for flag, name in use.items()}
    say("mailboxes", {"paths": sorted(name for _, _, name in listed), "use": named})
    client.unsubscribe_folder("Older")
    client.delete_folder("Older")
    say("namespace", client.namespace())


def _messages(client: Any) -> None:
    client.select_folder("INBOX")
    say("all", _subjects(client))
    client.use_uid = False
    say("search", client.search(["SUBJECT", "report", "UNSEEN"]))
    say("or", client.search(["OR", "FROM", "shop@", "BODY", "needle"]))
    say("since", len(client.search(["SENTSINCE", datetime.date(2020, 1, 1), "LARGER", "10"])))
    client.use_uid = True
    reports = client.search(["SUBJECT", "report"])
    client.move(reports, "Work/Reports")
    say("moved", reports)
    offers = client.search(["FROM", "shop@"])
    client.copy(offers, "Work")
    say("copied", offers)
    client.add_flags(offers, [b"\\Flagged", b"Offer"])
    say("keyword", len(client.search(["KEYWORD", "Offer", "FLAGGED"])))
    news = client.search(["SUBJECT", "news"])
    client.delete_messages(news)
    client.uid_expunge(news)
    say("left", _subjects(client))
    date = datetime.datetime(2026, 11, 2)
    answer = client.append("Work", b"Subject: appended\r\n\r\nText\r\n", [b"\\Seen"], date)
    say("appended", b"APPENDUID" in answer)
    status = client.folder_status("Work", ["MESSAGES", "UNSEEN", "UIDNEXT"])
    say("status", {name.decode().lower(): number for name, number in status.items()})


def _subjects(client: Any) -> list[str]:
    rows = client.fetch("1:*", ["ENVELOPE"])
    return [row[b"ENVELOPE"].subject.decode() for _, row in sorted(rows.items())]


def _idle(client: Any) -> None:
    client.select_folder("INBOX")
    client.idle()
    say("idling", True)
    say("exists", _awaited(client, b"EXISTS")[0])
    items = _awaited(client, b"FETCH")[2]
    flags = dict(zip(items[::2], items[1::2], strict=True))[b"FLAGS"]
    say("flags", [flag.decode() for flag in flags if flag != b"\\Recent"])
    say("expunge", _awaited(client, b"EXPUNGE")[0])
    client.idle_done()


def _awaited(client: Any, kind: bytes) -> Any:
    """The next response of a kind; the others are passed over."""
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline:
        for response in client.idle_check(timeout=1):
            if response[1] == kind:
                return response
    raise TimeoutError(f"no {kind!r} in IDLE")


if __name__ == "__main__":
    main()
