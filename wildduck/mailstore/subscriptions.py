"""
Subscribed names that no mailbox has (RFC 3501 §6.3.6, RFC 5258 §3.1).

Whether a mailbox is subscribed stands in its document, where WildDuck has it.  A
name can be subscribed before there is such a mailbox, and stays so when the
client deletes it ("the server MUST NOT unilaterally remove an existing mailbox
name from the subscription list even if a mailbox by that name no longer
exists"): these names are kept apart, in a collection of ours, one row each::

    {_id, user, name}

A name is subscribed if it stands in either place.
"""

from __future__ import annotations

from bson import ObjectId

from wildduck.errors import CannotDo, DuplicateKey, LimitReached
from wildduck.limits import SUBSCRIBED_NAME, SUBSCRIPTIONS
from wildduck.mailstore.backend import Backend

#: Our collection of them.
COLLECTION = "subscriptions"


async def names(backend: Backend, user: ObjectId) -> list[str]:
    """All that an account has, in no order."""
    rows = await backend.main.find(
        COLLECTION, {"user": user}, projection={"_id": False, "name": True}, limit=2 * SUBSCRIPTIONS
    )
    return [str(row["name"]) for row in rows]


async def keep(backend: Backend, user: ObjectId, name: str) -> None:
    """
    Subscribe a name; repeatable.

    @param name: as it is stored.
    @raise LimitReached: the account has as many as it may.
    @raise CannotDo: it is too long.
    """
    if len(name) > SUBSCRIBED_NAME:
        raise CannotDo("The name is too long for one that no mailbox has")
    if await backend.main.count(COLLECTION, {"user": user}, slow=False) >= SUBSCRIPTIONS:
        raise LimitReached("Too many subscriptions to mailboxes that do not exist")
    try:
        await backend.main.insert_one(
            COLLECTION, {"_id": ObjectId(), "user": user, "name": name}, durable=True
        )
    except DuplicateKey:
        pass


async def drop(backend: Backend, user: ObjectId, name: str) -> bool:
    """@return: whether it was subscribed."""
    return bool(await backend.main.delete_one(COLLECTION, {"user": user, "name": name}, durable=True))


async def drop_all(backend: Backend, user: ObjectId) -> None:
    """The account is deleted."""
    await backend.main.delete_many(COLLECTION, {"user": user})
