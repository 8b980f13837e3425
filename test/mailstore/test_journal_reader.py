"""Reading the journal on and on, whatever the clocks of its writers say."""

from __future__ import annotations

import random
from typing import Any

from bson import ObjectId

from test.mailstore.support import StoreCase
from wildduck.mailstore.journal import UNUSED
from wildduck.mailstore.journal_reader import JournalReader, id_at, seconds_of


class ReaderCase(StoreCase):
    """Writes entries with ids of any time."""

    own_clock = True

    def write(self, *seconds: float, command: str = "EXISTS") -> list[ObjectId]:
        """Entries whose ids were made so many seconds from now."""
        ids = [
            ObjectId(id_at(self.clock.seconds() + offset).binary[:4] + random.randbytes(8))
            for offset in seconds
        ]
        self.db.journal.insert_many([{"_id": id, "command": command, "user": self.account.id} for id in ids])
        return ids

    def reader(self, **options: Any) -> JournalReader:
        return JournalReader(self.store._backend, self.account.id, **options)

    async def read(self, reader: JournalReader) -> list[ObjectId]:
        """Ids of all that is new."""
        return [entry["_id"] async for entries in reader.read() for entry in entries]


class LiveTests(ReaderCase):
    """Without a last entry."""

    async def test_only_new(self) -> None:
        """What is there is not told, what comes is told once, in the order of ids."""
        self.write(-3600, -5, 0)
        reader = self.reader()
        self.assertFalse(await reader.begin(None))
        self.assertEqual(await self.read(reader), [])
        new = self.write(0, 0, 0)
        self.assertEqual(await self.read(reader), sorted(new))
        self.assertEqual(await self.read(reader), [])

    async def test_late(self) -> None:
        """Entries that appear before others that were read are told, up to ten seconds late."""
        reader = self.reader()
        await reader.begin(None)
        await self.read(reader)
        for _ in range(20):
            self.clock.advance(1)
            late = self.write(0, -3, -9)
            self.assertEqual(set(await self.read(reader)), set(late))
            self.assertEqual(await self.read(reader), [])

    async def test_clocks_apart(self) -> None:
        """A writer far ahead hides nothing of the others; neither does a clock of ours that is behind."""
        reader = self.reader()
        await reader.begin(None)
        for ahead in (3600, 0, 3601, -8):
            new = self.write(ahead)
            self.assertEqual(await self.read(reader), new)
            self.clock.advance(1)
        late = self.reader()
        await late.begin(None)
        new = self.write(7200, -5)
        self.assertEqual(set(await self.read(late)), set(new))
        self.assertEqual(await self.read(late), [])

    async def test_unused(self) -> None:
        """Numbers that were used for nothing are no news, however many."""
        reader = self.reader()
        await reader.begin(None)
        self.write(*([0] * 450), command=UNUSED)
        new = self.write(0)
        self.assertEqual(await self.read(reader), new)

    async def test_other_accounts(self) -> None:
        """Entries of others are not read."""
        reader = self.reader()
        await reader.begin(None)
        self.db.journal.insert_one({"command": "EXISTS", "user": ObjectId()})
        self.assertEqual(await self.read(reader), [])


class ReplayTests(ReaderCase):
    """With a last entry."""

    async def test_replay(self) -> None:
        """Everything from ten seconds before it, of whichever writer."""
        self.write(-100, -61)
        near = self.write(-59, -51, -50, -49, -30, 0)
        reader = self.reader()
        self.assertFalse(await reader.begin(near[2]))
        self.assertEqual(await self.read(reader), near)
        self.assertEqual(await self.read(reader), [])
        late = self.write(-9)
        self.assertEqual(await self.read(reader), late)

    async def test_many(self) -> None:
        """A long replay is given in pages and is not remembered."""
        ids = self.write(*range(-1000, 0))
        reader = self.reader()
        await reader.begin(ids[0])
        batches = [len(entries) async for entries in reader.read()]
        self.assertEqual((sum(batches), max(batches)), (1000, 200))
        self.assertLess(len(reader._had), 20)

    async def test_expired(self) -> None:
        """Whether something may have expired is told, and what is there is read."""
        new = self.write(-20)
        for offset, missed in ((-10_000, False), (-10_700, False), (-10_790, True), (-100_000, True)):
            reader = self.reader()
            self.assertEqual(await reader.begin(id_at(self.clock.seconds() + offset)), missed)
            self.assertEqual(await self.read(reader), new)

    async def test_from_the_future(self) -> None:
        """An id of the future hides nothing of what comes now."""
        reader = self.reader()
        await reader.begin(ObjectId("f" * 24))
        new = self.write(0)
        self.assertEqual(await self.read(reader), new)

    async def test_ids(self) -> None:
        """Their times."""
        self.assertEqual(seconds_of(id_at(1234.9)), 1234)
        self.assertEqual((str(id_at(-1)), str(id_at(2**40))), ("0" * 24, "f" * 8 + "0" * 16))


class BurstTests(ReaderCase):
    """More in ten seconds than is remembered."""

    async def test_burst(self) -> None:
        """
        Memory stays bounded; nothing is left out, though some is told ten seconds late;
        what was forgotten is told once more at most.
        """
        reader = self.reader(remembered=50)
        await reader.begin(None)
        told: list[ObjectId] = []
        written: list[ObjectId] = []
        for _ in range(10):
            written += self.write(*([0] * 30))
            told += await self.read(reader)
            self.assertLessEqual(len(reader._had), 50)
            self.clock.advance(0.1)
        self.assertGreater(len(set(told)), 50)
        late = self.write(-1, -2)
        self.clock.advance(11)
        for _ in range(5):
            told += await self.read(reader)
            self.clock.advance(5)
        self.assertEqual(set(told), set(written + late))
        self.assertLessEqual(max(told.count(id) for id in told), 2)
        self.assertEqual(await self.read(reader), [])
