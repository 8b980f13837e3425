"""The verifier names each difference, and spares what is young."""

from __future__ import annotations

import datetime
import hashlib
from typing import Any

from bson import ObjectId

from test.mailstore.support import StoreCase, message, with_attachment
from test.mailstore.test_attachments import encoded
from wildduck.mailstore.values import Finding
from wildduck.mailstore.verifier import KINDS

LONG_AGO = datetime.datetime(2020, 1, 1)


class VerifierTests(StoreCase):
    """store.md §5."""

    own_clock = True

    async def _start(self) -> None:
        await super()._start()
        self.data = with_attachment(1, encoded(600_000))
        self.appended = await self.add(self.data)
        await self.add(message())

    async def verify(self, **options: Any) -> list[Finding]:
        options.setdefault("min_age", 0)
        return await self.store.verifier.verify(**options)

    async def kinds(self, **options: Any) -> list[str]:
        return [finding.kind for finding in await self.verify(**options)]

    async def mend(self, *kinds: str) -> None:
        """A dry run names these and changes nothing; a repair puts them right."""
        self.assertEqual(list(kinds), await self.kinds())
        self.assertEqual(list(kinds), await self.kinds())
        findings = await self.verify(repair=True)
        self.assertEqual([(kind, True) for kind in kinds], [(one.kind, one.repaired) for one in findings])
        self.assertEqual([], await self.verify(contents=True))
        self.assertEqual(self.data, await self.read(self.appended))

    async def test_clean(self) -> None:
        """A store that is right has no findings, its contents read or not."""
        self.assertEqual([], await self.verify())
        self.assertEqual([], await self.verify(contents=True))

    async def test_reference_too_many(self) -> None:
        """A crash after the counter was raised."""
        self.db["attachments.files"].update_one({}, {"$inc": {"metadata.c": 1, "metadata.m": 77}})
        await self.mend("reference-count")

    async def test_attachment_without_messages(self) -> None:
        """An attachment that no message holds is freed for the collector."""
        self.db["attachments.files"].insert_one(
            {"_id": hashlib.sha256().digest(), "length": 0, "chunkSize": 261120, "metadata": {"c": 1, "m": 5}}
        )
        await self.mend("reference-count")
        row = self.db["attachments.files"].find_one({"length": 0})
        self.assertEqual((0, 0), (row["metadata"]["c"], row["metadata"]["m"]))

    async def test_archived_messages_count(self) -> None:
        """References of archived messages are references."""
        document = self.db.messages.find_one({"mimeTree.attachmentMap.ATT00001": {"$exists": True}})
        self.db.archived.insert_one({**document, "_id": ObjectId(), "archived": LONG_AGO})
        await self.mend("reference-count")
        self.assertEqual(2, self.attachment_rows()[0]["metadata"]["c"])

    async def test_archived_twice(self) -> None:
        """A crash between archive and removal: the copy goes, the references stay."""
        document = self.db.messages.find_one({"_id": self.appended.message_id})
        self.db.archived.insert_one({**document, "archived": LONG_AGO})
        await self.mend("archived-twice")
        self.assertEqual(0, self.db.archived.count_documents({}))

    async def test_partial_upload(self) -> None:
        """Chunks without a row."""
        self.db["attachments.chunks"].insert_one({"files_id": b"y" * 32, "n": 0, "data": b"x"})
        await self.mend("chunks-without-row")
        self.assertEqual(0, self.db["attachments.chunks"].count_documents({"files_id": b"y" * 32}))

    async def test_quota(self) -> None:
        """A reservation that leaked."""
        self.db.users.update_one({}, {"$inc": {"storageUsed": 1000}})
        await self.mend("quota")

    async def test_account_without_messages(self) -> None:
        """Its storage is zero."""
        account = await self.new_account(name="empty")
        self.db.users.update_one({"_id": account.id}, {"$set": {"storageUsed": 1}})
        await self.mend("quota")

    async def test_missing_mailbox(self) -> None:
        """Messages of a mailbox that is not there expire; they are not kept for ever."""
        row = {"_id": ObjectId(), "mailbox": ObjectId(), "uid": 1, "modseq": 1, "exp": False, "magic": 1}
        self.db.messages.insert_one({**row, "user": ObjectId(), "size": 5})
        await self.mend("no-mailbox")
        self.assertTrue(self.db.messages.find_one({"_id": row["_id"]})["exp"])

    async def test_counters_behind(self) -> None:
        """A mailbox whose counters fell behind its messages would give a UID twice."""
        self.db.mailboxes.update_one({"path": "INBOX"}, {"$set": {"uidNext": 1, "modifyIndex": 1}})
        await self.mend("counter-behind")
        self.assertEqual(3, (await self.add(message(3))).uid)

    async def test_missing_attachment(self) -> None:
        """What is lost is named, and can't be repaired; nothing more is lost by trying."""
        self.db["attachments.files"].delete_many({})
        chunk = self.db["attachments.chunks"].find_one_and_delete({"n": 1})
        self.assertEqual(["missing-attachment"], await self.kinds())
        findings = await self.store.verifier.verify(repair=True, min_age=0)
        self.assertEqual([("missing-attachment", False)], [(f.kind, f.repaired) for f in findings])
        self.db["attachments.chunks"].insert_one(chunk)
        await self.mend("missing-attachment")

    async def test_missing_row(self) -> None:
        """A row that a crash has lost is made anew from its chunks, with its counters."""
        rows = self.attachment_rows()
        self.db["attachments.files"].delete_many({})
        await self.mend("missing-attachment")
        for before, after in zip(rows, self.attachment_rows(), strict=True):
            for key in ("c", "m", "esize", "decoded", "lineLen"):
                self.assertEqual(before["metadata"].get(key), after["metadata"].get(key), key)
            self.assertEqual((before["_id"], before["length"]), (after["_id"], after["length"]))
        self.assertEqual([], await self.kinds(contents=True))

    async def test_missing_chunks(self) -> None:
        """So are holes in an attachment."""
        self.db["attachments.chunks"].delete_one({"n": 1})
        self.assertEqual(["missing-chunks"], await self.kinds())

    async def test_damaged_content(self) -> None:
        """Other bytes of the same length are found by reading them."""
        chunk = self.db["attachments.chunks"].find_one({"n": 0})
        data = bytes(255 - byte for byte in chunk["data"])
        self.db["attachments.chunks"].update_one({"n": 0}, {"$set": {"data": data}})
        self.assertEqual([], await self.kinds())
        self.assertEqual(["inexact-content"], await self.kinds(contents=True))

    async def test_young_differences_are_spared(self) -> None:
        """What may be under way is left alone."""
        self.db["attachments.files"].update_one({}, {"$inc": {"metadata.c": 1}})
        self.db["attachments.chunks"].insert_one({"files_id": b"y" * 32, "n": 0, "data": b"x"})
        self.assertEqual([], await self.kinds(min_age=86_400, repair=True))
        self.clock.advance(90_000)
        self.assertEqual(
            ["reference-count", "chunks-without-row"], sorted(await self.kinds(min_age=86_400))[::-1]
        )

    async def test_reservation_under_way(self) -> None:
        """Beside a working server a quota is judged twice: a reservation whose message comes is no leak."""
        self.db.users.update_one({}, {"$inc": {"storageUsed": 1000}})
        call = self.clock.callLater
        reserved = {"$inc": {"storageUsed": -1000}}

        def later(seconds: float, function: Any, *arguments: Any, **options: Any) -> Any:
            self.db.users.update_one({}, reserved)
            timer = call(seconds, function, *arguments, **options)
            from twisted.internet import reactor

            reactor.callLater(0, self.clock.advance, seconds)
            return timer

        self.patch(self.clock, "callLater", later)
        self.assertEqual([], await self.kinds(min_age=86_400))
        reserved = {"$inc": {"storageUsed": 0}}
        self.db.users.update_one({}, {"$inc": {"storageUsed": 1000}})
        self.assertEqual(["quota"], await self.kinds(min_age=86_400))

    async def test_message_that_came_back_from_the_archive_meanwhile(self) -> None:
        """It was in neither place when it was counted; its attachment is counted again before a repair."""
        main = self.node.databases.main
        real = main.aggregate
        gone: list[Any] = []

        def aggregate(collection: str, pipeline: Any, **options: Any) -> Any:
            if any("$unionWith" in stage for stage in pipeline):
                if not gone:
                    gone.extend(self.db.messages.find())
                    self.db.messages.delete_many({})
                elif gone[0]:
                    self.db.messages.insert_many(gone)
                    gone[:] = [None]
            return real(collection, pipeline, **options)

        await self.add(with_attachment(1, encoded(100)))
        before = self.attachment_rows()
        self.patch(main, "aggregate", aggregate)
        found = await self.store.verifier.verify(repair=True, min_age=0)
        self.assertNotIn("reference-count", {finding.kind for finding in found})
        self.assertEqual(before, self.attachment_rows())

    async def test_repair_is_conditional(self) -> None:
        """A repair changes nothing that has changed since it was judged."""
        self.db["attachments.files"].update_one({}, {"$inc": {"metadata.c": 1}})
        gridfs = self.node.databases.gridfs
        update_one = gridfs.update_one

        async def raced(*arguments: Any, **options: Any) -> Any:
            self.db["attachments.files"].update_one({}, {"$inc": {"metadata.c": 1}})
            return await update_one(*arguments, **options)

        self.patch(gridfs, "update_one", raced)
        (finding,) = await self.verify(repair=True)
        self.assertFalse(finding.repaired)
        self.assertEqual(3, self.attachment_rows()[0]["metadata"]["c"])

    def test_findings_are_told_in_a_line(self) -> None:
        """A finding says what, about what, and whether it is mended."""
        finding = Finding("quota", "5f", "1 bytes recorded, 0 stored", True)
        self.assertEqual("quota 5f: 1 bytes recorded, 0 stored (repaired)", str(finding))
        self.assertTrue(all(KINDS.values()))
