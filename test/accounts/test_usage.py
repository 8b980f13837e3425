"""Limits and what is used of them, from WildDuck's documents, settings and counters."""

from __future__ import annotations

from typing import Any

from test.accounts.test_accounts import AccountsCase
from wildduck.accounts.usage import Counter, LimitDefaults, Usages
from wildduck.limits import GIB


class UsageTests(AccountsCase):
    async def setUp(self) -> None:  # type: ignore[override]
        await super().setUp()
        self.user = (await self.accounts.create("user", "secret")).id
        self.usages = Usages(self.databases, self.redis, LimitDefaults(1000, 250, 15))

    async def counters(self, **fields: Any) -> dict[str, Counter]:
        self.raw.users.update_one({}, {"$set": {"quota": 0, **fields}})
        return dict((await self.usages.of(self.raw.users.find_one())).counters)

    async def test_defaults(self) -> None:
        daily = dict.fromkeys(("imapMaxUpload", "imapMaxDownload", "pop3MaxDownload"), Counter(10 * GIB))
        expected = {
            "quota": Counter(1000),
            "recipients": Counter(2000),
            "forwards": Counter(2000),
            "filters": Counter(400),
            **daily,
            "pop3MaxMessages": Counter(250),
            "imapMaxConnections": Counter(15),
            "receivedMax": Counter(60),
        }
        self.assertEqual(await self.counters(), expected)

    async def test_own(self) -> None:
        """The account's own limit comes first, then the setting that all servers share."""
        shared = {"recipients": "77", "forwards": "88", "filters": "0", "storage": "99"}
        self.raw.settings.insert_many(
            [{"key": f"const:max:{name}", "value": value} for name, value in shared.items()]
        )
        await self.databases.shared_settings.read()
        counters = await self.counters(recipients=5, quota=2.0**40, storageUsed=-3)
        self.assertEqual(counters["recipients"], Counter(5))
        self.assertEqual((counters["forwards"], counters["quota"]), (Counter(88), Counter(2**40)))
        self.assertEqual(counters["filters"], Counter(0))
        self.assertEqual((await self.counters())["quota"], Counter(99))
        self.assertEqual((99, 99), (self.usages.default_quota, (await self.accounts.get("user")).quota))

    async def test_used(self) -> None:
        """Counters are read as WildDuck keeps them, with the seconds they live on."""
        names = ("wdr", "wdf", "rl:rcpt", "iup", "idw", "pdw")
        for number, name in enumerate(names, 1):
            await self.redis.execute("SET", f"{name}:{self.user}", str(number), "EX", "1000")
        await self.redis.execute("PERSIST", f"pdw:{self.user}")
        await self.redis.execute("HSET", "lim:imap", str(self.user), "3")
        self.raw.filters.insert_many([{"user": self.user}, {"user": self.user}, {}])
        counters = await self.counters(storageUsed=7)
        used = [counters[name].used for name in (
            "recipients", "forwards", "receivedMax", "imapMaxUpload", "imapMaxDownload", "pop3MaxDownload",
            "imapMaxConnections", "filters", "quota",
        )]  # fmt: skip
        self.assertEqual(used, [1, 2, 3, 4, 5, 6, 3, 2, 7])
        self.assertTrue(990 < (counters["recipients"].ttl or 0) <= 1000)
        self.assertIsNone(counters["pop3MaxDownload"].ttl)

    async def test_odd(self) -> None:
        """Odd values are no limits and no use."""
        await self.redis.execute("SET", f"wdr:{self.user}", "x")
        counters = await self.counters(recipients="many", forwards=float("nan"), quota=-5, storageUsed=None)
        self.assertEqual(counters["recipients"], Counter(2000))
        self.assertEqual((counters["forwards"], counters["quota"]), (Counter(2000), Counter(1000)))

    async def test_without_redis(self) -> None:
        await self.redis.close()
        self.assertEqual((await self.counters())["recipients"], Counter(2000))
