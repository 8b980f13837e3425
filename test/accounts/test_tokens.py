"""Access tokens, as WildDuck makes and checks them."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

from bson import ObjectId
from twisted.trial.unittest import TestCase

from test.support.databases import blocking_database
from test.support.parts import connected
from wildduck.accounts.tokens import AccessTokens, InvalidToken, NoTokenSecret

SECRET = "a secret of the cluster"
DAY = 24 * 3600


class TokenTests(TestCase):
    async def setUp(self) -> None:  # type: ignore[override]
        from twisted.internet import reactor

        self.settings, self.databases, self.redis = await connected(self)
        self.raw = blocking_database(self.settings)
        self.clock: Any = reactor
        self.user = ObjectId()
        self.raw.users.insert_one(
            {"_id": self.user, "username": "a", "unameview": "a", "authVersion": 3, "address": "a@b.cd"}
        )
        self.tokens = self.made(SECRET)

    def made(self, secret: str) -> AccessTokens:
        return AccessTokens(
            self.redis, self.databases.users, self.clock, secret=secret, ttl=5 * DAY, lifetime=10 * DAY
        )

    async def stored(self, token: str, signed: str, *fields: object) -> str:
        """Write a token as WildDuck does: its HMAC is over JSON in this order of keys."""
        key = f"tn:token:{hashlib.sha256(token.encode()).hexdigest()}"
        signature = hmac.new(SECRET.encode(), signed.encode(), hashlib.sha256).hexdigest()
        await self.redis.execute("HSET", key, "s", signature, *(str(field) for field in fields))
        return key

    async def refused(self, token: str, tokens: AccessTokens | None = None) -> None:
        try:
            await (tokens or self.tokens).check(token.encode())
        except InvalidToken:
            return
        self.fail("the token was taken")

    async def test_of_wildduck(self) -> None:
        """Its tokens are taken, with and without the version of the account."""
        user, token = str(self.user), "0123456789" * 4
        signed = f'{{"token":"{token}","user":"{user}","authVersion":3,"role":"user"}}'
        now = int(self.clock.seconds() * 1000)
        key = await self.stored(
            token, signed, "user", user, "role", "user", "created", now, "ttl", 100, "authVersion", 3
        )
        holder = await self.tokens.check(token.encode())
        self.assertEqual((holder.role, holder.user, holder.auth_version), ("user", self.user, 3))
        self.assertGreater(await self.redis.execute("TTL", key), 90)
        other = "abcdef0123" * 4
        signed = f'{{"token":"{other}","user":"root","role":"manager"}}'
        key = await self.stored(other, signed, "user", "root", "role", "manager", "created", 1)
        holder = await self.tokens.check(other.encode())
        self.assertEqual((holder.role, holder.user), ("manager", None))
        self.assertEqual(await self.redis.execute("TTL", key), -1)

    async def test_forged(self) -> None:
        """Who writes to Redis without the secret, or raises a role, makes no token."""
        token = "0123456789" * 4
        signed = f'{{"token":"{token}","user":"root","role":"auth"}}'
        await self.stored(token, signed, "user", "root", "role", "root", "created", 1)
        await self.refused(token)
        made = await self.tokens.issue("user", self.user, auth_version=3)
        await self.refused(made, self.made("another secret of a cluster"))
        await self.refused(made, self.made(""))
        await self.refused(made.upper())
        await self.refused("")
        await self.tokens.check(made.encode())

    async def test_password_change(self) -> None:
        """A raised authVersion ends an account's tokens, but for the one that is renewed."""
        token, other = await self.tokens.sign_in(self.user), await self.tokens.sign_in(self.user)
        self.raw.users.update_one({"_id": self.user}, {"$inc": {"authVersion": 1}})
        await self.tokens.renew(token, 4)
        self.assertEqual((await self.tokens.check(token.encode())).auth_version, 4)
        await self.refused(other)

    async def test_account_ends(self) -> None:
        """Tokens of disabled, suspended and deleted accounts are refused."""
        token = await self.tokens.sign_in(self.user)
        for change in ({"disabled": True}, {"disabled": False, "suspended": True}):
            self.raw.users.update_one({"_id": self.user}, {"$set": change})
            await self.refused(token)
        self.raw.users.update_one({"_id": self.user}, {"$set": {"suspended": False}})
        await self.tokens.check(token.encode())
        self.raw.users.delete_one({"_id": self.user})
        await self.refused(token)

    async def test_age(self) -> None:
        """Using a token prolongs its life, up to a bound."""
        token = await self.tokens.sign_in(self.user)
        key = f"tn:token:{hashlib.sha256(token.encode()).hexdigest()}"
        self.assertEqual(await self.redis.execute("TTL", key), 5 * DAY)
        await self.redis.execute("EXPIRE", key, 50)
        await self.tokens.check(token.encode())
        self.assertEqual(await self.redis.execute("TTL", key), 5 * DAY)
        await self.redis.execute("HSET", key, "created", int((self.clock.seconds() - 10 * DAY) * 1000))
        await self.refused(token)
        self.assertEqual(await self.redis.execute("EXISTS", key), 0)

    async def test_dropped(self) -> None:
        """A token that was dropped is none."""
        token = await self.tokens.sign_in(self.user)
        self.assertTrue(await self.tokens.drop(token))
        await self.refused(token)
        self.assertFalse(await self.tokens.drop(token))

    async def test_odd(self) -> None:
        """Records with odd or missing fields are refused, never an exception."""
        token = "0123456789" * 4
        for fields in (("user", "x"), ("role", "root"), ("authVersion", "x", "user", "\xff", "role", "auth")):
            await self.stored(token, "", *fields)
            await self.refused(token)

    async def test_no_secret(self) -> None:
        """Without a secret no token is made."""
        try:
            await self.made("").issue("root", None)
        except NoTokenSecret:
            return
        self.fail("a token was made")
