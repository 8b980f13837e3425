"""Mailboxes of an account."""

from __future__ import annotations

from typing import Any

from bson import ObjectId

from test.mailstore.support import StoreCase
from wildduck.errors import CannotDo, LimitReached, MailboxExists, MailboxNotFound
from wildduck.mailstore.concurrently import gather
from wildduck.mailstore.paths import check_path, normal_path
from wildduck.mailstore.values import Listed


class MailboxTests(StoreCase):
    """store.md §8, spec/schema.md 'mailboxes'."""

    own_clock = True

    async def test_defaults(self) -> None:
        """A new account has INBOX and the special-use mailboxes, in WildDuck's form."""
        documents = list(self.db.mailboxes.find({"user": self.account.id}).sort("_id"))
        paths = ["INBOX", "Sent Mail", "Trash", "Drafts", "Junk"]
        self.assertEqual(paths, [document["path"] for document in documents])
        uses = [None, "\\Sent", "\\Trash", "\\Drafts", "\\Junk"]
        self.assertEqual(uses, [document["specialUse"] for document in documents])
        for document in documents:
            self.assertEqual((1, 1), (document["uidNext"], document["modifyIndex"]))
            self.assertEqual((True, []), (document["subscribed"], document["flags"]))
            limited = document["specialUse"] in ("\\Trash", "\\Junk")
            self.assertIs(float if limited else int, type(document["retention"]))

    async def test_most(self) -> None:
        """As many as WildDuck's API has set for all servers; the default ones are made nonetheless."""
        self.db.settings.insert_one({"key": "const:max:mailboxes", "value": "6", "enumerable": True})
        await self.node.databases.shared_settings.read()
        await self.store.mailboxes.create(self.account.id, "sixth")
        await self.fails(LimitReached, self.store.mailboxes.create(self.account.id, "seventh"))
        self.db.settings.update_one({}, {"$set": {"value": "0"}})
        await self.node.databases.shared_settings.read()
        await self.fails(LimitReached, self.store.mailboxes.create(self.account.id, "seventh"))
        await self.new_account(name="other")

    async def test_defaults_again(self) -> None:
        """Making them twice, also at once, makes nothing twice."""
        user = ObjectId()
        await gather(*(self.store.create_defaults(user, "et") for _ in range(5)))
        await self.store.create_defaults(user, "de")
        paths = [mailbox.path for mailbox in await self.store.mailboxes.list(user)]
        self.assertEqual(sorted(["INBOX", "Saadetud kirjad", "Prügikast", "Mustandid", "Rämpspost"]), paths)

    async def test_inbox_in_any_case(self) -> None:
        """INBOX is found in any case, also as a parent; other names are not."""
        await self.store.mailboxes.create(self.account.id, "inbox/Sub")
        self.assertEqual("INBOX", (await self.store.mailboxes.get(self.account.id, "iNBOX")).path)
        self.assertEqual("INBOX/Sub", (await self.store.mailboxes.get(self.account.id, "Inbox/Sub")).path)
        await self.fails(MailboxNotFound, self.get("inbox/sub"))

    def get(self, path: str) -> Any:
        return self.store.mailboxes.get(self.account.id, path)

    async def test_uidvalidity_never_repeats_in_one_second(self) -> None:
        """CREATE, DELETE, CREATE within one second gives two different uidvalidities."""
        user = self.account.id
        seen = set()
        for _ in range(5):
            mailbox = await self.store.mailboxes.create(user, "Again")
            seen.add(mailbox.uid_validity)
            await self.store.mailboxes.delete(user, mailbox)
        self.assertEqual(5, len(seen))
        self.assertGreaterEqual(min(seen), int(self.clock.seconds()))

    async def test_uidvalidity_follows_the_time(self) -> None:
        """The counter never runs behind the clock."""
        first = await self.store.mailboxes.create(self.account.id, "One")
        self.clock.advance(1000)
        second = await self.store.mailboxes.create(self.account.id, "Two")
        self.assertGreaterEqual(second.uid_validity, first.uid_validity + 999)

    async def test_uidvalidity_under_concurrency(self) -> None:
        """Of many that are made at once none has another's."""
        made = await gather(*(self.store.mailboxes.create(self.account.id, f"M{n}") for n in range(20)))
        self.assertEqual(20, len({mailbox.uid_validity for mailbox in made}))

    async def test_create_tells_the_journal(self) -> None:
        """A CREATE entry has path and MODSEQ 1."""
        mailbox = await self.store.mailboxes.create(self.account.id, "Foo/Bar/")
        entry = self.db.journal.find_one({"mailbox": mailbox.id})
        self.assertEqual(("CREATE", "Foo/Bar", 1), (entry["command"], entry["path"], entry["modseq"]))

    async def test_create_twice(self) -> None:
        """A name is given once."""
        await self.store.mailboxes.create(self.account.id, "Foo")
        await self.fails(MailboxExists, self.create("Foo"))

    async def test_impossible_names(self) -> None:
        """Empty levels, control characters and names without bound are refused."""
        for path in ("", "/", "a//b", "a\r\nb", "a\x00", "x" * 513, "/".join("x" * 129)):
            await self.fails(CannotDo, self.create(path))

    def create(self, path: str) -> Any:
        return self.store.mailboxes.create(self.account.id, path)

    async def test_special_use(self) -> None:
        """A mailbox is found by its use."""
        mailbox = await self.store.mailboxes.get_special(self.account.id, "\\Junk")
        self.assertEqual("Junk", mailbox.path)
        self.assertGreater(mailbox.retention, 0)

    async def test_delete_lets_the_messages_expire(self) -> None:
        """Messages of a deleted mailbox have expired a day ago; the journal tells of it."""
        mailbox = await self.store.mailboxes.create(self.account.id, "Foo")
        self.db.messages.insert_one({"mailbox": mailbox.id, "uid": 1, "exp": False})
        await self.store.mailboxes.delete(self.account.id, mailbox)
        row = self.db.messages.find_one({"mailbox": mailbox.id})
        self.assertEqual((True, (int(self.clock.seconds() * 1000) - 86_400_000)), (row["exp"], row["rdate"]))
        self.assertEqual(1, self.db.journal.count_documents({"mailbox": mailbox.id, "command": "DELETE"}))
        await self.fails(MailboxNotFound, self.get("Foo"))

    async def test_delete_ends_sessions_of_wildduck(self) -> None:
        """It is told with DROP, as its own sessions tell each other."""
        mailbox = await self.store.mailboxes.create(self.account.id, "Foo")
        dropped: list[Any] = []
        self.node.notifier.listen(self.account.id, lambda: None, dropped.append)
        await self.node.redis.subscribed("wd_events")
        await self.store.mailboxes.delete(self.account.id, mailbox)
        while not dropped:
            await self.node.redis.execute("PING")
        self.assertEqual([{"command": "DROP", "mailbox": str(mailbox.id)}], dropped)

    async def test_listed(self) -> None:
        """What clients are shown, of documents with few fields too; not what is hidden."""
        user = ObjectId()
        self.db.mailboxes.insert_many(
            [
                {"user": user, "path": "bare"},
                {"user": user, "path": "old", "specialUse": None, "subscribed": True},
                {"user": user, "path": "Archive", "specialUse": "\\Archive", "hidden": False},
                {"user": user, "path": "secret", "hidden": True},
            ]
        )
        ids = {row["path"]: row["_id"] for row in self.db.mailboxes.find({"user": user})}
        found = {one.path: one for one in await self.store.mailboxes.listed(user)}
        self.assertEqual(
            {
                "bare": Listed(ids["bare"], "bare", "", False),
                "old": Listed(ids["old"], "old", "", True),
                "Archive": Listed(ids["Archive"], "Archive", "\\Archive", False),
            },
            found,
        )

    async def test_special_mailboxes_stay(self) -> None:
        """INBOX and special-use mailboxes can not be deleted."""
        for mailbox in await self.store.mailboxes.list(self.account.id):
            await self.fails(CannotDo, self.store.mailboxes.delete(self.account.id, mailbox))

    async def test_mailboxes_of_others(self) -> None:
        """A mailbox is only found for its account."""
        other = await self.new_account(name="other")
        mailbox = await self.store.mailboxes.get(other.id, "INBOX")
        await self.fails(MailboxNotFound, self.store.mailboxes.get_by_id(self.account.id, mailbox.id))

    def test_normal_path(self) -> None:
        """Slashes at the ends go, INBOX is in capitals."""
        names = {"/a/b/": "a/b", "inbox": "INBOX", "Inbox/x": "INBOX/x", "inboxes": "inboxes"}
        for given, wanted in names.items():
            self.assertEqual(wanted, normal_path(given))

    def test_check_path(self) -> None:
        """Any printable text is a name."""
        for path in ("Jõulud 2026", "a$b.c", "日本語/メール", "%*"):
            check_path(path)
