"""Accounts over the API: what a user may do of his own, and the statuses of WildDuck."""

from __future__ import annotations

from typing import Any

from bson import ObjectId

from test.accounts.key_samples import FINE
from test.api.users.cases import NOBODY, UsersCase
from wildduck.config import ApiSettings


class RoleTests(UsersCase):
    """What a user may do of his own account, and what he sees of it."""

    api_settings = ApiSettings(token="master", access_control=True, access_secret="a secret of the cluster")

    async def call(self, method: str, path: str, /, **body: Any) -> tuple[int, Any]:
        token = body.pop("accessToken", "master")
        return await self.caller.call(method, path, body or None, {"X-Access-Token": token})

    async def test_whitelist(self) -> None:
        """A user's own settings; his limits and states he does not raise (WildDuck of 2021 let him)."""
        user = await self.new(tags=["t"], internalData={"i": 1})
        token = await self.tokens.sign_in(ObjectId(user))
        allowed = {"name": "B", "language": "et", "spamLevel": 5, "targets": ["x@example.org"],
                   "metaData": {"m": 1}, "encryptMessages": True, "retention": 5, "uploadSentMessages": True,
                   "pubKey": FINE}  # fmt: skip
        denied = {"quota": 10**12, "recipients": 10**6, "tags": ["x"], "internalData": {}, "disabled": True,
                  "disabledScopes": ["imap"], "suspended": True, "hashedPassword": True, "imapMaxDownload": 1,
                  "fromWhitelist": ["*@x.example"], "featureFlags": {"indexing": True}}  # fmt: skip
        before = self.row(user)
        status, _ = await self.call("PUT", "/users/me", **allowed, **denied, accessToken=token)
        self.assertEqual(status, 200)
        row = self.row(user)
        self.assertEqual(
            {name: row.get(name) for name in denied}, {name: before.get(name) for name in denied}
        )
        self.assertEqual((row["name"], row["spamLevel"], row["pubKey"]), ("B", 5, FINE))
        await self.refused(400, "NoUpdates", "PUT", "/users/me", quota=10**12, accessToken=token)
        status, answer = await self.call("GET", "/users/me", accessToken=token)
        self.assertEqual((status, answer["id"]), (200, user))
        self.assertEqual({"tags", "disabledScopes", "internalData"} & set(answer), set())

    async def test_list_of_one(self) -> None:
        """A user lists himself alone, without what he may not see."""
        user = await self.new(tags=["t"], internalData={"i": 1})
        await self.new("other")
        token = await self.tokens.sign_in(ObjectId(user))
        status, answer = await self.call("GET", "/users?internalData=1&query=e", accessToken=token)
        self.assertEqual(
            (status, answer["total"], [row["id"] for row in answer["results"]]), (200, 1, [user])
        )
        self.assertEqual({"tags", "internalData"} & set(answer["results"][0]), set())
        for query in ("tags=x", "requiredTags=x", "requiredTags=t"):
            status, answer = await self.call("GET", f"/users?{query}", accessToken=token)
            # Asking for tags does not tell which there are.
            self.assertEqual((status, answer["total"]), (200, 1), query)

    async def test_password(self) -> None:
        """Who changes his own password stays signed in; his other tokens end."""
        user = await self.new()
        token, other = [await self.tokens.sign_in(ObjectId(user)) for _ in range(2)]
        status, _ = await self.call("PUT", "/users/me", password="newpass", accessToken=token)
        self.assertEqual(status, 200)
        self.assertEqual((await self.call("GET", "/users/me", accessToken=token))[0], 200)
        await self.refused(403, "InvalidToken", "GET", "/users/me", accessToken=other)

    async def test_shut(self) -> None:
        """The tokens of who is disabled or suspended end, and stay ended when he is let in again."""
        for name in ("disabled", "suspended"):
            user = await self.new(name)
            token = await self.tokens.sign_in(ObjectId(user))
            for shut in (True, False):
                await self.call("PUT", f"/users/{user}", **{name: shut})
                await self.refused(403, "InvalidToken", "GET", "/users/me", accessToken=token)

    async def test_not_his(self) -> None:
        """What only those may do who manage accounts."""
        user = await self.new()
        token = await self.tokens.sign_in(ObjectId(user))
        before = self.without_dates()
        for method, path in (
            ("POST", "/users/me/password/reset"),
            ("DELETE", "/users/me"),
            ("POST", "/users/me/restore"),
            ("POST", "/quota/reset"),
            ("POST", "/users"),
            ("GET", "/users/resolve/user"),
        ):
            body = {"username": "x", "password": "x"} if path == "/users" else {}
            await self.refused(403, "MissingPrivileges", method, path, **body, accessToken=token)
        self.assertEqual(self.without_dates(), before)


class CompatTests(UsersCase):
    """C{api.compat_status}."""

    api_settings = ApiSettings(compat_status=True)

    async def test_statuses(self) -> None:
        """Errors of the user layer are 500 with WildDuck's codes."""
        user = await self.new()
        for method, path, code, body in (
            ("POST", "/users", "UserExistsError", {"username": "user", "password": "x"}),
            ("PUT", f"/users/{user}", "NoUpdates", {}),
            ("PUT", f"/users/{NOBODY}", "UserNotFound", {"name": "x"}),
            ("PUT", f"/users/{user}", "AuthFail", {"name": "x", "existingPassword": "wrong"}),
        ):
            await self.refused(500, code, method, path, **body)
        await self.refused(400, "InputValidationError", "PUT", f"/users/{user}", quota=-1)
        await self.refused(404, "UserNotFound", "GET", f"/users/{NOBODY}")
