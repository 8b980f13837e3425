"""
Making an account.

Its parts are written so that a crash leaves nothing that looks like a working
account: it is disabled and has no password until all of them are there.  What
a crash left over is cleared away when the name is asked for again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from bson import ObjectId

from wildduck.accounts import checking, features, normalise, passwords
from wildduck.accounts.addresses import Addresses, new_row
from wildduck.accounts.checking import Failures
from wildduck.accounts.deletion import remove_rows
from wildduck.accounts.documents import new_user, temporary_password
from wildduck.accounts.fields import NewUser
from wildduck.accounts.notes import Notes, Origin
from wildduck.accounts.surroundings import Surroundings
from wildduck.errors import BadInput, CannotDo, DuplicateKey, InsecurePassword, UserExists
from wildduck.mailstore.folder_names import SPECIAL_USES, folder_name
from wildduck.mailstore.paths import INBOX, new_path

#: An account that is not complete after this time never will be: the longest
#: creation has ended long before by the deadlines of its operations.
LEFT_OVER = timedelta(minutes=10)

#: WildDuck's names of the special-use mailboxes in C{mailboxes}.
MAILBOX_KEYS = {"sent": "\\Sent", "trash": "\\Trash", "junk": "\\Junk", "drafts": "\\Drafts"}


@dataclass(frozen=True, slots=True)
class _Plan:
    """
    What is to be made.

    @ivar addresses: stored forms, the main one first.
    @ivar mailboxes: special use: its name, where it is not that of the language.
    """

    document: dict[str, Any]
    addresses: list[str]
    mailboxes: dict[str, str]
    address_tags: list[str] | None


class Creation:
    """Makes accounts."""

    def __init__(self, surroundings: Surroundings, addresses: Addresses, notes: Notes) -> None:
        self._around = surroundings
        self._addresses = addresses
        self._users = surroundings.users
        self._notes = notes

    async def create(self, wanted: NewUser, origin: Origin, *, password_needed: bool = False) -> ObjectId:
        """
        Make an account with its mailboxes and addresses.

        @param password_needed: an account without a password is not wanted.

        @raise BadInput: with every failed field.
        @raise InsecurePassword: it is known from a breach, and C{allow_unsafe} is not set.
        @raise UserExists: the name is taken.
        @raise AddressExists: an address is taken; nothing is left of the account.
        """
        plan = await self._plan(wanted, password_needed)
        hashed = await self._hashed(wanted)
        document = plan.document
        user: ObjectId = document["_id"]
        await self._reserve_name(document)
        try:
            language, retention = document["language"] or "", int(document["retention"])
            await self._around.mail.create_defaults(user, language, retention, plan.mailboxes)
            for address in plan.addresses:
                row = new_row(address, self._around.now(), tags=plan.address_tags)
                row["user"] = user
                await self._addresses.insert(row)
            await self._activate(user, plan, hashed, wanted.require_password_change)
        except Exception:
            await self._take_back(user)
            raise
        await self._tell(wanted, plan, origin)
        return user

    # --- what is wanted -------------------------------------------------------------

    async def _plan(self, wanted: NewUser, password_needed: bool) -> _Plan:
        """@raise BadInput: with every failed field."""
        failures: Failures = {}
        name = _checked(failures, "username", normalise.username, wanted.username)
        fields = checking.document_fields(wanted, failures)
        checking.check_password(wanted.password, wanted.hashed_password, failures)
        checking.check_look_up(wanted, self._around.pwned.asks, failures)
        if password_needed and not wanted.password:
            failures["password"] = "password must have at least 1 character"
        addresses = self._wanted_addresses(wanted, name, failures)
        mailboxes = _mailbox_names(wanted, failures)
        if fields.get("pubKey") or fields.get("smimeCerts"):
            failures.update(await self._around.pool.run(checking.check_keys, fields))
        checking.raise_for(failures)
        if fields.get("mtaRelay", True) is None:
            del fields["mtaRelay"]
        # WildDuck leaves these out where they are empty.
        for key in ("fromWhitelist", "tags", "tagsview"):
            if not fields.get(key, True):
                del fields[key]
        document = new_user(name, fields, self._around.now())
        tags = fields.get("tags") if wanted.add_tags_to_address else None
        return _Plan(document, addresses, mailboxes, tags)

    def _wanted_addresses(self, wanted: NewUser, name: str, failures: Failures) -> list[str]:
        """The addresses in their stored forms, the main one first; none where it is to have none."""
        given = list(wanted.more_addresses)
        if not wanted.empty_address:
            main = wanted.address if isinstance(wanted.address, str) else ""
            if "*" in main:
                failures["address"] = "Invalid character in email address: *"
                return []
            if main:
                given.insert(0, _without_label(main))
            elif name:
                given.insert(0, self._own_address(name))
        stored = [_checked(failures, "address", normalise.new_address, one) for one in given]
        return list(dict.fromkeys(stored))

    def _own_address(self, name: str) -> str:
        """The address of a name: it is one itself, or it is given the site's domain."""
        try:
            return normalise.new_address(name)
        except BadInput:
            return f"{name.partition('@')[0]}@{self._around.email_domain}"

    async def _hashed(self, wanted: NewUser) -> str:
        if not wanted.password or wanted.hashed_password:
            return wanted.password
        if not wanted.allow_unsafe and await self._around.pwned.knows(wanted.password):
            raise InsecurePassword()
        return await self._around.pool.run(passwords.hash_password, wanted.password)

    # --- the parts ------------------------------------------------------------------

    async def _reserve_name(self, document: dict[str, Any]) -> None:
        """@raise UserExists: it is taken."""
        try:
            await self._users.insert_one("users", document)
            return
        except DuplicateKey:
            if not await self._clear_left_over(document["unameview"]):
                raise UserExists() from None
        try:
            await self._users.insert_one("users", document)
        except DuplicateKey:
            raise UserExists() from None

    async def _clear_left_over(self, view: str) -> bool:
        """Remove an account of this name whose creation was cut off; whether there was one."""
        old = self._around.now() - LEFT_OVER
        half = {
            "unameview": view,
            "activated": False,
            "disabled": True,
            "password": "",
            "created": {"$lt": old},
        }
        found = await self._users.find_one("users", half, projection={"_id": True})
        if found is None:
            return False
        await self._take_back(found["_id"])
        return True

    async def _activate(self, user: ObjectId, plan: _Plan, hashed: str, temporary: bool) -> None:
        """The last write: from here on it is an account."""
        main = next((address for address in plan.addresses if "*" not in address), "")
        fields: dict[str, Any] = {"address": main, "activated": True, "disabled": False}
        if temporary and hashed:
            fields["tempPassword"] = temporary_password(hashed, self._around.now())
        else:
            fields["password"] = hashed
        done = await self._users.update_one(
            "users", {"_id": user, "disabled": True}, {"$set": fields}, durable=True, idempotent=True
        )
        if not done.matched and await self._users.find_one("users", {"_id": user, "activated": True}) is None:
            raise UserExists()

    async def _take_back(self, user: ObjectId) -> None:
        await self._around.mail.delete_user_data(user)
        await remove_rows(self._around, user)
        await self._users.delete_many("addresses", {"user": user}, durable=True)
        await self._users.delete_one("users", {"_id": user}, durable=True)

    async def _tell(self, wanted: NewUser, plan: _Plan, origin: Origin) -> None:
        """What follows an account that is there."""
        user = plan.document["_id"]
        if plan.document["featureFlags"]:
            await features.mirror(self._around, user, plan.document["featureFlags"])
        await self._notes.add(user, "account created", origin)
        for target in plan.document["targets"]:
            await self._notes.add(user, "user forward added", origin, target=target["value"], protocol="API")


def _without_label(address: str) -> str:
    local, at, host = address.rpartition("@")
    return local.partition("+")[0] + at + host


def _checked(failures: Failures, key: str, parse: Any, value: str) -> str:
    try:
        stored: str = parse(value)
    except BadInput as error:
        failures[key] = str(error)
        return ""
    return stored


def _mailbox_names(wanted: NewUser, failures: Failures) -> dict[str, str]:
    """The names that are wanted for special-use mailboxes, none of them taken by another."""
    names: dict[str, str] = {}
    fields: dict[str, str] = {}
    for key, path in wanted.mailboxes.items():
        field = f"mailboxes,{key}"
        if key not in MAILBOX_KEYS:
            failures[field] = f"mailboxes.{key} is not allowed"
        elif path:
            try:
                names[MAILBOX_KEYS[key]] = new_path(path)
                fields[MAILBOX_KEYS[key]] = field
            except CannotDo as error:
                failures[field] = f"mailboxes.{key}: {error}"
    language = wanted.language if isinstance(wanted.language, str) else ""
    taken = {INBOX}
    # Those that have no name of their own come first: they are where the language puts them.
    for use in sorted(SPECIAL_USES, key=lambda use: use in names):
        path = names.get(use) or folder_name(use, language)
        if path in taken:
            failures[fields.get(use, "mailboxes")] = f"Duplicate mailbox name: {path}"
        taken.add(path)
    return names
