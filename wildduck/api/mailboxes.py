"""Mailboxes of an account (spec/api.md §3)."""

from __future__ import annotations

import unicodedata
from typing import Any

from bson import ObjectId

from wildduck.accounts import Accounts
from wildduck.api.frame.answers import UNSET, Answer, Made, Success, UnsetType
from wildduck.api.frame.application import Application
from wildduck.api.frame.call import Call
from wildduck.api.frame.fields import Choice, IdOr
from wildduck.api.frame.mail_fields import MailboxPath
from wildduck.api.frame.route import Route
from wildduck.api.frame.schema import Boolean, Field, Id, Integer, Schema, bad_input
from wildduck.errors import BadInput, MailboxNotFound
from wildduck.mailstore import MailStore
from wildduck.mailstore.concurrently import gather
from wildduck.mailstore.counting import Counts
from wildduck.mailstore.paths import INBOX, lies_under
from wildduck.mailstore.values import Mailbox

_TAG = "Mailboxes"
_MAILBOXES = "/users/<user>/mailboxes"
_ONE = f"{_MAILBOXES}/<mailbox>"

#: ASCII before digits and letters in the order of the Unicode Collation
#: Algorithm's root table (CLDR), which clients and WildDuck sort by.
_PUNCTUATION = {ord(c): chr(n) for n, c in enumerate(" _-,;:!?.'\"()[]{}@*/\\&#%`^+<=>|~$", 1)}

_RETENTION = Integer(about="Milliseconds that messages are kept; 0: for ever")
_ENCRYPT = "Messages that come into it must be encrypted"


_LIST = Schema(
    {
        "specialUse": Boolean(default=False, about="INBOX and special-use mailboxes only"),
        "showHidden": Boolean(default=False, about="Hidden ones too"),
        "counters": Boolean(default=False, about="Show total and unseen"),
        "sizes": Boolean(default=False, about="Show size"),
    }
)
_CREATE = Schema(
    {
        "path": MailboxPath(required=True, about="Its name, with a slash between levels"),
        "hidden": Boolean(default=False, about="IMAP does not list it"),
        "retention": Integer(about="Milliseconds that messages are kept; 0: for ever; else the account's"),
        "encryptMessages": Boolean(default=False, about=_ENCRYPT),
    }
)
_GET = Schema(
    {
        "mailbox": IdOr(
            required=True,
            other=Choice(values=("resolve",)),
            about="Id, or 'resolve' for the one that path names",
        ),
        "path": MailboxPath(about="With 'resolve'"),
    }
)
_CHANGES: dict[str, Field] = {
    "path": MailboxPath(about="Its new name"),
    "retention": _RETENTION,
    "subscribed": Boolean(about="It is among the subscribed ones"),
    "encryptMessages": Boolean(about=_ENCRYPT),
    "hidden": Boolean(about="IMAP does not list it"),
}
_UPDATE = Schema(
    {
        "mailbox": Id(required=True),
        **_CHANGES,
        "children": Boolean(default=False, about="What lies under it is renamed with it"),
    }
)
_DELETE = Schema({"mailbox": Id(required=True)})


class ShownMailbox(Answer, kw_only=True):
    """
    A mailbox.

    @ivar name: the last level of C{path}.
    @ivar specialUse: C{"\\Sent"}, C{"\\Trash"}, C{"\\Junk"}, C{"\\Drafts"} or C{None}.
    @ivar modifyIndex: grows with every change.
    @ivar retention: milliseconds that messages are kept, 0 for ever.
    @ivar size: bytes, where asked for.
    @ivar total: messages, where asked for.
    """

    id: str
    name: str
    path: str
    specialUse: str | None
    modifyIndex: int
    subscribed: bool
    hidden: bool
    encryptMessages: bool
    retention: int
    size: int | UnsetType = UNSET
    total: int | UnsetType = UNSET
    unseen: int | UnsetType = UNSET


class OneMailbox(ShownMailbox, kw_only=True):
    """One mailbox, with C{total} and C{unseen}."""

    success: bool = True


class MailboxList(Success, kw_only=True):
    """INBOX, what lies under it, subscribed ones, others; each by path."""

    results: list[ShownMailbox]


class MailboxesApi:
    """C{/users/:user/mailboxes}."""

    def __init__(self, accounts: Accounts, store: MailStore) -> None:
        self._accounts = accounts
        self._mailboxes = store.mailboxes

    def register(self, application: Application) -> None:
        """Add the routes."""
        for route in (
            Route("GET", _MAILBOXES, _LIST, MailboxList, self.list, ("mailboxes", "read"),
                  _TAG, "List the mailboxes of an account"),
            Route("POST", _MAILBOXES, _CREATE, Made, self.create, ("mailboxes", "create"),
                  _TAG, "Make a mailbox"),
            Route("GET", _ONE, _GET, OneMailbox, self.get, ("mailboxes", "read"),
                  _TAG, "Show a mailbox"),
            Route("PUT", _ONE, _UPDATE, Success, self.change, ("mailboxes", "update"),
                  _TAG, "Change a mailbox"),
            Route("DELETE", _ONE, _DELETE, Success, self.delete, ("mailboxes", "delete"),
                  _TAG, "Delete a mailbox"),
        ):  # fmt: skip
            application.add(route)

    async def list(self, call: Call) -> MailboxList:
        """@raise UserNotFound: no such account."""
        values = call.values
        sizes = values["sizes"]
        shown, _ = await gather(
            self._mailboxes.shown(call.user, counts=values["counters"], sizes=sizes),
            self._accounts.directory.require(call.user),
        )
        rows = [
            (mailbox, counts)
            for mailbox, counts in shown
            if (values["showHidden"] or not mailbox.hidden)
            and (not values["specialUse"] or mailbox.special_use or mailbox.path == INBOX)
        ]
        rows.sort(key=lambda row: _place(row[0]))
        return MailboxList(
            results=[
                ShownMailbox(**_members(mailbox, counts, counters=values["counters"], sizes=sizes))
                for mailbox, counts in rows
            ]
        )

    async def create(self, call: Call) -> Made:
        """
        @raise UserNotFound: no such account.
        @raise MailboxExists: the name is taken.
        @raise CannotDo: no mailbox can have it.
        @raise LimitReached: the account has too many.
        """
        values = call.values
        account = await self._accounts.directory.by_id(call.user)
        made = await self._mailboxes.create(
            call.user,
            values["path"],
            user_retention=account.retention,
            retention=values["retention"],
            hidden=values["hidden"],
            encrypted=values["encryptMessages"],
        )
        return Made(id=str(made.id))

    async def get(self, call: Call) -> OneMailbox:
        """
        @raise UserNotFound: no such account.
        @raise MailboxNotFound: it has no such mailbox.
        """
        path = call.values["path"]
        id = call.values["mailbox"] if isinstance(call.values["mailbox"], ObjectId) else None
        if id is None and not path:
            text = '"path" is required'
            raise BadInput(text, {"path": text})
        if id is not None and path:
            raise bad_input({("path",): "is only taken with 'resolve' in place of the id"})
        shown, _ = await gather(
            self._mailboxes.counted(call.user, id=id, path=path or ""),
            self._accounts.directory.require(call.user),
        )
        if not shown:
            raise MailboxNotFound()
        ((mailbox, counts),) = shown
        return OneMailbox(**_members(mailbox, counts, counters=True))

    async def change(self, call: Call) -> Success:
        """@raise MailboxNotFound: and others, see L{wildduck.mailstore.mailboxes.Mailboxes.change}."""
        values = call.values
        if not call.given & _CHANGES.keys():
            text = f"one of {', '.join(_CHANGES)} is required"
            raise BadInput("Nothing was changed", dict.fromkeys(_CHANGES, text))
        if values["children"] and not values["path"]:
            raise bad_input({("children",): "is only taken together with path"})
        await self._mailboxes.change(
            call.user,
            values["mailbox"],
            path=values["path"],
            children=values["children"],
            retention=values["retention"],
            subscribed=values["subscribed"],
            encrypted=values["encryptMessages"],
            hidden=values["hidden"],
        )
        return Success()

    async def delete(self, call: Call) -> Success:
        """
        @raise MailboxNotFound: the account has no such mailbox.
        @raise CannotDo: INBOX, a special-use or a hidden mailbox.
        """
        mailbox = await self._mailboxes.get_by_id(call.user, call.values["mailbox"])
        await self._mailboxes.delete(call.user, mailbox)
        return Success()


def _members(
    mailbox: Mailbox, counts: Counts | None, *, counters: bool, sizes: bool = False
) -> dict[str, Any]:
    members: dict[str, Any] = {
        "id": str(mailbox.id),
        "name": mailbox.path.rpartition("/")[2],
        "path": mailbox.path,
        "specialUse": mailbox.special_use or None,
        "modifyIndex": mailbox.modify_index,
        "subscribed": mailbox.subscribed,
        "hidden": mailbox.hidden,
        "encryptMessages": mailbox.encrypted,
        "retention": mailbox.retention,
    }
    if counts is not None and sizes:
        members["size"] = counts.size
    if counts is not None and counters:
        members.update(total=counts.total, unseen=counts.unseen)
    return members


def _place(mailbox: Mailbox) -> tuple[int, str, str, str]:
    """Where a mailbox stands in the list: letters without regard to accents and case first."""
    if mailbox.path == INBOX:
        group = 0
    elif lies_under(mailbox.path, INBOX):
        group = 1
    else:
        group = 2 if mailbox.subscribed else 3
    path = mailbox.path
    if path.isascii():
        folded = plain = path.lower()
    else:
        folded = unicodedata.normalize("NFKD", path).casefold()
        plain = "".join(c for c in folded if not unicodedata.combining(c))
    return group, plain.translate(_PUNCTUATION), folded, path.swapcase()
