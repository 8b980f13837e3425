"""What a sign-in counts, and what it leaves behind its answer."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Coroutine, Iterable
from datetime import datetime, timedelta, timezone
from typing import Any

from twisted.internet.defer import Deferred, DeferredList
from twisted.trial.unittest import SynchronousTestCase, TestCase

from test.support.databases import blocking_database, blocking_redis
from test.support.parts import connected, mail_store, pool
from test.support.passwords import cheap_passwords
from wildduck import errors
from wildduck.accounts import Accounts, SignIn, passwords
from wildduck.accounts.application_passwords import selector
from wildduck.accounts.aside import Aside
from wildduck.accounts.breach_checks import PERIOD
from wildduck.accounts.fields import UserChange
from wildduck.accounts.notes import Origin
from wildduck.accounts.policy import FailureCounter
from wildduck.accounts.pwned import PwnedPasswords

IP = "192.0.2.7"


class SignInCase(TestCase):
    """Accounts on real databases, one of them C{fred}."""

    failures_per_ip = 0

    async def setUp(self) -> None:  # type: ignore[override]
        cheap_passwords(self)
        self.settings, self.databases, self.redis = await connected(self)
        store = await mail_store(self, self.settings, self.databases, self.redis)
        from twisted.internet import reactor

        self.accounts = Accounts(
            self.databases,
            self.redis,
            store,
            pool(self),
            reactor,  # type: ignore[arg-type]
            default_quota=1000,
            failures_per_ip=self.failures_per_ip,
        )
        self.raw = blocking_database(self.settings)
        self.raw_redis = blocking_redis(self.settings)
        self.fred = await self.accounts.create("fred.f", "secret", addresses=["fred@example.com"])
        # What is noted here is of sign-ins only.
        self.raw.authlog.delete_many({})

    async def attempt(self, password: str, name: str = "fred.f", service: str = "imap", **more: Any) -> str:
        """C{"in"}, or the name of the error."""
        try:
            await self.accounts.authenticate(SignIn(name, password, service, **{"ip": IP, **more}))
            return "in"
        except errors.DomainError as error:
            return type(error).__name__
        finally:
            await self.accounts.settle()


class CountingTests(SignInCase):
    async def test_form(self) -> None:
        """Counters stand where WildDuck's stand, stop where its stop, and end with its window."""
        for name, key in (("fred.f", str(self.fred.id)), ("No.Body", "nobody"), ("n.o@x.org", "no@x.org")):
            for _ in range(14):
                await self.attempt("wrong", name)
            self.assertEqual(b"12", self.raw_redis.get(f"auth_user:{key}"), name)
            self.assertTrue(0 < self.raw_redis.ttl(f"auth_user:{key}") <= 120)
            self.assertEqual("RateLimited", await self.attempt("secret", name))

    async def test_shared(self) -> None:
        """What WildDuck counts is counted here, and a success clears it for both."""
        self.raw_redis.set(f"auth_user:{self.fred.id}", 11, ex=120)
        self.assertEqual("in", await self.attempt("secret"))
        self.assertFalse(self.raw_redis.exists(f"auth_user:{self.fred.id}"))
        self.raw_redis.set(f"auth_user:{self.fred.id}", 12, ex=120)
        self.assertEqual("RateLimited", await self.attempt("secret"))

    async def test_whitelist(self) -> None:
        """An address in the whitelist is neither refused nor counted."""
        self.raw_redis.sadd("rl-wl", IP)
        self.raw_redis.set(f"auth_user:{self.fred.id}", 12, ex=120)
        self.assertEqual("AuthenticationFailed", await self.attempt("wrong"))
        self.assertEqual(b"12", self.raw_redis.get(f"auth_user:{self.fred.id}"))
        self.assertEqual("RateLimited", await self.attempt("secret", ip="192.0.2.8"))
        self.assertEqual("in", await self.attempt("secret"))
        await self.attempt("wrong")
        self.assertFalse(self.raw_redis.exists(f"auth_user:{self.fred.id}"))

    async def test_at_once(self) -> None:
        """Failures that were checked at the same time count to the limit, as in WildDuck."""
        counter = FailureCounter(self.redis)
        for _ in range(12):
            await counter.failed("x")
        for _ in range(2):
            with self.assertRaises(errors.RateLimited):
                await counter.failed("x")
        self.assertEqual(b"12", self.raw_redis.get("auth_user:x"))

    async def burst(self, attempts: Iterable[Coroutine[Any, Any, str]]) -> Counter[str]:
        done = await DeferredList([Deferred.fromCoroutine(one) for one in attempts])
        return Counter(str(result) for _, result in done)

    async def test_guesses_at_once(self) -> None:
        """Of many guesses at once most are too many, and the right one is told from none of these."""
        # Each has its own hash to be computed, for the right one to come behind them.
        guesses = [f"wrong{n}" for n in range(40)]
        for name in ("fred.f", "nobody"):
            wrong = await self.burst([self.attempt(one, name) for one in guesses])
            self.assertEqual(wrong, {"AuthenticationFailed": 12, "RateLimited": 28}, name)
            self.raw_redis.flushdb()
        self.raw_redis.set(f"auth_user:{self.fred.id}", 10, ex=120)
        counts = await self.burst([self.attempt(one) for one in [*guesses, "secret"]])
        self.assertEqual(counts, {"AuthenticationFailed": 2, "RateLimited": 39})

    async def test_remembered_among_guesses(self) -> None:
        """A password that was right a moment ago is no better off: what came before it is counted first."""
        self.raw.users.update_one({"_id": self.fred.id}, {"$set": {"tempPassword": self.temporary()}})
        letters = [f"wrong{n}".ljust(16, "x").translate(str.maketrans("0123456789", "abcdefghij"))
                   for n in range(40)]  # fmt: skip
        others = [f"wrong{n}" for n in range(40)]
        for service, right, guesses in (
            ("imap", "secret", others),
            ("imap", "secret", letters),
            ("master", "secret", others),
            ("master", "temporary", others),
        ):
            self.assertEqual("in", await self.attempt(right, service=service))
            attempts = [self.attempt(one, service=service) for one in [*guesses, right]]
            counts = await self.burst(attempts)
            place = (service, right, guesses[0])
            self.assertEqual(counts, {"AuthenticationFailed": 12, "RateLimited": 29}, place)
            self.raw_redis.flushdb()

    async def test_remembered_with_few_guesses(self) -> None:
        """Who is right signs in while others guess."""
        self.assertEqual("in", await self.attempt("secret"))
        guesses = [f"wrong{n}" for n in range(11)]
        for before in (0, 6, 11):
            mixed = [*guesses[:before], "secret", *guesses[before:]]
            counts = await self.burst([self.attempt(one) for one in mixed])
            self.assertEqual(1, counts["in"], before)
            self.raw_redis.flushdb()

    def temporary(self) -> dict[str, Any]:
        """A temporary password as it is stored."""
        now = datetime.now(timezone.utc)
        return {"password": passwords.hash_password("temporary"), "created": now, "validAfter": now}

    async def test_existing_password_at_once(self) -> None:
        """So are guesses at the existing password."""

        async def attempt(password: str) -> str:
            try:
                change = UserChange(existing_password=password, name="x")
                await self.accounts.update(self.fred.id, change, Origin())
                return "in"
            except errors.DomainError as error:
                return type(error).__name__

        counts = await self.burst([attempt(one) for one in ["wrong"] * 40 + ["secret"]])
        self.assertEqual(counts, {"PasswordMismatch": 12, "RateLimited": 29})

    async def test_odd_counters(self) -> None:
        """A counter that is no number, or lost its time to live, shuts nobody out for ever."""
        self.raw_redis.set(f"auth_user:{self.fred.id}", "x")
        self.assertEqual("in", await self.attempt("secret"))
        self.raw_redis.set(f"auth_user:{self.fred.id}", 3)
        await self.attempt("wrong")
        self.assertTrue(0 < self.raw_redis.ttl(f"auth_user:{self.fred.id}") <= 120)


class TimingTests(SignInCase):
    async def test_one_hash(self) -> None:
        """Whether a name is somebody's, and in what state, can't be told by the time that a refusal takes."""
        computed: list[Any] = []
        verify = passwords.verify_password

        def counting(password: str, stored: object) -> bool:
            computed.append(stored)
            return verify(password, stored)

        self.patch(passwords, "verify_password", counting)
        now = datetime.now(timezone.utc)
        row = {"user": self.fred.id, "selector": selector("a" * 16), "scopes": ["*"]}
        self.raw.asps.insert_one({**row, "password": passwords.hash_password("x" * 16)})
        changes: list[dict[str, Any]] = [
            {},
            {"disabled": True},
            {"disabled": False, "suspended": True},
            {"suspended": False, "enabled2fa": ["totp"]},
            {"enabled2fa": [], "disabledScopes": ["imap"]},
            {"tempPassword": {"password": passwords.UNKNOWN, "created": now, "validAfter": now}},
            {"password": ""},
            {"password": "$6$rounds=999999999$salt$" + "." * 86},
        ]
        for change in changes:
            if change:
                self.raw.users.update_one({"_id": self.fred.id}, {"$set": change})
            for name in ("fred.f", "nobody"):
                for password, service, hashes in (
                    ("wrong", "imap", 1),
                    ("a" * 16, "imap", 2),
                    ("b" * 16, "pop3", 2),
                    ("wrong", "master", 2),
                    ("a" * 16, "master", 2),
                ):
                    computed.clear()
                    refused = await self.attempt(password, name, service)
                    place = (change, name, password, service)
                    self.assertEqual(("AuthenticationFailed", hashes), (refused, len(computed)), place)
                    self.raw_redis.flushdb()
        for name, key in (("fred.f", str(self.fred.id)), ("nobody", "nobody")):
            self.raw_redis.set(f"auth_user:{key}", 12, ex=120)
            for password, hashes in (("wrong", 0), ("a" * 16, 1), ("b" * 16, 1)):
                computed.clear()
                self.assertEqual("RateLimited", await self.attempt(password, name))
                self.assertEqual(hashes, len(computed), (name, password))

    async def test_right_one_of_two_factors(self) -> None:
        """That the master password is right can't be told, though it just was on another face."""
        computed: list[Any] = []
        verify = passwords.verify_password

        def counting(password: str, stored: object) -> bool:
            computed.append(stored)
            return verify(password, stored)

        self.raw.users.update_one({"_id": self.fred.id}, {"$set": {"enabled2fa": ["totp"]}})
        self.assertEqual("in", await self.attempt("secret", service="master"))
        checks: list[str] = []
        check = FailureCounter.check

        async def checking(counter: FailureCounter, key: str, ip: str = "") -> None:
            checks.append(key)
            await check(counter, key, ip)

        self.patch(FailureCounter, "check", checking)
        self.patch(passwords, "verify_password", counting)
        for service in ("imap", "pop3", "smtp", "imap"):
            for password in ("secret", "wrong"):
                computed.clear()
                checks.clear()
                self.assertEqual("AuthenticationFailed", await self.attempt(password, service=service))
                self.assertEqual((1, 1), (len(computed), len(checks)), (service, password))

    async def test_forms(self) -> None:
        """A password opens in each of its forms, and a wrong one of several takes the same for each name."""
        computed: list[Any] = []
        verify = passwords.verify_password

        def counting(password: str, stored: object) -> bool:
            computed.append(password)
            return verify(password, stored)

        self.patch(passwords, "verify_password", counting)
        self.raw.users.update_one(
            {"_id": self.fred.id}, {"$set": {"password": passwords.hash_password("p\xe4ss w")}}
        )
        # As given, decomposed, with another blank, and with what SASLprep drops.
        for password, hashes in (
            ("p\xe4ss w", 1),
            ("pa\u0308ss\xa0w", 2),
            ("p\xe4ss\u3000w", 2),
            ("p\u00ad\xe4ss w", 2),
        ):
            for expected in ([password, "p\xe4ss w"][:hashes], []):
                # The second time it is remembered.
                computed.clear()
                self.assertEqual("in", await self.attempt(password))
                self.assertEqual(expected, computed)
            self.accounts._checker._verifier._right.clear()
        self.assertEqual("AuthenticationFailed", await self.attempt("pass w"))
        for name in ("fred.f", "nobody"):
            for password, service, hashes in (
                ("pa\u0308ss", "imap", 2),
                ("pa\u0308ss\xbd", "imap", 3),
                ("p\xe4ss", "imap", 1),
                ("pa\u0308ss", "master", 4),
                ("\u212a" * 16, "imap", 3),
            ):
                computed.clear()
                refused = await self.attempt(password, name, service)
                place = (name, password, service, computed)
                self.assertEqual(("AuthenticationFailed", hashes), (refused, len(computed)), place)
                self.raw_redis.flushdb()

    async def test_forms_and_two_factors(self) -> None:
        """That one form of the password is right can't be told by the time either."""
        computed: list[Any] = []
        verify = passwords.verify_password

        def counting(password: str, stored: object) -> bool:
            computed.append(stored)
            return verify(password, stored)

        changes = {"enabled2fa": ["totp"], "password": passwords.hash_password("a\u0308")}
        self.raw.users.update_one({"_id": self.fred.id}, {"$set": changes})
        self.patch(passwords, "verify_password", counting)
        for password in ("a\u0308", "o\u0308"):
            computed.clear()
            self.assertEqual("AuthenticationFailed", await self.attempt(password))
            self.assertEqual([changes["password"]] * 2, computed, password)

    async def test_rehash_of_another_form(self) -> None:
        """An outdated hash is replaced by one of the form that it was of."""
        iterations = passwords.ITERATIONS
        self.patch(passwords, "ITERATIONS", iterations - 1)
        outdated = passwords.hash_password("\xe4")
        self.patch(passwords, "ITERATIONS", iterations)
        self.raw.users.update_one({"_id": self.fred.id}, {"$set": {"password": outdated}})
        self.assertEqual("in", await self.attempt("a\u0308"))
        stored = self.raw.users.find_one({"_id": self.fred.id})["password"]
        self.assertNotEqual(outdated, stored)
        self.assertTrue(passwords.verify_password("\xe4", stored))

    async def test_nobodies_at_once(self) -> None:
        """One password with many names: nobody's are looked at one by one, as accounts are."""
        computed: list[Any] = []
        verify = passwords.verify_password

        def counting(password: str, stored: object) -> bool:
            computed.append(stored)
            return verify(password, stored)

        self.patch(passwords, "verify_password", counting)
        attempts = [self.attempt("x", f"nobody{n}") for n in range(5)]
        await DeferredList([Deferred.fromCoroutine(attempt) for attempt in attempts])
        self.assertEqual(5, len(computed))


class AddressCountingTests(SignInCase):
    failures_per_ip = 3

    async def test_addresses(self) -> None:
        """Failures with any names count for an address, and shut out that address alone."""
        for name in ("fred.f", "nobody", "somebody"):
            self.assertEqual("AuthenticationFailed", await self.attempt("wrong", name))
        self.assertEqual("RateLimited", await self.attempt("secret"))
        self.assertEqual("in", await self.attempt("secret", ip="192.0.2.8"))
        self.assertEqual((b"3", True), (self.raw_redis.get(f"auth_ip:{IP}"), self._in_window()))
        self.raw_redis.sadd("rl-wl", IP)
        self.assertEqual("in", await self.attempt("secret"))

    def _in_window(self) -> bool:
        return 0 < self.raw_redis.ttl(f"auth_ip:{IP}") <= 300


class NotesTests(SignInCase):
    async def test_log(self) -> None:
        """Events have WildDuck's form; like ones within six hours are one row."""
        for _ in range(3):
            await self.attempt("secret", session="s1")
        await self.attempt("wrong", session="s2")
        await self.attempt("secret", service="master", protocol="API", app_id="https://app.example")
        rows = list(self.raw.authlog.find({"user": self.fred.id}).sort("_id", 1))
        self.assertEqual(
            [(row["protocol"], row["result"], row["source"], row["events"]) for row in rows],
            [
                ("IMAP", "success", "master", 3),
                ("IMAP", "fail", "master", 1),
                ("API", "success", "master", 1),
            ],
        )
        first = rows[0]
        self.assertEqual(
            {key: first[key] for key in ("action", "requiredScope", "sess", "ip")},
            {"action": "authentication", "requiredScope": "imap", "sess": "s1", "ip": IP},
        )
        key = hashlib.md5(f"IMAP^{IP}^authentication^success^".encode()).digest()
        self.assertEqual((key, timedelta(days=30)), (first["key"], first["expires"] - first["created"]))
        self.assertTrue(first["last"] >= first["created"])
        self.assertEqual("https://app.example", rows[2]["appId"])
        last = self.raw.users.find_one({"_id": self.fred.id})["lastLogin"]
        self.assertEqual((last["authEvent"], last["ip"]), (rows[2]["_id"], IP))

    async def test_log_later(self) -> None:
        """After six hours a new row begins."""
        await self.attempt("secret")
        self.raw.authlog.update_one(
            {}, {"$set": {"created": datetime.now(timezone.utc) - timedelta(hours=7)}}
        )
        await self.attempt("secret")
        self.assertEqual([1, 1], [row["events"] for row in self.raw.authlog.find()])

    async def test_log_results(self) -> None:
        """Why an account was shut is told in WildDuck's words, and nothing is written for nobody."""
        for change, result in (({"suspended": True}, "suspended"), ({"disabled": True}, "disabled")):
            self.raw.users.update_one({"_id": self.fred.id}, {"$set": change})
            self.assertEqual("AccountDisabled", await self.attempt("secret"))
            row = self.raw.authlog.find_one({"result": result})
            self.assertNotIn("source", row)
        await self.attempt("wrong", "nobody")
        self.assertEqual(2, self.raw.authlog.count_documents({}))

    async def test_no_log(self) -> None:
        """A site whose setting is zero keeps no log; the last sign-in is noted nonetheless."""
        self.raw.settings.insert_one({"key": "const:authlog:time", "value": "0", "enumerable": True})
        await self.databases.shared_settings.read()
        await self.attempt("secret")
        self.assertEqual(0, self.raw.authlog.count_documents({"action": "authentication"}))
        self.assertIsInstance(self.raw.users.find_one({"_id": self.fred.id})["lastLogin"]["time"], datetime)

    async def test_rehash_of_another(self) -> None:
        """A hash that was changed meanwhile is not replaced by one of the old password."""
        outdated = passwords.hash_password("secret").replace("i=1000$", "i=999$")
        self.raw.users.update_one({"_id": self.fred.id}, {"$set": {"password": "new"}})
        self.accounts._checker._notes.rehash(self.fred.id, "secret", outdated)
        await self.accounts.settle()
        self.assertEqual("new", self.raw.users.find_one({"_id": self.fred.id})["password"])

    async def test_without_notes(self) -> None:
        """A database that takes no notes fails no sign-in."""

        async def fail(*arguments: Any, **options: Any) -> Any:
            raise errors.Unavailable()

        self.patch(self.databases.users, "find_one_and_update", fail)
        self.assertEqual("in", await self.attempt("secret"))

    async def test_fault_is_logged(self) -> None:
        """A hash that asks for too much shuts the account, and the operator can read why."""
        stored = "$pbkdf2-sha256$i=99999999$AAAA$AAAA"
        self.raw.users.update_one({"_id": self.fred.id}, {"$set": {"password": stored}})
        self.assertEqual("AuthenticationFailed", await self.attempt("secret"))
        self.raw.asps.insert_one({"user": self.fred.id, "scopes": ["*"], "password": stored})
        self.assertEqual("AuthenticationFailed", await self.attempt("a" * 16))


class BreachTests(SignInCase):
    """Master passwords are looked up every two weeks."""

    async def setUp(self) -> None:  # type: ignore[override]
        await super().setUp()
        self.asked: list[str] = []
        self.word: bool | None = True

        async def look_up(_service: PwnedPasswords, password: str) -> bool | None:
            self.asked.append(password)
            return self.word

        self.patch(PwnedPasswords, "look_up", look_up)
        self.patch(PwnedPasswords, "asks", True)

    async def pwned(self, password: str = "secret", service: str = "master") -> bool:
        """Whether a sign-in says so."""
        sign_in = SignIn("fred.f", password, service, ip=IP)
        opened = await self.accounts.authenticate(sign_in)
        await self.accounts.settle()
        return opened.password_pwned

    def noted(self) -> tuple[Any, Any]:
        row = self.raw.users.find_one({"_id": self.fred.id})
        return row.get("lastPwnedCheck"), row.get("passwordPwned")

    async def test_noted(self) -> None:
        """As WildDuck notes it, and asked again after two weeks only."""
        self.assertTrue(await self.pwned())
        last, known = self.noted()
        self.assertTrue(known)
        self.word = False
        self.assertTrue(await self.pwned())
        self.assertEqual(["secret"], self.asked)
        self.raw.users.update_one({"_id": self.fred.id}, {"$set": {"lastPwnedCheck": last - PERIOD}})
        self.assertFalse(await self.pwned())
        self.assertEqual((["secret"] * 2, False), (self.asked, self.noted()[1]))

    async def test_behind_the_answer(self) -> None:
        """Over IMAP nobody waits for it, and many sign-ins at once ask once."""
        first = [Deferred.fromCoroutine(self.pwned(service="imap")) for _ in range(5)]
        self.assertEqual([(True, False)] * 5, await DeferredList(first))
        self.assertTrue(self.noted()[1])
        self.assertTrue(await self.pwned(service="imap"))
        self.assertEqual(["secret"], self.asked)

    async def test_not_told(self) -> None:
        """A service that does not answer says nothing, and wrong passwords are not looked up."""
        self.word = None
        self.assertEqual("AuthenticationFailed", await self.attempt("wrong", service="master"))
        self.assertFalse(await self.pwned())
        self.assertEqual((["secret"], (None, None)), (self.asked, self.noted()))


class AsideTests(SynchronousTestCase):
    def test_bounded(self) -> None:
        """What does not fit is left out, and what fails harms nothing."""
        aside = Aside(most=1)
        waiting: Deferred[None] = Deferred()
        done: list[str] = []

        async def work(name: str, wait: bool = False) -> None:
            if wait:
                await waiting
            done.append(name)
            if name == "bad":
                raise ValueError(name)

        self.assertTrue(aside.run(work("first", wait=True)))
        self.assertFalse(aside.run(work("second")))
        settled = Deferred.fromCoroutine(aside.settle())
        self.assertNoResult(settled)
        waiting.callback(None)
        self.successResultOf(settled)
        self.assertTrue(aside.run(work("bad")))
        self.assertEqual(["first", "bad"], done)
