"""Storing messages, and reading them back."""

from __future__ import annotations

import datetime
import hashlib
from typing import Any

from bson import ObjectId

from test.mailstore.support import META, StoreCase, message, with_attachment
from test.support import corpus
from wildduck.database import Line
from wildduck.errors import CannotDo, LimitReached, MailboxNotFound, OverQuota, UserNotFound
from wildduck.events.notifier import CHANNEL
from wildduck.mailstore.concurrently import gather
from wildduck.mailstore.index import MailboxIndex
from wildduck.mailstore.statuses import Fact
from wildduck.mailstore.values import Exists
from wildduck.mime.message import scan
from wildduck.mime.native import sent_length


class AddTests(StoreCase):
    """store.md §1, spec/schema.md 'messages'."""

    @property
    def builder(self) -> Any:
        """What makes the documents."""
        return self.store._appender._builder

    async def test_small_message(self) -> None:
        """A message gets UID 1 and MODSEQ 2, and comes back byte for byte."""
        data = message()
        appended = await self.add(data)
        self.assertEqual((1, 2, len(data)), (appended.uid, appended.modseq, appended.length))
        self.assertEqual(data, await self.read(appended))
        self.assertEqual((await self.inbox()).uid_validity, appended.uid_validity)

    async def test_document_is_wildducks(self) -> None:
        """Field names, order and BSON types are those of WildDuck 1.50."""
        await self.add(message(), flags=["\\flagged", "$Label1"], meta={**META, "source": "MX"})
        document = self.db.messages.find_one()
        self.assertEqual(
            "_id root v userDeleted idate hdate flags size meta filters headers mimeTree envelope"
            " bodystructure msgid unseen flagged undeleted draft magic subject copied retentionTime"
            " retention exp ha text intro html mailbox user uid modseq searchable thread",
            " ".join(document),
        )
        types = {name: type(value) for name, value in document.items()}
        self.assertEqual(
            (int, int, int, float, int),
            tuple(types[name] for name in ("size", "uid", "magic", "retentionTime", "retention")),
        )
        self.assertEqual(document["_id"], document["root"])
        self.assertEqual(["\\Flagged", "$Label1"], document["flags"])
        self.assertEqual(
            (True, True, True, False),
            tuple(document[name] for name in ("unseen", "flagged", "undeleted", "draft")),
        )
        self.assertEqual(datetime.datetime(2023, 1, 2, 8), document["hdate"])
        self.assertEqual("MX", document["meta"]["source"])
        self.assertEqual("native", list(document["mimeTree"])[-1])

    async def test_nothing_in_clear_where_encryption_is_wanted(self) -> None:
        """By mailbox or account: drafts and what is encrypted pass, all else takes nothing and is refused."""
        enveloped = b"Content-Type: application/pkcs7-mime; smime-type=enveloped-data\r\nTo:"
        for collection, id in (("mailboxes", (await self.inbox()).id), ("users", self.account.id)):
            self.db[collection].update_one({"_id": id}, {"$set": {"encryptMessages": True}})
            used = self.storage_used()
            await self.fails(CannotDo, self.add(message()))
            self.assertEqual(used, self.storage_used())
            await self.add(message(), flags=["\\Draft"])
            await self.add(message().replace(b"To:", enveloped))
            self.db[collection].update_one({"_id": id}, {"$set": {"encryptMessages": False}})
        self.assertEqual(4, self.db.messages.count_documents({}))
        await self.add(message())

    async def test_journal_entry(self) -> None:
        """The EXISTS entry is WildDuck's."""
        appended = await self.add(message(), session="abc")
        entry = self.db.journal.find_one()
        self.assertEqual(
            ["_id", "command", "uid", "ignore", "message", "modseq", "unseen", "idate", "thread"]
            + ["created", "mailbox", "user"],
            list(entry),
        )
        self.assertEqual(
            ("EXISTS", 1, "abc", appended.message_id, 2, True),
            tuple(entry[name] for name in ("command", "uid", "ignore", "message", "modseq", "unseen")),
        )

    async def test_junk_and_retention(self) -> None:
        """In Junk a message is marked, expires after 30 days, and its journal entry says so."""
        junk = await self.store.mailboxes.get_special(self.account.id, "\\Junk")
        await self.add(message(), mailbox=junk)
        document = self.db.messages.find_one()
        self.assertEqual((True, True), (document["junk"], document["exp"]))
        self.assertEqual(document["retentionTime"] + 30 * 86_400_000, document["rdate"])
        self.assertEqual(1, self.db.journal.find_one()["junk"])

    async def test_internal_date(self) -> None:
        """INTERNALDATE is kept as given, in UTC; a message without a Date has it as header date."""
        zone = datetime.timezone(datetime.timedelta(hours=2))
        await self.add(b"Subject: x\r\n\r\n", internal_date=datetime.datetime(2020, 5, 6, 12, tzinfo=zone))
        document = self.db.messages.find_one()
        self.assertEqual(datetime.datetime(2020, 5, 6, 10), document["idate"])
        self.assertEqual(document["idate"], document["hdate"])

    async def test_deleted_message_is_not_searchable(self) -> None:
        """A message that comes with \\Deleted is left out of WildDuck's full text index."""
        await self.add(message(), flags=["\\Deleted"])
        document = self.db.messages.find_one()
        self.assertEqual((False, False), (document["undeleted"], "searchable" in document))

    async def test_fields_of_delivery(self) -> None:
        """Filters and what else delivery knows stand where WildDuck has them."""
        id = ObjectId()
        await self.add(
            message(), extra={"filters": [id], "forwardTargets": [{"type": "mail", "value": "a@b"}]}
        )
        document = self.db.messages.find_one()
        self.assertEqual([id], document["filters"])
        self.assertEqual("a@b", document["forwardTargets"][0]["value"])

    async def test_several_recipients(self) -> None:
        """One content with other header lines for each recipient; equal attachments are stored once."""
        content = scan(with_attachment(1, b"AAAA"))
        other = await self.new_account(name="other")
        for account in (self.account, other):
            copy = content.with_prefix(b"Delivered-To: %b\r\n" % account.address.encode())
            prepared = await self.store.prepare(copy)
            mailbox = await self.store.mailboxes.get(account.id, "INBOX")
            appended = await self.store.add(account, mailbox, copy, meta=META, prepared=prepared)
            data = await self.read(appended)
            self.assertTrue(data.startswith(b"Delivered-To: %b\r\nFrom:" % account.address.encode()))
            copy.close()
        content.close()
        (row,) = self.attachment_rows()
        self.assertEqual(2, row["metadata"]["c"])
        magics = [document["magic"] for document in self.db.messages.find()]
        self.assertEqual(sum(magics), row["metadata"]["m"])

    async def test_uids_under_parallel_adds(self) -> None:
        """Of many messages at once, by two workers, each has a UID of its own and none is missing."""
        other = await self.new_node()
        appended = await gather(
            *(self.add(message(n), store=(self.store, other.store)[n % 2]) for n in range(60))
        )
        self.assertEqual(list(range(1, 61)), sorted(one.uid for one in appended))
        self.assertEqual(sorted(one.uid + 1 for one in appended), sorted(one.modseq for one in appended))
        view = await self.store.open(self.account.id, "INBOX")
        self.assertEqual((60, 61, 61), (view.exists, view.uid_next, view.highest_modseq))

    async def test_quota(self) -> None:
        """The size counts; a message that does not fit is refused and leaves nothing."""
        data = message()
        account = await self.new_account(quota=len(data) * 2)
        await self.add(data, account=account)
        await self.add(data, account=account)
        self.assertEqual(2 * len(data), self.storage_used(account))
        await self.fails(OverQuota, self.add(data, account=account))
        self.assertEqual(2 * len(data), self.storage_used(account))
        self.assertEqual(2, self.db.messages.count_documents({}))

    async def test_numbers_of_what_did_not_fit(self) -> None:
        """No reader waits for them; and as long as the account is full no more are taken."""
        data = message()
        account = await self.new_account(quota=len(data))
        await self.add(data, account=account)
        for _ in range(3):
            await self.fails(OverQuota, self.add(data, account=account))
            await self.store.settle()
            unused = [
                (entry["uid"], entry["modseq"]) for entry in self.db.journal.find({"command": "UNUSED"})
            ]
            self.assertEqual([(2, 3)], unused)
        self.db.users.update_one({"_id": account.id}, {"$set": {"quota": 10 * len(data)}})
        for uid in (3, 4):
            self.assertEqual(uid, (await self.add(data, account=account)).uid)
        view = await self.store.open(account.id, "INBOX")
        self.assertEqual((3, 5), (view.exists, view.highest_modseq))

    async def test_built_while_the_database_is_asked(self) -> None:
        """The first questions have been sent before the larger part of the analysis begins."""
        happened: list[str] = []
        flush, build = Line.flush, self.builder.build

        def flushed(line: Line) -> None:
            flush(line)
            assert line._wire is not None
            happened.append(f"{line._wire.load} sent, {len(line._wire.transport._tempDataBuffer)} held back")

        def built(*arguments: Any) -> Any:
            happened.append("built")
            return build(*arguments)

        self.patch(Line, "flush", flushed)
        self.patch(self.builder, "build", built)
        await self.add(message())
        self.assertEqual(["3 sent, 0 held back", "built", "2 sent, 0 held back"], happened)

    async def test_fails_after_the_numbers(self) -> None:
        """What fails when numbers and storage were asked for leaves nothing of them."""

        async def broken(*_: Any) -> Any:
            raise CannotDo("no document")

        build = self.builder.build
        self.patch(self.builder, "build", broken)
        await self.fails(CannotDo, self.add(message()))
        await self.store.settle()
        self.assertEqual(0, self.storage_used())
        unused = [(entry["uid"], entry["modseq"]) for entry in self.db.journal.find({"command": "UNUSED"})]
        self.assertEqual([(1, 2)], unused)
        self.patch(self.builder, "build", build)
        self.assertEqual(2, (await self.add(message())).uid)

    async def test_drifted_storage(self) -> None:
        """What was counted below zero, or not at all, counts for zero; a double stays right."""
        data = message()
        values: list[Any] = [-5, None, 7.0]
        for value in values:
            self.db.users.update_one({"_id": self.account.id}, {"$set": {"storageUsed": value}})
            await self.add(data)
            self.assertEqual(max(0, value or 0) + len(data), self.storage_used())

    async def test_quota_race_at_the_brim(self) -> None:
        """A hundred adds at once at the brim: as many are stored as fit, and the number is their sum."""
        data = message()
        account = await self.new_account(quota=len(data) * 10 + 5)

        async def one() -> int:
            try:
                await self.add(data, account=account)
            except OverQuota:
                return 0
            return 1

        stored = sum(await gather(*(one() for _ in range(100))))
        self.assertEqual(10, stored)
        self.assertEqual(10 * len(data), self.storage_used(account))
        self.assertEqual(10, self.db.messages.count_documents({"user": account.id}))

    async def test_mailbox_is_gone(self) -> None:
        """A mailbox that was deleted meanwhile refuses, and quota and attachments are given back."""
        mailbox = await self.store.mailboxes.create(self.account.id, "Foo")
        await self.store.mailboxes.delete(self.account.id, mailbox)
        await self.fails(MailboxNotFound, self.add(with_attachment(1, b"AAAA"), mailbox=mailbox))
        self.assertEqual(0, self.storage_used())
        self.assertEqual([0], [row["metadata"]["c"] for row in self.attachment_rows()])

    async def test_account_is_gone(self) -> None:
        """Without the account nothing is stored."""
        mailbox = await self.inbox()
        self.db.users.delete_many({})
        await self.fails(UserNotFound, self.add(message(), mailbox=mailbox))

    async def test_keyword_too_long(self) -> None:
        """APPEND checks keywords as STORE does (spec/differences.md D)."""
        await self.fails(LimitReached, self.add(message(), flags=["x" * 256]))

    async def test_taken_uid(self) -> None:
        """Where a failover took back an increment, another UID is taken."""
        await self.add(message())
        self.db.mailboxes.update_one({"path": "INBOX"}, {"$set": {"uidNext": 1}})
        appended = await self.add(message(2))
        self.assertEqual(2, appended.uid)
        self.assertEqual([1, 2], [entry["uid"] for entry in self.db.journal.find({"command": "EXISTS"})])

    async def test_keywords_are_listed(self) -> None:
        """A keyword given to APPEND is one of the mailbox."""
        await self.add(message(), flags=["$Work", "\\Seen"])
        await self.store.settle()
        self.assertEqual(("$Work",), (await self.inbox()).keywords)

    async def test_cached_counters(self) -> None:
        """WildDuck's cached counters follow where they are there, and are not made where not."""
        mailbox = await self.inbox()
        self.redis.set(f"total:{mailbox.id}", 5)
        await self.add(message())
        await self.add(message(2), flags=["\\Seen"])
        await self.store.settle()
        self.assertEqual(b"7", self.redis.get(f"total:{mailbox.id}"))
        self.assertIsNone(self.redis.get(f"unseen:{mailbox.id}"))

    async def test_ping(self) -> None:
        """Who listens for the account is told after the message is there."""
        told: list[int] = []
        view = await self.store.open(self.account.id, "INBOX")
        unlisten = self.node.notifier.listen(
            self.account.id, lambda: told.append(self.db.journal.count_documents({}))
        )
        self.addCleanup(unlisten)
        # When pings begin to be heard everybody looks.
        await self.node.redis.subscribed(CHANNEL)
        told.clear()
        await self.add(message())
        await self.store.settle()
        self.assertEqual([1], told)
        self.assertEqual([Exists(1)], await view.refresh(may_expunge=True))

    async def test_answer_comes_before_the_ping(self) -> None:
        """Who waits for the message to be stored does not wait for others to be told."""
        told: list[str] = []
        self.addCleanup(self.node.notifier.listen(self.account.id, lambda: told.append("ping")))
        await self.node.redis.subscribed(CHANNEL)
        told.clear()
        await self.add(message())
        self.assertEqual([], told)
        await self.store.settle()
        self.assertEqual(["ping"], told)

    async def test_threads(self) -> None:
        """A reply is in the thread of what it replies to."""
        await self.add(message(1, subject="Plan"))
        reply = b"Subject: Re: Plan\r\nMessage-ID: <r@x>\r\nIn-Reply-To: <m1@example.org>\r\n\r\n"
        await self.add(reply)
        await self.add(message(2, subject="Plan"))
        threads = [document["thread"] for document in self.db.messages.find().sort("uid")]
        self.assertEqual(threads[0], threads[1])
        self.assertNotEqual(threads[0], threads[2])

    async def test_status_size(self) -> None:
        """STATUS SIZE sums what is sent: our lengths where WildDuck's differ."""
        data = [message(1, b"bare\nline feeds"), message(2), message(3, b"nul \0 here")]
        for one in data:
            await self.add(one)
        documents = list(self.db.messages.find())
        total = sum(sent_length(document) for document in documents)
        self.assertNotEqual(total, sum(document["size"] for document in documents))
        status = await self.store.statuses.one(await self.inbox(), {Fact.SIZE})
        self.assertEqual(total, status.size)


class ExactTests(StoreCase):
    """design.md §4 'Byte-exact', at the store's reader."""

    async def test_corpus(self) -> None:
        """Every message of the corpus comes back, in CRLF text and as it lies on disk."""
        for sample in corpus.corpus():
            name = sample.name
            for one in {sample.raw, sample.crlf}:
                appended = await self.add(one)
                self.assertEqual(digest(one), digest(await self.read(appended)), name)
                sent = await self.read(appended, exact=False)
                self.assertEqual(appended.length, len(sent), name)
                self.assertNotIn(b"\0", sent, name)
                if b"\0" not in one:
                    self.assertEqual(digest(one), digest(sent), name)
        findings = await self.store.verifier.verify(min_age=0, contents=True)
        self.assertEqual([], findings)

    async def test_any_slice(self) -> None:
        """Partial reads of a message with decoded, encoded and inline parts are the slices of the whole."""
        body = b"\r\n".join([b"QUJD" * 19] * 9000 + [b"QUI="])
        data = with_attachment(1, body)
        appended = await self.add(data)
        document = self.db.messages.find_one()
        self.assertTrue(self.attachment_rows()[0]["metadata"]["decoded"])
        content = await self.store.content(document)
        for start, end in ((0, 10), (300, 400), (400, 401), (260_000, 530_000), (len(data) - 90, len(data))):
            self.assertEqual(data[start:end], await content.read(start, end))
        self.assertEqual(data, await self.read(appended))

    async def test_long_message_is_analysed_in_a_thread(self) -> None:
        """A message beyond the bound does not block the reactor for its analysis."""
        ran: list[Any] = []
        run = self.node.pool.run

        async def watched(function: Any, *arguments: Any) -> Any:
            ran.append(function)
            return await run(function, *arguments)

        self.patch(self.node.pool, "run", watched)
        data = message(1, b"x" * 998 + b"\r\n") + (b"y" * 70 + b"\r\n") * 30_000
        appended = await self.add(data)
        await self.add(message())
        self.assertEqual(1, len(ran))
        self.assertEqual(digest(data), digest(await self.read(appended)))

    async def test_index_sees_the_same(self) -> None:
        """What is added is what an index of the mailbox holds."""
        await self.add(message(), flags=["\\Seen"])
        index = MailboxIndex(self.store._backend, await self.inbox())
        await index.catch_up()
        self.assertEqual(("\\Seen",), index.flags(1))


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
