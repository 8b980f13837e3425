"""Who receives mail for an address: what decides on it, asked for in one turn where that can be."""

from __future__ import annotations

from dataclasses import dataclass

from bson import ObjectId

from wildduck.accounts import normalise
from wildduck.accounts.directory import Directory
from wildduck.accounts.values import Recipient
from wildduck.database import Databases, Line
from wildduck.limits import REMEMBERED_ADDRESSES
from wildduck.mailstore.concurrently import gather


@dataclass(frozen=True, slots=True)
class Receiver:
    """
    @ivar recipient: who it is.
    @ivar filtered: the account has filters in force for incoming mail.
    """

    recipient: Recipient
    filtered: bool


class Receivers:
    """
    Looks for recipients; one for each worker.

    An address mostly leads to the account that it led to before.  Then what is
    to be known of that account is asked for together with the address, and
    counts if the address still leads there.
    """

    def __init__(self, databases: Databases, directory: Directory) -> None:
        self._databases = databases
        self._directory = directory
        #: Where addresses have led, the one that was asked for least lately first.
        self._led_to: dict[str, ObjectId] = {}

    async def find(self, address: str) -> Receiver:
        """
        @raise AddressNotFound: nobody receives mail for the address.
        @raise DeliveryNotPossible: a forwarded address.
        @raise AccountDisabled: a forwarded address that is switched off.
        """
        view = normalise.address_view(address)
        likely = self._led_to.pop(view, None)
        found = await self._at_once(address, likely) if likely is not None else None
        if found is None:
            recipient = await self._directory.recipient(address)
            found = Receiver(recipient, await self.has_filters(recipient.account.id))
        self._led_to[view] = found.recipient.account.id
        if len(self._led_to) > REMEMBERED_ADDRESSES:
            del self._led_to[next(iter(self._led_to))]
        return found

    async def _at_once(self, address: str, likely: ObjectId) -> Receiver | None:
        """C{None}: the address leads elsewhere by now."""
        line = self._databases.users.line(durable=False)
        row, account, filtered = await gather(
            self._directory.row(address, wildcards=True, line=line),
            self._directory.find({"_id": likely}, line=line),
            self.has_filters(likely, line),
        )
        if row.get("user") != likely or account is None:
            return None
        return Receiver(Recipient(account[0], address, str(row.get("address") or "")), filtered)

    async def has_filters(self, user: ObjectId, line: Line | None = None) -> bool:
        """Whether an account has filters in force for incoming mail."""
        query = {"user": user, "disabled": {"$ne": True}}
        found = await self._databases.main.find_one("filters", query, projection={"_id": True}, line=line)
        return found is not None
