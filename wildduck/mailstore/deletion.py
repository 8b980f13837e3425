"""Removing the mail of a deleted account (spec/schema.md §7 'Deleted user')."""

from __future__ import annotations

from bson import ObjectId

from wildduck.mailstore import counters, oldest_shown, retention
from wildduck.mailstore.backend import Backend, javascript, milliseconds
from wildduck.mailstore.uid_validity import UID_VALIDITY


async def delete_user_data(backend: Backend, user: ObjectId) -> None:
    """
    Remove the mailboxes of an account and let its messages expire, unarchived; repeatable.

    Its sessions end first, so that none of them makes a mailbox; then the
    mailboxes: from then on no writer gets a UID any more.
    """
    await backend.notifier.log_out(user, "The account was deleted")
    main = backend.main
    mailboxes = await main.find("mailboxes", {"user": user}, projection={"_id": True}, limit=100_000)
    await main.delete_many("mailboxes", {"user": user})
    expires = milliseconds(backend.now()) + retention.DELETED_USER
    await main.update_many(
        "messages",
        {"user": user, "userDeleted": {"$ne": True}},
        {"$set": {"exp": True, "rdate": javascript(expires), "userDeleted": True}},
        slow=True,
    )
    await main.delete_one(UID_VALIDITY, {"_id": user}, durable=True)
    for mailbox in mailboxes:
        backend.background(counters.forget(backend.redis, mailbox["_id"]))
    backend.background(oldest_shown.forget(backend.redis, user))
    backend.background(backend.changed(user))
