"""Accounts, mail store and delivery on empty, real databases for each test."""

from __future__ import annotations

import datetime
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial import unittest

from test.support.databases import blocking_database, ensure_indexes, fresh_settings
from test.support.passwords import cheap_passwords
from wildduck.accounts import Account
from wildduck.delivery import Delivered, Delivery, Envelope
from wildduck.domain import Domain
from wildduck.mime.message import scan

ARRIVED = datetime.datetime(2026, 11, 22, 1, 2, 3, 456000, datetime.timezone.utc)


def envelope(sender: str = "Sender@there.example", **more: Any) -> Envelope:
    values = {"peer": "192.0.2.7", "client": "mx.there.example", "transmission": "LMTP", "arrived": ARRIVED}
    return Envelope(sender=sender, **{**values, **more})


class DeliveryCase(unittest.TestCase):
    """
    @ivar domain: everything up to the mail store.
    @ivar db: a blocking handle of the main database, to look and to meddle.
    @ivar account: C{user}, with the address C{user@example.com}.
    """

    sets: tuple[str, ...] = ()

    def setUp(self) -> Deferred[None]:  # type: ignore[override]
        cheap_passwords(self)
        self.settings = fresh_settings(self, *self.sets)
        self.db = blocking_database(self.settings)
        return Deferred.fromCoroutine(self._start())

    async def _start(self) -> None:
        from twisted.internet import reactor

        self.domain = Domain(self.settings, reactor)
        self.addCleanup(lambda: Deferred.fromCoroutine(self.domain.close()))
        await self.domain.open(ensure_indexes=False)
        await ensure_indexes(self.settings, self.domain.databases)
        self.delivery = Delivery(self.domain.accounts, self.domain.store)
        self.account = await self.new_account("user")

    async def new_account(self, name: str, *addresses: str, quota: int = 0) -> Account:
        """An account; C{name@example.com} when no address is given."""
        wanted = addresses or (f"{name}@example.com",)
        return await self.domain.accounts.create(name, "secret password", addresses=wanted, quota=quota)

    async def deliver(
        self, data: bytes, address: str = "user@example.com", sender: Envelope | None = None
    ) -> Delivered:
        """Deliver one message."""
        destination = await self.delivery.recipient(address)
        message = scan(data)
        try:
            return await self.delivery.deliver(destination, message, sender or envelope())
        finally:
            message.close()

    def document(self, delivered: Delivered) -> dict[str, Any]:
        """The stored document."""
        found = self.db.messages.find_one({"_id": delivered.message_id})
        assert found is not None
        return dict(found)

    async def content(self, delivered: Delivered) -> bytes:
        """The stored bytes."""
        content = await self.domain.store.content(self.document(delivered), exact=True)
        await content.prepare()
        return await content.read()

    async def refused(self, kind: type[Exception], address: str, size: int = 0) -> None:
        """The address must be refused in this way."""
        await self.assertFailure(Deferred.fromCoroutine(self.delivery.recipient(address, size)), kind)
