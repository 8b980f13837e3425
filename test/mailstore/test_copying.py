"""COPY: what a copy is, what it costs, who is told."""

from __future__ import annotations

from typing import Any

import bson
from bson import ObjectId

from test.mailstore.support import StoreCase, message, with_attachment
from test.mailstore.test_attachments import encoded
from wildduck.errors import CannotDo, LimitReached, MailboxNotFound, OverQuota
from wildduck.mailstore import copying
from wildduck.mailstore.concurrently import gather
from wildduck.mailstore.values import Copied, Exists, Mailbox


class TransferCase(StoreCase):
    """Messages in INBOX and somewhere for them to go."""

    async def _start(self) -> None:
        await super()._start()
        self.target = await self.store.mailboxes.create(self.account.id, "Target")

    async def special(self, use: str) -> Mailbox:
        """A special-use mailbox."""
        return await self.store.mailboxes.get_special(self.account.id, use)

    def documents(self, mailbox: Mailbox) -> list[dict[str, Any]]:
        """What is in a mailbox, by UID."""
        return list(self.db.messages.find({"mailbox": mailbox.id}).sort("uid"))

    def uids(self, mailbox: Mailbox) -> list[int]:
        return [row["uid"] for row in self.documents(mailbox)]

    def entries(self, mailbox: Mailbox, command: str) -> list[dict[str, Any]]:
        """Journal entries of a mailbox."""
        return list(self.db.journal.find({"mailbox": mailbox.id, "command": command}).sort("modseq"))

    def unused(self, mailbox: Mailbox) -> list[tuple[Any, int]]:
        """UIDs and MODSEQs that were given up."""
        return [(entry.get("uid"), entry["modseq"]) for entry in self.entries(mailbox, "UNUSED")]

    def counters(self) -> tuple[int, int]:
        """References of the one attachment and the sum of their magic numbers."""
        (row,) = self.attachment_rows()
        return row["metadata"]["c"], row["metadata"]["m"]

    def count_uses(self, database: Any, collections: set[str]) -> list[str]:
        """From now on, which collections of a handle are spoken to."""
        used: list[str] = []
        for name in ("find_one_and_update", "update_many", "update_bulk", "insert_many", "update_one"):
            real = getattr(database, name)

            async def noted(collection: str, *arguments: Any, _real: Any = real, **options: Any) -> Any:
                if collection in collections:
                    used.append(collection)
                return await _real(collection, *arguments, **options)

            self.patch(database, name, noted)
        return used

    async def clean(self) -> None:
        """The verifier has nothing to say."""
        await self.store.settle()
        self.assertEqual([], await self.store.verifier.verify(min_age=0, contents=True))


class CopyTests(TransferCase):
    """store.md §1, §5; spec/behaviour.md §1.3 'COPY'."""

    async def test_document(self) -> None:
        """A copy is the same document but for what its mailbox decides."""
        await self.add(message(), flags=["\\Seen", "$Work"])
        (before,) = self.documents(await self.inbox())
        copied = await self.store.copy(await self.inbox(), [1], self.target)
        self.assertEqual(Copied(self.target.uid_validity, (1,), (1,)), copied)
        (original,) = self.documents(await self.inbox())
        self.assertEqual({**before, "copied": True}, original)
        (copy,) = self.documents(self.target)
        (event,) = copy["meta"].pop("events")
        self.assertEqual("IMAPCOPY", event["action"])
        own = {"_id": copy["_id"], "mailbox": self.target.id, "uid": 1, "modseq": 2}
        self.assertEqual({**before, **own, "retentionTime": copy["retentionTime"]}, copy)
        self.assertNotEqual(before["_id"], copy["_id"])
        self.assertIs(int, type(copy["uid"]))
        await self.clean()

    async def test_bytes(self) -> None:
        """What is read of a copy is what is read of the message, attachments and ready bytes included."""
        data = with_attachment(1, encoded(1000)) + b"epilogue without an end"
        appended = await self.add(data)
        await self.store.copy(await self.inbox(), [1], self.target)
        self.assertEqual(data, await self.read(appended))
        (copy,) = self.documents(self.target)
        content = await self.store.content(copy, exact=True)
        await content.prepare()
        self.assertEqual(data, await content.read())
        self.assertEqual(copy["magic"], copy["mimeTree"]["native"]["magic"])

    async def test_many(self) -> None:
        """Ascending UIDs and MODSEQs in the order of the messages, in as many batches as it takes."""
        self.patch(copying, "BATCH_ROWS", 3)
        for n in range(9):
            await self.add(message(n))
        self.db.messages.delete_one({"uid": 4})
        view = await self.store.open(self.account.id, "INBOX")
        copied = await self.store.copy(view, [9, 1, 3, 4, 5, 6, 8, 8, 70], self.target, session="me")
        self.assertEqual(((1, 3, 5, 6, 8, 9), (1, 2, 3, 4, 5, 6)), (copied.source, copied.target))
        wanted = [f"m{uid - 1}@example.org" for uid in copied.source]
        rows = self.documents(self.target)
        self.assertEqual(wanted, [row["msgid"].strip("<>") for row in rows])
        self.assertEqual(list(range(2, 8)), [row["modseq"] for row in rows])
        entries = self.entries(self.target, "EXISTS")
        self.assertEqual(
            [(row["uid"], row["modseq"], row["_id"], row["idate"], row["thread"]) for row in rows],
            [
                tuple(entry[key] for key in ("uid", "modseq", "message", "idate", "thread"))
                for entry in entries
            ],
        )
        self.assertEqual({"me"}, {entry["ignore"] for entry in entries})
        self.assertEqual([], self.unused(self.target))

    async def test_nothing_is_there(self) -> None:
        """Messages that are gone cost nothing and tell nobody."""
        copied = await self.store.copy(await self.inbox(), [1, 2], self.target)
        self.assertEqual(Copied(self.target.uid_validity, (), ()), copied)
        self.assertEqual([], self.entries(self.target, "EXISTS"))

    async def test_within_one_mailbox(self) -> None:
        """A mailbox can be the target of its own messages: each is then there twice."""
        for n in range(3):
            await self.add(message(n))
        view = await self.store.open(self.account.id, "INBOX")
        copied = await self.store.copy(view, [1, 3], view.mailbox)
        self.assertEqual(((1, 3), (4, 5)), (copied.source, copied.target))
        self.assertEqual([Exists(5)], await view.refresh(may_expunge=True))
        self.assertEqual([1, 2, 3, 4, 5], list(view.uids))
        await self.clean()

    async def test_flags(self) -> None:
        """The copies have the flags and those added, and right mirror booleans even of stale ones."""
        await self.add(message(), flags=["\\Deleted", "$Work"])
        await self.add(message(2), flags=["\\Seen"])
        self.db.messages.update_one({"uid": 1}, {"$set": {"undeleted": True, "searchable": True}})
        await self.store.copy(await self.inbox(), [1, 2], self.target, add_flags=["\\seen", "\\Flagged"])
        first, second = self.documents(self.target)
        self.assertEqual(["\\Deleted", "$Work", "\\Seen", "\\Flagged"], first["flags"])
        self.assertEqual(["\\Seen", "\\Flagged"], second["flags"])
        names = ("unseen", "undeleted", "flagged", "draft")
        self.assertEqual([False, False, True, False], [first[name] for name in names])
        self.assertEqual([False, True, True, False], [second[name] for name in names])
        self.assertEqual((False, True), ("searchable" in first, second["searchable"]))

    async def test_keyword_too_long(self) -> None:
        await self.add(message())
        await self.fails(
            LimitReached, self.store.copy(await self.inbox(), [1], self.target, add_flags=["x" * 256])
        )

    async def test_retention(self) -> None:
        """The target says how long it is kept; a mailbox that keeps for ever ends a message's time."""
        await self.add(message())
        trash = await self.special("\\Trash")
        await self.store.copy(await self.inbox(), [1], trash)
        (kept,) = self.documents(trash)
        self.assertEqual((True, 30 * 86_400_000), (kept["exp"], kept["retention"]))
        self.assertEqual(kept["rdate"], kept["retentionTime"] + kept["retention"])
        await self.store.copy(trash, [1], self.target)
        (copy,) = self.documents(self.target)
        self.assertEqual((False, 0, False), (copy["exp"], copy["retention"], "rdate" in copy))

    async def test_junk(self) -> None:
        """Who learns of spam hears of what goes into Junk and comes out of it, not to Trash."""
        await self.add(message())
        junk, trash = await self.special("\\Junk"), await self.special("\\Trash")
        for source, target, mark, entry in (
            (await self.inbox(), junk, True, 1),
            (junk, junk, True, None),
            (junk, trash, True, None),
            (trash, self.target, None, -1),
            (self.target, trash, None, None),
        ):
            copied = await self.store.copy(source, [1], target)
            (row,) = self.db.messages.find({"mailbox": target.id, "uid": copied.target[0]})
            (told,) = self.db.journal.find({"mailbox": target.id, "uid": copied.target[0]})
            self.assertEqual((mark, entry), (row.get("junk"), told.get("junk")), (source.path, target.path))

    async def test_attachments_and_quota(self) -> None:
        """Each copy counts its references and bytes; each that is removed gives back just these."""
        await self.add(with_attachment(1, encoded(100)))
        size = self.storage_used()
        (magic,) = self.db.messages.distinct("magic")
        inbox = await self.inbox()
        await self.store.copy(inbox, [1], self.target)
        await self.store.copy(self.target, [1], inbox)
        self.assertEqual((3, 3 * magic), self.counters())
        self.assertEqual(3 * size, self.storage_used())
        for left, mailbox, uid in ((2, inbox, 1), (1, self.target, 1), (1, inbox, 2)):
            await self.store.store_flags(mailbox, [uid], "+", ["\\Deleted"])
            await self.store.expunge(mailbox)
            # Only the last one, of which there is no copy, is kept in the archive.
            self.assertEqual((left, left * magic), self.counters())
        self.assertEqual(0, self.storage_used())
        self.assertEqual(1, self.db.archived.count_documents({}))
        await self.clean()

    async def test_two_keys_of_one_attachment(self) -> None:
        """References are counted once for each key of attachmentMap, not for each digest (store.md §5)."""
        part = b"--b\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\n%b\r\n"
        data = with_attachment(1, encoded(100)).replace(b"--b--", part % encoded(100) + b"--b--")
        await self.add(data)
        self.assertEqual(2, self.counters()[0])
        await self.store.copy(await self.inbox(), [1], self.target)
        self.assertEqual(4, self.counters()[0])
        await self.clean()

    async def test_quota(self) -> None:
        """All or none: what does not fit in the sum is refused before anything is copied."""
        account = await self.new_account(quota=5 * len(message()) - 1)
        inbox = await self.store.mailboxes.get(account.id, "INBOX")
        target = await self.store.mailboxes.create(account.id, "Target")
        for n in range(2):
            await self.add(message(n), account=account)
        await self.store.copy(inbox, [1], target)
        used = self.storage_used(account)
        await self.fails(OverQuota, self.store.copy(inbox, [1, 2], target))
        self.assertEqual((used, [1]), (self.storage_used(account), self.uids(target)))
        await self.store.copy(inbox, [2], target)
        await self.clean()

    async def test_quota_race(self) -> None:
        """Many COPYs at the brim: exactly those that fit succeed."""
        account = await self.new_account(quota=4 * len(message()))
        inbox = await self.store.mailboxes.get(account.id, "INBOX")
        await self.add(message(), account=account)

        async def one() -> int:
            try:
                return len((await self.store.copy(inbox, [1], inbox)).target)
            except OverQuota:
                return 0

        self.assertEqual(3, sum(await gather(*(one() for _ in range(10)))))
        self.assertEqual([1, 2, 3, 4], self.uids(inbox))
        self.assertEqual(4 * len(message()), self.storage_used(account))
        await self.clean()

    async def test_of_other_accounts(self) -> None:
        """Nobody's mailbox can be the target of another's messages; a deleted one neither."""
        await self.add(message())
        other = await self.new_account(name="other")
        theirs = await self.store.mailboxes.get(other.id, "INBOX")
        await self.fails(MailboxNotFound, self.store.copy(await self.inbox(), [1], theirs))
        await self.store.mailboxes.delete(self.account.id, self.target)
        await self.fails(MailboxNotFound, self.store.copy(await self.inbox(), [1], self.target))
        self.assertEqual(len(message()), self.storage_used())
        await self.clean()

    async def test_encrypted(self) -> None:
        """What says that it is encrypted gets nothing in clear, but drafts and what is encrypted."""
        await self.add(message())
        await self.add(message(), flags=["\\Draft"])
        await self.add(message().replace(b"To:", b'Content-Type: multipart/encrypted; boundary="b"\r\nTo:'))
        await self.add(
            message().replace(
                b"To:", b"Content-Type: application/pkcs7-mime; smime-type=enveloped-data\r\nTo:"
            )
        )
        await self.add(
            message().replace(b"To:", b"Content-Type: application/pkcs7-mime; smime-type=signed-data\r\nTo:")
        )
        inbox = await self.inbox()
        self.db.mailboxes.update_one({"_id": self.target.id}, {"$set": {"encryptMessages": True}})
        target = await self.store.mailboxes.get(self.account.id, "Target")
        for clear in ([1], [5], [1, 2, 3, 4, 5]):
            await self.fails(CannotDo, self.store.copy(inbox, clear, target))
        self.assertEqual([], self.uids(target))
        copied = await self.store.copy(inbox, [2, 3, 4], target)
        self.assertEqual((1, 2, 3), copied.target)
        self.db.users.update_one({"_id": self.account.id}, {"$set": {"encryptMessages": True}})
        await self.fails(CannotDo, self.store.copy(inbox, [1], inbox))
        await self.store.copy(inbox, [2, 3, 4], inbox)
        await self.clean()

    async def test_who_is_told(self) -> None:
        """Cached counters and the mailbox's keywords follow, and a reader sees each arrival once."""
        await self.add(message(), flags=["$Work"])
        await self.add(message(2), flags=["\\Seen", "$Work", "$Home"])
        await self.store.settle()
        self.redis.set(f"total:{self.target.id}", 0)
        self.redis.set(f"unseen:{self.target.id}", 0)
        view = await self.store.open(self.account.id, "Target")
        await self.store.copy(await self.inbox(), [1, 2], self.target)
        await self.store.settle()
        self.assertEqual([Exists(2)], await view.refresh(may_expunge=True))
        self.assertEqual([], await view.refresh(may_expunge=True))
        self.assertEqual(3, view.highest_modseq)
        self.assertEqual(("$Work", "$Home"), view.mailbox.keywords)
        self.assertEqual(
            (b"2", b"1"), tuple(self.redis.mget(f"total:{self.target.id}", f"unseen:{self.target.id}"))
        )

    async def test_document_of_wildduck(self) -> None:
        """Numbers as doubles, missing fields, references of another kind: they are copied as they are."""
        await self.add(with_attachment(1, encoded(10)))
        odd = {"mimeTree.attachmentMap.ATT00002": ObjectId(), "mimeTree.attachmentMap.ATT00003": "x"}
        self.db.messages.update_one(
            {},
            {
                "$set": {**odd, "uid": 1.0, "modseq": 2.0, "size": float(self.storage_used())},
                "$unset": {"mimeTree.native": 1, "root": 1, "meta": 1, "userDeleted": 1, "copied": 1},
            },
        )
        copied = await self.store.copy(await self.inbox(), [1], self.target)
        self.assertEqual(((1,), (1,)), (copied.source, copied.target))
        self.assertEqual(2, self.counters()[0])
        (copy,) = self.documents(self.target)
        self.assertEqual(["IMAPCOPY"], [event["action"] for event in copy["meta"]["events"]])

    async def test_large_ones_in_small_batches(self) -> None:
        """How many are copied at once goes by their length too."""
        for n in range(5):
            await self.add(message(n))
        self.patch(copying, "COPY_BATCH_BYTES", len(bson.encode(self.db.messages.find_one())) * 5 // 2)
        used = self.count_uses(self.node.databases.main, {"mailboxes"})
        await self.store.copy(await self.inbox(), [1, 2, 3, 4, 5], self.target)
        self.assertEqual(3, len(used))
        self.assertEqual([1, 2, 3, 4, 5], self.uids(self.target))
