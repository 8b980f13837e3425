"""The short way to a route finds what Klein finds."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from hypothesis import given, strategies
from twisted.trial.unittest import SynchronousTestCase
from werkzeug.exceptions import HTTPException

from test.api.test_application import listen
from test.api.test_routes import RouteCase
from test.support.chance import by_chance
from wildduck.api.frame.application import Application
from wildduck.api.frame.dispatch import RouteTable
from wildduck.api.frame.fields import String
from wildduck.api.frame.schema import Schema
from wildduck.command_line.openapi import every_route

LEVELS = strategies.sampled_from(
    [
        "users",
        "resolve",
        "me",
        "0" * 24,
        "mailboxes",
        "messages",
        "1",
        "",
        "message.eml",
        "é",
        "a b",
        "%",
        "addresses",
    ]
)


class TableTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.application: Application = every_route()
        self.table: RouteTable[str] = RouteTable()
        for route in self.application.routes:
            self.table.add(route.method, route.path, route.name)

    @by_chance(50)
    @given(strategies.sampled_from(["GET", "POST", "PUT", "DELETE"]), strategies.lists(LEVELS, max_size=8))
    def test_like_klein(self, method: str, levels: list[str]) -> None:
        """The same route with the same parameters; slashes that come twice are left to Klein."""
        path = "/" + "/".join(levels)
        expected: Any = None
        try:
            expected = self.application.klein.url_map.bind("").match(path, method)
        except HTTPException:
            pass
        found = self.table.find(method.encode(), quote(path).encode())
        self.assertEqual(found, None if "//" in path else expected)

    def test_order(self) -> None:
        """A level that is spelled out goes before one that can be anything, unless it leads nowhere."""
        table: RouteTable[int] = RouteTable()
        for number, path in enumerate(("/a/<id>", "/a/b", "/<x>/c", "/a/<id>/d", "/a/b/e")):
            table.add("GET", path, number)
        for path, expected in (
            ("/a/b", (1, {})),
            ("/a/c", (0, {"id": "c"})),
            ("/b/c", (2, {"x": "b"})),
            ("/a/b/d", (3, {"id": "b"})),
            ("/a/b/e", (4, {})),
            ("/a/%C3%A9", (0, {"id": "é"})),
            ("/a/%ff", None),
            ("/a/", None),
            ("/a/b%2Fc", None),
            ("a/b", None),
            ("*", None),
            ("/" * 1000, None),
        ):
            self.assertEqual(table.find(b"GET", path.encode()), expected, path)
        self.assertIsNone(table.find(b"POST", b"/a/b"))


class HeadTests(RouteCase):
    async def test_head(self) -> None:
        """What the table does not have goes through Klein: HEAD answers as GET, without the body."""
        self.add("GET", "/x/<id>", schema=Schema({"id": String(required=True)}))
        self.caller = listen(self, self.application)
        status, headers, body = await self.fetch("HEAD", "/x/1")
        self.assertEqual((status, body, headers["content-length"]), (200, b"", "22"))
        self.assertEqual(self.calls[0].values, {"id": "1"})

    async def test_not_utf8(self) -> None:
        """A path that is not UTF-8 is an error of the client, and none in the log."""
        self.add("GET", "/x/<id>", schema=Schema({"id": String(required=True)}))
        self.caller = listen(self, self.application)
        for path in ("/x/%ff", "/%ed%a0%80", "/x/%c3"):
            status, answer = await self.call("GET", path)
            self.assertEqual((status, answer["code"]), (400, "BadRequest"), path)
        self.assertEqual((self.flushLoggedErrors(), self.calls), ([], []))
