"""Workers on the same databases: what one does reaches the sessions of the other, whatever is lost."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from bson import ObjectId
from twisted.trial.unittest import TestCase

from test.imap.server import ImapServer, MemoryClient
from test.imap.waiting import until
from test.support.databases import blocking_database
from test.support.servers import RedisServer
from wildduck.accounts import Account
from wildduck.events.notifier import CHANNEL
from wildduck.mailstore import open_indexes
from wildduck.mailstore.allocation import allocate
from wildduck.mailstore.journal import exists_entry

#: Of one account in one mailbox.
_SESSIONS = 200
MESSAGE = b"From: a@example.org\r\nSubject: s\r\n\r\nbody\r\n"


class WorkersCase(TestCase):
    """
    @ivar workers: two.
    @ivar account: of the user C{fred}.
    """

    async def start(self, *sets: str) -> None:
        first = await ImapServer.start(self, *sets)
        second = await ImapServer.start(self, adjusted=lambda _: first.settings)
        self.workers = (first, second)
        self.account: Account = await first.account()

    async def selected(self, worker: ImapServer, mailbox: bytes = b"INBOX") -> MemoryClient:
        client = worker.connect()
        await client.login("fred")
        await client.command(b"SELECT %b" % mailbox)
        return client

    async def idling(self, worker: ImapServer) -> MemoryClient:
        client = await self.selected(worker)
        client.send(b"i IDLE\r\n")
        await client.until(b"+ idling\r\n")
        return client

    async def heard(self) -> None:
        """Both hear pings."""
        for worker in self.workers:
            await worker.domain.redis.subscribed(CHANNEL)


class LostPingTests(WorkersCase):
    async def test_writer_dies_before_its_ping(self) -> None:
        """A message with its journal entry and without a ping is told when open mailboxes are asked for."""
        await self.start()
        self.patch(open_indexes, "POLL_SECONDS", 0.05)
        clients = [await self.idling(worker) for worker in self.workers]
        backend = self.workers[0].domain.store._backend
        mailbox = await self.workers[0].mailbox(self.account, "INBOX")
        allocation = await allocate(backend, mailbox, uids=1)
        row = {
            "_id": ObjectId(),
            "user": self.account.id,
            "mailbox": mailbox.id,
            "uid": allocation.uid,
            "modseq": allocation.modseq,
            "flags": [],
            "unseen": True,
            "undeleted": True,
            "idate": backend.now(),
            "thread": ObjectId(),
            "size": 1,
        }
        await backend.main.insert_one("messages", row)
        await backend.main.insert_one("journal", exists_entry(row, None, backend.now()))
        for client in clients:
            await client.until(b"* 1 EXISTS\r\n")


class RedisTests(WorkersCase):
    """Redis is killed and comes back empty."""

    async def start_with_redis(self) -> RedisServer:
        redis = RedisServer()
        self.addCleanup(redis.close)
        await self.start(f"redis.uri=redis://127.0.0.1:{redis.port}/0")
        return redis

    async def lose(self, redis: RedisServer) -> None:
        redis.kill()
        await until(lambda: not any(worker.domain.redis.available for worker in self.workers))

    async def append(self, client: MemoryClient) -> None:
        client.send(b"t APPEND INBOX {%d+}\r\n%b\r\n" % (len(MESSAGE), MESSAGE))
        await client.until(b"t OK")
        await client.line()

    async def test_everything_is_told_when_it_is_back(self) -> None:
        """Without waiting for the next change or for the next time that open mailboxes are asked for."""
        redis = await self.start_with_redis()
        writer = await self.selected(self.workers[0])
        await self.append(writer)
        near, far = [await self.idling(worker) for worker in self.workers]
        await self.heard()
        await self.lose(redis)
        for number in (2, 3):
            await self.append(writer)
            # In the same worker no ping is needed.
            await near.until(b"* %d EXISTS\r\n" % number)
        self.assertIn(b"t OK", await writer.command(b"STORE 1 +FLAGS (\\Flagged)"))
        await near.until(b"* 1 FETCH")
        # The look that IDLE begins with may have seen the second message.
        self.assertNotIn(b"* 3 EXISTS", far.data)
        redis.start()
        told = await far.until(b"* 1 FETCH (FLAGS (\\Flagged))\r\n")
        self.assertIn(b"* 3 EXISTS\r\n", told)
        await self.heard()
        await self.append(writer)
        await far.until(b"* 4 EXISTS\r\n")

    async def test_first_session_comes_while_it_is_away(self) -> None:
        """A worker that has never heard pings before was not spared any either."""
        redis = await self.start_with_redis()
        await self.lose(redis)
        writer = await self.selected(self.workers[0])
        far = await self.idling(self.workers[1])
        await self.append(writer)
        redis.start()
        await far.until(b"* 1 EXISTS\r\n")


class LogoutTests(WorkersCase):
    async def test_logout(self) -> None:
        """WildDuck's ping ends the sessions of one account in all workers, with the reason."""
        await self.start()
        other = await self.workers[1].signed_in("barney")
        clients = [await self.idling(worker) for worker in self.workers]
        clients += [await self.selected(worker) for worker in self.workers]
        await self.heard()
        await self.send({"command": "LOGOUT", "reason": "Password\r\nchanged"})
        for client in clients:
            self.assertIn(b"* BYE Password??changed\r\n", await client.end())
        self.assertIn(b"t OK", await other.command(b"NOOP"))

    async def test_drop(self) -> None:
        """WildDuck's ping of a deleted mailbox lets its sessions look."""
        await self.start()
        client = await self.idling(self.workers[1])
        await self.workers[1].domain.redis.subscribed(CHANNEL)
        blocking_database(self.workers[0].settings).mailboxes.delete_one(
            {"user": self.account.id, "path": "INBOX"}
        )
        await self.send({"command": "DROP", "mailbox": "x"})
        self.assertIn(b"* BYE", await client.end())

    async def send(self, command: dict[str, Any]) -> None:
        ping = json.dumps({"e": str(self.account.id), "p": command}).encode()
        await self.workers[0].domain.redis.publish(CHANNEL, ping)


class ManySessionsTests(WorkersCase):
    async def test_two_hundred_sessions(self) -> None:
        """One delivery wakes all who wait in a mailbox, and the database is asked twice, not so often."""
        await self.start(f"imap.connections_per_user={_SESSIONS}")
        worker = self.workers[1]
        clients = [await self.idling(worker)]
        await worker.domain.redis.subscribed(CHANNEL)
        mailbox = await worker.mailbox(self.account, "INBOX")
        index = worker.domain.store._open.find(mailbox.id)
        assert index is not None
        # The looks that the beginning of IDLE makes are not counted.
        await until(lambda: not index._look._running)
        alone = await self._asked_for_one_message(clients, 1)
        clients += [await self.idling(worker) for _ in range(_SESSIONS - 1)]
        await until(lambda: not index._look._running)
        together = await self._asked_for_one_message(clients, 2)
        look = [("find", "journal"), ("find", "mailboxes"), ("find", "messages"), ("find", "messages")]
        claim = ("findAndModify", "mailboxes")
        self.assertEqual([*look, claim], alone)
        # Who is woken while the first is looking already shares the next look.
        self.assertEqual(sorted([*look, *look, claim]), together)
        self.assertEqual(0, len(index.log))
        # It is recent to one of them.
        counts = [await client.until(b" RECENT\r\n") for client in clients[1:]]
        self.assertEqual(1, sum(b"* 1 " in count for count in counts) + (b"* 2 RECENT" in clients[0].data))

    async def _asked_for_one_message(self, clients: list[MemoryClient], exists: int) -> list[tuple[str, str]]:
        """Names of the commands that the second worker gave its database, until all clients were told."""
        cluster = self.workers[1].domain.databases.main._cluster
        asked: list[tuple[str, str]] = []

        def noting(work: Callable[..., Any]) -> Callable[..., Any]:
            def noted(command: dict[str, Any], *args: Any, **options: Any) -> Any:
                name = next(iter(command))
                asked.append((name, command[name]))
                return work(command, *args, **options)

            return noted

        patches = [self.patch(cluster, name, noting(getattr(cluster, name))) for name in ("run", "write")]
        await self.workers[0].add(self.account, "INBOX", MESSAGE)
        for client in clients:
            await client.until(b"* %d EXISTS\r\n" % exists)
        for patch in patches:
            patch.restore()
        return sorted(asked)
