"""Looking for accounts: nothing of what is looked for is an operator or a pattern."""

from __future__ import annotations

from typing import Any

from test.accounts.test_accounts import AccountsCase
from wildduck.accounts.listing import UserQuery


class QueryTests(AccountsCase):
    async def setUp(self) -> None:  # type: ignore[override]
        await super().setUp()
        await self.accounts.create("first.last", "secret", addresses=["one@example.com"])
        await self.accounts.create("other", "secret", addresses=["a.b@example.net"])
        self.raw.users.update_one(
            {"username": "other"},
            {
                "$set": {
                    "tags": ["A", "b"],
                    "tagsview": ["a", "b"],
                    "targets": [{"type": "http", "value": "https://x.example/?a=b"}],
                }
            },
        )

    def found(self, **query: Any) -> list[str]:
        return [row["username"] for row in self.raw.users.find(UserQuery(**query).filter()).sort("_id")]

    def test_text(self) -> None:
        """Part of the main address, or of the name whatever its dots."""
        for text, expected in (
            ("EXAMPLE", ["first.last", "other"]),
            ("firstl", ["first.last"]),
            ("t.l", ["first.last"]),
            ("a.b@", ["other"]),
            ("ab@", []),
            (".*", []),
            ("^o", []),
            ("[", []),
            ("$where", []),
            ("\0", []),
        ):
            self.assertEqual(self.found(text=text), expected, text)

    def test_forward(self) -> None:
        self.assertEqual(self.found(forward="X.example/?A"), ["other"])
        self.assertEqual(self.found(forward="x.examplexx"), [])
        self.assertEqual(self.found(forward=".*"), [])

    def test_tags(self) -> None:
        """At least one of tags, and all of required tags."""
        for tags, required, expected in (
            (["a", "x"], [], ["other"]),
            (["x"], [], []),
            ([], ["a", "b"], ["other"]),
            ([], ["a", "x"], []),
            (["x"], ["a"], []),
        ):
            self.assertEqual(self.found(tags=tags, required_tags=required), expected)

    async def test_only(self) -> None:
        account = await self.accounts.get("other")
        self.assertEqual(self.found(only=account.id), ["other"])
        self.assertEqual(self.found(only=account.id, text="first"), [])
