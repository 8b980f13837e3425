"""Every route of the table, tried by those who may not call it."""

from __future__ import annotations

import json
import re
import typing
from itertools import product
from typing import Any
from urllib.parse import urlencode

import msgspec
from bson import ObjectId
from twisted.trial.unittest import SynchronousTestCase

from test.api.test_application import ApiCase
from wildduck.api.frame.fields import Field, ListOf, Object
from wildduck.api.frame.roles import ROLES
from wildduck.api.frame.route import Route
from wildduck.api.frame.streams import Stream
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
        source = b"Subject: Secrets of the first\r\nFrom: first@example.com\r\n\r\nSecrets of the first\r\n"
        for user in (self.first, self.second):
            box = self.raw.mailboxes.find_one({"user": user.id, "path": "INBOX"})
            assert box is not None
            path = f"/users/{user.id}/mailboxes/{box['_id']}/messages"
            text = source if user is self.first else b"Subject: mine\r\n\r\nmine\r\n"
            headers = {"X-Access-Token": "master", "Content-Type": "message/rfc822"}
            status, answer = await self.caller.call("POST", path, text, headers)
            self.assertEqual(status, 200, answer)
        inbox = self.raw.mailboxes.find_one({"user": self.first.id, "path": "INBOX"})
        address = self.raw.addresses.find_one({"user": self.first.id})
        assert inbox is not None and address is not None
        self.known = {
            "user": str(self.first.id),
            "mailbox": str(inbox["_id"]),
            "address": str(address["_id"]),
            "id": str(address["_id"]),
            "attachment": "ATT00001",
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

    async def test_ids_of_another_user(self) -> None:
        """In a user's own path, ids of another user's things are nobody's, in bodies too."""
        token = await self.tokens.sign_in(self.second.id)
        before = self.of_first()
        mailbox = self.raw.mailboxes.find_one({"user": self.second.id, "path": "INBOX"})
        assert mailbox is not None
        tried = granted = 0
        for route in self.application.routes:
            if (
                "<user>" not in route.path
                or route.answer is Stream
                and route.content_type == "text/event-stream"
            ):
                continue
            foreign = self.path(route).replace(str(self.first.id), str(self.second.id))
            own = foreign.replace(self.known["mailbox"], str(mailbox["_id"]))
            for path, fields in product({foreign, own}, self.bodies(route)):
                headers = {"X-Access-Token": token}
                if route.method in ("POST", "PUT"):
                    status, answer = await self.caller.call(route.method, path, fields, headers)
                else:
                    query = urlencode({name: one for name, one in fields.items() if isinstance(one, str)})
                    status, answer = await self.caller.call(route.method, f"{path}?{query}", None, headers)
                tried += 1
                self.assertLess(status, 500, (route.name, answer))
                if status == 200:
                    granted += 1
                    shown = json.dumps(answer.get("results", answer))
                    for text in ("first@example.com", "firstuser", "of the first"):
                        self.assertNotIn(text, shown, route.name)
        self.assertEqual(self.of_first(), before)
        self.assertGreater(tried, 150)
        # The token has not ended meanwhile.
        self.assertGreater(granted, 50)
        status, _ = await self.caller.call("GET", "/users/me", None, {"X-Access-Token": token})
        self.assertEqual(status, 200)

    def bodies(self, route: Route) -> list[dict[str, Any]]:
        """What is required, one parameter more, and all of them, with ids of the first account."""
        fields = {name: one for name, one in route.schema.fields.items() if name not in route.path_parameters}
        values = {name: self.example(name, one) for name, one in fields.items()}
        required = {name: values[name] for name, one in fields.items() if one.required}
        return [required, *({**required, name: value} for name, value in values.items()), values]

    def example(self, name: str, field: Field) -> Any:
        """Something that a parameter takes."""
        if isinstance(field, Object):
            return {inner: self.example(inner, one) for inner, one in field.fields.items()}
        if isinstance(field, ListOf):
            return [self.example(name, field.item)]
        if name in ("moveTo", "mailbox", "id"):
            return self.known["mailbox"]
        for value in (
            "a@example.org", True, 1, "1", "2026-01-01", ["a"], {"a": 1}, "reply", "imap", "desc",
            str(ObjectId()),
        ):  # fmt: skip
            try:
                field.parse(value)
            except ValueError:
                continue
            return value
        return None

    def of_first(self) -> dict[str, Any]:
        """All documents of the first account."""
        found: dict[str, Any] = {}
        for name in (*_COLLECTIONS, "archived", "storage", "threads"):
            query = {"_id": self.first.id} if name == "users" else {"user": self.first.id}
            found[name] = list(self.raw[name].find(query).sort("_id", 1))
        return found

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
