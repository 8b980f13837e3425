"""
RENAME of INBOX: its messages go to a new mailbox (RFC 3501 §6.3.5).

They are moved batch by batch, and each is at every moment in one of the two
mailboxes.  The new one is marked until all are there: when the server dies on the
way, or the database does, the same command finds the mark and goes on, instead of
hearing that its own mailbox exists already.
"""

from __future__ import annotations

import datetime

from bson import ObjectId

from wildduck.errors import MailboxExists
from wildduck.mailstore.backend import Backend
from wildduck.mailstore.mailboxes import Mailboxes
from wildduck.mailstore.paths import INBOX, new_path
from wildduck.mailstore.values import MAILBOX_FIELDS, Mailbox

#: Where a mailbox document tells since when the messages of INBOX are on their way to it.
_MARK = "inbox"
#: A mark that is older is of a command that nobody gave again.
_REMEMBERED = datetime.timedelta(days=1)


async def begin(
    backend: Backend, mailboxes: Mailboxes, user: ObjectId, target: str, user_retention: int
) -> Mailbox:
    """
    The new mailbox, or the one that the same command has made before.

    @raise DomainError: see L{Mailboxes.create}.
    """
    marks = {_MARK: backend.now()}
    try:
        return await mailboxes.create(
            user, target, user_retention=user_retention, subscribed=False, marks=marks
        )
    except MailboxExists:
        path = new_path(target)
        begun = await backend.main.find_one(
            "mailboxes",
            {"user": user, "path": path, f"native.{_MARK}": {"$gte": backend.now() - _REMEMBERED}},
            projection=MAILBOX_FIELDS,
        )
        if begun is None or path == INBOX:
            raise
        return Mailbox.from_document(begun)


async def end(backend: Backend, mailbox: Mailbox) -> None:
    """All messages are there."""
    await backend.main.update_one(
        "mailboxes", {"_id": mailbox.id}, {"$unset": {f"native.{_MARK}": ""}}, idempotent=True
    )
