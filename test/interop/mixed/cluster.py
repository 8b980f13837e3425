"""The mixed cluster that the cases here share: started by the first that asks, ended with the run."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bson import ObjectId

from test.interop.case import Failed, Setting, expect
from test.interop.wildduck_server import WildDuck, installed, request
from test.support.blocking_imap import Imap
from test.support.databases import helper
from test.support.server_process import PASSWORD, ServerProcess, automatic_ports

#: What is done on one server is to be known on the other so soon (seconds).
SOON = 1.0

_SETTINGS = ("mongo.mixed_cluster=true", "pop3.max_messages=0", "imap.connections_per_user=500")


@dataclass
class Cluster:
    """
    @ivar ours: this server.
    @ivar theirs: npm's WildDuck.
    @ivar database: a blocking handle of their database.
    @ivar redis: a blocking client of their Redis.
    """

    ours: ServerProcess
    theirs: WildDuck
    database: Any
    redis: Any

    def account(self, name: str, *, there: bool = False) -> ObjectId:
        """
        A new account C{name} with the address C{name@example.com}; its id.

        @param there: made by WildDuck's API, else by ours.
        """
        if there:
            return ObjectId(self.theirs.account(name))
        body = {"username": name, "password": PASSWORD, "address": f"{name}@example.com"}
        return ObjectId(self.api("ours", "POST", "/users", body)["id"])

    def imap(self, server: str, user: str) -> Imap:
        """A session of C{"ours"} or C{"theirs"}, signed in."""
        if server == "ours":
            return self.ours.imap(user)
        return self.theirs.imap(user, PASSWORD)

    def lmtp(self, server: str) -> Any:
        return self.ours.lmtp() if server == "ours" else self.theirs.lmtp()

    def api(self, server: str, method: str, path: str, body: Any = None) -> Any:
        """
        A call that is to succeed; its JSON, or bytes.

        @raise Failed: another status than 200.
        """
        port = self.ours.ports["api"] if server == "ours" else self.theirs.ports["api"]
        status, answer = request(port, method, path, body)
        expect(status == 200, f"{server}: {method} {path}: {status} {answer}")
        return answer

    def mailbox(self, user: ObjectId, path: str) -> ObjectId:
        """The id of a mailbox, which is there soon."""
        mailboxes = self.database["mailboxes"]
        found = within(
            SOON, lambda: mailboxes.find_one({"user": user, "path": path}), f"there is a mailbox {path}"
        )
        return ObjectId(found["_id"])

    def fill_counters(self, user: ObjectId) -> None:
        """Have the numbers of messages counted and kept in Redis, by WildDuck's API."""
        self.api("theirs", "GET", f"/users/{user}/mailboxes?counters=true")

    def wrong_counters(self, user: ObjectId, names: tuple[str, ...] = ("total", "unseen")) -> list[str]:
        """Numbers kept in Redis that are not those of the messages."""
        wrong = []
        for mailbox in self.database["mailboxes"].find({"user": user}):
            for name in names:
                kept = self.redis.get(f"{name}:{mailbox['_id']}")
                these = {"mailbox": mailbox["_id"]} | ({"unseen": True} if name == "unseen" else {})
                there = self.database["messages"].count_documents(these)
                if kept is not None and int(kept) != there:
                    wrong.append(f"{mailbox['path']}: {name} is {int(kept)} in Redis, but {there}")
        return wrong

    def verified(self) -> list[str]:
        """What C{wildduck verify} finds, of whatever age."""
        done = self.ours.command("verify", "--min-age", "0s", "--contents")
        lines = [line for line in done.stdout.splitlines() if line.strip() and line != "nothing found"]
        if done.returncode and not lines:
            raise Failed(f"wildduck verify ended with {done.returncode}: {done.stderr}")
        return lines


def cluster(setting: Setting) -> Cluster:
    """
    The run's one cluster.

    @raise Missing: WildDuck can't be had here.
    """
    if "mixed" not in setting.kept:
        setting.kept["mixed"] = _start(setting)
    found = setting.kept["mixed"]
    assert isinstance(found, Cluster)
    return found


def _start(setting: Setting) -> Cluster:
    installed()
    databases = helper()
    number = databases.take()
    mongo = f"mongodb://127.0.0.1:{databases.mongo_port}/test{number}"
    redis = f"redis://127.0.0.1:{databases.redis_port}/{number}"
    folder = setting.place("mixed")
    uris = [f"mongo.uri={mongo}", f"redis.uri={redis}"]
    ours = ServerProcess(os.path.join(folder, "data"), [*uris, *automatic_ports(), *_SETTINGS])
    ours.start()
    setting.closers.append(lambda: _close_ours(ours))
    theirs = WildDuck(mongo, redis, os.path.join(folder, "wildduck.log"))
    theirs.start()
    setting.closers.append(theirs.close)
    return Cluster(ours, theirs, databases.client[f"test{number}"], databases.redis(number))


def _close_ours(ours: ServerProcess) -> None:
    ours.close()
    errors = ours.errors()
    expect(not errors, "the log of the server beside WildDuck:\n" + "\n".join(errors))


def within(seconds: float, holds: Callable[[], Any], what: str) -> Any:
    """
    Ask again and again until something is true; what it was then.

    @raise Failed: it is not, for so long.
    """
    deadline = time.monotonic() + seconds
    while True:
        found = holds()
        if found:
            return found
        if time.monotonic() > deadline:
            raise Failed(f"not within {seconds:g} s: {what}")
        time.sleep(0.02)
