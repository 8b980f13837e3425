"""Accounts changed, with all that follows, on real databases."""

from __future__ import annotations

import datetime
import json
from typing import Any

import msgspec
from bson import ObjectId
from twisted.internet.defer import Deferred, DeferredList

from test.accounts.key_samples import EXPIRED, FINE, SIGNS, WEAK
from test.accounts.test_accounts import AccountsCase
from test.accounts.test_creation import ORIGIN, PLAIN
from test.accounts.test_keys import certificate
from wildduck import errors, limits
from wildduck.accounts import SignIn, passwords
from wildduck.accounts.fields import UserChange
from wildduck.accounts.updating import Changed

#: Limit: its counter in Redis.
COUNTERS = {
    "recipients": "wdr",
    "forwards": "wdf",
    "imapMaxUpload": "iup",
    "imapMaxDownload": "idw",
    "pop3MaxDownload": "pdw",
    "pop3MaxMessages": "pxm",
    "receivedMax": "rl:rcpt",
}


def changes(**fields: Any) -> UserChange:
    """As the API makes it: names are those of the document."""
    return msgspec.convert(fields, UserChange)


class UpdatingCase(AccountsCase):
    """One account; C{said} holds the commands that others hear of it."""

    async def setUp(self) -> None:  # type: ignore[override]
        await super().setUp()
        self.user = (await self.accounts.create("user", "secret", addresses=["a@example.com"])).id
        self.said: list[dict[str, Any]] = []
        self.addCleanup(self.redis.subscribe("wd_events", self._heard))
        await self.redis.subscribed("wd_events")

    def _heard(self, payload: bytes) -> None:
        ping = json.loads(payload)
        if ping["e"] == str(self.user) and "p" in ping:
            self.said.append(ping["p"])

    async def heard(self) -> list[dict[str, Any]]:
        """What was said of the user so far."""
        end: Deferred[None] = Deferred()
        unsubscribe = self.redis.subscribe("wd_events", lambda _: None if end.called else end.callback(None))
        await self.redis.publish("wd_events", b'{"e":"000000000000000000000000"}')
        await end
        unsubscribe()
        said, self.said = self.said, []
        return said

    async def update(self, **fields: Any) -> Changed:
        return await self.accounts.update(self.user, changes(**fields), ORIGIN)

    async def fails(self, error: type[Exception], **fields: Any) -> Any:
        before = self.row()
        with self.assertRaises(error) as caught:
            await self.update(**fields)
        self.assertEqual(self.row(), before)
        return caught.exception

    def row(self) -> dict[str, Any]:
        row = self.raw.users.find_one({"_id": self.user})
        assert row
        return dict(row)

    def actions(self) -> list[tuple[str, str | None]]:
        """What the account's log tells since it was made."""
        rows = self.raw.authlog.find({"user": self.user, "action": {"$ne": "account created"}}).sort("_id")
        return [(row["action"], row.get("result")) for row in rows]


class FieldTests(UpdatingCase):
    async def test_one_at_a_time(self) -> None:
        """Each field changes alone: nothing else of the document does."""
        for name, value in {**PLAIN, "pubKey": "", "metaData": {"a": 1}, "internalData": {}}.items():
            before = self.row()
            await self.update(**{name: value})
            stored = json.dumps(value, separators=(",", ":")) if name.endswith("Data") else value
            self.assertEqual(self.row(), {**before, name: stored}, name)
        self.assertEqual(await self.heard(), [])

    async def test_cleared(self) -> None:
        """What is there can be taken away."""
        full = {
            "name": "A", "targets": ["a@example.com"], "mtaRelay": "smtp://x.example", "tags": ["a"],
            "fromWhitelist": ["x@y.example"], "disabledScopes": ["imap"], "pubKey": FINE, "quota": 5,
        }  # fmt: skip
        await self.update(**full)
        empty = {"name": "", "targets": [], "tags": [], "fromWhitelist": [], "disabledScopes": [],
                 "pubKey": "", "quota": 0}  # fmt: skip
        await self.update(**empty, mtaRelay="")
        row = self.row()
        self.assertEqual({name: row[name] for name in empty}, empty)
        self.assertEqual((row["tagsview"], "mtaRelay" in row), ([], False))

    async def test_not_given(self) -> None:
        """uploadSentMessages stays when nothing is said of it, and no protocol is stored."""
        await self.update(uploadSentMessages=True)
        await self.update(name="B")
        row = self.row()
        self.assertEqual((row["uploadSentMessages"], "protocol" in row, "sess" in row), (True, False, False))

    async def test_nothing(self) -> None:
        for fields in ({}, {"existingPassword": "secret"}, {"hashedPassword": True, "allowUnsafe": False}):
            await self.fails(errors.NoUpdates, **fields)

    async def test_nobody(self) -> None:
        with self.assertRaises(errors.UserNotFound):
            await self.accounts.update(ObjectId(), changes(name="x"), ORIGIN)

    async def test_every_bad_field(self) -> None:
        """All failed fields are named and nothing is changed."""
        error = await self.fails(
            errors.BadInput, quota=-1, name="x", password="\0", pubKey="x", targets=["x"], disabled=True
        )
        self.assertEqual(set(error.fields), {"quota", "password", "pubKey", "targets,0"})

    async def test_keys(self) -> None:
        """A key that nothing can be encrypted to is refused."""
        for key in (WEAK, SIGNS, EXPIRED, FINE[:500], FINE.replace("PUBLIC", "PRIVATE")):
            error = await self.fails(errors.BadInput, pubKey=key)
            self.assertEqual(set(error.fields), {"pubKey"})
        error = await self.fails(errors.BadInput, smimeCerts=[certificate(), certificate(bits=1024), "x"])
        self.assertEqual(set(error.fields), {"smimeCerts,1", "smimeCerts,2"})

    async def test_keys_exclude_each_other(self) -> None:
        """An OpenPGP key takes the place of certificates, and the other way round."""
        pem = certificate()
        await self.update(smimeCerts=[pem], smimeCipher="AES-GCM")
        await self.update(pubKey=FINE)
        row = self.row()
        self.assertEqual((row["pubKey"], row["smimeCerts"], row["smimeCipher"]), (FINE, [], "AES-CBC"))
        await self.update(smimeCerts=[pem])
        row = self.row()
        self.assertEqual((row["pubKey"], row["smimeCerts"]), ("", [pem.strip()]))
        error = await self.fails(errors.BadInput, pubKey=FINE, smimeCerts=[pem])
        self.assertEqual(set(error.fields), {"pubKey", "smimeCerts"})


class PasswordTests(UpdatingCase):
    async def test_changed(self) -> None:
        """The old hash is kept, what was known of it goes, tokens and sessions end."""
        old = self.row()["password"]
        known = {
            "lastPwnedCheck": datetime.datetime(2026, 1, 1),
            "passwordPwned": True,
            "requirePasswordChange": True,
        }
        self.raw.users.update_one({}, {"$set": {**known, "tempPassword": {"password": "x"}}})
        self.assertEqual(await self.update(password="new"), Changed(2, True))
        row = self.row()
        self.assertTrue(passwords.verify_password("new", row["password"]))
        self.assertEqual([entry["hash"] for entry in row["oldPasswords"]], [old])
        self.assertEqual(
            (row["authVersion"], row["tempPassword"], row["requirePasswordChange"]), (2, False, False)
        )
        self.assertEqual({"lastPwnedCheck", "passwordPwned"} & set(row), set())
        self.assertLess(
            abs(datetime.datetime.utcnow() - row["passwordChange"]), datetime.timedelta(minutes=1)
        )
        self.assertEqual(await self.heard(), [{"command": "LOGOUT", "reason": "Authentication required"}])
        self.assertEqual(self.actions(), [("password change", "success")])
        await self.refused(errors.AuthenticationFailed, "user", "secret")
        await self.sign_in("user", "new")

    async def test_removed(self) -> None:
        """Without a password nothing but application passwords opens the account."""
        await self.update(password="")
        self.assertEqual((self.row()["password"], len(self.row()["oldPasswords"])), ("", 1))
        await self.refused(errors.AuthenticationFailed, "user", "secret")

    async def test_hash(self) -> None:
        hashed = "$1$salt$qJH7.N4xYta3aEG/dfqo/0"
        await self.update(password=hashed, hashedPassword=True)
        self.assertEqual(self.row()["password"], hashed)
        await self.fails(errors.BadInput, password="x", hashedPassword=True)

    async def test_old_ones_are_bounded(self) -> None:
        old = [{"date": datetime.datetime(2026, 1, 1), "hash": str(n)} for n in range(limits.OLD_PASSWORDS)]
        self.raw.users.update_one({}, {"$set": {"oldPasswords": old}})
        last = self.row()["password"]
        await self.update(password="new")
        hashes = [entry["hash"] for entry in self.row()["oldPasswords"]]
        self.assertEqual(hashes, [*map(str, range(1, limits.OLD_PASSWORDS)), last])

    async def test_existing(self) -> None:
        """The existing password is checked where it is given, for any change; failures are counted."""
        await self.fails(errors.PasswordMismatch, name="x", existingPassword="wrong")
        self.assertEqual(await self.redis.execute("GET", f"auth_user:{self.user}"), b"1")
        self.assertEqual(self.actions(), [("password change", "fail")])
        await self.update(password="new", existingPassword="secret")
        await self.fails(errors.PasswordMismatch, password="x", existingPassword="secret")

    async def test_existing_guessed(self) -> None:
        for _ in range(12):
            await self.fails(errors.PasswordMismatch, name="x", existingPassword="wrong")
        await self.fails(errors.RateLimited, name="x", existingPassword="secret")

    async def test_existing_is_temporary(self) -> None:
        """Who was given a temporary password sets his own with it."""
        password = await self.accounts.reset_password(self.user, None, ORIGIN)
        self.raw.users.update_one({}, {"$set": {"password": ""}})
        await self.update(password="mine", existingPassword=password)
        await self.sign_in("user", "mine")

    async def test_at_once(self) -> None:
        """Of many that prove the same password and set another, one does."""
        running = [
            Deferred.fromCoroutine(self.update(password=f"new{n}", existingPassword="secret"))
            for n in range(3)
        ]
        results = await DeferredList(running, consumeErrors=True)
        failed = [result.type for done, result in results if not done]
        self.assertEqual(failed, [errors.PasswordMismatch] * 2)
        self.assertEqual((self.row()["authVersion"], len(self.row()["oldPasswords"])), (2, 1))

    async def test_none_is_lost(self) -> None:
        """Passwords that are set at the same time are all among the old ones, or the one in force."""
        await DeferredList([Deferred.fromCoroutine(self.update(password=f"new{n}")) for n in range(3)])
        row = self.row()
        hashes = [*(entry["hash"] for entry in row["oldPasswords"]), row["password"]]
        for password in ("secret", "new0", "new1", "new2"):
            self.assertEqual(sum(passwords.verify_password(password, one) for one in hashes), 1, password)
        self.assertEqual(row["authVersion"], 4)

    async def test_existing_changes_meanwhile(self) -> None:
        """A password that is another when the change is made than when it was looked at changes nothing."""
        check = self.accounts._updating._check

        async def changing(*args: Any) -> None:
            await check(*args)
            self.raw.users.update_one({}, {"$set": {"password": passwords.hash_password("other")}})

        self.patch(self.accounts._updating, "_check", changing)
        with self.assertRaises(errors.PasswordMismatch):
            await self.update(name="x", existingPassword="secret")
        self.assertEqual(self.row()["name"], "")

    async def test_reset(self) -> None:
        """A temporary password opens the API alone, beside the own one."""
        password = await self.accounts.reset_password(self.user, None, ORIGIN)
        self.assertRegex(password, r"\A[A-Za-z0-9]{12}\Z")
        self.assertEqual(self.actions(), [("reset", None)])
        opened = await self.accounts.authenticate(SignIn("user", password, "master"))
        self.assertTrue(opened.require_password_change)
        await self.refused(errors.AuthenticationFailed, "user", password, "imap")
        await self.sign_in("user", "secret", "master")

    async def test_reset_later(self) -> None:
        now = datetime.datetime.now(datetime.timezone.utc)
        for later in (now + datetime.timedelta(hours=1), now.replace(year=9999, month=12, day=31)):
            password = await self.accounts.reset_password(self.user, later, ORIGIN)
            with self.assertRaises(errors.AuthenticationFailed):
                await self.accounts.authenticate(SignIn("user", password, "master"))

    async def test_reset_nobody(self) -> None:
        with self.assertRaises(errors.UserNotFound):
            await self.accounts.reset_password(ObjectId(), None, ORIGIN)


class FollowingTests(UpdatingCase):
    async def test_shut(self) -> None:
        """A disabled account ends as a suspended one does; opening one ends nothing."""
        for name in ("suspended", "disabled"):
            version = self.row()["authVersion"]
            self.assertEqual(await self.update(**{name: True}), Changed(version + 1, True))
            self.assertEqual(await self.heard(), [{"command": "LOGOUT", "reason": "Authentication required"}])
            await self.refused(errors.AccountDisabled, "user", "secret")
            self.assertEqual(await self.update(**{name: False}), Changed(version + 1, False))
            self.assertEqual(await self.heard(), [])
            await self.sign_in("user", "secret")

    async def test_counters(self) -> None:
        """With a limit its counter begins anew, no other does, and what others cached is void."""
        for name, key in COUNTERS.items():
            for counter in (*COUNTERS.values(), "cached"):
                await self.redis.execute("SET", f"{counter}:{self.user}", "5")
            await self.update(**{name: 10})
            for counter in COUNTERS.values():
                left = await self.redis.execute("EXISTS", f"{counter}:{self.user}")
                self.assertEqual(left, counter != key, counter)
            self.assertEqual(await self.redis.execute("EXISTS", f"cached:{self.user}"), 0)

    async def test_sessions_counter(self) -> None:
        for user in (self.user, "other"):
            await self.redis.execute("HSET", "lim:imap", str(user), "3")
        await self.update(imapMaxConnections=5)
        self.assertEqual(await self.redis.execute("HKEYS", "lim:imap"), [b"other"])

    async def test_second_factors(self) -> None:
        """All of them go, and what belongs to them."""
        self.raw.users.update_one(
            {},
            {
                "$set": {
                    "enabled2fa": ["totp", "webauthn"],
                    "seed": "s",
                    "pendingSeed": "p",
                    "pendingSeedChanged": datetime.datetime(2026, 1, 1),
                    "webauthn": {"credentials": [{}]},
                }
            },
        )
        before = self.row()
        await self.update(disable2fa=False)
        self.assertEqual(self.row(), before)
        await self.update(disable2fa=True)
        row = self.row()
        self.assertEqual(
            (row["enabled2fa"], row["seed"], row["pendingSeed"], row["pendingSeedChanged"], row["webauthn"]),
            ([], "", "", False, {"credentials": []}),
        )
        self.assertEqual(self.actions(), [("disable 2fa", None)])

    async def test_features(self) -> None:
        """The mirror in Redis follows, and WildDuck's workers are told to index what is there."""
        for enabled in (True, True, False):
            await self.update(featureFlags={"indexing": enabled})
            members = await self.redis.execute("SMEMBERS", "feature:indexing")
            self.assertEqual(members, [str(self.user).encode()] if enabled else [])
        tasks = list(self.raw.tasks.find())
        self.assertEqual(
            [(task["task"], task["data"]) for task in tasks], [("user-indexing", {"user": self.user})]
        )

    async def test_new_targets_are_noted(self) -> None:
        await self.update(targets=["a@example.com"])
        await self.update(targets=["a@example.com", "smtp://b.example"])
        rows = self.raw.authlog.find({"action": "user forward added"}).sort("_id")
        self.assertEqual([row["target"] for row in rows], ["a@example.com", "smtp://b.example"])

    async def test_odd_document(self) -> None:
        """A document of an older WildDuck lacks fields or has odd ones."""
        self.raw.users.update_one(
            {"_id": self.user},
            {"$unset": {"password": "", "authVersion": ""}, "$set": {"targets": "x", "tempPassword": 5}},
        )
        self.assertEqual(await self.update(password="new", targets=["a@example.com"]), Changed(1, True))
        self.assertNotIn("oldPasswords", self.row())

    async def test_without_redis(self) -> None:
        """The change is made; what Redis holds stays as it is."""
        await self.redis.close()
        await self.update(quota=5, password="new", featureFlags={"indexing": True}, imapMaxConnections=1)
        self.assertEqual(self.row()["quota"], 5)
