"""Background tasks that one server queues are done once, by whichever takes them."""

from __future__ import annotations

import datetime
from typing import Any

from bson import Binary, ObjectId

from test.interop.case import Setting, expect
from test.interop.mixed.cluster import Cluster, cluster, within

_MESSAGE = b"Subject: s\r\n\r\ntext\r\n"
_ACCOUNTS = 3
_DAY = 86_400_000
#: WildDuck waits a minute after its start before it takes any.
_SECONDS = 90.0


def done_once(setting: Setting) -> str:
    """Queued by both APIs: cleared mailboxes, changed retention, a recount, deleted accounts."""
    mixed = cluster(setting)
    held = _foreign(mixed)
    users = [_account(mixed, number) for number in range(2 * _ACCOUNTS)]
    for number, user in enumerate(users):
        server = ("ours", "theirs")[number % 2]
        trash, inbox = mixed.mailbox(user, "Trash"), mixed.mailbox(user, "INBOX")
        mixed.api(server, "DELETE", f"/users/{user}/mailboxes/{trash}/messages?async=true")
        mixed.api(server, "PUT", f"/users/{user}/mailboxes/{inbox}", {"retention": _DAY})
    mixed.database["users"].update_one({"_id": users[0]}, {"$set": {"storageUsed": 12345}})
    for server in ("ours", "theirs"):
        mixed.api(server, "POST", "/quota/reset")
    _all_done(mixed, held)
    for user in users:
        _check(mixed, user)
    for number, user in enumerate(users):
        mixed.api(("ours", "theirs")[number % 2], "DELETE", f"/users/{user}")
    _all_done(mixed, held)
    for user in users:
        _check_deleted(mixed, user)
    expect(
        mixed.database["tasks"].find_one({"_id": held["_id"]}) == held,
        "a task that another holds was touched",
    )
    mixed.database["tasks"].delete_one({"_id": held["_id"]})
    findings = mixed.verified()
    expect(not findings, "\n".join(findings))
    return f"{2 * _ACCOUNTS} accounts cleared, stamped, counted and deleted; what another holds is left to it"


def _foreign(mixed: Cluster) -> dict[str, Any]:
    """A task that a third server holds."""
    now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None, microsecond=0)
    row = {
        "_id": ObjectId(),
        "task": "quota",
        "locked": Binary(b"third server"),
        "lockedUntil": now + datetime.timedelta(hours=1),
        "created": now,
        "status": "active",
        "data": {},
    }
    mixed.database["tasks"].insert_one(row)
    found = mixed.database["tasks"].find_one({"_id": row["_id"]})
    assert found is not None
    return dict(found)


def _account(mixed: Cluster, number: int) -> ObjectId:
    name = f"tasks.{number}"
    user = mixed.account(name, there=number % 3 == 0)
    session = mixed.imap("ours", name)
    for mailbox, count in (("Trash", 5), ("INBOX", 3)):
        for _ in range(count):
            session.append(mailbox, _MESSAGE)
    session.close()
    return user


def _all_done(mixed: Cluster, held: dict[str, Any]) -> None:
    ours = ("user-delete", "quota", "clear-folder", "mailbox-retention")
    these = {"task": {"$in": ours}, "_id": {"$ne": held["_id"]}}
    within(_SECONDS, lambda: mixed.database["tasks"].count_documents(these) == 0, "all tasks are done")


def _check(mixed: Cluster, user: ObjectId) -> None:
    messages, archived = mixed.database["messages"], mixed.database["archived"]
    trash = mixed.mailbox(user, "Trash")
    expect(messages.count_documents({"mailbox": trash}) == 0, "a mailbox is not cleared")
    expect(archived.count_documents({"user": user}) == 5, "what was cleared is not in the archive")
    for row in messages.find({"user": user}):
        made = int(row["_id"].generation_time.timestamp() * 1000)
        came = row["retentionTime"]
        # The whole second in which it got its place: the next one, where its document was made just before.
        expect(came in (made, made + 1000), f"a message of {made} came at {came}")
        stamp = (row["exp"], row["retention"], row["rdate"] - came)
        expect(stamp == (True, _DAY, _DAY), f"a message is stamped with {stamp}")
    stored = sum(row["size"] for row in messages.find({"user": user}))
    used = mixed.database["users"].find_one({"_id": user})["storageUsed"]
    expect(used == stored, f"{used} bytes are recorded, {stored} stored")


def _check_deleted(mixed: Cluster, user: ObjectId) -> None:
    for name in ("users", "deletedusers"):
        expect(not mixed.database[name].count_documents({"_id": user}), f"{user} is still in {name}")
    for name in ("mailboxes", "asps", "addresses"):
        expect(not mixed.database[name].count_documents({"user": user}), f"{user} has still {name}")
    rows = list(mixed.database["messages"].find({"user": user}))
    expect(len(rows) == 3, f"{len(rows)} messages are left for 14 days, not 3")
    for row in rows:
        expect(row["userDeleted"] and row["exp"], "a message of a deleted account is not to go")
