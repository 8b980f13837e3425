"""
Accounts whose documents npm's WildDuck wrote: what a sign-in does to them.

What each password opens over each face is tried over real sockets
(L{test.integration.test_written_accounts}).
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

from bson import ObjectId
from twisted.trial.unittest import TestCase

from test.imap.server import ImapServer
from test.support import wildduck_documents
from test.support.databases import blocking_database
from test.support.wildduck_documents import Written
from wildduck import errors
from wildduck.accounts import Authentication, SignIn, passwords

#: As IMAP says it.
IN, WRONG = wildduck_documents.IN, wildduck_documents.WRONG


class WildDuckDocumentTests(TestCase):
    """One account of each kind, signed in to over IMAP."""

    timeout = 300

    async def setUp(self) -> None:  # type: ignore[override]
        self.server = await ImapServer.start(self)
        self.raw = blocking_database(self.server.settings)

    def put(self, name: str) -> Written:
        written = wildduck_documents.read(name)
        written.put(self.raw)
        return written

    async def over_imap(self, name: str, password: str) -> str:
        client = self.server.connect()
        await client.line()
        given = password.encode()
        client.send(b"t LOGIN %b {%d+}\r\n%b\r\n" % (name.encode(), len(given), given))
        answer = await client.line()
        client.connection.abort()
        await client.end()
        return IN if answer.startswith(b"t OK") else answer.partition(b"[")[2].partition(b"]")[0].decode()

    async def as_master(self, name: str, password: str) -> Authentication:
        sign_in = SignIn(name, password, "master", "192.0.2.1", "s", "API")
        return await self.server.domain.accounts.authenticate(sign_in)

    async def test_hashes(self) -> None:
        """A hash of every scheme opens, for its password alone, and is one of today's afterwards."""
        self.patch(passwords, "ITERATIONS", 100_000)
        kept = {"hash-pbkdf2-sha512"}
        for name in wildduck_documents.names():
            if not name.startswith("hash-"):
                continue
            written = self.put(name)
            self.assertEqual(WRONG, await self.over_imap(written.username, "Secretpass"), name)
            await self.server.domain.accounts.settle()
            self.assertEqual(written.user["password"], self.password_of(written), name)
            for _ in range(2):
                opened = await self.over_imap(written.username, written.passwords["master"])
                self.assertEqual(IN, opened, name)
                await self.server.domain.accounts.settle()
            after = self.password_of(written)
            if name in kept:
                self.assertEqual(written.user["password"], after, name)
            else:
                self.assertTrue(after.startswith("$pbkdf2-sha256$i="), (name, after))

    def password_of(self, written: Written) -> str:
        return str(self.raw.users.find_one({"_id": written.id})["password"])

    async def test_temporary_leaves_the_master(self) -> None:
        """A temporary password asks for a new one and for no second factor; the old one stays right."""
        written = self.put("temporary")
        outdated = wildduck_documents.read("hash-des").user["password"]
        change = {"password": outdated, "enabled2fa": ["totp"]}
        self.raw.users.update_one({"_id": written.id}, {"$set": change})
        opened = await self.as_master(written.username, written.passwords["temporary"])
        self.assertEqual((opened.require_2fa, opened.require_password_change), ((), True))
        await self.server.domain.accounts.settle()
        self.assertEqual(outdated, self.password_of(written))
        opened = await self.as_master(written.username, "secretpass")
        self.assertEqual((opened.require_2fa, opened.require_password_change), (("totp",), False))

    async def test_expired(self) -> None:
        """A temporary password lives a day, an application password until it expires."""
        day, second = timedelta(days=1), timedelta(seconds=1)
        now = datetime.now(timezone.utc)
        written = self.put("temporary")
        for age, opens in ((day - 60 * second, True), (day + second, False)):
            times = {"tempPassword.created": now - age, "tempPassword.validAfter": now - age}
            self.raw.users.update_one({"_id": written.id}, {"$set": times})
            if opens:
                await self.as_master(written.username, written.passwords["temporary"])
            else:
                with self.assertRaises(errors.AuthenticationFailed):
                    await self.as_master(written.username, written.passwords["temporary"])
        written = self.put("asps")
        self.raw.asps.update_one({"user": written.id, "ttl": 3600}, {"$set": {"expires": now - second}})
        self.assertEqual(WRONG, await self.over_imap(written.username, written.passwords["limited"]))

    async def test_application_password_used(self) -> None:
        """Its row tells the last use, and the life of one with a limit goes on from there."""
        written = self.put("asps")
        password = written.passwords["limited"]
        typed = f"{password[:4].upper()} {password[4:]} "
        opened = await self.server.domain.accounts.authenticate(
            SignIn(written.username, typed, "imap", "192.0.2.7", "sess", "IMAP")
        )
        await self.server.domain.accounts.settle()
        row = self.raw.asps.find_one({"user": written.id, "ttl": 3600})
        self.assertEqual((opened.source, opened.asp, opened.require_2fa), ("asp", row["_id"], ()))
        event = self.raw.authlog.find_one({"_id": row["authEvent"]})
        self.assertEqual(
            (row["authIp"], event["asp"], event["aname"]), ("192.0.2.7", row["_id"], "for limited")
        )
        self.assertEqual(3600, (row["expires"] - row["used"]).total_seconds())
        # The account itself was not signed in to.
        self.assertEqual(False, self.raw.users.find_one({"_id": written.id})["lastLogin"]["time"])

    async def test_guessed_at(self) -> None:
        """While somebody guesses at the account its application passwords work, and nothing else does."""
        written = self.put("asps")
        for _ in range(12):
            with self.assertRaises(errors.AuthenticationFailed):
                await self.as_master(written.username, "wrong")
        with self.assertRaises(errors.RateLimited):
            await self.as_master(written.username, written.passwords["master"])
        self.assertEqual(IN, await self.over_imap(written.username, written.passwords["imap"]))
        self.assertEqual("LIMIT", await self.over_imap(written.username, "a" * 16))

    async def test_second_factor_is_not_told(self) -> None:
        """Right or wrong, the master password is answered and counted alike where it opens nothing."""
        written = self.put("second-factor")
        for _ in range(6):
            for password in ("secretpass", "wrong"):
                self.assertEqual(WRONG, await self.over_imap(written.username, password))
        for password in ("secretpass", "wrong"):
            self.assertEqual("LIMIT", await self.over_imap(written.username, password))

    async def test_former_second_factors(self) -> None:
        """The forms of older versions shut the account to mail programs too."""
        written = self.put("plain")
        for stored, shown in (
            (True, ("totp",)),
            (["u2f"], ("webauthn",)),
            (["totp", "u2f"], ("totp", "webauthn")),
            ("totp", ("totp",)),
        ):
            self.raw.users.update_one({"_id": written.id}, {"$set": {"enabled2fa": stored}})
            self.assertEqual(WRONG, await self.over_imap(written.username, "secretpass"), stored)
            self.assertEqual(shown, (await self.as_master(written.username, "secretpass")).require_2fa)
        for stored in (False, [], None, ""):
            self.raw.users.update_one({"_id": written.id}, {"$set": {"enabled2fa": stored}})
            self.assertEqual(IN, await self.over_imap(written.username, "secretpass"), stored)
        self.raw.users.update_one({"_id": written.id}, {"$unset": {"enabled2fa": True}})
        self.assertEqual(IN, await self.over_imap(written.username, "secretpass"))

    async def test_former_documents(self) -> None:
        """Rows of older versions, with members missing or odd, open or stay shut, and never fail."""
        written = self.put("asps")
        # Before there were selectors, and before bcrypt was given up.
        self.raw.asps.update_many({"user": written.id}, {"$unset": {"selector": True, "used": True}})
        self.assertEqual(IN, await self.over_imap(written.username, written.passwords["any"]))
        odd: list[dict[str, Any]] = [
            {"password": None},
            {"password": 7, "scopes": "imap"},
            {"scopes": None, "expires": "never", "ttl": "1"},
            {"description": None, "ttl": float("nan")},
            {},
        ]
        self.raw.asps.insert_many({"_id": ObjectId(), "user": written.id, **row} for row in odd)
        self.assertEqual(WRONG, await self.over_imap(written.username, "a" * 16))
        self.assertEqual(IN, await self.over_imap(written.username, written.passwords["any"]))
        for members in (
            {"disabledScopes": None, "tempPassword": "x", "lastLogin": 1},
            {"disabledScopes": "imap", "tempPassword": {"password": 1}, "metaData": None},
            {"tempPassword": {"password": "x", "created": "now"}, "require2faEnabled": "yes"},
        ):
            self.raw.users.update_one({"_id": written.id}, {"$set": members})
            self.assertEqual("master", (await self.as_master(written.username, "secretpass")).source)
