"""Tests for L{wildduck.delivery.delivery}, with real databases."""

from __future__ import annotations

from typing import Any

from bson import ObjectId
from twisted.internet.defer import Deferred, DeferredList

from test.delivery.support import ARRIVED, DeliveryCase, envelope
from wildduck import limits
from wildduck.errors import (
    AccountDisabled,
    AddressNotFound,
    DeliveryNotPossible,
    DomainError,
    Overloaded,
    OverQuota,
    Unavailable,
)
from wildduck.mime.message import scan

MESSAGE = b"From: A <a@there.example>\r\nSubject: Hello\r\nMessage-ID: <1@there.example>\r\n\r\nText\r\n"
ADDED = b"Delivered-To: user@example.com\r\nReturn-Path: <Sender@there.example>\r\n"


class DeliverTests(DeliveryCase):
    """L{Delivery.deliver}."""

    async def test_bytes(self) -> None:
        """What is stored is the message as it came after the two added lines."""
        delivered = await self.deliver(MESSAGE)
        self.assertEqual(await self.content(delivered), ADDED + MESSAGE)
        self.assertEqual((delivered.uid, delivered.length), (1, len(ADDED + MESSAGE)))
        self.assertEqual(delivered.mailbox.path, "INBOX")

    async def test_no_bytes_at_all(self) -> None:
        """An empty message, one without a header, one with NUL and bare line ends come back exact."""
        for message in (b"", b"\r\n", b"\r\nbody", b"A: b\n\nx\r\ry\0\n", b"\0", b" leading blank\r\n\r\nx"):
            self.assertEqual(await self.content(await self.deliver(message)), ADDED + message)

    async def test_meta(self) -> None:
        """WildDuck's meta, in its order; times are that of the arrival."""
        document = self.document(await self.deliver(MESSAGE))
        transaction = document["meta"].pop("transactionId")
        self.assertIsInstance(transaction, ObjectId)
        arrived = ARRIVED.replace(tzinfo=None)
        self.assertEqual(
            list(document["meta"].items()),
            [
                ("source", "MX"),
                ("from", "sender@there.example"),
                ("to", ["user@example.com"]),
                ("origin", "192.0.2.7"),
                ("originhost", "[192.0.2.7]"),
                ("transhost", "mx.there.example"),
                ("transtype", "LMTP"),
                ("time", arrived),
            ],
        )
        self.assertEqual((document["idate"], document["flags"], document["unseen"]), (arrived, [], True))
        entry = self.db.journal.find_one({"message": document["_id"]})
        self.assertEqual((entry["command"], entry["ignore"]), ("EXISTS", None))

    async def test_meta_from_received(self) -> None:
        """The server before us is known by its Received field."""
        field = b"Received: from a.example by mx with ESMTPS id 4ABC\r\n\tfor <x@y>; Mon, 1 Jan 2024\r\n"
        meta = self.document(await self.deliver(field + MESSAGE))["meta"]
        self.assertEqual(
            (meta["origin"], meta["transtype"], meta["queueId"]), ("a.example", "ESMTPS", "4ABC")
        )

    async def test_label_and_case(self) -> None:
        """The label stays in Delivered-To and in meta; case does not."""
        delivered = await self.deliver(MESSAGE, "U.Ser+Tag@EXAMPLE.com", envelope(""))
        self.assertTrue(
            (await self.content(delivered)).startswith(
                b"Delivered-To: u.ser+tag@example.com\r\nReturn-Path: <>\r\n"
            )
        )
        meta = self.document(delivered)["meta"]
        self.assertEqual((meta["to"], meta["from"]), (["u.ser+tag@example.com"], ""))

    async def test_one_message_for_several(self) -> None:
        """Each recipient gets his own lines before the same content, and the attachment is stored once."""
        await self.new_account("other")
        big = b"\r\n".join([b"QUJD" * 19] * 5000)
        data = (
            b"MIME-Version: 1.0\r\nContent-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n"
            + big
        )
        message = scan(data)
        for address in ("user@example.com", "other@example.com", "user+x@example.com"):
            destination = await self.delivery.recipient(address)
            delivered = await self.delivery.deliver(destination, message, envelope("s@x.example"))
            expected = b"Delivered-To: %b\r\nReturn-Path: <s@x.example>\r\n" % address.encode()
            self.assertEqual(await self.content(delivered), expected + data)
        message.close()
        rows = list(self.db["attachments.files"].find())
        self.assertEqual([row["metadata"]["c"] for row in rows], [3])

    async def test_encryption_wanted_meanwhile(self) -> None:
        """Mail that would have to be encrypted since RCPT is put off, and nothing is stored in clear."""
        message = scan(MESSAGE)
        self.addCleanup(message.close)
        for collection in ("mailboxes", "users"):
            destination = await self.delivery.recipient("user@example.com")
            self.db[collection].update_many({}, {"$set": {"encryptMessages": True}})
            refused = Deferred.fromCoroutine(self.delivery.deliver(destination, message, envelope()))
            error = await self.assertFailure(refused, DeliveryNotPossible)
            self.assertEqual(error.smtp, (451, "4.3.5"))
            self.db[collection].update_many({}, {"$unset": {"encryptMessages": True}})
        self.assertEqual(self.db.messages.count_documents({}), 0)
        self.assertEqual(self.db.users.find_one()["storageUsed"], 0)

    async def test_bytes_are_freed(self) -> None:
        """When the caller closes the message nothing of it is kept, also after a refusal."""
        await self.new_account("small", quota=100)
        message = scan(MESSAGE)
        destination = await self.delivery.recipient("user@example.com")
        await self.delivery.deliver(destination, message, envelope())
        small = await self.delivery.recipient("small@example.com")
        refused = Deferred.fromCoroutine(self.delivery.deliver(small, message, envelope()))
        await self.assertFailure(refused, OverQuota)
        message.close()
        self.assertRaises(ValueError, message._content.read, 0, 1)

    async def test_same_message_id(self) -> None:
        """A message like one that is there is stored, not dropped."""
        first = await self.deliver(MESSAGE)
        second = await self.deliver(MESSAGE)
        self.assertEqual((first.uid, second.uid), (1, 2))

    async def test_over_quota_at_last(self) -> None:
        """Storage that has filled up since RCPT refuses, and nothing is left."""
        small = await self.new_account("small", quota=300)
        destination = await self.delivery.recipient("small@example.com")
        message = scan(MESSAGE)
        await self.delivery.deliver(destination, message, envelope())
        await self.assertFailure(
            Deferred.fromCoroutine(self.delivery.deliver(destination, message, envelope())), OverQuota
        )
        message.close()
        self.assertEqual(self.db.messages.count_documents({"user": small.id}), 1)

    async def test_account_goes_meanwhile(self) -> None:
        """An account that is deleted between RCPT and the last byte gets nothing, and 250 is not said."""
        destination = await self.delivery.recipient("user@example.com")
        await self.domain.accounts.delete(self.account.id)
        message = scan(MESSAGE)
        delivered = Deferred.fromCoroutine(self.delivery.deliver(destination, message, envelope()))
        error: Any = await self.assertFailure(delivered, DomainError)
        self.assertIn(error.smtp[0], (451, 550))
        message.close()
        self.assertEqual(self.db.messages.count_documents({}), 0)

    async def test_mailbox_goes_meanwhile(self) -> None:
        """A mailbox that is gone is a temporary failure; the storage is given back."""
        destination = await self.delivery.recipient("user@example.com")
        self.db.mailboxes.delete_many({})
        message = scan(MESSAGE)
        await self.assertFailure(
            Deferred.fromCoroutine(self.delivery.deliver(destination, message, envelope())), Unavailable
        )
        message.close()
        self.assertEqual(self.db.users.find_one({"_id": self.account.id})["storageUsed"], 0)

    async def test_many_at_once(self) -> None:
        """Deliveries to one account beyond those that may wait are refused, the others all stored."""
        destination = await self.delivery.recipient("user@example.com")
        message = scan(MESSAGE)
        count = limits.LMTP_USER_CONCURRENCY + limits.LMTP_USER_WAITING + 5
        running: Any = DeferredList(
            [
                Deferred.fromCoroutine(self.delivery.deliver(destination, message, envelope()))
                for _ in range(count)
            ],
            consumeErrors=True,
        )
        results = await running
        message.close()
        refused = [result for success, result in results if not success]
        self.assertEqual([type(failure.value) for failure in refused], [Overloaded] * 5)
        uids = sorted(result.uid for success, result in results if success)
        self.assertEqual(uids, list(range(1, count - 4)))


class RecipientTests(DeliveryCase):
    """L{Delivery.recipient}."""

    async def test_forms_of_an_address(self) -> None:
        """Labels, dots, case, unicode and wildcards find their account."""
        await self.new_account("wild", "*@wild.example", "sales*@example.com", "jõgi@õun.example", "all@*")
        for address, name in {
            "us.er@example.com": "user",
            "USER+news@Example.COM": "user",
            "anything@wild.example": "wild",
            "sales.north@example.com": "wild",
            "JÕGI@xn--un-bka.example": "wild",
            "all@anywhere.example": "wild",
        }.items():
            destination = await self.delivery.recipient(address)
            self.assertEqual((address, destination.account.username), (address, name))

    async def test_unknown(self) -> None:
        """Nobody's address, an empty local part, and the name of a wildcard itself."""
        await self.new_account("wild", "*@wild.example")
        for address in (
            "nobody@example.com",
            "postmaster",
            "@wild.example",
            "*@wild.example",
            "a*@wild.example",
        ):
            await self.refused(AddressNotFound, address)

    async def test_disabled(self) -> None:
        """A disabled account takes no mail, a suspended one does."""
        self.db.users.update_one({}, {"$set": {"suspended": True}})
        await self.delivery.recipient("user@example.com")
        self.db.users.update_one({}, {"$set": {"disabled": True}})
        await self.refused(AccountDisabled, "user@example.com")

    async def test_over_quota(self) -> None:
        """A full account is refused at once, and one in which the announced size does not fit."""
        self.db.users.update_one({}, {"$set": {"quota": 1000, "storageUsed": 400}})
        await self.delivery.recipient("user@example.com", 600)
        await self.refused(OverQuota, "user@example.com", 601)
        self.db.users.update_one({}, {"$set": {"storageUsed": 1000}})
        await self.refused(OverQuota, "user@example.com")

    async def test_settings_not_honoured_yet(self) -> None:
        """Who has filters, forwards, an automatic reply or encryption is not delivered to without them."""
        for change in (
            {"targets": [{"id": ObjectId(), "type": "mail", "value": "x@y.example"}]},
            {"autoreply": True},
            {"encryptMessages": True},
        ):
            self.db.users.update_one({}, {"$set": change})
            await self.refused(DeliveryNotPossible, "user@example.com")
            self.db.users.update_one({}, {"$unset": dict.fromkeys(change, "")})
        other = await self.new_account("other")
        inbox = {"path": "INBOX", "user": other.id}
        self.db.mailboxes.update_one(inbox, {"$set": {"encryptMessages": True}})
        await self.refused(DeliveryNotPossible, "other@example.com")
        self.db.mailboxes.update_one(inbox, {"$unset": {"encryptMessages": ""}})
        await self.delivery.recipient("other@example.com")
        self.db.filters.insert_one({"user": self.account.id, "query": {}, "action": {"delete": True}})
        await self.refused(DeliveryNotPossible, "user@example.com")
        self.db.filters.update_one({}, {"$set": {"disabled": True}})
        await self.delivery.recipient("user@example.com")

    async def test_leads_elsewhere(self) -> None:
        """An address is another account's, or nobody's, from one moment to the next."""
        other = await self.new_account("other")
        address, was = {"addrview": "user@example.com"}, (await self.delivery.recipient("user@example.com"))
        self.assertEqual(self.account.id, was.account.id)
        self.db.addresses.update_one(address, {"$set": {"user": other.id}})
        for _ in range(2):
            self.assertEqual(other.id, (await self.delivery.recipient("user@example.com")).account.id)
        self.db.filters.insert_one({"user": self.account.id, "query": {}, "action": {"delete": True}})
        await self.delivery.recipient("user@example.com")
        self.db.addresses.update_one(address, {"$set": {"user": self.account.id}})
        await self.refused(DeliveryNotPossible, "user@example.com")
        self.db.filters.delete_many({})
        self.db.users.delete_one({"_id": self.account.id})
        await self.refused(AddressNotFound, "user@example.com")
        self.db.addresses.delete_one(address)
        await self.refused(AddressNotFound, "user@example.com")

    async def test_asked_at_once(self) -> None:
        """What is to be known of who received mail before is asked for without waiting in between."""
        await self.delivery.recipient("user@example.com")
        begun: list[str] = []
        users = self.domain.databases.users
        real = users.find_one

        def find_one(collection: str, *arguments: Any, **options: Any) -> Any:
            begun.append(collection)
            return real(collection, *arguments, **options)

        for handle in (users, self.domain.databases.main):
            self.patch(handle, "find_one", find_one)
        looking = Deferred.fromCoroutine(self.delivery.recipient("user@example.com"))
        self.assertEqual(["addresses", "users", "filters"], begun[:3])
        await looking

    async def test_settings_of_what_is_sent(self) -> None:
        """What concerns only mail that goes out hinders none that comes in."""
        relay = {"id": ObjectId(), "type": "relay", "value": "smtp://relay.example"}
        settings = {"mtaRelay": relay, "encryptForwarded": True, "uploadSentMessages": True, "pubKey": "x"}
        self.db.users.update_one({}, {"$set": {**settings, "targets": [], "fromWhitelist": ["*@x.example"]}})
        await self.delivery.recipient("user@example.com")

    async def test_forwarded_address(self) -> None:
        """An address that only forwards is not served yet."""
        row = {"address": "f@example.com", "addrview": "f@example.com", "targets": [{"value": "x@y.example"}]}
        self.db.addresses.insert_one(row)
        await self.refused(DeliveryNotPossible, "f@example.com")
        self.db.addresses.update_one({"addrview": "f@example.com"}, {"$set": {"forwardedDisabled": True}})
        await self.refused(AccountDisabled, "f@example.com")

    async def test_all_mail_is_spam(self) -> None:
        """With a spam level of 0 mail goes to Junk, or INBOX where there is none."""
        self.db.users.update_one({}, {"$set": {"spamLevel": 0}})
        self.assertEqual((await self.deliver(MESSAGE)).mailbox.special_use, "\\Junk")
        self.db.mailboxes.delete_one({"specialUse": "\\Junk"})
        self.assertEqual((await self.deliver(MESSAGE)).mailbox.path, "INBOX")

    async def test_without_mailboxes(self) -> None:
        """An account that is being made or deleted is to be tried again."""
        self.db.mailboxes.delete_many({})
        await self.refused(Unavailable, "user@example.com")
