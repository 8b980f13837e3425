"""Changing, moving and deleting messages (spec/api.md §4)."""

from __future__ import annotations

from typing import Any

from bson import ObjectId

from wildduck.api.frame.answers import UNSET, Success, UnsetType
from wildduck.api.frame.application import Application
from wildduck.api.frame.call import Call
from wildduck.api.frame.mail_fields import METADATA_BYTES, MessageRange, MetaData
from wildduck.api.frame.route import Route
from wildduck.api.frame.schema import Boolean, Date, Id, Integer, Schema, bad_input
from wildduck.errors import DomainError, MessageNotFound, Unavailable
from wildduck.limits import MAX_UID
from wildduck.mailstore import MailStore
from wildduck.mailstore.selection import Selection
from wildduck.mailstore.updates import Change
from wildduck.mailstore.values import Mailbox

MESSAGES = "/users/<user>/mailboxes/<mailbox>/messages"

#: Room for metaData, as JSON within JSON, and for a long list of messages.
_UPDATE_BODY = 3 * METADATA_BYTES

_MAILBOX = Id(required=True, about="Id of the mailbox")
_CHANGES = {
    "message": MessageRange(required=True, about="One id, several (1,2,3) or a range (3:15, 3:*)"),
    "moveTo": Id(about="Id of the mailbox to move to; the other changes are applied too"),
    "seen": Boolean(about="Set or clear the flag \\Seen"),
    "deleted": Boolean(about="Set or clear the flag \\Deleted"),
    "flagged": Boolean(about="Set or clear the flag \\Flagged"),
    "draft": Boolean(about="Set or clear the flag \\Draft"),
    "markHam": Boolean(default=False, about="With moveTo: the messages were no spam, and events say so"),
    "expires": Date(or_false=True, about="When the messages expire; false: never"),
    "metaData": MetaData(about="Replaces the metaData of the messages"),
}
_UPDATE = Schema({"mailbox": _MAILBOX, **_CHANGES})
_DELETE = Schema(
    {"mailbox": _MAILBOX, "message": Integer(required=True, least=1, most=MAX_UID, about="Id of the message")}
)
_DELETE_ALL = Schema(
    {
        "mailbox": _MAILBOX,
        "async": Boolean(default=False, about="Let a task do it"),
        "skipArchive": Boolean(default=False, about="Keep no copies in the archive"),
    }
)


class NothingChanged(DomainError):
    """A change that says nothing to change."""

    http = (400, "NothingChanged")
    text = "Nothing was changed"


class Updated(Success, kw_only=True):
    """
    @ivar updated: messages that are as wanted now.
    @ivar mailbox: where they were moved to.
    @ivar id: of each moved message its id before and after.
    """

    updated: int | UnsetType = UNSET
    mailbox: str | UnsetType = UNSET
    id: list[list[int]] | UnsetType = UNSET


class Deleted(Success, kw_only=True):
    """
    @ivar deleted: messages that are gone.
    @ivar errors: messages that should be and are not.
    """

    deleted: int
    errors: int


class DeletedAll(Success, kw_only=True):
    """
    @ivar deleted: messages that are gone.
    @ivar errors: messages that should be and are not.
    @ivar existing: the mailbox was to be cleared already.
    @ivar scheduled: id of the task.
    """

    deleted: int | UnsetType = UNSET
    errors: int | UnsetType = UNSET
    existing: bool | UnsetType = UNSET
    scheduled: str | UnsetType = UNSET


class ChangingApi:
    """C{PUT} and C{DELETE} of messages."""

    def __init__(self, store: MailStore) -> None:
        self._store = store

    def register(self, application: Application) -> None:
        """Add the routes."""
        for path in (MESSAGES, f"{MESSAGES}/<message>"):
            application.add(
                Route(
                    "PUT",
                    path,
                    _UPDATE,
                    Updated,
                    self.update,
                    ("messages", "update"),
                    tag="Messages",
                    summary="Change messages, or move them",
                    most_body=_UPDATE_BODY,
                )
            )
        application.add(
            Route(
                "DELETE",
                f"{MESSAGES}/<message>",
                _DELETE,
                Deleted,
                self.delete,
                ("messages", "delete"),
                tag="Messages",
                summary="Delete a message",
            )
        )
        application.add(
            Route(
                "DELETE",
                MESSAGES,
                _DELETE_ALL,
                DeletedAll,
                self.delete_all,
                ("messages", "delete"),
                tag="Messages",
                summary="Delete all messages of a mailbox",
            )
        )

    async def _mailbox(self, call: Call, id: ObjectId) -> Mailbox:
        """@raise MailboxNotFound: the account has no such mailbox."""
        return await self._store.mailboxes.get_by_id(call.user, id)

    async def update(self, call: Call) -> Updated:
        """
        @raise MailboxNotFound: the account has no such mailbox, or none to move to.
        @raise MessageNotFound: it has none of these messages.
        @raise NothingChanged: there is nothing to change.
        @raise BadInput: C{markHam} without a move, which is what would tell of it.
        """
        values = call.values
        if values["markHam"] and values["moveTo"] is None:
            raise bad_input({("markHam",): "is only taken together with moveTo"})
        selected = Selection.parse(values["message"])
        mailbox = await self._mailbox(call, values["mailbox"])
        change = _change(values)
        if values["moveTo"] is not None:
            return await self._move(call, mailbox, selected, change)
        if change.nothing:
            raise NothingChanged()
        updated = await self._store.update(mailbox, selected, change, session=call.sess)
        if not updated:
            raise MessageNotFound("No message matched query")
        return Updated(updated=updated)

    async def _move(self, call: Call, mailbox: Mailbox, selected: Selection, change: Change) -> Updated:
        target = await self._mailbox(call, call.values["moveTo"])
        moved = await self._store.move_and_update(
            mailbox, selected, target, change, session=call.sess, ham=call.values["markHam"]
        )
        if not moved.source:
            raise MessageNotFound("Could not move message, check if message exists")
        return Updated(
            mailbox=str(target.id), id=[list(pair) for pair in zip(moved.source, moved.target, strict=True)]
        )

    async def delete(self, call: Call) -> Deleted:
        """
        @raise MailboxNotFound: the account has no such mailbox.
        @raise MessageNotFound: it has no such message.
        @raise Unavailable: the archive did not take it; it stays.
        """
        mailbox = await self._mailbox(call, call.values["mailbox"])
        selected = Selection.of([call.values["message"]])
        cleared = await self._store.clear(mailbox, selected, session=call.sess)
        if cleared.errors:
            raise Unavailable("The message could not be archived, please try again")
        if not cleared.deleted:
            raise MessageNotFound("Message was not found")
        return Deleted(deleted=cleared.deleted, errors=cleared.errors)

    async def delete_all(self, call: Call) -> DeletedAll:
        """@raise MailboxNotFound: the account has no such mailbox."""
        mailbox = await self._mailbox(call, call.values["mailbox"])
        archive = not call.values["skipArchive"]
        if call.values["async"]:
            scheduled = await self._store.schedule_clear(mailbox, archive=archive)
            return DeletedAll(existing=scheduled.existing, scheduled=str(scheduled.task))
        cleared = await self._store.clear(mailbox, archive=archive, session=call.sess)
        return DeletedAll(deleted=cleared.deleted, errors=cleared.errors)


def _change(values: dict[str, Any]) -> Change:
    return Change(
        seen=values["seen"],
        deleted=values["deleted"],
        flagged=values["flagged"],
        draft=values["draft"],
        expires=values["expires"],
        metadata=values["metaData"],
    )
