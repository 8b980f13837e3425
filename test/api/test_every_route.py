"""Every route of the table, tried by those who may not call it."""

from __future__ import annotations

import re
import typing
from typing import Any

import msgspec
from bson import ObjectId
from twisted.trial.unittest import SynchronousTestCase

from test.api.test_application import ApiCase
from wildduck.api.roles import ROLES
from wildduck.api.route import Route
from wildduck.command_line.openapi import every_route
from wildduck.config import ApiSettings

#: Collections that hold what the routes show or change.
_COLLECTIONS = ("users", "addresses", "mailboxes", "messages", "asps", "filters", "autoreplies", "tasks")


class EveryRouteTests(ApiCase):
    api_settings = ApiSettings(token="master", access_control=True, access_secret="a secret of the cluster")

    async def setUp(self) -> None:  # type: ignore[override]
        await super().setUp()
        self.first = await self.accounts.create("firstuser", "secretpass", addresses=["first@example.com"])
        self.second = await self.accounts.create("seconduser", "secretpass", addresses=["second@example.com"])
        inbox = self.raw.mailboxes.find_one({"user": self.first.id, "path": "INBOX"})
        address = self.raw.addresses.find_one({"user": self.first.id})
        assert inbox is not None and address is not None
        self.known = {
            "user": str(self.first.id),
            "mailbox": str(inbox["_id"]),
            "address": str(address["_id"]),
            "message": "1",
            "username": "firstuser",
        }
        #: What an answer to somebody else must not show.
        self.private = (
            str(self.first.id),
            str(inbox["_id"]),
            str(address["_id"]),
            "first@example.com",
            "firstuser",
        )

    def path(self, route: Route) -> str:
        """The route for the first account's own things."""

        def value(found: re.Match[str]) -> str:
            return self.known.get(found.group(1), str(ObjectId()))

        return re.sub(r"<(\w+)>", value, route.path)

    def everything(self) -> dict[str, Any]:
        """All documents."""
        return {name: list(self.raw[name].find().sort("_id", 1)) for name in _COLLECTIONS}

    async def refused(self, route: Route, token: str, code: str) -> None:
        headers = {"X-Access-Token": token} if token else {}
        body = {} if route.method in ("POST", "PUT") else None
        status, answer = await self.caller.call(route.method, self.path(route), body, headers)
        self.assertEqual((status, answer.get("code")), (403, code), route.name)

    async def test_no_token(self) -> None:
        """Without a token, or with a wrong one, nothing is answered but what holds no data."""
        public = [route.name for route in self.application.routes if route.permission is None]
        self.assertEqual(public, ["GET /openapi.json"])
        before = self.everything()
        for route in self.application.routes:
            if route.permission is not None:
                for token in ("", "wrong", "0123456789" * 4):
                    await self.refused(route, token, "InvalidToken")
        self.assertEqual(self.everything(), before)

    async def test_roles(self) -> None:
        """Each role calls what its table grants, and nothing else."""
        before = self.everything()
        tried = 0
        for role in ROLES:
            token = await self.tokens.issue(role, None)
            for route in self.application.routes:
                if route.permission and route.permission not in ROLES[role]:
                    await self.refused(route, token, "MissingPrivileges")
                    tried += 1
        self.assertGreater(tried, 50)
        self.assertEqual(self.everything(), before)

    async def test_other_user(self) -> None:
        """A user's token opens nothing of another user."""
        before = self.everything()
        token = await self.tokens.sign_in(self.second.id)
        for route in self.application.routes:
            if not route.permission or route.own:
                continue
            await self.refused(route, token, "MissingPrivileges")
        self.assertEqual(self.everything(), before)

    async def test_lists_of_all(self) -> None:
        """What a user may ask without naming an account shows that user's own things."""
        token = await self.tokens.sign_in(self.second.id)
        for route in self.application.routes:
            if not route.own or "<user>" in route.path:
                continue
            for extra in ("", f"?user={self.first.id}", "?username=firstuser"):
                body = {} if route.method in ("POST", "PUT") else None
                status, answer = await self.caller.call(
                    route.method, self.path(route) + extra, body, {"X-Access-Token": token}
                )
                self.assertLess(status, 500, route.name)
                shown = str({name: value for name, value in answer.items() if name not in ("user", "query")})
                for text in self.private:
                    self.assertNotIn(repr(text), shown, route.name)

    async def test_disabled_user(self) -> None:
        """The token of an account that is disabled opens nothing, its own things neither."""
        token = await self.tokens.sign_in(self.first.id)
        self.raw.users.update_one({"_id": self.first.id}, {"$set": {"disabled": True}})
        for route in self.application.routes:
            if route.permission is not None:
                await self.refused(route, token, "InvalidToken")


class HiddenAttributeTests(SynchronousTestCase):
    def test_can_be_left_out(self) -> None:
        """What a role may not see can be left out of every answer that has it, rows of lists too."""
        for route in every_route().routes:
            for table in ROLES.values():
                grant = table.get(route.permission) if route.permission else None
                if grant is None or not issubclass(route.answer, msgspec.Struct):
                    continue
                for struct in self.structs(route.answer):
                    for field in msgspec.structs.fields(struct):
                        if field.name in grant.without:
                            kinds = typing.get_args(field.type)
                            self.assertIn(msgspec.UnsetType, kinds, (route.name, struct, field.name))

    def structs(self, answer: type[msgspec.Struct]) -> list[type[msgspec.Struct]]:
        """The answer and the rows of its C{results}."""
        rows = [
            row
            for field in msgspec.structs.fields(answer)
            if field.name == "results"
            for row in typing.get_args(field.type)
            if isinstance(row, type) and issubclass(row, msgspec.Struct)
        ]
        return [answer, *rows]
