"""
Delivery of a message to one recipient.

Filters, forwarding, automatic replies and encryption are not carried out: a
recipient who has any of them configured gets a temporary error, so that nothing
is silently left undone, and nothing is stored in clear where encryption is wanted.
"""

from __future__ import annotations

from typing import Any

from twisted.logger import Logger

from wildduck import limits
from wildduck.accounts import Account, Accounts, normalise
from wildduck.delivery.trace import added_lines, topmost_received
from wildduck.delivery.turns import Turns
from wildduck.delivery.values import Delivered, Destination, Envelope
from wildduck.errors import (
    AccountDisabled,
    AddressNotFound,
    CannotDo,
    DeliveryNotPossible,
    MailboxNotFound,
    OverQuota,
    Unavailable,
)
from wildduck.mailstore.store import MailStore
from wildduck.mailstore.values import Mailbox
from wildduck.mime.message import Message


class Delivery:
    """Finds recipients and stores their mail; one for each worker."""

    _log = Logger()

    def __init__(self, accounts: Accounts, store: MailStore) -> None:
        self._accounts = accounts
        self._store = store
        self._turns = Turns(limits.LMTP_USER_CONCURRENCY, limits.LMTP_USER_WAITING)

    async def recipient(self, address: str, size: int = 0) -> Destination:
        """
        Who receives mail for an address, and whether he can.

        @param address: as the client wrote it, unquoted.
        @param size: bytes that were announced, 0 for unknown.
        @raise AddressNotFound: nobody.
        @raise AccountDisabled: the account takes no mail.
        @raise OverQuota: its storage is full, or would be.
        @raise DeliveryNotPossible: it has settings that are not honoured yet.
        @raise Unavailable: a database does not answer, or the account is being
            made or deleted.
        """
        local = address.rpartition("@")[0]
        if not local or "*" in local:
            raise AddressNotFound()  # never the name of a wildcard itself
        receiver = await self._accounts.receivers.find(address)
        account = receiver.recipient.account
        if account.disabled:
            raise AccountDisabled()
        if account.storage_used >= account.quota or account.storage_used + size > account.quota:
            raise OverQuota()
        mailbox = await self._mailbox(account)
        encrypts = account.encrypt_messages or mailbox.encrypted
        if encrypts or account.targets or account.autoreply or receiver.filtered:
            raise DeliveryNotPossible()
        return Destination(account, normalise.address(receiver.recipient.address), mailbox)

    async def deliver(self, destination: Destination, message: Message, envelope: Envelope) -> Delivered:
        """
        Store a message for one recipient; when this returns it is there for good.

        A message with the same Message-ID as another one is stored like any other.

        @param message: as it came; it stays the caller's.
        @raise OverQuota: the account's storage is full meanwhile.
        @raise Overloaded: too many deliveries to this account, or too much to do.
        @raise DeliveryNotPossible: it would have to be encrypted.
        @raise Unavailable: it is not known to be stored; to be tried again.
        """
        account = destination.account
        async with self._turns.turn(account.id):
            mine = message.with_prefix(added_lines(destination.address, envelope.sender))
            try:
                return await self._store_message(destination, mine, envelope)
            except MailboxNotFound:
                raise Unavailable() from None
            except CannotDo:
                # Since RCPT mailbox or account have come to want encryption.
                raise DeliveryNotPossible() from None
            finally:
                mine.close()

    async def _store_message(
        self, destination: Destination, message: Message, envelope: Envelope
    ) -> Delivered:
        prepared = await self._store.prepare(message)
        appended = await self._store.add(
            destination.account,
            destination.mailbox,
            message,
            internal_date=envelope.arrived,
            meta=_meta(destination, message, envelope),
            prepared=prepared,
        )
        self._log.info(
            "delivered {id} to {user}",
            id=str(appended.message_id),
            user=str(destination.account.id),
            session=envelope.session,
        )
        return Delivered(appended.message_id, destination.mailbox, appended.uid, appended.length)

    async def _mailbox(self, account: Account) -> Mailbox:
        """INBOX, or Junk for who takes all mail for spam (spec/behaviour.md §4, 4)."""
        mailboxes = self._store.mailboxes
        try:
            if account.spam_level == 0:
                return await mailboxes.get_special(account.id, "\\Junk")
        except MailboxNotFound:
            pass
        try:
            return await mailboxes.target(account.id, "INBOX")
        except MailboxNotFound:
            raise Unavailable() from None  # an account that is being made or deleted


def _meta(destination: Destination, message: Message, envelope: Envelope) -> dict[str, Any]:
    """WildDuck's C{meta} of a delivered message (spec/schema.md 'messages')."""
    received = topmost_received(message)
    meta = {
        "transactionId": envelope.transaction,
        "source": "MX",
        "from": normalise.address(envelope.sender),
        "to": [destination.address],
        "origin": received.origin or envelope.peer,
        "originhost": f"[{envelope.peer}]" if envelope.peer else "",
        "transhost": envelope.client,
        "transtype": received.protocol or envelope.transmission,
        "time": envelope.arrived,
    }
    if received.queue_id:
        meta["queueId"] = received.queue_id
    return meta
