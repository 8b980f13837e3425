"""RENAME of mailboxes and their inferiors (store.md §8, RFC 3501 §6.3.5)."""

from __future__ import annotations

import datetime
from typing import Any

from bson import ObjectId
from twisted.internet.defer import Deferred

from test.mailstore.faults import Killed, Killer
from test.mailstore.support import StoreCase, message
from wildduck.errors import (
    CannotDo,
    DomainError,
    LimitReached,
    MailboxExists,
    MailboxNotFound,
    Unavailable,
)
from wildduck.mailstore import subscriptions, uid_validity
from wildduck.mailstore.concurrently import gather
from wildduck.mailstore.store import MailStore
from wildduck.mailstore.uid_validity import UID_VALIDITY
from wildduck.mailstore.values import Mailbox

TREE = ("a", "a/b", "a/b/c", "a/d")


class RenameCase(StoreCase):
    """
    @ivar renaming: the store that renames; L{store} makes and looks.
    """

    own_clock = True

    async def _start(self) -> None:
        await super()._start()
        self.renaming: MailStore = self.store

    async def make(self, *paths: str) -> dict[str, Mailbox]:
        return {path: await self.store.mailboxes.create(self.account.id, path) for path in paths}

    async def rename(self, source: str, target: str) -> None:
        await self.renaming.mailboxes.rename(self.account.id, source, target)

    async def paths(self) -> list[str]:
        """Names, without those of the mailboxes that an account has from the first."""
        defaults = ("INBOX", "Sent Mail", "Trash", "Drafts", "Junk")
        found = await self.store.mailboxes.list(self.account.id)
        return [mailbox.path for mailbox in found if mailbox.path not in defaults]

    def entries(self, command: str = "RENAME") -> list[tuple[ObjectId, str]]:
        return [(row["mailbox"], row["path"]) for row in self.db.journal.find({"command": command})]


class RenameTests(RenameCase):
    """In one transaction, as on a replica set."""

    async def test_tree(self) -> None:
        """Inferiors go along and nothing else; each mailbox has its entry in the journal."""
        made = await self.make(*TREE, "ab", "a b", "b/a/b")
        await self.rename("a", "x/y")
        self.assertEqual(["a b", "ab", "b/a/b", "x/y", "x/y/b", "x/y/b/c", "x/y/d"], await self.paths())
        for path in TREE:
            after = await self.store.mailboxes.get(self.account.id, "x/y" + path[1:])
            self.assertEqual((made[path].id, made[path].uid_validity), (after.id, after.uid_validity))
        self.assertEqual(sorted((made[path].id, "x/y" + path[1:]) for path in TREE), sorted(self.entries()))

    async def test_missing_level(self) -> None:
        """A level that is no mailbox is renamed with what lies under it (RFC 3501 §6.3.5)."""
        await self.make("foo/bar", "foo/bar/x")
        await self.rename("foo", "zowie")
        self.assertEqual(["zowie/bar", "zowie/bar/x"], await self.paths())

    async def test_beside_what_is_there(self) -> None:
        """A level that is no mailbox can get one, as long as no name is taken."""
        await self.make("a", "a/b", "z/c", "z/d")
        await self.rename("a", "z")
        self.assertEqual(["z", "z/b", "z/c", "z/d"], await self.paths())

    async def test_refused_whole(self) -> None:
        """A taken name, a name under the old one, an impossible name: nothing is renamed."""
        await self.make(*TREE, "t", "u/b/c", "m/" + "x" * 500)
        before = await self.paths()
        for source, target, error in (
            ("a", "t", MailboxExists),
            ("a", "a", MailboxExists),
            ("a", "u", MailboxExists),
            ("a", "a/b", CannotDo),
            ("a", "a/new", CannotDo),
            ("a", "x//y", CannotDo),
            ("a", "x\r\n", CannotDo),
            ("a", "", CannotDo),
            ("a", "y" * 513, CannotDo),
            ("a", "inbox", MailboxExists),
            ("INBOX", "x", CannotDo),
            ("inbox", "x", CannotDo),
            ("nothing", "x", MailboxNotFound),
            ("A", "x", MailboxNotFound),
            ("a/b", "a", MailboxExists),
        ):
            await self.fails(error, self.rename(source, target))
        self.assertEqual(before, await self.paths())
        self.assertEqual([], self.entries())

    async def test_depth(self) -> None:
        """An inferior that would lie too deep keeps all where it is."""
        await self.make("a", "/".join(["a"] * 100))
        await self.fails(CannotDo, self.rename("a", "/".join(["b"] * 50)))
        self.assertEqual(2, len(await self.paths()))

    async def test_special_and_hidden(self) -> None:
        """A special-use mailbox keeps its use; a hidden one is not renamed, unless it lies under another."""
        await self.rename("Trash", "Bin")
        found = await self.store.mailboxes.get_special(self.account.id, "\\Trash")
        self.assertEqual("Bin", found.path)
        await self.make("h", "h/i")
        self.db.mailboxes.update_one({"path": "h"}, {"$set": {"hidden": True}})
        await self.fails(CannotDo, self.rename("h", "j"))
        self.db.mailboxes.update_one({"path": "h"}, {"$set": {"hidden": False}})
        self.db.mailboxes.update_one({"path": "h/i"}, {"$set": {"hidden": True}})
        await self.rename("h", "j")
        self.assertEqual(["Bin", "j", "j/i"], await self.paths())

    async def test_open_mailbox(self) -> None:
        """A session that has it open goes on, and mail comes to it under its new name."""
        await self.make("a")
        view = await self.store.open(self.account.id, "a")
        await self.rename("a", "z")
        await self.add(message(), mailbox=await self.store.mailboxes.get(self.account.id, "z"))
        await view.refresh(may_expunge=True)
        self.assertEqual(("z", 1), (view.mailbox.path, view.exists))

    async def test_other_accounts(self) -> None:
        """The same names of another account stay."""
        other = await self.new_account(name="other")
        await self.store.mailboxes.create(other.id, "a/b")
        await self.make("a/b")
        await self.rename("a", "z")
        self.assertEqual("a/b", (await self.store.mailboxes.get(other.id, "a/b")).path)

    async def test_two_at_once(self) -> None:
        """Of two that rename the same tree one does, and the tree stays whole; then two that meet."""
        await self.make(*TREE)

        async def attempt(source: str, target: str) -> str:
            try:
                await self.rename(source, target)
            except DomainError as error:
                return type(error).__name__
            return target

        done = await gather(attempt("a", "y"), attempt("a", "z"), attempt("a", "a1"))
        won = [target for target in done if target in ("y", "z", "a1")]
        self.assertEqual(1, len(won), done)
        self.assertEqual([won[0] + path[1:] for path in TREE], await self.paths())
        await self.make("k", "k/l")
        done = await gather(attempt(won[0], "t"), attempt("k", "t"))
        self.assertEqual(["MailboxExists", "t"], sorted(done))

    async def test_while_mail_comes(self) -> None:
        """Deliveries to the mailboxes of the tree do not keep it from being renamed, nor it them."""
        made = await self.make(*TREE)
        adding = [self.add(message(n), mailbox=made["a/b"]) for n in range(5)]
        await gather(*adding, self.rename("a", "z"))
        self.assertEqual(5, self.db.messages.count_documents({"mailbox": made["a/b"].id}))
        self.assertEqual(["z", "z/b", "z/b/c", "z/d"], await self.paths())

    async def test_name_taken_meanwhile(self) -> None:
        """Whoever makes one of the names while a tree is renamed gets an answer that is true."""

        async def create() -> bool:
            try:
                await self.store.mailboxes.create(self.account.id, "z/b/c")
            except MailboxExists:
                return False
            return True

        async def move() -> bool:
            try:
                await self.rename("a", "z")
            except MailboxExists:
                return False
            return True

        await self.make(*TREE)
        created, renamed = await gather(create(), move())
        self.assertNotEqual(created, renamed)
        self.assertEqual(["z", "z/b", "z/b/c", "z/d"] if renamed else [*TREE, "z/b/c"], await self.paths())


class OneByOneTests(RenameTests):
    """Step by step, as on a standalone server."""

    async def _start(self) -> None:
        await super()._start()
        killer = Killer(self.node.databases, transactions=False)
        self.renaming = self.node.new_store(self.clock, killer.databases())


class CrashTests(RenameCase):
    """A worker that dies while it renames step by step."""

    async def _start(self) -> None:
        await super()._start()
        self.killer = Killer(self.node.databases, transactions=False)
        self.renaming = self.node.new_store(self.clock, self.killer.databases())

    async def test_every_kill_point(self) -> None:
        """Wherever it dies no mailbox is lost, and the same command, given again, finishes."""
        made = await self.make(*TREE)
        ids = {mailbox.id for mailbox in made.values()}
        for at in range(1, 30):
            source, target = ("a", "z") if at % 2 else ("z", "a")
            self.killer.arm(at)
            try:
                await self.rename(source, target)
                died = False
            except Killed:
                died = True
            finally:
                self.redis.delete(f"wildduck:rename:{self.account.id}")
            self.assertEqual(
                ids, {row["_id"] for row in self.db.mailboxes.find({"path": {"$regex": "^[az]"}})}
            )
            self.killer.arm(0)
            if not died:
                break
            if source in await self.paths():
                await self.rename(source, target)
            self.assertEqual([target + path[1:] for path in TREE], await self.paths())
        self.assertFalse(died)
        self.assertGreaterEqual(at, 2 * len(TREE))

    async def test_undone(self) -> None:
        """If a name is taken while the steps go, all have their old names again, and uidvalidity."""
        made = await self.make(*TREE)
        original = self.renaming._backend.main.update_one
        taken: list[str] = []

        async def update_one(collection: str, *arguments: Any, **options: Any) -> Any:
            if collection == "mailboxes" and not taken:
                taken.append("z")
                await self.store.mailboxes.create(self.account.id, "z")
            return await original(collection, *arguments, **options)

        self.renaming._backend.main.update_one = update_one  # type: ignore[method-assign]
        await self.fails(MailboxExists, self.rename("a", "z"))
        self.assertEqual([*TREE, "z"], await self.paths())
        for path, mailbox in made.items():
            now = await self.store.mailboxes.get(self.account.id, path)
            self.assertEqual((mailbox.id, mailbox.uid_validity), (now.id, now.uid_validity))


class UidValidityTests(RenameCase):
    """A name never has the same uidvalidity for two mailboxes, nor a lower one."""

    async def validity(self, path: str) -> int:
        return (await self.store.mailboxes.get(self.account.id, path)).uid_validity

    async def test_kept(self) -> None:
        """It is kept where the new name is new."""
        made = await self.make("a")
        await self.make("b")
        await self.rename("a", "c")
        self.assertEqual(made["a"].uid_validity, await self.validity("c"))

    async def test_after_delete(self) -> None:
        """A name whose deleted mailbox had a higher one gives a new one, to inferiors too."""
        made = await self.make("a", "a/b", "c", "z", "z/b")
        for path in ("z", "z/b"):
            await self.store.mailboxes.delete(self.account.id, made[path])
        highest = made["z/b"].uid_validity
        await self.rename("a", "z")
        self.assertGreater(await self.validity("z"), highest)
        self.assertGreater(await self.validity("z/b"), highest)
        # And what is made afterwards has a higher one still.
        later = (await self.make("new"))["new"]
        self.assertGreater(later.uid_validity, await self.validity("z"))

    async def test_after_rename(self) -> None:
        """So does a name from which a mailbox with a higher one was renamed away."""
        made = await self.make("old", "a", "z")
        await self.rename("z", "elsewhere")
        await self.rename("old", "z")
        self.assertGreater(await self.validity("z"), made["z"].uid_validity)

    async def test_lower(self) -> None:
        """A name whose mailbox had a lower one is no reason for a new one."""
        made = await self.make("z", "young")
        await self.store.mailboxes.delete(self.account.id, made["z"])
        await self.rename("young", "z")
        self.assertEqual(made["young"].uid_validity, await self.validity("z"))

    async def test_there_and_back(self) -> None:
        """A mailbox can have its own name back as it was, unless another had it meanwhile."""
        made = await self.make("a")
        await self.rename("a", "b")
        await self.rename("b", "a")
        self.assertEqual(made["a"].uid_validity, await self.validity("a"))
        await self.rename("a", "b")
        other = (await self.make("a"))["a"]
        await self.store.mailboxes.delete(self.account.id, other)
        await self.rename("b", "a")
        self.assertGreater(await self.validity("a"), other.uid_validity)

    async def test_bounded(self) -> None:
        """What is noted has a bound; a name that was forgotten counts as one that had the lowest noted."""
        self.patch(uid_validity, "RETIRED_NAMES", 5)
        old = (await self.make("old"))["old"]
        gone = (await self.make("gone"))["gone"]
        await self.store.mailboxes.delete(self.account.id, gone)
        for _ in range(5):
            await self.store.mailboxes.delete(self.account.id, (await self.make("x"))["x"])
        document = self.db[UID_VALIDITY].find_one({"_id": self.account.id})
        self.assertEqual(5, len(document["retired"]))
        young = (await self.make("young"))["young"]
        await self.rename("young", "never")
        self.assertEqual(young.uid_validity, await self.validity("never"))
        await self.rename("old", "gone")
        self.assertGreater(await self.validity("gone"), gone.uid_validity)
        self.assertGreater(await self.validity("gone"), old.uid_validity)

    async def test_by_wildduck(self) -> None:
        """Documents without the fields that newer versions write are renamed, and get a uidvalidity."""
        id = ObjectId()
        self.db.mailboxes.insert_one({"_id": id, "user": self.account.id, "path": "bare"})
        self.db[UID_VALIDITY].delete_many({})
        await self.rename("bare", "z")
        self.assertGreaterEqual(await self.validity("z"), int(self.clock.seconds()))
        document = self.db.mailboxes.find_one({"_id": id})
        self.assertEqual({"_id", "user", "path", "uidValidity"}, set(document))
        self.assertEqual([(id, "z")], self.entries())


class SubscribeTests(RenameCase):
    """RFC 3501 §6.3.6, §6.3.7."""

    async def test_subscribe(self) -> None:
        """A flag of the mailbox, found in any case of INBOX."""
        boxes = self.store.mailboxes
        for subscribed in (False, False, True, True):
            await boxes.subscribe(self.account.id, "inbox", subscribed)
            self.assertIs(subscribed, (await self.inbox()).subscribed)

    async def names(self) -> list[str]:
        return sorted(await self.store.mailboxes.subscribed_names(self.account.id))

    async def test_no_mailbox(self) -> None:
        """A name that no mailbox has is kept apart, until one comes to have it."""
        boxes = self.store.mailboxes
        for name in ("b/", "a", "b", "c"):
            await boxes.subscribe(self.account.id, name, True)
        self.assertEqual(["a", "b", "c"], await self.names())
        await boxes.subscribe(self.account.id, "c", False)
        await boxes.subscribe(self.account.id, "c", False)
        for name, subscribed in (("b", True), ("c", False)):
            made = await boxes.create(self.account.id, name, subscribed=False)
            self.assertIs(subscribed, made.subscribed)
        self.assertEqual(["a"], await self.names())
        for name in ("", "a//b", "x\n"):
            await self.fails(CannotDo, boxes.subscribe(self.account.id, name, True))

    async def test_deleted(self) -> None:
        """Whether a name stays subscribed when its mailbox is deleted is for who deletes it to say."""
        boxes = self.store.mailboxes
        made = await self.make("a", "b", "c")
        await boxes.subscribe(self.account.id, "c", False)
        await boxes.delete(self.account.id, made["a"], keep_subscription=True)
        await boxes.delete(self.account.id, made["b"])
        await boxes.delete(self.account.id, await boxes.get(self.account.id, "c"), keep_subscription=True)
        self.assertEqual(["a"], await self.names())

    async def test_bounded(self) -> None:
        """An account has so many of them, and not too long ones; a deletion succeeds all the same."""
        self.patch(subscriptions, "SUBSCRIPTIONS", 2)
        boxes = self.store.mailboxes
        made = await self.make("d")
        await self.fails(CannotDo, boxes.subscribe(self.account.id, "/".join(["x" * 500] * 3), True))
        for name in ("a", "b"):
            await boxes.subscribe(self.account.id, name, True)
        await self.fails(LimitReached, boxes.subscribe(self.account.id, "c", True))
        await boxes.delete(self.account.id, made["d"], keep_subscription=True)
        self.assertEqual(["a", "b"], await self.names())

    async def test_of_the_account(self) -> None:
        """Another account does not see them, and they go with their own."""
        other = await self.new_account(name="other")
        boxes = self.store.mailboxes
        await boxes.subscribe(self.account.id, "a", True)
        await boxes.subscribe(other.id, "a", True)
        await boxes.subscribe(other.id, "a", False)
        self.assertEqual(["a"], await self.names())
        await self.store.delete_user_data(self.account.id)
        self.assertEqual(0, self.db.subscriptions.count_documents({}))

    async def test_inferiors(self) -> None:
        """A name has inferiors whether it is a mailbox or not; hidden ones do not count."""
        await self.make("a/b", "c", "h/i")
        self.db.mailboxes.update_one({"path": "h/i"}, {"$set": {"hidden": True}})
        boxes = self.store.mailboxes
        found = [await boxes.has_inferiors(self.account.id, path) for path in ("a", "a/b", "c", "h", "x")]
        self.assertEqual([True, False, False, False, False], found)


class InboxTests(RenameCase):
    """RFC 3501 §6.3.5: INBOX stays where it is."""

    async def test_goes_on(self) -> None:
        """When it fails on the way each message is in one of the two, and the same command goes on."""
        for n in range(3):
            await self.add(message(n))
        moved = self.store.move

        async def broken(source: Any, uids: Any, target: Any, **options: Any) -> Any:
            await moved(source, uids[:1], target, **options)
            raise Unavailable()

        self.patch(self.store, "move", broken)
        await self.fails(Unavailable, self.store.rename(self.account.id, "INBOX", "old/"))
        self.assertEqual((2, 1), await self.counts("INBOX", "old"))
        self.patch(self.store, "move", moved)
        await self.fails(MailboxExists, self.store.rename(self.account.id, "INBOX", "Trash"))
        await self.store.rename(self.account.id, "INBOX", "old")
        self.assertEqual((0, 3), await self.counts("INBOX", "old"))
        self.assertEqual([], await self.store.verifier.verify(min_age=0))
        await self.add(message(4))
        await self.fails(MailboxExists, self.store.rename(self.account.id, "INBOX", "old"))
        self.assertEqual((1, 3), await self.counts("INBOX", "old"))

    async def test_mark_of_long_ago(self) -> None:
        """A command that nobody gave again is forgotten after a day."""
        made = (await self.make("old"))["old"]
        day = datetime.timedelta(days=1)
        now = datetime.datetime.fromtimestamp(self.clock.seconds(), datetime.timezone.utc)
        self.db.mailboxes.update_one({"_id": made.id}, {"$set": {"native.inbox": now - 1.1 * day}})
        await self.fails(MailboxExists, self.store.rename(self.account.id, "INBOX", "old"))

    async def counts(self, *paths: str) -> tuple[int, ...]:
        found = [await self.store.statuses.get(self.account.id, path) for path in paths]
        return tuple(status.messages for _, status in found)

    async def test_inbox(self) -> None:
        """Its messages are in a new mailbox, whole and once; what comes meanwhile is in one of both."""
        await self.make("INBOX/sub")
        for n in range(3):
            await self.add(message(n))
        inbox, used = await self.inbox(), self.storage_used()
        late = [self.add(message(n)) for n in range(3, 6)]
        await gather(self.store.rename(self.account.id, "inbox", "old"), *late)
        old = await self.store.mailboxes.get(self.account.id, "old")
        self.assertEqual(inbox.id, (await self.inbox()).id)
        self.assertGreater(old.uid_validity, inbox.uid_validity)
        rows = list(self.db.messages.find())
        self.assertEqual(6, len({row["msgid"] for row in rows}))
        self.assertLessEqual({row["mailbox"] for row in rows}, {inbox.id, old.id})
        first = [row for row in rows if row["msgid"] in {f"<m{n}@example.org>" for n in range(3)}]
        self.assertEqual([old.id] * 3, [row["mailbox"] for row in first])
        self.assertEqual(2 * used, self.storage_used())
        self.assertEqual(["INBOX/sub", "old"], await self.paths())

    async def test_others(self) -> None:
        """Any other mailbox is renamed."""
        made = await self.make("a", "a/b")
        await self.store.rename(self.account.id, "a/", "z/")
        self.assertEqual(made["a"].id, (await self.store.mailboxes.get(self.account.id, "z")).id)
        self.assertEqual(["z", "z/b"], await self.paths())


class TwoServersTests(RenameCase):
    """What one server does is what another sees."""

    async def test_seen_elsewhere(self) -> None:
        """Another server is pinged, and its open mailbox, its list and its writers go by the new name."""
        made = await self.make("a", "a/b")
        other = await self.new_node()
        pinged: Deferred[None] = Deferred()
        end = other.notifier.listen(self.account.id, lambda: pinged.called or pinged.callback(None))
        view = await other.store.open(self.account.id, "a/b")
        await self.rename("a", "z")
        await pinged
        end()
        paths = [mailbox.path for mailbox in await other.store.mailboxes.list(self.account.id)]
        self.assertEqual({"z", "z/b"}, set(paths) & {"a", "a/b", "z", "z/b"})
        # Who looked the mailbox up before it was renamed can still store into it.
        await self.add(message(), mailbox=made["a/b"], store=other.store)
        await view.refresh(may_expunge=True)
        self.assertEqual(("z/b", 1), (view.mailbox.path, view.exists))
        await self.store.mailboxes.delete(
            self.account.id, await self.store.mailboxes.get(self.account.id, "z/b")
        )
        await self.fails(MailboxNotFound, view.refresh(may_expunge=True))
