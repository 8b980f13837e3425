"""Messages that go in the moment in which they are copied."""

from __future__ import annotations

from typing import Any

from test.mailstore.support import message, with_attachment
from test.mailstore.test_attachments import encoded
from test.mailstore.test_copying import TransferCase
from wildduck.limits import LATER_WORKS, MODSEQ_HOLE_SECONDS


class UnmadeCopiesTests(TransferCase):
    """What was kept for their copies is given back, once."""

    own_clock = True

    async def _start(self) -> None:
        await super()._start()
        for n in range(3):
            await self.add(with_attachment(n, encoded(1000)))

    def before_merge(self, work: Any) -> None:
        """Do something after the messages were read and before they are copied."""
        main = self.store._backend.main
        real = main.command

        async def command(command: dict[str, Any], **options: Any) -> Any:
            if "aggregate" in command and "$merge" in command["pipeline"][-1]:
                await work()
            return await real(command, **options)

        self.patch(main, "command", command)

    def after_merge(self, work: Any) -> None:
        """Do something after they were copied, before it is looked whether they were."""
        main = self.store._backend.main
        real = main.command

        async def command(command: dict[str, Any], **options: Any) -> Any:
            answer = await real(command, **options)
            if "aggregate" in command and "$merge" in command["pipeline"][-1]:
                await work()
            return answer

        self.patch(main, "command", command)

    async def verified(self) -> list[str]:
        """What the verifier finds of counters."""
        return [finding.kind for finding in await self.store.verifier.verify(min_age=0)]

    async def later(self) -> None:
        """The time has come, and what was to be done is."""
        self.clock.advance(MODSEQ_HOLE_SECONDS)
        await self.store.settle()

    async def test_went(self) -> None:
        """Removed by another session before the database copies: some of them, and all."""
        other = await self.new_node()

        async def remove() -> None:
            uids = gone.pop() if gone else []
            if uids:
                inbox = await other.store.mailboxes.get(self.account.id, "INBOX")
                await other.store.store_flags(inbox, uids, "+", ["\\Deleted"])
                await other.store.expunge(inbox, uids)

        gone = [[2, 3], [1]]
        self.before_merge(remove)
        copied = await self.store.copy(await self.inbox(), [1, 2], self.target)
        self.assertEqual((2,), tuple(copied.source))
        self.assertEqual(["reference-count", "quota"], await self.verified())
        await self.store.copy(await self.inbox(), [2, 3], self.target)
        await self.later()
        self.assertEqual([], await self.verified())

    async def test_copy_went(self) -> None:
        """Copies that were there and were removed at once have given back what they held."""
        other = await self.new_node()

        async def remove() -> None:
            target = await other.store.mailboxes.get(self.account.id, "Target")
            uids = self.uids(self.target)
            await other.store.store_flags(target, uids, "+", ["\\Deleted"])
            await other.store.expunge(target, uids)

        self.after_merge(remove)
        await self.store.copy(await self.inbox(), [1, 2], self.target)
        await self.later()
        self.assertEqual([], await self.verified())

    async def test_copy_moved(self) -> None:
        """Copies that were moved on at once hold what they held."""
        other = await self.new_node()
        further = await self.store.mailboxes.create(self.account.id, "Further")

        async def move() -> None:
            target = await other.store.mailboxes.get(self.account.id, "Target")
            await other.store.move(target, self.uids(self.target), further)

        self.after_merge(move)
        await self.store.copy(await self.inbox(), [1, 2], self.target)
        self.assertEqual(2, len(self.uids(further)))
        await self.later()
        self.assertEqual([], await self.verified())

    async def test_end(self) -> None:
        """At shutdown nobody waits for it, and so much waits at most."""
        backend = self.store._backend
        done: list[int] = []

        async def work() -> None:
            done.append(1)

        for _ in range(LATER_WORKS + 5):
            backend.later(1.0, work)
        self.assertEqual(LATER_WORKS, len(backend._later))
        await self.store.settle()
        self.clock.advance(2)
        self.assertEqual(([], set()), (done, backend._later))

    async def test_nothing_went(self) -> None:
        """Usually nothing is left to do."""
        await self.add(message(7))
        await self.store.copy(await self.inbox(), [1, 2, 3, 4], self.target)
        self.assertEqual(set(), self.store._backend._later)
