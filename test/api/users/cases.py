"""What the tests of accounts over the API share."""

from __future__ import annotations

from typing import Any

from bson import ObjectId

from test.accounts.key_samples import FINE
from test.api.test_application import ApiCase

NOBODY = "0123456789abcdef01234567"

#: Everything that can be said of an account, as it is stored and shown.
SETTINGS: dict[str, Any] = {
    "language": "et",
    "retention": 86_400_000,
    "name": "A Näme",
    "targets": ["a@example.org", "smtp://mx.example:25", "https://example.org/?in=1"],
    "mtaRelay": "smtps://relay.example:465",
    "spamLevel": 12.5,
    "quota": 5_000_000_000,
    "recipients": 1,
    "forwards": 2,
    "filters": 3,
    "imapMaxUpload": 4,
    "imapMaxDownload": 5,
    "pop3MaxDownload": 6,
    "pop3MaxMessages": 7,
    "imapMaxConnections": 8,
    "receivedMax": 9,
    "require2faEnabled": True,
    "fromWhitelist": ["*@example.org", "boss*"],
    "tags": ["A", "b"],
    "uploadSentMessages": True,
    "disabledScopes": ["imap", "smtp"],
    "metaData": {"ö": [1, {"$gt": ""}]},
    "internalData": {"a.b": None},
    "pubKey": FINE,
    "encryptMessages": True,
    "encryptForwarded": True,
    "featureFlags": {"indexing": True},
}


class UsersCase(ApiCase):
    async def call(self, method: str, path: str, /, **body: Any) -> tuple[int, Any]:
        return await self.caller.call(method, path, body or None)

    async def new(self, username: str = "user", **fields: Any) -> str:
        body = {"username": username, "password": "secretpass", **fields}
        status, answer = await self.call("POST", "/users", **body)
        self.assertEqual((status, set(answer)), (200, {"success", "id"}), answer)
        return str(answer["id"])

    async def show(self, user: str) -> dict[str, Any]:
        status, answer = await self.call("GET", f"/users/{user}")
        self.assertEqual(status, 200, answer)
        return dict(answer)

    async def refused(self, status: int, code: str, method: str, path: str, /, **body: Any) -> Any:
        answer = await self.call(method, path, **body)
        self.assertEqual((answer[0], answer[1].get("code")), (status, code), answer)
        return answer[1]

    def row(self, user: str) -> dict[str, Any]:
        row = self.raw.users.find_one({"_id": ObjectId(user)})
        assert row
        return dict(row)

    def without_dates(self) -> list[Any]:
        return [list(self.raw[name].find().sort("_id")) for name in ("users", "addresses", "mailboxes")]
