"""Sessions that another part of the cluster ends."""

from __future__ import annotations

import json

from bson import ObjectId
from twisted.trial.unittest import TestCase

from test.imap.waiting import until
from test.pop3.server import Pop3Server
from test.support.databases import blocking_database
from wildduck.events.notifier import CHANNEL

MESSAGE = b"Subject: s\r\n\r\nbody\r\n"


class SignOutTests(TestCase):
    async def test_logout(self) -> None:
        """WildDuck's ping ends the account's sessions with the reason; what was marked is not deleted."""
        server = await Pop3Server.start(self)
        accounts = [await server.account(name) for name in ("fred", "barney")]
        await server.add(accounts[0], "INBOX", MESSAGE)
        clients = []
        for name in ("fred", "barney"):
            clients.append(server.connect())
            await clients[-1].login(name)
        fred, barney = clients
        self.assertIn(b"+OK", await fred.command(b"DELE 1"))
        redis = server.domain.redis
        await redis.subscribed(CHANNEL)

        async def send(user: ObjectId, command: str) -> None:
            payload = {"e": str(user), "p": {"command": command, "reason": "Password\r\nchanged"}}
            await redis.publish(CHANNEL, json.dumps(payload).encode())

        await send(accounts[1].id, "DROP")
        await send(accounts[0].id, "LOGOUT")
        self.assertEqual(b"-ERR Password??changed\r\n", await fred.end())
        self.assertIn(b"+OK", await barney.command(b"NOOP"))
        self.assertEqual(1, blocking_database(server.settings).messages.count_documents({}))
        barney.connection.abort()
        notifier = server.domain.notifier
        await barney.end()
        # Nothing is left of them.
        await until(lambda: not notifier._listeners and not notifier._command_listeners)
