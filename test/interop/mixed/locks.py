"""The lock of a mailbox that both take to move and to remove messages."""

from __future__ import annotations

from bson import ObjectId

from test.interop.case import Setting, expect
from test.interop.mixed.cluster import Cluster, cluster
from test.support.messages import generated

_USER = "locks"
_HELD_SECONDS = 1.5
_COMMANDS = ("MOVE 1 Work", "EXPUNGE")


def waited_for(setting: Setting) -> str:
    """While somebody holds it nothing is moved or expunged, by either; after it everything is."""
    mixed = cluster(setting)
    user = mixed.account(_USER)
    with mixed.imap("ours", _USER) as client:
        client.command("CREATE Work")
    inbox = mixed.mailbox(user, "INBOX")
    for server in ("ours", "theirs"):
        for command in _COMMANDS:
            with mixed.imap("ours", _USER) as client:
                client.append("INBOX", generated(1, 500), options="(\\Deleted)")
            _one(mixed, server, command, inbox)
    taken = _taken_while(mixed, inbox)
    expect(taken, "no command has taken the lock of its mailbox")
    return f"MOVE and EXPUNGE of both wait for a lock in Redis, and take it themselves ({taken} times seen)"


def _one(mixed: Cluster, server: str, command: str, inbox: ObjectId) -> None:
    with mixed.imap(server, _USER) as client:
        client.select("INBOX")
        expect(client.exists == 1, f"{client.exists} messages in INBOX")
        key = f"mail:mbwr:{inbox}"
        # As WildDuck's library writes it: a token, and when it expires by itself.
        index = mixed.redis.incr("mailindex")
        mixed.redis.hset(key, "index", index)
        mixed.redis.pexpire(key, 60_000)
        client.send(command)
        early = client.readable(_HELD_SECONDS)
        there = mixed.database["messages"].count_documents({"mailbox": inbox})
        mixed.redis.delete(key)
        mixed.redis.publish("mail-release", key)
        client.finish()
        expect(not early and there == 1, f"{server}: {command} does not wait for the lock")
    left = mixed.database["messages"].count_documents({"mailbox": inbox})
    expect(left == 0, f"{server}: {command} leaves {left} messages in INBOX after the lock was given back")


def _taken_while(mixed: Cluster, inbox: ObjectId) -> int:
    """How many of both servers' commands have taken a lock."""
    seen = 0
    for server in ("ours", "theirs"):
        for command in _COMMANDS:
            with mixed.imap("ours", _USER) as client:
                client.append("INBOX", generated(2, 500), options="(\\Deleted)")
            before = int(mixed.redis.get("mailindex") or 0)
            with mixed.imap(server, _USER) as client:
                client.select("INBOX")
                client.command(command)
            seen += int(mixed.redis.get("mailindex") or 0) > before
    expect(seen == 2 * len(_COMMANDS), f"a lock was taken in {seen} of {2 * len(_COMMANDS)} commands")
    return seen
