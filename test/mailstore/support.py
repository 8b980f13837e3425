"""A mail store on empty, real databases for each test."""

from __future__ import annotations

import datetime
from collections.abc import Coroutine
from typing import Any

from bson import ObjectId
from twisted.internet import task
from twisted.internet.defer import Deferred
from twisted.trial import unittest

from test.support.databases import blocking_database, blocking_redis, fresh_settings
from wildduck.accounts.values import Account
from wildduck.config import Settings
from wildduck.database import Databases, Redis
from wildduck.events import Notifier
from wildduck.limits import MIB
from wildduck.mailstore.store import MailStore
from wildduck.mailstore.values import Appended, Mailbox
from wildduck.mime.message import scan
from wildduck.threads import BoundedPool

META = {"source": "API", "from": "sender@example.org", "to": ["user@example.com"], "origin": "127.0.0.1"}


class Node:
    """One worker of the cluster: its connections and its mail store."""

    def __init__(self, settings: Settings, clock: Any) -> None:
        self._settings = settings
        self._clock = clock

    async def start(self) -> Node:
        """Connect; C{clock} is what the store goes by, never the connections."""
        from twisted.internet import reactor

        self.databases = await Databases.connect(self._settings.mongo, reactor)
        self.redis = await Redis.connect(self._settings.redis.uri, reactor)
        self.notifier = Notifier(self.redis)
        self.pool = BoundedPool(reactor, "mime", 2, 100)
        self.pool.start()
        self.store = self.new_store(self._clock or reactor)
        return self

    def new_store(self, clock: Any, databases: Any = None) -> MailStore:
        """Another store on the same connections."""
        return MailStore(
            databases or self.databases, self.redis, self.notifier, self._settings, clock, self.pool
        )

    async def stop(self) -> None:
        """Disconnect."""
        await self.store.settle()
        self.notifier.stop()
        await self.pool.stop()
        await self.redis.close()
        await self.databases.close()


class StoreCase(unittest.TestCase):
    """
    @ivar store: a mail store.
    @ivar db: a blocking handle of its main database, to look and to meddle.
    @ivar users: a blocking handle of its accounts.
    @ivar account: an account with its default mailboxes.
    """

    #: Settings of the tests, C{SECTION.KEY=VALUE}.
    sets: tuple[str, ...] = ()
    #: Whether the store goes by L{clock} instead of the reactor.
    own_clock = False

    def setUp(self) -> Any:
        self.settings = fresh_settings(self, *self.sets)
        self.db = blocking_database(self.settings)
        self.users = self.db.users
        self.redis = blocking_redis(self.settings)
        self.clock = task.Clock()
        self.clock.advance(datetime.datetime.now(datetime.timezone.utc).timestamp())
        return Deferred.fromCoroutine(self._start())

    async def _start(self) -> None:
        self.node = await self.new_node()
        self.store = self.node.store
        await self.node.databases.ensure_indexes(mixed_cluster=False)
        self.account = await self.new_account()

    async def new_node(self) -> Node:
        """Another worker on the same databases."""
        node = await Node(self.settings, self.clock if self.own_clock else None).start()
        self.addCleanup(lambda: Deferred.fromCoroutine(node.stop()))
        return node

    async def new_account(self, quota: int = 1000 * MIB, name: str = "user") -> Account:
        """An account with its default mailboxes."""
        user = ObjectId()
        document = {
            "_id": user,
            "username": name,
            "unameview": f"{name}{user}",
            "address": f"{name}@example.com",
            "quota": quota,
            "storageUsed": 0,
        }
        self.users.insert_one(document)
        await self.store.create_defaults(user, "en")
        return Account.from_document(document, quota)

    async def inbox(self) -> Mailbox:
        """INBOX of L{account}, as it is now."""
        return await self.store.mailboxes.get(self.account.id, "INBOX")

    async def add(self, data: bytes, *, store: MailStore | None = None, **options: Any) -> Appended:
        """Add a message to a mailbox, INBOX if not said."""
        account = options.pop("account", self.account)
        mailbox = options.pop("mailbox", None)
        if mailbox is None:
            mailbox = await self.store.mailboxes.get(account.id, "INBOX")
        options.setdefault("meta", META)
        message = scan(data)
        try:
            return await (store or self.store).add(account, mailbox, message, **options)
        finally:
            message.close()

    async def read(self, appended: Appended, *, exact: bool = True) -> bytes:
        """The bytes of a message, through the document and GridFS."""
        document = self.db.messages.find_one({"_id": appended.message_id})
        content = await self.store.content(document, exact=exact)
        await content.prepare()
        data = await content.read()
        self.assertEqual(content.length, len(data))
        return data

    async def fails(self, kind: type[Exception], work: Coroutine[Any, Any, Any]) -> Any:
        """@return: the exception, which must be of this kind."""
        return await self.assertFailure(Deferred.fromCoroutine(work), kind)

    def storage_used(self, account: Account | None = None) -> int:
        """C{storageUsed} of an account."""
        return int(self.users.find_one({"_id": (account or self.account).id})["storageUsed"])

    def attachment_rows(self) -> list[dict[str, Any]]:
        """All rows of the attachments bucket."""
        return list(self.db["attachments.files"].find())


def message(n: int = 1, body: bytes = b"Hello\r\n", subject: str = "") -> bytes:
    """A small message."""
    return (
        b"From: Sender <sender@example.org>\r\nTo: user@example.com\r\n"
        b"Subject: %b\r\nMessage-ID: <m%d@example.org>\r\n"
        b"Date: Mon, 2 Jan 2023 10:00:00 +0200\r\n\r\n%b"
    ) % ((subject or f"Message {n}").encode(), n, body)


def with_attachment(n: int, attachment: bytes, encoding: bytes = b"base64") -> bytes:
    """A text and one attachment, in its transfer encoding."""
    return (
        b"From: sender@example.org\r\nTo: user@example.com\r\nSubject: With attachment %d\r\n"
        b"Message-ID: <a%d@example.org>\r\nMIME-Version: 1.0\r\n"
        b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n'
        b"--b\r\nContent-Type: text/plain\r\n\r\nSee the attachment.\r\n"
        b"--b\r\nContent-Type: application/octet-stream\r\n"
        b"Content-Disposition: attachment; filename=data.bin\r\n"
        b"Content-Transfer-Encoding: %b\r\n\r\n%b\r\n--b--\r\n"
    ) % (n, n, encoding, attachment)
