"""The API over a real socket, on a mail store with one account."""

from __future__ import annotations

import http.client
import json
from typing import Any, cast

from bson import ObjectId
from twisted.internet.threads import deferToThread

from test.api.test_application import Caller, listen
from test.mailstore.support import StoreCase
from test.support.parts import pool
from wildduck.accounts import Accounts
from wildduck.accounts.tokens import AccessTokens
from wildduck.api import make_application
from wildduck.config import ApiSettings


class MessagesCase(StoreCase):
    """
    @ivar caller: calls the API as root.
    @ivar messages: path of INBOX's messages.
    """

    api_settings = ApiSettings(token="root", access_control=True, access_secret="secret")
    headers = {"X-Access-Token": "root"}

    async def _start(self) -> None:
        from twisted.internet import reactor

        await super()._start()
        node = self.node
        accounts = Accounts(node.databases, node.redis, self.store, pool(self), reactor, default_quota=1000)
        self.tokens = AccessTokens.from_settings(
            node.redis, node.databases.users, cast(Any, reactor), self.api_settings
        )
        self.application = make_application(
            accounts, self.store, node.databases, node.redis, cast(Any, reactor), self.api_settings
        )
        self.caller: Caller = listen(self, self.application)
        self.messages = await self.path()

    async def path(self, user: ObjectId | None = None, mailbox: str = "INBOX") -> str:
        """Path of the messages of a mailbox."""
        user = user or self.account.id
        found = await self.store.mailboxes.get(user, mailbox)
        return f"/users/{user}/mailboxes/{found.id}/messages"

    async def get(self, path: str, status: int = 200, **headers: str) -> Any:
        """The decoded answer, which must have this status."""
        answered, answer = await self.caller.call("GET", path, None, {**self.headers, **headers})
        self.assertEqual(answered, status, answer)
        return answer

    async def bytes(self, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
        """Status, header and body of any answer."""
        return await deferToThread(self._bytes, path, {**self.headers, **headers})

    def _bytes(self, path: str, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.caller.port, timeout=20)
        try:
            connection.request("GET", path, None, headers)
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def decoded(self, body: bytes) -> Any:
        """JSON."""
        return json.loads(body)
