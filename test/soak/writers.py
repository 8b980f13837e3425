"""
Eight slow writers into one mailbox, watched by sessions of two servers.

Each writer takes a UID and MODSEQ as the server does, and lets up to four
seconds go by before its message is there; then come the journal entry and the
ping.  No session may miss a UID, or be told of one below another.
"""

from __future__ import annotations

import datetime
import json
import random
import threading
import time
from typing import Any

import redis
from bson import ObjectId
from pymongo import MongoClient, ReturnDocument

from test.soak.latency import beside
from test.support.blocking_imap import Imap
from test.support.server_process import ServerProcess
from wildduck.events.notifier import CHANNEL
from wildduck.mailstore.allocation import advance
from wildduck.mailstore.journal import exists_entry

WRITERS = 8
MESSAGES = 10
SLOWEST_SECONDS = 4.0

_USER = "soak-writers"
_POLL_SECONDS = 0.2
#: After the last message everybody must have been told.
_PATIENCE_SECONDS = 30.0


class _Writer(threading.Thread):
    """@ivar uids: what it has written."""

    def __init__(self, server: ServerProcess, seed: int) -> None:
        super().__init__(daemon=True)
        self._random = random.Random(seed)
        self._db: Any = MongoClient(server.run["mongo"]["uri"]).get_default_database()
        self._redis: Any = redis.Redis.from_url(server.run["redis"]["uri"])
        self._user = self._db.users.find_one({"username": _USER})["_id"]
        self.uids: list[int] = []

    def run(self) -> None:
        for _ in range(MESSAGES):
            self._write()

    def _write(self) -> None:
        mailbox = self._db.mailboxes.find_one_and_update(
            {"user": self._user, "path": "INBOX"}, advance(1, 1), return_document=ReturnDocument.AFTER
        )
        time.sleep(self._random.uniform(0, SLOWEST_SECONDS))
        now = datetime.datetime.now(datetime.timezone.utc)
        row = {
            "_id": ObjectId(),
            "user": self._user,
            "mailbox": mailbox["_id"],
            "uid": mailbox["uidNext"] - 1,
            "modseq": mailbox["modifyIndex"],
            "flags": [],
            "unseen": True,
            "undeleted": True,
            "idate": now,
            "thread": ObjectId(),
            "size": 1,
        }
        self._db.messages.insert_one(dict(row))
        self._db.journal.insert_one(exists_entry(row, None, now))
        self._redis.publish(CHANNEL, json.dumps({"e": str(self._user)}))
        self.uids.append(row["uid"])


class _Watcher(threading.Thread):
    """
    A session that asks or waits, and looks up the UIDs of what it is told.

    @ivar uids: what it was told of, by sequence number less one.
    @ivar problem: what it should not have been told.
    """

    def __init__(self, client: Imap, waits: bool) -> None:
        super().__init__(daemon=True)
        self._client = client
        self._waits = waits
        self.enough = threading.Event()
        self.uids: list[int] = []
        self.problem = ""

    def run(self) -> None:
        try:
            while not self.enough.is_set():
                self._look()
        except Exception as error:
            self.problem = self.problem or f"{type(error).__name__}: {error}"

    def _look(self) -> None:
        client = self._client
        if self._waits:
            client.idle()
            self.enough.wait(_POLL_SECONDS * 5)
            told = client.done().untagged
        else:
            self.enough.wait(_POLL_SECONDS)
            told = client.command("NOOP").untagged
        counts = [len(self.uids), *(line[0] for line in told if line[1:] == [b"EXISTS"])]
        if counts != sorted(counts):
            self.problem = f"told of {counts} messages"
        if counts[-1] > len(self.uids):
            rows = client.command(f"FETCH 1:{counts[-1]} (UID)").rows()
            uids = [rows[seq]["UID"] for seq in sorted(rows)][: counts[-1]]
            if uids[: len(self.uids)] != self.uids or uids != sorted(set(uids)):
                self.problem = f"{uids} after {self.uids}"
            self.uids = uids


def run(server: ServerProcess) -> bool:
    """
    @param server: on databases of its own; a second one is started beside it.
    @return: whether every session was told of everything, in order.
    """
    with beside(server) as second:
        server.account(_USER)
        clients = [one.imap(_USER) for one in (server, second) for _ in range(2)]
        for client in clients:
            client.select()
        watchers = [_Watcher(client, bool(number % 2)) for number, client in enumerate(clients)]
        writers = [_Writer(server, seed) for seed in range(WRITERS)]
        for thread in (*watchers, *writers):
            thread.start()
        for writer in writers:
            writer.join()
        written = sorted(uid for writer in writers for uid in writer.uids)
        until = time.monotonic() + _PATIENCE_SECONDS
        while time.monotonic() < until and any(len(one.uids) < len(written) for one in watchers):
            time.sleep(_POLL_SECONDS)
        for watcher in watchers:
            watcher.enough.set()
            watcher.join()
        for client in clients:
            client.close()
    wrong = [watcher for watcher in watchers if watcher.problem or watcher.uids != written]
    print(f"writers: {len(written)} messages, {len(watchers)} sessions, {len(wrong)} told wrong", flush=True)
    for watcher in wrong:
        print(f"writers: {watcher.problem or f'{watcher.uids}, not {written}'}", flush=True)
    return len(written) == WRITERS * MESSAGES and not wrong
