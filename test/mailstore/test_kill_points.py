"""A crash between any two writes (store.md §1, anchors/reliability.md §4.4 row 3)."""

from __future__ import annotations

from typing import Any

from test.mailstore.faults import Killed, Killer
from test.mailstore.support import StoreCase, message, with_attachment
from test.mailstore.test_attachments import encoded
from wildduck.errors import Unavailable
from wildduck.limits import KIB, MODSEQ_HOLE_SECONDS
from wildduck.mailstore.values import Appended
from wildduck.mime.message import scan

#: What each crash may leave; everything else would be a mistake.
LEFT_BY_ADD = {"quota", "reference-count", "chunks-without-row"}
LEFT_BY_EXPUNGE = {"quota", "reference-count", "archived-twice"}


class KillCase(StoreCase):
    """A worker that dies, and another one that finds what it left."""

    async def _start(self) -> None:
        await super()._start()
        self.killer = Killer(self.node.databases)
        from twisted.internet import reactor

        self.mortal = self.node.new_store(reactor, self.killer.databases())
        self.accepted: list[tuple[Appended, bytes]] = []

    def message(self, n: int) -> bytes:
        """A message with two attachments: one that is new each time, one that others have."""
        data = with_attachment(n, encoded(300 * KIB, n))
        part = b"--b\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\n%b\r\n"
        return data.replace(b"--b--\r\n", part % encoded(500) + b"--b--\r\n")

    async def accept(self, n: int, *flags: str) -> Appended:
        """The mortal store says 250."""
        data = self.message(n)
        content = scan(data)
        try:
            appended = await self.mortal.add(
                self.account, await self.inbox(), content, flags=flags, meta={"source": "API"}
            )
        finally:
            content.close()
            await self.mortal.settle()
        self.accepted.append((appended, data))
        return appended

    def time_goes_by(self) -> None:
        """Locks of the dead end by themselves."""
        for key in self.redis.keys("mail:mbwr:*") + self.redis.keys("wildduck:gs.*"):
            self.redis.delete(key)

    async def check(self, allowed: set[str], where: str) -> list[str]:
        """The verifier names what is left, and mends it; what was accepted is there."""
        kinds = sorted(finding.kind for finding in await self.store.verifier.verify(min_age=0))
        self.assertLessEqual(set(kinds), allowed, where)
        findings = await self.store.verifier.verify(min_age=0, repair=True)
        self.assertEqual(kinds, sorted(finding.kind for finding in findings), where)
        self.assertTrue(all(finding.repaired for finding in findings), where)
        self.assertEqual([], await self.store.verifier.verify(min_age=0, contents=True), where)
        for appended, data in self.accepted:
            self.assertEqual(data, await self.read(appended), where)
            self.assertEqual(
                appended.uid, self.db.messages.find_one({"_id": appended.message_id})["uid"], where
            )
        return kinds


class AddTests(KillCase):
    """Every write of an add is a place to die."""

    async def writes_of_add(self) -> list[tuple[str, str]]:
        self.killer.arm(0)
        await self.accept(1000)
        return self.killer.writes

    async def die_at(self, n: int) -> None:
        """An add that does not get beyond its n-th write."""
        self.killer.arm(n)
        try:
            await self.accept(n)
        except (Killed, Unavailable):
            pass
        self.time_goes_by()

    async def test_every_kill_point(self) -> None:
        """Wherever an add dies, no accepted message is lost, and the verifier mends what is left."""
        writes = await self.writes_of_add()
        left: dict[str, list[str]] = {}
        for n in range(1, len(writes) + 1):
            before = self.db.messages.count_documents({})
            await self.die_at(n)
            where = f"before write {n}: {' '.join(self.killer.writes[-1])}"
            left[where] = await self.check(LEFT_BY_ADD, where)
            # At most one message came of it, whole.
            self.assertLessEqual(self.db.messages.count_documents({}) - before, 1, where)
        self.killer.arm(0)
        await self.accept(2000)
        uids = [row["uid"] for row in self.db.messages.find()]
        self.assertEqual(len(uids), len(set(uids)))
        kinds = {kind for kinds in left.values() for kind in kinds}
        self.assertEqual(LEFT_BY_ADD, kinds)

    async def test_mailbox_after_a_crash(self) -> None:
        """After each crash the mailbox can be opened, and shows all there is once the dead are passed."""
        writes = await self.writes_of_add()
        for n in range(1, len(writes) + 1):
            await self.die_at(n)
        self.clock.advance(3 * MODSEQ_HOLE_SECONDS)
        late = self.node.new_store(self.clock)
        view = await late.open(self.account.id, "INBOX")
        self.clock.advance(MODSEQ_HOLE_SECONDS)
        await view.refresh(may_expunge=True)
        self.assertEqual(sorted(row["uid"] for row in self.db.messages.find()), list(view.uids))
        await late.settle()

    async def test_order_of_writes(self) -> None:
        """Quota, attachments, UID and MODSEQ, message, journal entry (store.md §1)."""
        content = scan(message())
        self.killer.arm(0)
        await self.mortal.add(self.account, await self.inbox(), content, meta={"source": "API"})
        await self.mortal.settle()
        self.assertEqual(
            {("update_one", "users"), ("update_one", "threads")},
            set(self.killer.writes[:2]),
        )
        self.assertEqual(
            [
                ("find_one_and_update", "mailboxes"),
                ("insert_one", "messages"),
                ("insert_one", "journal"),
            ],
            self.killer.writes[2:],
        )


class ExpungeTests(KillCase):
    """Every write of an EXPUNGE is a place to die."""

    async def expunge(self, n: int) -> Any:
        """Two messages that go to the archive and a draft that does not; die at write C{n}."""
        self.killer.arm(0)
        for flags in (["\\Deleted"], ["\\Deleted"], ["\\Deleted", "\\Draft"]):
            await self.accept(n, *flags)
            self.accepted.pop()
        self.killer.arm(n)
        try:
            await self.mortal.expunge(await self.inbox())
        except Killed:
            pass
        finally:
            await self.mortal.settle()
            self.time_goes_by()

    async def test_every_kill_point(self) -> None:
        """Wherever an EXPUNGE dies, the next one completes it and the verifier mends what is left."""
        self.killer.arm(0)
        await self.accept(999)
        await self.expunge(0)
        writes = self.killer.writes
        kinds: set[str] = set()
        for n in range(1, len(writes) + 1):
            await self.expunge(n)
            kinds.update(await self.check(LEFT_BY_EXPUNGE, f"before write {n}: {writes[n - 1]}"))
            await self.store.expunge(await self.inbox())
            await self.store.settle()
            self.assertEqual([], await self.store.verifier.verify(min_age=0), writes[n - 1])
            self.assertEqual(1, self.db.messages.count_documents({}))
        self.assertEqual(LEFT_BY_EXPUNGE, kinds)

    async def test_order_of_writes(self) -> None:
        """Archive, MODSEQs, messages, journal; then what they held is given back."""
        await self.expunge(0)
        self.assertEqual(
            [
                ("merge", "archived"),
                ("find_one_and_update", "mailboxes"),
                ("delete_many", "messages"),
                ("insert_many", "journal"),
                ("update_one", "users"),
                ("update_one", "attachments.files"),
                ("update_one", "attachments.files"),
            ],
            self.killer.writes,
        )
