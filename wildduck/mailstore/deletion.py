"""Removing the mail of a deleted account (spec/schema.md §7 'Deleted user')."""

from __future__ import annotations

from collections.abc import Callable

from bson import ObjectId

from wildduck.mailstore import counters, deleted_mailboxes, oldest_shown, subscriptions
from wildduck.mailstore.backend import Backend
from wildduck.mailstore.text_index import segments
from wildduck.mailstore.uid_validity import UID_VALIDITY


async def delete_user_data(backend: Backend, user: ObjectId, check: Callable[[], None] | None = None) -> None:
    """
    Remove the mailboxes of an account and let its messages expire, unarchived; repeatable.

    Its sessions end first, so that none of them makes a mailbox; then the
    mailboxes: from then on no writer gets a UID any more.

    @param check: called between steps; what it raises ends this.
    """
    await backend.notifier.log_out(user, "The account was deleted")
    main = backend.main
    mailboxes = await main.find("mailboxes", {"user": user}, projection={"_id": True}, limit=100_000)
    ids = [mailbox["_id"] for mailbox in mailboxes]
    await deleted_mailboxes.note(backend, user, ids, user_deleted=True)
    await main.delete_many("mailboxes", {"user": user})
    await deleted_mailboxes.expire_of_user(backend, {"user": user}, check)
    await segments.forget(backend, ids)
    await subscriptions.drop_all(backend, user)
    await main.delete_one(UID_VALIDITY, {"_id": user}, durable=True)
    for id in ids:
        backend.background(counters.forget(backend.redis, id))
    backend.background(oldest_shown.forget(backend.redis, user))
    backend.background(backend.changed(user))
