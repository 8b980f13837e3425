"""What an account uploads and downloads in a day, counted with WildDuck's."""

from __future__ import annotations

from typing import Any

from bson import ObjectId
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase, TestCase

from test.imap.server import ImapServer
from test.imap.waiting import until
from test.pop3.server import Pop3Client
from test.support.databases import blocking_database, blocking_redis
from test.support.parts import connected
from wildduck import errors
from wildduck.accounts import IMAP_DOWNLOAD, Account, daily
from wildduck.accounts.aside import Aside
from wildduck.accounts.daily import DailyMeter
from wildduck.pop3.factory import Pop3Factory

MESSAGE = b"Subject: s\r\n\r\n" + b"0123456789\r\n" * 10


class FaceTests(TestCase):
    """IMAP and POP3 sessions of one account."""

    async def start(self, *sets: str, **limits: int) -> None:
        self.patch(daily, "_GATHERED", 1)
        self.server = await ImapServer.start(self, *sets)
        self.account = await self.server.account("fred")
        raw = blocking_database(self.server.settings)
        if limits:
            raw.users.update_one({"_id": self.account.id}, {"$set": limits})
        self.redis: Any = blocking_redis(self.server.settings)
        self.imap = self.server.connect()
        await self.imap.login("fred")

    def counted(self, prefix: str) -> int:
        key = f"{prefix}:{self.account.id}"
        if self.redis.exists(key):
            self.assertTrue(86_000 < self.redis.ttl(key) <= 86_400)
        return int(self.redis.get(key) or 0)

    async def settled(self) -> None:
        await self.server.domain.accounts.settle()

    async def append(self) -> bytes:
        self.imap.send(b"t APPEND INBOX {%d+}\r\n%b\r\n" % (len(MESSAGE), MESSAGE))
        answer = await self.imap.line()
        await self.settled()
        return answer

    async def test_upload(self) -> None:
        """The message that passes the limit is the last of the day."""
        await self.start(imapMaxUpload=200)
        for _ in range(2):
            self.assertTrue((await self.append()).startswith(b"t OK"))
        self.assertEqual(2 * len(MESSAGE), self.counted("iup"))
        self.assertEqual(b"t NO [LIMIT] Upload was rate limited, try again in 24 hours", await self.append())
        self.assertEqual(2 * len(MESSAGE), self.counted("iup"))
        # The day is over.
        self.redis.delete(f"iup:{self.account.id}")
        self.assertTrue((await self.append()).startswith(b"t OK"))

    async def test_imap_download(self) -> None:
        """Bodies count, and nothing else does or is refused."""
        await self.start(imapMaxDownload=200)
        await self.append()
        await self.imap.command(b"SELECT INBOX")
        await self.imap.command(b"FETCH 1 (FLAGS ENVELOPE BODYSTRUCTURE BODY.PEEK[HEADER])")
        await self.settled()
        self.assertEqual(0, self.counted("idw"))
        answer = await self.imap.command(b"FETCH 1 BODY[]")
        self.assertIn(MESSAGE, answer)
        await self.settled()
        self.assertTrue(len(MESSAGE) < self.counted("idw") < len(MESSAGE) + 100)
        await self.imap.command(b"UID FETCH 1 BODY[TEXT]")
        await self.settled()
        for item in (b"BODY.PEEK[]", b"RFC822", b"BODY[1]"):
            answer = await self.imap.command(b"FETCH 1 " + item)
            self.assertEqual(b"t NO [LIMIT] Download was rate limited, try again in 24 hours\r\n", answer)
        self.assertIn(b"t OK", await self.imap.command(b"FETCH 1 (FLAGS ENVELOPE)"))

    async def test_pop3_download(self) -> None:
        """RETR and TOP count and are refused; the session goes on."""
        await self.start(pop3MaxDownload=len(MESSAGE))
        await self.append()
        pop3 = await self.pop3()
        await pop3.listing(b"TOP 1 0")
        await self.settled()
        self.assertEqual(len(b"Subject: s\r\n\r\n"), self.counted("pdw"))
        self.assertEqual(MESSAGE, await pop3.message(b"RETR 1"))
        await self.settled()
        self.assertEqual(len(MESSAGE) + len(b"Subject: s\r\n\r\n"), self.counted("pdw"))
        for command in (b"RETR 1", b"TOP 1 1"):
            self.assertEqual(
                b"-ERR [SYS/TEMP] Download was rate limited, try again in 24 hours",
                await pop3.command(command),
            )
        self.assertTrue((await pop3.command(b"LIST 1")).startswith(b"+OK 1"))
        pop3.connection.abort()
        await pop3.end()

    async def test_end_of_session(self) -> None:
        """What a session had not told yet is told when it ends."""
        await self.start()
        self.patch(daily, "_GATHERED", 10**6)
        self.patch(daily, "_GATHERED_SECONDS", 10**6)
        await self.append()
        await self.settled()
        await self.append()
        self.assertEqual(len(MESSAGE), self.counted("iup"))
        await self.imap.command(b"LOGOUT")
        await self.imap.end()
        await until(lambda: self.counted("iup") == 2 * len(MESSAGE))
        pop3 = await self.pop3()
        for _ in range(3):
            await pop3.message(b"RETR 1")
            await self.settled()
        self.assertEqual(len(MESSAGE), self.counted("pdw"))
        pop3.connection.abort()
        await pop3.end()
        await until(lambda: self.counted("pdw") == 3 * len(MESSAGE))

    async def pop3(self) -> Pop3Client:
        domain = self.server.domain
        from twisted.internet import reactor

        factory = Pop3Factory(domain.accounts, domain.store, self.server.settings, None, reactor)
        client = Pop3Client(factory, "127.0.0.1")
        await client.login("fred")
        return client

    async def test_defaults(self) -> None:
        """The setting in the database counts before the file's, the account's own before both."""
        await self.start("imap.upload_per_day=1")
        await self.append()
        self.assertIn(b"NO [LIMIT]", await self.append())
        raw = blocking_database(self.server.settings)
        raw.settings.insert_one({"key": "const:max:imap:upload", "value": "100000", "enumerable": True})
        await self.server.domain.databases.shared_settings.read()
        self.assertTrue((await self.append()).startswith(b"t OK"))
        raw.users.update_one({"_id": self.account.id}, {"$set": {"imapMaxUpload": 2}})
        self.imap = self.server.connect()
        await self.imap.login("fred")
        self.assertIn(b"NO [LIMIT]", await self.append())

    async def test_without_redis(self) -> None:
        """Nothing is refused while Redis is away."""
        await self.start(imapMaxUpload=1)
        await self.append()
        await self.server.domain.redis.close()
        self.imap = self.server.connect()
        await self.imap.login("fred")
        self.assertTrue((await self.append()).startswith(b"t OK"))


class MeterTests(TestCase):
    async def setUp(self) -> None:  # type: ignore[override]
        settings, databases, redis = await connected(self)
        self.aside = Aside()
        self.clock = Clock()
        self.told: list[int] = []
        script = redis.script

        async def counting(source: str, keys: Any, args: Any) -> Any:
            self.told.append(args[0])
            return await script(source, keys, args)

        self.patch(redis, "script", counting)
        self.account = Account(id=ObjectId(), username="x", imap_max_download=1000)
        shared = databases.shared_settings

        def meter() -> DailyMeter:
            return DailyMeter(redis, shared, self.aside, IMAP_DOWNLOAD, self.account, 0, self.clock)

        self.meter = meter

    async def test_gathered(self) -> None:
        """Small ones are told in one now and then, the last at the end of the session, large ones at once."""
        meter = self.meter()
        for size in (1, 2, 3, 0):
            meter.add(size)
        await self.aside.settle()
        self.assertEqual([1, 5], self.told)
        meter.add(4)
        meter.add(5)
        await self.aside.settle()
        self.assertEqual([1, 5], self.told)
        self.clock.advance(1)
        meter.add(6)
        await self.aside.settle()
        self.assertEqual([1, 5, 15], self.told)
        meter.add(300_000)
        await self.aside.settle()
        meter.add(7)
        meter.flush()
        meter.flush()
        await self.aside.settle()
        self.assertEqual([1, 5, 15, 300_000, 7], self.told)

    async def test_what_is_not_told_counts(self) -> None:
        """A session's own bytes count for it at once; another's when they are told."""
        meter, other = self.meter(), self.meter()
        meter.add(1)
        await self.aside.settle()
        await other.check()
        meter.add(998)
        await meter.check()
        meter.add(1)
        with self.assertRaises(errors.DailyLimitReached):
            await meter.check()
        # It has looked, and so told.
        with self.assertRaises(errors.DailyLimitReached):
            await self.meter().check()


class TextTests(SynchronousTestCase):
    def test_when(self) -> None:
        """The client is told when to come back."""
        for seconds, text in (
            (86_400, "in 24 hours"),
            (3601, "in 2 hours"),
            (3600, "in 60 minutes"),
            (1, "in 1 minute"),
            (0, "later"),
            (-1, "later"),
        ):
            self.assertTrue(str(errors.DailyLimitReached("Upload", seconds)).endswith(text), seconds)
