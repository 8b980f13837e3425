"""All that changes messages, at the same time on two workers: what is there afterwards fits together."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Any

from test.mailstore.support import message, with_attachment
from test.mailstore.test_attachments import encoded
from test.mailstore.test_copying import TransferCase
from wildduck.errors import MailboxNotFound
from wildduck.mailstore import counters, deleted_mailboxes
from wildduck.mailstore.backend import Backend
from wildduck.mailstore.concurrently import gather
from wildduck.mailstore.documents import mirrors
from wildduck.mailstore.selection import Selection
from wildduck.mailstore.store import MailStore
from wildduck.mailstore.updates import Change
from wildduck.mailstore.values import Mailbox

_FLAGS = ("\\Seen", "\\Flagged", "\\Draft", "\\Answered", "\\Deleted", "$Work")
_MAILBOXES = ("INBOX", "Target", "Trash", "Junk", "Busy")
_ROUNDS = 12
_WORKERS = 6


class RaceTests(TransferCase):
    async def _start(self) -> None:
        await super()._start()
        await self.store.mailboxes.create(self.account.id, "Busy")
        self.other = (await self.new_node()).store
        self.later: list[Callable[[], Awaitable[None]]] = []
        self.patch(Backend, "later", lambda backend, seconds, work: self.later.append(work))

    async def test_all_at_once(self) -> None:
        """Flags and mirrors, numbers, quota, attachments, counts, views: nothing contradicts."""
        for seed in range(2):
            self.rng = random.Random(seed)
            for n in range(12):
                await self.add(self._message(n), flags=self.rng.sample(_FLAGS, 2))
            views = [await store.open(self.account.id, "INBOX") for store in (self.store, self.other)]
            await self._count()
            await gather(*(self._work() for _ in range(_WORKERS)))
            for store in (self.store, self.other):
                await store.settle()
            await self._check()
            for view in views:
                await view.refresh(may_expunge=True)
                fresh = await self.other.open(self.account.id, "INBOX")
                self.assertEqual(list(fresh.uids), list(view.uids))
                stored = {row["uid"]: row for row in self.documents(await self.inbox())}
                self.assertEqual(list(stored), list(view.uids))
                for uid in view.uids:
                    flags = set(view.flags(uid)) - {"\\Recent"}
                    self.assertEqual(set(stored[uid]["flags"]), flags)
                    self.assertEqual(stored[uid]["modseq"], view.modseq(uid))

    def _message(self, n: int) -> bytes:
        return with_attachment(n, encoded(1000 + n % 3)) if n % 2 else message(n)

    async def _work(self) -> None:
        for _ in range(_ROUNDS):
            store = self.rng.choice((self.store, self.other))
            work = self.rng.choice(
                (
                    self._add,
                    self._store,
                    self._update,
                    self._update,
                    self._move,
                    self._move_and_update,
                    self._copy,
                    self._expunge,
                    self._clear,
                    self._rebuild,
                )
            )
            try:
                await work(store)
            except MailboxNotFound:
                continue

    async def _mailbox(self, store: MailStore, *but: str) -> Mailbox:
        path = self.rng.choice([path for path in _MAILBOXES if path not in but])
        return await store.mailboxes.get(self.account.id, path)

    async def _some(self, mailbox: Mailbox) -> list[int]:
        uids = self.uids(mailbox) or [1]
        return sorted(self.rng.sample(uids, self.rng.randint(1, len(uids))))

    async def _add(self, store: MailStore) -> None:
        n = self.rng.randrange(1000)
        flags = self.rng.sample(_FLAGS, self.rng.randrange(3))
        await self.add(self._message(n), store=store, mailbox=await self._mailbox(store), flags=flags)

    async def _store(self, store: MailStore) -> None:
        mailbox = await self._mailbox(store)
        flags = self.rng.sample(_FLAGS, self.rng.randint(1, 3))
        await store.store_flags(mailbox, await self._some(mailbox), self.rng.choice("+-="), flags)

    def _change(self) -> Change:
        given = {
            name: self.rng.choice((None, True, False)) for name in ("seen", "deleted", "flagged", "draft")
        }
        return Change(**given, metadata=self.rng.choice((None, {"a": 1})))

    async def _update(self, store: MailStore) -> None:
        mailbox = await self._mailbox(store)
        await store.update(mailbox, Selection.of(await self._some(mailbox)), self._change())

    async def _move(self, store: MailStore) -> None:
        source, target = await self._mailbox(store), await self._mailbox(store)
        await store.move(source, await self._some(source), target)

    async def _move_and_update(self, store: MailStore) -> None:
        source, target = await self._mailbox(store), await self._mailbox(store)
        await store.move_and_update(source, Selection.of(await self._some(source)), target, self._change())

    async def _copy(self, store: MailStore) -> None:
        source, target = await self._mailbox(store), await self._mailbox(store)
        await store.copy(source, (await self._some(source))[:4], target)

    async def _expunge(self, store: MailStore) -> None:
        await store.expunge(await self._mailbox(store))

    async def _clear(self, store: MailStore) -> None:
        mailbox = await self._mailbox(store, "INBOX")
        await store.clear(mailbox, Selection.of(await self._some(mailbox)), archive=self.rng.random() < 0.5)

    async def _rebuild(self, store: MailStore) -> None:
        """A mailbox goes, and one of the same name comes."""
        mailbox = await store.mailboxes.get(self.account.id, "Busy")
        await store.mailboxes.delete(self.account.id, mailbox)
        await store.mailboxes.create(self.account.id, "Busy")

    # --- what must be so ------------------------------------------------------------------

    async def _mailboxes(self) -> list[Mailbox]:
        return await self.store.mailboxes.list(self.account.id)

    async def _count(self) -> None:
        ids = [mailbox.id for mailbox in await self._mailboxes()]
        await counters.counts(self.store._backend.redis, self.store._backend.main, ids)

    async def _check(self) -> None:
        old = self.store._backend.now().replace(year=2020)
        self.db.deletedmailboxes.update_many({}, {"$set": {"time": old}})
        await deleted_mailboxes.mend(self.store._backend)
        mailboxes = await self._mailboxes()
        there = {mailbox.id for mailbox in mailboxes}
        of_mailbox: dict[Any, list[dict[str, Any]]] = defaultdict(list)
        for row in self.db.messages.find():
            self.assertEqual(
                {name: row[name] for name in mirrors(())}, mirrors(tuple(row["flags"])), row["flags"]
            )
            self.assertEqual(len(row["flags"]), len(set(row["flags"])))
            of_mailbox[row["mailbox"]].append(row)
            if row["mailbox"] not in there:
                self.assertTrue(row["exp"])
        for mailbox in mailboxes:
            rows = of_mailbox[mailbox.id]
            self.assertLess(max((row["uid"] for row in rows), default=0), mailbox.uid_next)
            self.assertLessEqual(max((row["modseq"] for row in rows), default=0), mailbox.modify_index)
            # Every number that was taken is used, or given up.
            told = {entry["modseq"] for entry in self.db.journal.find({"mailbox": mailbox.id})}
            told |= {row["modseq"] for row in rows}
            missing = set(range(2, mailbox.modify_index + 1)) - told
            self.assertEqual(set(), missing, mailbox.path)
            gone = {e["uid"] for e in self.entries(mailbox, "EXPUNGE")}
            self.assertEqual(set(), gone & {row["uid"] for row in rows})
            came = {e["uid"] for e in self.entries(mailbox, "EXISTS")}
            self.assertEqual(came - gone, {row["uid"] for row in rows})
            self._check_counter("total", mailbox, len(rows))
            self._check_counter("unseen", mailbox, sum(row["unseen"] for row in rows))
        # What was kept for copies of messages that went in that moment.
        while self.later:
            await self.later.pop()()
        await self.clean()

    def _check_counter(self, name: str, mailbox: Mailbox, wanted: int) -> None:
        cached = self.redis.get(f"{name}:{mailbox.id}")
        if cached is not None:
            self.assertEqual(wanted, int(cached), (name, mailbox.path))
