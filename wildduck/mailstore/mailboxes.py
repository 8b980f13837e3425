"""
The mailboxes of an account: found, made, counted, subscribed, deleted.

Each is named by its whole path.  What lies between two names is not stored: a
missing level is one that LIST shows and nobody can select.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bson import ObjectId

from wildduck.database.shared_settings import MAX_MAILBOXES
from wildduck.errors import CannotDo, DuplicateKey, LimitReached, MailboxExists, MailboxNotFound
from wildduck.limits import MAILBOXES
from wildduck.mailstore import counters, deleted_mailboxes, retention, retention_task, subscriptions
from wildduck.mailstore.backend import Backend, javascript
from wildduck.mailstore.concurrently import gather
from wildduck.mailstore.counting import SETTLED, Counting, Counts
from wildduck.mailstore.folder_names import SPECIAL_USES, folder_name
from wildduck.mailstore.journal import mailbox_entry
from wildduck.mailstore.paths import INBOX, composed, new_path, normal_path, tree
from wildduck.mailstore.remembered import RememberedMailboxes
from wildduck.mailstore.rename import rename
from wildduck.mailstore.text_index import segments
from wildduck.mailstore.uid_validity import next_uid_validity, retire
from wildduck.mailstore.values import MAILBOX_FIELDS, Listed, Mailbox, number

#: (Within L{Mailboxes} the word C{list} is its method.)
_Documents = list[dict[str, Any]]
_Listed = list[Listed]
_Names = list[str]
_Shown = list[tuple[Mailbox, Counts | None]]

#: Of a mailbox whose retention has changed, and the task for its messages is not queued yet.
_UNQUEUED = "native.unqueued"

_LISTED_FIELDS = {"path": True, "specialUse": True, "subscribed": True, "hidden": True}


class Mailboxes:
    """
    The mailboxes of all accounts, as one worker sees them.

    @ivar counting: knows how many messages they have.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self.counting = Counting(backend)
        self._remembered = RememberedMailboxes(backend.steady)

    @property
    def allowed(self) -> int:
        """Mailboxes that an account may have."""
        return self._backend.shared_settings.value(MAX_MAILBOXES, MAILBOXES)

    async def list(self, user: ObjectId) -> list[Mailbox]:
        """All mailboxes of an account, hidden ones included, by path."""
        documents: list[dict[str, Any]] = await self._backend.main.find(
            "mailboxes", {"user": user}, projection=MAILBOX_FIELDS, limit=10 * MAILBOXES
        )
        found = [Mailbox.from_document(document) for document in documents]
        return sorted(found, key=lambda mailbox: mailbox.path)

    async def listed(self, user: ObjectId) -> _Listed:
        """The mailboxes that clients are shown, in no order: a tenth of the work of L{list}."""
        documents: _Documents = await self._backend.main.find(
            "mailboxes", {"user": user}, projection=_LISTED_FIELDS, limit=10 * MAILBOXES
        )
        return [
            Listed(
                id=document["_id"],
                path=str(document["path"]),
                special_use=str(document.get("specialUse") or ""),
                subscribed=bool(document.get("subscribed")),
            )
            for document in documents
            if not document.get("hidden")
        ]

    async def shown(self, user: ObjectId, *, counts: bool = False, sizes: bool = False) -> _Shown:
        """
        All mailboxes of an account, hidden ones included, in no order.

        @param counts: with the numbers of their messages.
        @param sizes: and with the bytes of these.
        """
        return await self._shown({"user": user}, counts=counts or sizes, sizes=sizes)

    async def counted(self, user: ObjectId, *, id: ObjectId | None = None, path: str = "") -> _Shown:
        """The mailbox of this id, or of this path, with the numbers of its messages; none or one."""
        which = {"_id": id} if id is not None else {"path": normal_path(path)}
        return await self._shown({"user": user, **which}, counts=True, sizes=False)

    async def _shown(self, filter: dict[str, Any], *, counts: bool, sizes: bool) -> _Shown:
        documents: _Documents = await self._backend.main.find(
            "mailboxes", filter, projection={**MAILBOX_FIELDS, "settled": SETTLED}, limit=10 * MAILBOXES
        )
        counted = await self.counting.counts(documents, sizes=sizes) if counts else {}
        return [(Mailbox.from_document(document), counted.get(document["_id"])) for document in documents]

    async def get(self, user: ObjectId, path: str) -> Mailbox:
        """
        @param path: INBOX in any case; where there is none of this name, the one
            with the same characters composed (NFC).
        @raise MailboxNotFound: there is none of that name.
        """
        try:
            return await self._one({"user": user, "path": normal_path(path)})
        except MailboxNotFound:
            if composed(path) == path:
                raise
        return await self._one({"user": user, "path": normal_path(composed(path))})

    async def spelled(self, user: ObjectId, path: str) -> str:
        """How the mailbox that L{get} finds spells its name; as it is stored, if there is none."""
        if composed(path) != path:
            try:
                return (await self.get(user, path)).path
            except MailboxNotFound:
                pass
        return normal_path(path)

    async def subscribed_names(self, user: ObjectId) -> _Names:
        """Subscribed names, in no order, that may be those of mailboxes or not (L{subscriptions})."""
        return await subscriptions.names(self._backend, user)

    async def target(self, user: ObjectId, path: str) -> Mailbox:
        """
        As L{get}, for storing messages: perhaps as it was some seconds ago.

        L{wildduck.mailstore.store.MailStore.add} finds out where that is wrong.
        """
        path = normal_path(path)
        mailbox = self._remembered.find(user, path)
        if mailbox is None:
            mailbox = await self.get(user, path)
            self._remembered.keep(mailbox)
        return mailbox

    async def again(self, mailbox: Mailbox) -> Mailbox:
        """
        What has the name of a remembered mailbox now.

        @raise MailboxNotFound: nothing, or the mailbox was not only remembered.
        """
        if not mailbox.remembered:
            raise MailboxNotFound()
        self._remembered.forget(mailbox.user)
        return await self.get(mailbox.user, mailbox.path)

    async def has_inferiors(self, user: ObjectId, path: str) -> bool:
        """Whether a name has others under it that are not hidden, be it a mailbox or not."""
        _, under = tree(normal_path(path))
        filter = {"user": user, **under, "hidden": {"$ne": True}}
        return await self._backend.main.find_one("mailboxes", filter, projection={"_id": True}) is not None

    async def get_by_id(self, user: ObjectId, mailbox: ObjectId) -> Mailbox:
        """@raise MailboxNotFound: the account has no such mailbox."""
        return await self._one({"_id": mailbox, "user": user})

    async def get_special(self, user: ObjectId, special_use: str) -> Mailbox:
        """
        @param special_use: C{"\\Junk"} and so on.
        @raise MailboxNotFound: the account has none for this use.
        """
        return await self._one({"user": user, "specialUse": special_use})

    async def _one(self, filter: dict[str, Any]) -> Mailbox:
        document = await self._backend.main.find_one("mailboxes", filter, projection=MAILBOX_FIELDS)
        if document is None:
            raise MailboxNotFound()
        return Mailbox.from_document(document)

    # --- making -----------------------------------------------------------------

    async def create(
        self,
        user: ObjectId,
        path: str,
        special_use: str | None = None,
        *,
        user_retention: int = 0,
        retention: int | None = None,
        hidden: bool = False,
        encrypted: bool = False,
        subscribed: bool = True,
        marks: Mapping[str, Any] | None = None,
    ) -> Mailbox:
        """
        Make a mailbox.

        @param user_retention: the account's retention in milliseconds, 0 for ever.
        @param retention: its own, C{None} for the account's.
        @param subscribed: it is, though nobody has subscribed its name before.
        @param marks: further members of its C{native}.
        @raise CannotDo: the name is not possible.
        @raise MailboxExists: the name is taken.
        @raise LimitReached: the account has as many as it may already.
        """
        path = new_path(path)
        main = self._backend.main
        count, validity, names = await gather(
            main.count("mailboxes", {"user": user}, slow=False),
            next_uid_validity(self._backend, user),
            subscriptions.names(self._backend, user),
        )
        if count >= self.allowed:
            raise LimitReached("Too many mailboxes")
        document = _document(user, path, special_use or "", validity, user_retention)
        if retention is not None:
            document["retention"] = javascript(retention)
        if hidden:
            document["hidden"] = True
        if encrypted:
            document["encryptMessages"] = True
        document["native"].update(marks or {})
        document["subscribed"] = subscribed or path in names
        try:
            await main.insert_one("mailboxes", document)
        except DuplicateKey:
            raise MailboxExists() from None
        if path in names:
            # From here on its document says it.
            await subscriptions.drop(self._backend, user, path)
        mailbox = Mailbox.from_document(document)
        entry = mailbox_entry("CREATE", user, mailbox.id, path, 1, self._backend.now())
        await main.insert_one("journal", entry, durable=True)
        self._backend.background(self._backend.changed(user))
        return mailbox

    async def create_defaults(
        self,
        user: ObjectId,
        language: str = "",
        user_retention: int = 0,
        names: Mapping[str, str] | None = None,
    ) -> None:
        """
        Make INBOX and the special-use mailboxes of a new account; repeatable.

        @param language: picks their names (spec/behaviour.md §1.6).
        @param user_retention: milliseconds, 0 for ever.
        @param names: special use: the name of its mailbox, where it is another one.
        """
        names = names or {}
        present = await self.list(user)
        wanted = [(INBOX, "")] + [(names.get(use) or folder_name(use, language), use) for use in SPECIAL_USES]
        missing = [
            (path, use)
            for path, use in wanted
            if not any(mailbox.path == path or (use and mailbox.special_use == use) for mailbox in present)
        ]
        if not missing:
            return
        validity = await next_uid_validity(self._backend, user)
        for position, (path, use) in enumerate(missing):
            document = _document(user, path, use, validity, user_retention)
            last = position == len(missing) - 1
            try:
                await self._backend.main.insert_one("mailboxes", document, durable=last)
            except DuplicateKey:
                # Another worker makes the same account's mailboxes.
                continue

    # --- changing ---------------------------------------------------------------

    async def rename(self, user: ObjectId, path: str, target: str) -> None:
        """
        Give a mailbox, and all that lies under it, another name (store.md §8).

        See L{wildduck.mailstore.rename.rename}; INBOX can not be renamed so.
        """
        try:
            await rename(self._backend, user, path, target)
        finally:
            self._remembered.forget(user)

    async def change(
        self,
        user: ObjectId,
        mailbox: ObjectId,
        *,
        path: str | None = None,
        children: bool = False,
        retention: int | None = None,
        subscribed: bool | None = None,
        encrypted: bool | None = None,
        hidden: bool | None = None,
    ) -> None:
        """
        Change a mailbox; C{None} leaves what is there.

        The name is changed first: if that is refused nothing is changed.

        @param path: its new name.
        @param children: what lies under it is renamed with it (store.md §8).
        @param retention: milliseconds, 0 for ever; the messages that are there
            get it too, by a task.
        @param encrypted: for what comes from now on; what is there stays as it is.
        @raise MailboxNotFound: the account has no such mailbox.
        @raise CannotDo: INBOX and hidden mailboxes keep their names; or the new one is not possible.
        @raise MailboxExists: the new name is taken.
        """
        if path is not None:
            present = await self.get_by_id(user, mailbox)
            if present.hidden:
                raise CannotDo("A hidden mailbox can not be renamed")
            if new_path(path) != present.path:
                alone = None if children else mailbox
                try:
                    await rename(self._backend, user, present.path, path, alone=alone)
                finally:
                    self._remembered.forget(user)
        fields: dict[str, Any] = {}
        if retention is not None:
            fields["retention"] = javascript(retention)
            counter = {"$ifNull": ["$retentionCounter", 0]}
            same = {"$eq": [{"$ifNull": ["$retention", 0]}, retention]}
            fields["retentionCounter"] = {"$cond": [same, counter, {"$add": [counter, 1]}]}
            # Until its task is queued: when that fails, the change can be made again.
            fields[_UNQUEUED] = {"$cond": [same, {"$ifNull": [f"${_UNQUEUED}", False]}, True]}
        flags = {"subscribed": subscribed, "encryptMessages": encrypted, "hidden": hidden}
        fields.update({name: value for name, value in flags.items() if value is not None})
        if fields:
            await self._set(user, mailbox, fields)
            self._backend.background(self._backend.changed(user))

    async def _set(self, user: ObjectId, mailbox: ObjectId, fields: dict[str, Any]) -> None:
        after = await self._backend.main.find_one_and_update(
            "mailboxes",
            {"_id": mailbox, "user": user},
            [{"$set": fields}],
            projection={"retentionCounter": True, _UNQUEUED: True},
            return_after=True,
            durable=True,
        )

        self._remembered.forget(user)
        if after is None:
            raise MailboxNotFound()
        if "retention" in fields and after["native"][_UNQUEUED.partition(".")[2]]:
            counter = after["retentionCounter"]
            await retention_task.queue(self._backend, user, mailbox, number(counter))
            await self._backend.main.update_one(
                "mailboxes",
                {"_id": mailbox, "retentionCounter": counter},
                {"$unset": {_UNQUEUED: ""}},
                idempotent=True,
            )

    async def subscribe(self, user: ObjectId, path: str, subscribed: bool) -> None:
        """
        Put a name on the list of the subscribed ones, or take it off.

        @raise CannotDo: there is no such mailbox, and none can have this name.
        @raise LimitReached: too many names that no mailbox has are subscribed.
        """
        path = await self.spelled(user, path)
        done = await self._backend.main.update_one(
            "mailboxes",
            {"user": user, "path": path},
            {"$set": {"subscribed": subscribed}},
            durable=True,
            idempotent=True,
        )
        if not subscribed:
            await subscriptions.drop(self._backend, user, path)
        elif not done.matched:
            await subscriptions.keep(self._backend, user, new_path(path))
        self._backend.background(self._backend.changed(user))

    # --- deleting ----------------------------------------------------------------

    async def delete(self, user: ObjectId, mailbox: Mailbox, *, keep_subscription: bool = False) -> None:
        """
        Delete a mailbox; its messages have then expired and the collector takes
        them (spec/schema.md §7 'Deleted mailbox').

        What lies under it stays.  Filters that move messages into it go with it,
        and sessions that have it open end.

        @param keep_subscription: its name stays subscribed if it is.
        @raise CannotDo: INBOX, one for a special use that every account has, or a hidden one.
        @raise MailboxNotFound: it is gone already, or has another name now.
        """
        if mailbox.path == INBOX or mailbox.special_use in SPECIAL_USES or mailbox.hidden:
            raise CannotDo("This mailbox can not be deleted")
        if keep_subscription and mailbox.subscribed:
            await self._keep_subscription(user, mailbox.path)
        main = self._backend.main
        await gather(
            retire(self._backend, user, [mailbox]),
            deleted_mailboxes.note(self._backend, user, [mailbox.id]),
        )
        # The mailbox first: from here no writer gets a UID in it any more.
        if not await main.delete_one("mailboxes", {"_id": mailbox.id, "user": user, "path": mailbox.path}):
            raise MailboxNotFound()
        self._remembered.forget(user)
        await gather(
            deleted_mailboxes.expire(self._backend, mailbox.id),
            # A filter that moves messages to nowhere.
            main.delete_many("filters", {"user": user, "action.mailbox": mailbox.id}),
        )
        entry = mailbox_entry("DELETE", user, mailbox.id, None, mailbox.modify_index, self._backend.now())
        await main.insert_one("journal", entry, durable=True)
        self._backend.background(counters.forget(self._backend.redis, mailbox.id))
        self._backend.background(segments.forget(self._backend, [mailbox.id]))
        self._backend.background(self._backend.notifier.drop(user, mailbox.id))
        self._backend.background(self._backend.changed(user))

    async def _keep_subscription(self, user: ObjectId, path: str) -> None:
        try:
            await subscriptions.keep(self._backend, user, path)
        except (CannotDo, LimitReached):
            pass  # there are too many already


def _document(
    user: ObjectId, path: str, special_use: str, uid_validity: int, user_retention: int
) -> dict[str, Any]:
    """A new mailbox document, in WildDuck's field order."""
    kept = retention.default_retention(special_use, user_retention)
    return {
        "_id": ObjectId(),
        "path": path,
        "specialUse": special_use or None,
        "uidValidity": uid_validity,
        "uidNext": 1,
        "modifyIndex": 1,
        "subscribed": True,
        "flags": [],
        "user": user,
        "retention": javascript(kept),
        # Nothing can be missing in a mailbox that nobody has written to.
        "native": {"modseq": 1, "uid": 1, "index": 1, "next": 1, "recent": 1},
    }
