"""The API beside IMAP sessions, on the same databases."""

from __future__ import annotations

from typing import Any, cast

from bson import ObjectId
from twisted.trial.unittest import TestCase

from test.api.test_application import Caller, listen
from test.imap.server import ImapServer
from test.support.databases import blocking_database
from wildduck.accounts import Account
from wildduck.accounts.tokens import AccessTokens
from wildduck.api import make_application
from wildduck.config import ApiSettings

SETTINGS = ApiSettings(token="master", access_control=True, access_secret="a secret of the cluster")


class MessagesCase(TestCase):
    """
    @ivar server: the IMAP face.
    @ivar caller: speaks to the API.
    @ivar db: a blocking handle of the database.
    @ivar account: C{fred}, with a token of role C{user} in C{token}.
    @ivar other: another account, with C{other_token}.
    """

    sets: tuple[str, ...] = ()
    api_settings = SETTINGS

    async def setUp(self) -> None:  # type: ignore[override]
        from twisted.internet import reactor

        self.server = await ImapServer.start(self, *self.sets)
        domain = self.server.domain
        self.store = domain.store
        application = make_application(
            domain.accounts,
            domain.store,
            domain.databases,
            domain.redis,
            cast(Any, reactor),
            self.api_settings,
        )
        self.caller: Caller = listen(self, application)
        self.db = blocking_database(self.server.settings)
        tokens = AccessTokens.from_settings(
            domain.redis, domain.databases.users, cast(Any, reactor), self.api_settings
        )
        self.account = await domain.accounts.create(
            "fred", "secret pass", addresses=["fred@example.com"], name="Fred Flint"
        )
        self.other = await domain.accounts.create("other", "secret pass", addresses=["other@example.com"])
        self.token = await tokens.sign_in(self.account.id)
        self.other_token = await tokens.sign_in(self.other.id)
        self.inbox = await self.mailbox("INBOX")

    async def mailbox(self, path: str, account: Account | None = None) -> Any:
        return await self.server.mailbox(account or self.account, path)

    async def call(
        self, method: str, path: str, body: Any = None, *, token: str = "", kind: str = ""
    ) -> tuple[int, Any]:
        """@param path: below the account's mailboxes."""
        headers = {"X-Access-Token": token or self.token}
        if kind:
            headers["Content-Type"] = kind
        return await self.caller.call(method, f"/users/{self.account.id}/mailboxes/{path}", body, headers)

    async def messages(
        self, method: str, rest: str = "", body: Any = None, **options: Any
    ) -> tuple[int, Any]:
        """Of INBOX."""
        return await self.call(method, f"{self.inbox.id}/messages{rest}", body, **options)

    async def put(self, count: int, *flags: str, path: str = "INBOX") -> None:
        for n in range(count):
            content = b"From: a@example.org\r\nSubject: %d\r\nMessage-ID: <%d@example.org>\r\n\r\nHi\r\n" % (
                n,
                n,
            )
            await self.server.add(self.account, path, content, *flags)

    def rows(self, mailbox: Any = None) -> list[dict[str, Any]]:
        return list(self.db.messages.find({"mailbox": (mailbox or self.inbox).id}).sort("uid"))

    def uids(self, mailbox: Any = None) -> list[int]:
        return [row["uid"] for row in self.rows(mailbox)]

    async def source(self, row: dict[str, Any]) -> bytes:
        """The bytes of a stored message."""
        content = await self.store.content(row, exact=True)
        return await content.read()

    async def idling(self, path: str = "INBOX") -> Any:
        """An IMAP session that waits for news."""
        client = self.server.connect()
        await client.login("fred")
        await client.command(b"SELECT " + path.encode())
        client.send(b"i IDLE\r\n")
        assert (await client.line()).startswith(b"+ ")
        return client

    def storage_used(self, account: Account | None = None) -> int:
        return int(self.db.users.find_one({"_id": (account or self.account).id})["storageUsed"])

    def set_account(self, **fields: Any) -> None:
        self.db.users.update_one({"_id": self.account.id}, {"$set": fields})

    def set_mailbox(self, mailbox: Any, **fields: Any) -> None:
        self.db.mailboxes.update_one({"_id": mailbox.id}, {"$set": fields})

    def nobody(self) -> ObjectId:
        return ObjectId()
