"""The event stream of an account, over real sockets."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import datetime, timedelta, timezone
from typing import Any

from bson import ObjectId
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread

from test.api.messages.case import MessagesCase
from test.mailstore.support import message
from test.support.databases import helper
from test.support.event_stream import EventStream
from wildduck import limits
from wildduck.errors import Unavailable
from wildduck.mailstore import news
from wildduck.mailstore.counting import Counting, Counts
from wildduck.mailstore.journal import unused_entry
from wildduck.mailstore.journal_reader import JournalReader, id_at, seconds_of

_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class UpdatesCase(MessagesCase):
    """Opens streams."""

    async def stream(self, last: str = "", status: int = 200, **headers: str) -> EventStream:
        """A stream of the account."""
        path = f"/users/{self.account.id}/updates" + (f"?Last-Event-ID={last}" if last else "")
        stream = await EventStream.open(self.caller.port, path, {**self.headers, **headers})
        self.addCleanup(stream.close)
        self.assertEqual(stream.status, status)
        return stream

    async def begun(self, last: str = "", **headers: str) -> EventStream:
        """A stream that listens."""
        stream = await self.stream(last, **headers)
        first = await stream.block()
        assert first is not None
        self.assertTrue(first.comment)
        return stream

    async def until(self, condition: Any) -> None:
        """Wait for what must come."""
        from twisted.internet import reactor

        for _ in range(500):
            if condition():
                return
            await deferLater(reactor, 0.02, lambda: None)  # type: ignore[arg-type]
        self.fail("it did not come")

    def entries(self, count: int, created: datetime | None = None) -> list[ObjectId]:
        """Journal entries, all at once."""
        user = self.account.id
        rows = [
            {"_id": ObjectId(), "command": "FETCH", "uid": n, "flags": ["x" * 500], "user": user}
            for n in range(count)
        ]
        self.db.journal.insert_many(rows)
        return [row["_id"] for row in rows]  # type: ignore[misc]


class LiveTests(UpdatesCase):
    """What happens is told."""

    async def test_header(self) -> None:
        """An event stream that nobody keeps back."""
        stream = await self.begun()
        self.assertEqual(stream.headers["content-type"], "text/event-stream")
        self.assertEqual(stream.headers["cache-control"], "no-cache")
        self.assertEqual(stream.headers["x-accel-buffering"], "no")

    async def test_events(self) -> None:
        """A message comes, is seen, goes; WildDuck's members and no others; counters."""
        stream = await self.begun()
        added = await self.add(message(), session="here")
        row = self.db.messages.find_one({})
        inbox = await self.inbox()
        arrived, counted = await stream.events(2)
        self.assertEqual(
            arrived.data,
            {
                "command": "EXISTS",
                "uid": 1,
                "message": str(added.message_id),
                "idate": row["idate"].isoformat(timespec="milliseconds") + "Z",
                "thread": str(row["thread"]),
                "mailbox": str(inbox.id),
            },
        )
        self.assertEqual(list(arrived.data)[0], "command")
        entry = self.db.journal.find_one({"command": "EXISTS"})
        self.assertEqual(arrived.id, str(entry["_id"]))
        counts = {"command": "COUNTERS", "mailbox": str(inbox.id)}
        self.assertEqual(counted.data, {**counts, "total": 1, "unseen": 1})
        self.assertEqual(counted.id, arrived.id)
        await self.store.store_flags(inbox, [1], "+", ["\\Seen", "\\Deleted"])
        flagged, counted = await stream.events(2)
        self.assertEqual(flagged.data["flags"], ["\\Seen", "\\Deleted"])
        self.assertNotIn("unseenChange", flagged.data)
        self.assertEqual(counted.data, {**counts, "total": 1, "unseen": 0})
        await self.store.expunge(inbox)
        gone, counted = await stream.events(2)
        self.assertEqual((gone.data["command"], gone.data["uid"]), ("EXPUNGE", 1))
        self.assertEqual(counted.data, {**counts, "total": 0, "unseen": 0})
        await self.store.mailboxes.create(self.account.id, "New")
        (made,) = await stream.events(1)
        self.assertEqual((made.data["command"], made.data["path"]), ("CREATE", "New"))

    async def test_within_a_second(self) -> None:
        """Another server's change, which only its ping tells."""
        node = await self.new_node()
        stream = await self.begun()
        before = datetime.now()
        await self.add(message(), store=node.store)
        self.assertEqual((await stream.event())["command"], "EXISTS")
        self.assertLess(datetime.now() - before, timedelta(seconds=1))

    async def test_lost_ping(self) -> None:
        """Without any ping it is told when the stream looks for itself."""
        self.patch(limits, "UPDATES_IDLE_SECONDS", 0.3)
        stream = await self.begun()
        (id,) = self.entries(1)
        (event,) = await stream.events(1)
        self.assertEqual(event.id, str(id))

    async def test_unused(self) -> None:
        """Numbers that were taken for nothing are nobody's news."""
        stream = await self.begun()
        now = datetime.now(timezone.utc)
        self.db.journal.insert_one(unused_entry(self.account.id, ObjectId(), 3, 3, now))
        (id,) = self.entries(1)
        await self.store._backend.changed(self.account.id)
        (event,) = await stream.events(1)
        self.assertEqual(event.id, str(id))

    async def test_counters_again(self) -> None:
        """A counter that its writer adjusts late is told again."""
        self.patch(news, "COUNT_SECONDS", (0.05, 0.5))
        inbox = await self.inbox()
        total = 5

        async def counts(_counting: Counting, _documents: Any) -> dict[ObjectId, Counts]:
            return {inbox.id: Counts(total, 0)}

        self.patch(Counting, "counts", counts)
        stream = await self.begun()
        self.db.journal.insert_one(
            {"command": "EXISTS", "uid": 9, "mailbox": inbox.id, "user": self.account.id}
        )
        await self.store._backend.changed(self.account.id)
        _, counted = await stream.events(2)
        self.assertEqual(counted.data["total"], 5)
        total = 6
        (counted,) = await stream.events(1)
        self.assertEqual(counted.data["total"], 6)

    async def test_commands(self) -> None:
        """DROP is passed on; LOGOUT too, and ends the stream."""
        stream = await self.begun()
        await self.node.redis.subscribed("wd_events")
        self.redis.publish(
            "wd_events", f'{{"e": "{self.account.id}", "p": {{"command": "DROP", "mailbox": "x"}}}}'
        )
        self.assertEqual(await stream.event(), {"command": "DROP", "mailbox": "x"})
        await self.node.notifier.log_out(self.account.id, "Bye")
        self.assertEqual(await stream.event(), {"command": "LOGOUT", "reason": "Bye"})
        self.assertIsNone(await stream.event())

    async def test_two_readers(self) -> None:
        """Each is told everything."""
        streams = [await self.begun(), await self.begun()]
        await self.add(message())
        for stream in streams:
            self.assertEqual((await stream.event())["command"], "EXISTS")

    async def test_odd_entries(self) -> None:
        """Whatever stands in an entry is told."""
        stream = await self.begun()
        odd = {"command": 7, "mailbox": "x", "b": b"\xff", "n": float("nan"), "d": {"x": [ObjectId()]}}
        self.db.journal.insert_one({**odd, "user": self.account.id})
        await self.store._backend.changed(self.account.id)
        told = await stream.event()
        self.assertEqual((told["command"], told["n"]), (7, None))


class ReplayTests(UpdatesCase):
    """A client that was away."""

    async def test_replay(self) -> None:
        """From ten seconds before its last event, by query or by header."""
        now = datetime.now(timezone.utc).timestamp()
        ids = [ObjectId(id_at(now + offset).binary[:11] + b"\1") for offset in (-60, -45, -40, -35, -30)]
        self.db.journal.insert_many(
            [{"_id": id, "command": "FETCH", "user": self.account.id, "uid": n} for n, id in enumerate(ids)]
        )
        for query, headers in ((str(ids[2]), {}), ("", {"Last-Event-ID": str(ids[2])})):
            stream = await self.begun(query, **headers)
            told = await stream.events(4)
            self.assertEqual([event.id for event in told], list(map(str, ids[1:])))

    async def test_reset(self) -> None:
        """Who was away for too long is told so, with a place to go on from, and what there still is."""
        ids = self.entries(2)
        stream = await self.stream("0" * 24)
        first = await stream.block()
        assert first is not None
        self.assertEqual(first.data["command"], "RESET")
        self.assertGreaterEqual(seconds_of(ObjectId(first.id)), seconds_of(ids[0]) - 1)
        told = await stream.events(2)
        self.assertEqual([event.id for event in told], list(map(str, ids)))

    async def test_nothing_is_lost(self) -> None:
        """
        Two processes write, their clocks eight seconds apart, while the reader
        comes and goes: it has every event at least once.
        """
        stream = await self.begun()
        writers = [deferToThread(self._write, ahead) for ahead in (4, -4)]
        told: set[str] = set()
        for _ in range(6):
            told |= {event.id for event in await stream.events(25)}
            stream.close()
            stream = await self.begun(stream.last)
        written = set(sum(await gatherResults(writers), []))
        self.assertEqual(len(written), 300)
        while not written <= told:
            told |= {event.id for event in await stream.events(1)}

    async def test_none_twice_while_it_stays(self) -> None:
        """A reader that stays is told everything once."""
        stream = await self.begun()
        writers = [deferToThread(self._write, ahead) for ahead in (4, -4)]
        told = [event.id for event in await stream.events(300)]
        written = sum(await gatherResults(writers), [])
        self.assertEqual(sorted(told), sorted(written))

    def _write(self, ahead: int) -> list[str]:
        uri, redis_uri = self.settings.mongo.uri, self.settings.redis.uri
        command = [
            *(sys.executable, "-m", "test.support.journal_writer", str(helper().mongo_port)),
            *(uri.rpartition("/")[2], str(helper().redis_port), redis_uri.rpartition("/")[2]),
            *(str(self.account.id), "150", str(ahead)),
        ]
        return subprocess.run(command, cwd=_ROOT, capture_output=True, check=True, text=True).stdout.split()


class LifeTests(UpdatesCase):
    """Streams begin, wait, and end."""

    async def test_still_here(self) -> None:
        """A comment now and then; after long a place; an end after all."""
        self.patch(limits, "UPDATES_IDLE_SECONDS", 0.1)
        self.patch(limits, "UPDATES_PLACE_SECONDS", 0.25)
        self.patch(limits, "UPDATES_SECONDS", 1.0)
        stream = await self.begun()
        blocks = []
        while (block := await stream.block()) is not None:
            blocks.append(block)
        self.assertTrue(all(block.comment and block.data is None for block in blocks))
        self.assertGreater(len(blocks), 3)
        places = [block.id for block in blocks if block.id]
        self.assertGreater(len(places), 1)
        now = datetime.now(timezone.utc).timestamp()
        self.assertLess(abs(seconds_of(ObjectId(places[-1])) - now), 5)
        self.assertEqual(places[-1], blocks[-1].id)

    async def test_place(self) -> None:
        """A place never lies before an event that was told."""
        self.patch(limits, "UPDATES_IDLE_SECONDS", 0.1)
        self.patch(limits, "UPDATES_PLACE_SECONDS", 0.1)
        stream = await self.begun()
        ahead = id_at(datetime.now(timezone.utc).timestamp() + 3600)
        self.db.journal.insert_one({"_id": ahead, "command": "FETCH", "user": self.account.id})
        await stream.events(1)
        for _ in range(5):
            await stream.block()
        self.assertEqual(stream.last, str(ahead))

    async def test_slow_reader(self) -> None:
        """Who does not read is not read for; later it has everything."""
        pages = 0
        original = JournalReader._note

        def counted(reader: JournalReader, entries: Any, started: float) -> None:
            nonlocal pages
            pages += 1
            original(reader, entries, started)

        self.patch(JournalReader, "_note", counted)
        ids = self.entries(40_000)
        last = str(ids[0])
        stream = await self.stream(last)
        before = -1
        while before != pages:
            before = pages
            await self._pause()
        self.assertLess(pages, 150)
        told = await stream.events(len(ids))
        self.assertEqual([event.id for event in told], sorted(map(str, ids)))

    async def test_hang_up(self) -> None:
        """A reader that goes, be it between two events, leaves nothing behind."""
        listeners = self.node.notifier._listeners
        stream = await self.begun()
        self.assertIn(self.account.id, listeners)
        stream.close()
        await self.until(lambda: self.account.id not in listeners)
        await self.until(lambda: not self.application._running)

    async def test_too_many(self) -> None:
        """No more than the bounds, of one account and of all; places become free again."""
        self.patch(limits, "UPDATE_READERS_PER_ACCOUNT", 1)
        first = await self.begun()
        refused = await self.stream(status=429)
        self.assertEqual((await refused.refusal())["code"], "TooManyReaders")
        first.close()
        await self.until(lambda: not self.application._running)
        second = await self.begun()
        self.patch(limits, "UPDATE_READERS_PER_ACCOUNT", 5)
        self.patch(limits, "UPDATE_READERS", 1)
        refused = await self.stream(status=503)
        self.assertEqual((await refused.refusal())["code"], "ServiceUnavailable")
        second.close()

    async def test_shutdown(self) -> None:
        """Streams end, and none begins."""
        stream = await self.begun()
        drained: Deferred[Any] = self.application.drained()
        await stream.events(1)
        await drained
        await self.stream(status=503)

    async def test_database_away(self) -> None:
        """A stream that can not go on says so and ends; one that can not begin is refused."""
        stream = await self.begun()

        async def fail(_reader: JournalReader) -> AsyncIterator[list[Any]]:
            raise Unavailable()
            yield []

        self.patch(JournalReader, "read", fail)
        await self.store._backend.changed(self.account.id)
        block = await stream.block()
        assert block is not None
        self.assertEqual((block.kind, block.data["code"]), ("error", "ServiceUnavailable"))
        self.assertIsNone(await stream.block())
        self.entries(1)
        await self.stream(status=503)

    async def test_refused(self) -> None:
        """No id, no such account, another account's token."""
        for last, headers in (("zz", {}), ("", {"Last-Event-ID": "zz"})):
            refused = await self.stream(last, 400, **headers)
            self.assertEqual(set((await refused.refusal())["details"]), {"Last-Event-ID"})
        unknown = await EventStream.open(self.caller.port, f"/users/{ObjectId()}/updates", self.headers)
        self.assertEqual((await unknown.refusal())["code"], "UserNotFound")
        other = await self.new_account(name="other")
        token = await self.tokens.issue("user", other.id)
        await self.stream(status=403, **{"X-Access-Token": token})
        mine = await self.tokens.issue("user", self.account.id)
        await self.begun(**{"X-Access-Token": mine})

    async def _pause(self) -> None:
        from twisted.internet import reactor

        await deferLater(reactor, 0.5, lambda: None)  # type: ignore[arg-type]
