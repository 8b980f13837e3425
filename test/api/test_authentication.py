"""Sign-in over the API, tokens and what each role may."""

from __future__ import annotations

from typing import Any

from test.api.test_application import ApiCase
from wildduck.config import ApiSettings

SECRET = "a secret of the cluster"


class AuthenticationTests(ApiCase):
    """The whole API with access control."""

    api_settings = ApiSettings(token="master", access_control=True, access_secret=SECRET)

    async def setUp(self) -> None:  # type: ignore[override]
        await super().setUp()
        self.account = await self.accounts.create("alice", "secretpass", addresses=["alice@example.com"])
        self.other = await self.accounts.create("bob", "otherpass")

    async def call(self, method: str, path: str, token: str = "master", /, **body: Any) -> tuple[int, Any]:
        return await self.caller.call(method, path, body or None, {"X-Access-Token": token} if token else {})

    async def sign_in(self, **more: Any) -> tuple[int, Any]:
        return await self.call(
            "POST", "/authenticate", **{"username": "alice", "password": "secretpass", **more}
        )

    async def test_password(self) -> None:
        """The right password gives the account, a wrong one or an unknown name the same refusal."""
        expected = {
            "success": True, "id": str(self.account.id), "username": "alice", "address": "alice@example.com",
            "scope": "master", "require2fa": False, "require2faEnabled": False,
            "requirePasswordChange": False,
        }  # fmt: skip
        self.assertEqual(await self.sign_in(), (200, expected))
        self.assertEqual(
            await self.sign_in(username="Alice@Example.com", sess="s", ip="::1"), (200, expected)
        )
        refusals = [await self.sign_in(password="x"), await self.sign_in(username="nobody")]
        self.assertEqual([status for status, _ in refusals], [403, 403])
        self.assertEqual(refusals[0], refusals[1])
        self.assertEqual(refusals[0][1]["code"], "AuthFailed")

    async def test_token(self) -> None:
        """A token acts for its account only, until it is dropped or the password changes."""
        _, answer = await self.sign_in(token=True)
        token = answer["token"]
        self.assertEqual(await self.call("GET", "/authenticated", token), (200, {"success": True}))
        self.assertEqual((await self.call("GET", "/user?username=alice", token))[0], 403)
        self.assertEqual((await self.call("DELETE", "/authenticate", token))[0], 200)
        status, answer = await self.call("GET", "/authenticated", token)
        self.assertEqual((status, answer["code"]), (403, "InvalidToken"))
        _, answer = await self.sign_in(token=True)
        await self.accounts.set_password(self.account, "new secret")
        self.assertEqual((await self.call("GET", "/authenticated", answer["token"]))[0], 403)
        status, answer = await self.sign_in(token=True, password="new secret", scope="imap")
        self.assertEqual((status, set(answer["details"])), (400, {"scope"}))

    async def test_breached(self) -> None:
        """What is noted of the password is told."""
        self.raw.users.update_one({"username": "alice"}, {"$set": {"passwordPwned": True}})
        status, answer = await self.sign_in()
        self.assertEqual((status, answer["passwordPwned"]), (200, True))

    async def test_own_only(self) -> None:
        """A user's token checks that user's password, and nobody else's is looked at."""
        _, answer = await self.sign_in(token=True)
        token = answer["token"]
        body = {"username": "alice", "password": "secretpass"}
        self.assertEqual((await self.call("POST", "/authenticate", token, **body))[0], 200)
        body = {"username": "bob", "password": "otherpass"}
        status, answer = await self.call("POST", "/authenticate", token, **body)
        self.assertEqual((status, answer["code"]), (403, "MissingPrivileges"))
        # Nor does it tell which names there are.
        body = {"username": "nobody", "password": "otherpass"}
        self.assertEqual(await self.call("POST", "/authenticate", token, **body), (status, answer))
        self.assertEqual(await self.call("POST", "/preauth", token, username="nobody"), (status, answer))
        self.assertEqual((await self.call("POST", "/preauth", token, username="bob"))[0], 403)
        self.assertEqual((await self.call("POST", "/preauth", token, username="alice"))[0], 200)

    async def test_roles(self) -> None:
        """Role auth checks passwords and gets no token; tokenAuth gets one; others neither."""
        body = {"username": "alice", "password": "secretpass", "token": True}
        for role, expected in (("auth", False), ("tokenAuth", True), ("attachments", None)):
            token = await self.tokens.issue(role, None)
            status, answer = await self.call("POST", "/authenticate", token, **body)
            self.assertEqual(
                (status, answer.get("code")), (403, "MissingPrivileges") if expected is None else (200, None)
            )
            self.assertEqual("token" in answer, bool(expected))
            self.assertEqual((await self.call("GET", "/authenticated", token))[0], 403)
            self.assertEqual((await self.call("GET", "/health", token))[0], 200)

    async def test_second_factor(self) -> None:
        """The master password alone opens no account with a second factor that the server checks."""
        for factors, has_token in ((["totp"], False), (["custom"], True), (["custom", "webauthn"], False)):
            self.raw.users.update_one({"_id": self.account.id}, {"$set": {"enabled2fa": factors}})
            status, answer = await self.sign_in(token=True)
            self.assertEqual((status, answer["require2fa"], "token" in answer), (200, factors, has_token))

    async def test_preauth(self) -> None:
        """What a sign-in would ask for."""
        self.raw.users.update_one(
            {"_id": self.account.id}, {"$set": {"enabled2fa": ["totp"], "disabledScopes": ["pop3"]}}
        )
        status, answer = await self.call("POST", "/preauth", username="alice", scope="imap")
        self.assertEqual((status, answer["id"], answer["require2fa"]), (200, str(self.account.id), ["totp"]))
        status, answer = await self.call("POST", "/preauth", username="alice", scope="pop3")
        self.assertEqual((status, answer["code"]), (403, "InvalidAuthScope"))
        status, answer = await self.call("POST", "/preauth", username="nobody")
        self.assertEqual((status, answer["code"]), (403, "AuthFailed"))

    async def test_disabled(self) -> None:
        """A disabled account's tokens end at once."""
        _, answer = await self.sign_in(token=True)
        self.raw.users.update_one({"_id": self.account.id}, {"$set": {"disabled": True}})
        self.assertEqual((await self.call("GET", "/authenticated", answer["token"]))[0], 403)
        self.assertEqual((await self.sign_in())[1]["code"], "UserDisabled")


class WithoutSecretTests(ApiCase):
    async def test_no_token(self) -> None:
        """A server without a secret says so where a token is asked for."""
        await self.accounts.create("alice", "secretpass")
        body = {"username": "alice", "password": "secretpass", "token": True}
        status, answer = await self.caller.call("POST", "/authenticate", body)
        self.assertEqual((status, answer["code"]), (400, "TokensNotConfigured"))


class CompatTests(ApiCase):
    """C{api.compat_status}."""

    api_settings = ApiSettings(token="master", compat_status=True)

    async def test_framework(self) -> None:
        """What WildDuck's framework says has its form."""
        status, answer = await self.caller.call("GET", "/health")
        self.assertEqual((status, set(answer), answer["code"]), (403, {"code", "message"}, "InvalidToken"))
        status, answer = await self.caller.call("GET", "/nothing")
        self.assertEqual(
            (status, set(answer), answer["code"]), (404, {"code", "message"}, "ResourceNotFound")
        )
