"""STORE."""

from __future__ import annotations

import itertools
from typing import Any

from bson import ObjectId

from test.mailstore.support import StoreCase
from wildduck.errors import BadInput, LimitReached
from wildduck.limits import MAILBOX_FLAGS, MESSAGE_FLAGS
from wildduck.mailstore.concurrently import gather
from wildduck.mailstore.documents import mirrors
from wildduck.mailstore.flag_table import SYSTEM_FLAGS
from wildduck.mailstore.flags import changed_flags
from wildduck.mailstore.values import Mailbox


class FlagCase(StoreCase):
    """A mailbox with rows of messages."""

    async def _start(self) -> None:
        await super()._start()
        self.mailbox = await self.inbox()

    def put(self, uid: int, *flags: str, modseq: int = 1, mailbox: Mailbox | None = None) -> ObjectId:
        row = self.new_row(uid, *flags, modseq=modseq, mailbox=mailbox)
        self.db.messages.insert_one(row)
        id: ObjectId = row["_id"]
        return id

    def new_row(
        self, uid: int, *flags: str, modseq: int = 1, mailbox: Mailbox | None = None
    ) -> dict[str, Any]:
        row = {
            "_id": ObjectId(),
            "user": self.account.id,
            "mailbox": (mailbox or self.mailbox).id,
            "uid": uid,
            "modseq": modseq,
            "flags": list(flags),
            "thread": ObjectId(),
            **mirrors(flags),
        }
        if "\\Deleted" not in flags:
            row["searchable"] = True
        return row

    def row(self, uid: int) -> dict[str, Any]:
        row: dict[str, Any] = self.db.messages.find_one({"uid": uid})
        return row

    def journal(self) -> list[dict[str, Any]]:
        return list(self.db.journal.find({"mailbox": self.mailbox.id}).sort("_id"))


class StoreTests(FlagCase):
    """store.md §3."""

    async def test_every_combination_keeps_the_mirrors_right(self) -> None:
        """Flags and all mirror booleans of a message agree after each STORE of several system flags."""
        sets = [(), ("\\Seen", "\\Deleted", "$k"), SYSTEM_FLAGS, ("\\Draft", "\\Flagged")]
        cases = list(itertools.product(sets, "+-=", sets))
        for uid, (before, mode, flags) in enumerate(cases, 1):
            self.put(uid, *before)
            await self.store.store_flags(self.mailbox, [uid], mode, flags)
        for uid, (before, mode, flags) in enumerate(cases, 1):
            row = self.row(uid)
            self.assertEqual(list(changed_flags(before, mode, flags)), row["flags"], (before, mode, flags))
            self.assertEqual(mirrors(tuple(row["flags"])), {name: row[name] for name in mirrors(())})
            self.assertEqual("\\Deleted" not in row["flags"], row.get("searchable", False))

    async def test_concurrent_writers_lose_nothing(self) -> None:
        """Two sessions that set different flags of the same messages at the same time: both are there."""
        other = await self.new_node()
        uids = list(range(1, 41))
        for uid in uids:
            self.put(uid)
        await gather(
            *(
                store.store_flags(self.mailbox, uids, "+", [flag])
                for store in (self.store, other.store)
                for flag in (f"{id(store)}a", f"{id(store)}b", "\\Seen", "\\Flagged")
            )
        )
        for uid in uids:
            row = self.row(uid)
            self.assertEqual(6, len(row["flags"]))
            self.assertEqual((False, True), (row["unseen"], row["flagged"]))

    async def test_changed_between_reading_and_writing(self) -> None:
        """What another writer does to some of the messages in that moment is not lost, nor are the others."""
        main = self.store._backend.databases.main
        update_groups = main.update_groups
        for mode, flags, wanted in (
            ("+", ("$a",), (("$b", "$a"), ("\\Seen", "$a"))),
            ("-", ("\\Seen",), (("$b",), ("$a",))),
            ("=", ("$c",), (("$c",), ("$c",))),
        ):
            self.db.messages.delete_many({})
            self.put(1, "\\Seen")
            self.put(2, "\\Seen", *(("$a",) if mode == "-" else ()))

            async def meanwhile(*arguments: Any, **more: Any) -> Any:
                changed = {"$set": {"flags": ["$b"], "modseq": 1000, "unseen": True}}
                self.db.messages.update_one({"uid": 1}, changed)
                return await update_groups(*arguments, **more)

            self.patch(main, "update_groups", meanwhile)
            stored = await self.store.store_flags(self.mailbox, [1, 2], mode, flags)
            for uid, expected in enumerate(wanted, 1):
                row = self.row(uid)
                self.assertEqual(tuple(row["flags"]), expected, (mode, uid))
                self.assertEqual(stored.changed[uid], (expected, row["modseq"]))
                self.assertEqual(row["unseen"], "\\Seen" not in expected)
            self.assertEqual(self.row(1)["modseq"], 1000)

    async def test_many_kinds_at_once(self) -> None:
        """Messages with many different flags, with stale mirrors and without some fields: all are changed."""
        kinds = [(f"$k{number}", *(("\\Seen",) if number % 2 else ())) for number in range(12)]
        for uid, flags in enumerate(kinds, 1):
            self.put(uid, *flags)
        self.db.messages.update_one({"uid": 3}, {"$set": {"undeleted": False}})
        self.db.messages.update_one({"uid": 4}, {"$unset": {"flags": 1, "unseen": 1}})
        for some in (range(5, 8), range(1, 13)):
            stored = await self.store.store_flags(self.mailbox, list(some), "+", ("\\Flagged",))
            self.assertEqual(sorted(stored.changed), list(some))
            for uid in some:
                row = self.row(uid)
                flags = () if uid == 4 else kinds[uid - 1]
                self.assertEqual(row["flags"], [*flags, "\\Flagged"])
                self.assertEqual(mirrors(tuple(row["flags"])), {name: row[name] for name in mirrors(())})

    async def test_modseq_is_the_higher_one(self) -> None:
        """A row that a later writer has changed already keeps its MODSEQ, and gets the flags."""
        self.put(1, modseq=100)
        done = await self.store.store_flags(self.mailbox, [1], "+", ["\\Seen"])
        self.assertEqual({1: (("\\Seen",), 100)}, done.changed)
        self.assertEqual(2, self.journal()[0]["modseq"])

    async def test_what_is_as_wanted_stays(self) -> None:
        """A STORE that changes nothing takes no MODSEQ and writes no journal."""
        self.put(1, "\\Seen", modseq=5)
        done = await self.store.store_flags(self.mailbox, [1], "+", ["\\Seen"])
        self.assertEqual({1: (("\\Seen",), 5)}, done.changed)
        self.assertEqual([], self.journal())
        self.assertEqual(1, (await self.inbox()).modify_index)

    async def test_missing(self) -> None:
        """Messages that are gone are named."""
        self.put(2)
        done = await self.store.store_flags(self.mailbox, [1, 2, 9], "+", ["\\Seen"])
        self.assertEqual(([1, 9], [2]), (done.missing, list(done.changed)))

    async def test_journal(self) -> None:
        """A FETCH entry for each changed message, in WildDuck's form, under the new MODSEQ."""
        id = self.put(1)
        self.put(2, "\\Seen")
        await self.store.store_flags(self.mailbox, [1, 2], "+", ["\\Seen", "$x"], session="abc")
        first, second = self.journal()
        self.assertEqual(
            ["_id", "command", "ignore", "uid", "flags", "thread", "message", "modseq", "unseenChange"]
            + ["created", "mailbox", "user"],
            list(first),
        )
        self.assertEqual(
            ("FETCH", "abc", 1, ["\\Seen", "$x"], id, 2, True),
            tuple(
                first[name]
                for name in ("command", "ignore", "uid", "flags", "message", "modseq", "unseenChange")
            ),
        )
        self.assertEqual((2, 2, False), (second["uid"], second["modseq"], second["unseenChange"]))

    async def test_unchanged_since(self) -> None:
        """UNCHANGEDSINCE: what has changed since is left alone and named (RFC 7162 §3.1.3)."""
        self.put(1, modseq=5)
        self.put(2, modseq=6)
        self.put(3, "\\Seen", modseq=4)
        self.put(4, "\\Seen", modseq=9)
        self.db.mailboxes.update_one({"_id": self.mailbox.id}, {"$set": {"modifyIndex": 9}})
        done = await self.store.store_flags(self.mailbox, [1, 2, 3, 4], "+", ["\\Seen"], unchanged_since=5)
        self.assertEqual([2, 4], done.modified)
        self.assertEqual({1: (("\\Seen",), 10), 3: (("\\Seen",), 4)}, done.changed)
        self.assertEqual([], self.row(2)["flags"])

    async def test_unchanged_since_among_racing_writers(self) -> None:
        """Of many conditional STOREs that start from the same state one wins."""
        self.put(1, modseq=1)
        outcome = await gather(
            *(self.store.store_flags(self.mailbox, [1], "+", [f"k{n}"], unchanged_since=1) for n in range(10))
        )
        self.assertEqual(1, sum(bool(done.changed) for done in outcome))
        self.assertEqual(9, sum(done.modified == [1] for done in outcome))
        self.assertEqual(1, len(self.row(1)["flags"]))

    async def test_losers_leave_no_hole(self) -> None:
        """A MODSEQ that was taken and is used for nothing stands in the journal as unused."""
        self.put(1, modseq=1)
        await gather(
            *(self.store.store_flags(self.mailbox, [1], "+", [f"k{n}"], unchanged_since=1) for n in range(10))
        )
        top = (await self.inbox()).modify_index
        self.assertEqual(set(range(2, top + 1)), {entry["modseq"] for entry in self.journal()})

    async def test_searchable_in_trash(self) -> None:
        """Undeleting in Trash or Junk does not make a message searchable (spec/schema.md 'messages')."""
        trash = await self.store.mailboxes.get_special(self.account.id, "\\Trash")
        self.put(1, "\\Deleted", mailbox=trash)
        await self.store.store_flags(trash, [1], "-", ["\\Deleted"])
        self.assertNotIn("searchable", self.row(1))
        self.assertTrue(self.row(1)["undeleted"])

    async def test_stale_mirrors_are_mended(self) -> None:
        """What WildDuck left stale is right after our next STORE."""
        self.put(1, "\\Seen", "\\Flagged")
        self.db.messages.update_one({"uid": 1}, {"$set": {"unseen": True, "flagged": False}})
        await self.store.store_flags(self.mailbox, [1], "+", ["x"])
        self.assertEqual((False, True), (self.row(1)["unseen"], self.row(1)["flagged"]))

    async def test_keywords_are_listed(self) -> None:
        """A mailbox lists the keywords that were stored in it, up to WildDuck's bound."""
        self.put(1)
        await self.store.store_flags(self.mailbox, [1], "+", ["$b", "a", "\\Seen"])
        await self.store.settle()
        self.assertEqual(["$b", "a"], sorted((await self.inbox()).keywords))
        await self.store.store_flags(self.mailbox, [1], "+", [f"k{n}" for n in range(200)])
        await self.store.settle()
        self.assertEqual(MAILBOX_FLAGS - len(SYSTEM_FLAGS), len((await self.inbox()).keywords))
        self.assertEqual(203, len(self.row(1)["flags"]))

    async def test_keywords_that_look_like_operators(self) -> None:
        """A keyword with a dollar sign is text, never an expression."""
        self.put(1)
        for mode in "+=":
            await self.store.store_flags(self.mailbox, [1], mode, ["$flags", "$$ROOT", "$Forwarded"])
            self.assertEqual(["$flags", "$$ROOT", "$Forwarded"], self.row(1)["flags"])
        await self.store.store_flags(self.mailbox, [1], "-", ["$$ROOT"])
        self.assertEqual(["$flags", "$Forwarded"], self.row(1)["flags"])

    async def test_many_flags(self) -> None:
        """A message takes so many flags and no more, at once or one by one; one with more loses them."""
        self.put(1)
        names = [f"k{n}" for n in range(MESSAGE_FLAGS + 1)]
        await self.fails(LimitReached, self.store.store_flags(self.mailbox, [1], "=", names))
        await self.store.store_flags(self.mailbox, [1], "+", names[:-1])
        await self.fails(LimitReached, self.store.store_flags(self.mailbox, [1], "+", names[-1:]))
        self.assertEqual(names[:-1], self.row(1)["flags"])
        self.put(2, *names, "more")
        await self.store.store_flags(self.mailbox, [2], "-", names[:1])
        self.assertEqual([*names[1:], "more"], self.row(2)["flags"])

    async def test_too_many_named(self) -> None:
        """More than a message can have are not looked for in each of its flags."""
        self.put(1)
        names = [f"k{n}" for n in range(MESSAGE_FLAGS + 1)]
        await self.fails(LimitReached, self.store.store_flags(self.mailbox, [1], "-", names))

    async def test_bad_requests(self) -> None:
        """An endless keyword and an unknown mode are refused."""
        await self.fails(LimitReached, self.store.store_flags(self.mailbox, [1], "+", ["x" * 256]))
        await self.fails(BadInput, self.store.store_flags(self.mailbox, [1], "!", ["x"]))

    async def test_more_than_one_batch(self) -> None:
        """Thousands of messages are changed in batches, each under its own MODSEQ."""
        uids = list(range(1, 2502))
        self.db.messages.insert_many([self.new_row(uid) for uid in uids])
        done = await self.store.store_flags(self.mailbox, uids, "+", ["\\Seen"])
        self.assertEqual(uids, list(done.changed))
        self.assertEqual(0, self.db.messages.count_documents({"unseen": True}))
        self.assertEqual({2, 3, 4}, {modseq for _, modseq in done.changed.values()})

    async def test_cached_counters(self) -> None:
        """WildDuck's cached count of unseen messages is dropped when \\Seen changes, and only then."""
        self.put(1)
        key = f"unseen:{self.mailbox.id}"
        self.redis.set(key, 7)
        await self.store.store_flags(self.mailbox, [1], "+", ["x"])
        await self.store.settle()
        self.assertEqual(b"7", self.redis.get(key))
        await self.store.store_flags(self.mailbox, [1], "+", ["\\Seen"])
        await self.store.settle()
        self.assertIsNone(self.redis.get(key))
