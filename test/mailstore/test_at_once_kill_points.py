"""A crash between any two writes of what comes together: after it all is there, or nothing."""

from __future__ import annotations

from typing import Any

from test.mailstore.faults import Killed, Killer
from test.mailstore.support import META
from test.mailstore.test_kill_points import LEFT_BY_ADD, KillCase
from wildduck.errors import Unavailable
from wildduck.mailstore.values import NewMessage
from wildduck.mime.message import scan


class AllKillTests(KillCase):
    """Three messages at once."""

    transactions = True

    async def _start(self) -> None:
        await super()._start()
        self.killer = Killer(self.node.databases, transactions=self.transactions)
        from twisted.internet import reactor

        self.mortal = self.node.new_store(reactor, self.killer.databases())

    async def die_at(self, at: int) -> None:
        """Something that does not get beyond its n-th write; 0: it does."""
        self.killer.arm(at)
        made = [NewMessage(scan(self.message(at * 10 + n)), (), None, META) for n in range(3)]
        try:
            await self.work(made)
        except (Killed, Unavailable):
            self.assertTrue(at)
        finally:
            await self.mortal.settle()
            for new in made:
                new.message.close()
        self.time_goes_by()

    async def work(self, made: list[NewMessage]) -> Any:
        return await self.mortal.at_once.add(self.account, await self.inbox(), made)

    async def before(self) -> None:
        """What is there before it."""

    #: By how many messages there are more afterwards.
    outcomes = frozenset({0, 3})
    left = LEFT_BY_ADD

    async def test_every_kill_point(self) -> None:
        """Wherever it dies all of it is there, or nothing, and the verifier mends what is left."""
        await self.before()
        await self.die_at(0)
        writes = list(self.killer.writes)
        came: set[int] = set()
        for n in range(1, len(writes) + 1):
            await self.before()
            there = self.db.messages.count_documents({})
            await self.die_at(n)
            where = f"before write {n}: {' '.join(self.killer.writes[-1])}"
            await self.check(self.left, where)
            came.add(self.db.messages.count_documents({}) - there)
            self.check_outcome(where)
        self.assertEqual(came, self.outcomes)
        uids = [row["uid"] for row in self.db.messages.find()]
        self.assertEqual(len(uids), len(set(uids)))

    def check_outcome(self, where: str) -> None:
        """What must hold beside the number of messages."""


class AllWithoutTransactionsKillTests(AllKillTests):
    """The same on a server that has no transactions."""

    transactions = False


class ReplaceKillTests(AllKillTests):
    """One message in place of another, which is in the archive then."""

    outcomes = frozenset({0})
    left = LEFT_BY_ADD | {"archived-twice"}

    async def before(self) -> None:
        self.killer.arm(0)
        self.old = await self.accept(999)
        self.accepted.pop()

    async def work(self, made: list[NewMessage]) -> Any:
        inbox = await self.inbox()
        return await self.mortal.at_once.replace(self.account, inbox, self.old.uid, inbox, made[0])

    def check_outcome(self, where: str) -> None:
        """The old one is there, or the new one, and the old one is in the archive only if it is not there."""
        there = self.db.messages.count_documents({"_id": self.old.message_id})
        archived = self.db.archived.count_documents({"_id": self.old.message_id})
        self.assertEqual(there + archived, 1, where)


class ReplaceWithoutTransactionsKillTests(ReplaceKillTests):
    """Without transactions the old one may be left beside the new one; nothing is lost."""

    transactions = False
    outcomes = frozenset({0, 1})
