"""
Access keys of mailboxes: the secret by which a URL authorizes others (RFC 4467 §2.2).

A mailbox document keeps its key in C{native.urlauth.key}, and in
C{native.urlauth.resets} how often it was replaced.  A mailbox that is deleted
takes its key with it.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from bson import ObjectId

from wildduck.errors import MailboxNotFound
from wildduck.mailstore.backend import Backend
from wildduck.mailstore.values import Mailbox, number

#: Bytes of a key; RFC 4467 §2.2 asks for 16.
KEY_BYTES = 32
_KEY = "native.urlauth.key"
_RESETS = "native.urlauth.resets"


def resets_of(document: Mapping[str, Any]) -> int:
    """
    How often a mailbox's key was replaced.

    @param document: C{native} of the mailbox.
    """
    native = document.get("native")
    urlauth = native.get("urlauth") if isinstance(native, Mapping) else None
    return number(urlauth.get("resets")) if isinstance(urlauth, Mapping) else 0


def random_key() -> bytes:
    """A key that nobody has."""
    return secrets.token_bytes(KEY_BYTES)


class AccessKeys:
    """Reads and writes them; one for each worker."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def find(self, mailbox: Mailbox) -> bytes | None:
        """The key of a mailbox; C{None}: nothing in it can be authorized."""
        document = await self._backend.main.find_one("mailboxes", _this(mailbox), projection={_KEY: True})
        return _key(document or {})

    async def make(self, mailbox: Mailbox) -> bytes:
        """
        The key of a mailbox, made if there is none.

        @raise MailboxNotFound: it has been deleted meanwhile.
        """
        new = {"key": {"$ifNull": [f"${_KEY}", random_key()]}}
        document = await self._backend.main.find_one_and_update(
            "mailboxes",
            _this(mailbox),
            [{"$set": {"native": {"urlauth": new}}}],
            projection={_KEY: True},
            return_after=True,
        )
        key = _key(document or {})
        if key is None:
            raise MailboxNotFound()
        return key

    async def reset(self, mailbox: Mailbox) -> None:
        """
        Replace the key of a mailbox for good: nothing authorized by the old one is any more.

        @raise MailboxNotFound: it has been deleted meanwhile.
        """
        done = await self._backend.main.update_one(
            "mailboxes",
            _this(mailbox),
            {"$set": {_KEY: random_key()}, "$inc": {_RESETS: 1}},
            durable=True,
        )
        if not done.matched:
            raise MailboxNotFound()
        await self._backend.changed(mailbox.user)

    async def remove_all(self, user: ObjectId) -> None:
        """Remove the keys of all mailboxes of an account, for good."""
        await self._backend.main.update_many(
            "mailboxes",
            {"user": user, _KEY: {"$exists": True}},
            {"$unset": {_KEY: True}, "$inc": {_RESETS: 1}},
            durable=True,
        )
        await self._backend.changed(user)


def _this(mailbox: Mailbox) -> dict[str, Any]:
    return {"_id": mailbox.id, "user": mailbox.user}


def _key(document: Mapping[str, Any]) -> bytes | None:
    found: Any = document
    for name in _KEY.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return bytes(found) if isinstance(found, bytes) and len(found) == KEY_BYTES else None
