"""Values that no parameter of an account's routes takes: operators of the database, and odd ones."""

from __future__ import annotations

from typing import Any

from test.api.users.cases import NOBODY, SETTINGS, UsersCase
from wildduck.api.users.fields import CREATE, UPDATE

#: What no parameter takes: a Mongo operator in the place of any value.
OPERATORS: tuple[Any, ...] = ({"$gt": ""}, {"$where": "1"}, [{"$ne": None}])

#: What else may stand in the place of any value.
ODD: tuple[Any, ...] = (
    None, "", " ", "x", "\0", "\ud800", "é" * 300, "x" * 5000, 0, -1, 1.5, 1e308, 2**63, True, "yes", "0x10",
    "1e3", [], [None], [""], ["x"], [[]], [{}], ["a@example.org"], {}, {"": ""}, {"indexing": 1},
    "9999-12-31", "{}", "[]",
)  # fmt: skip


class InjectionTests(UsersCase):
    async def test_operators(self) -> None:
        """An operator in the place of any value is refused, by its field, and changes nothing."""
        user = await self.new()
        before = self.without_dates()
        names = [name for name in SETTINGS if name not in ("metaData", "internalData")]
        for name in (*names, "password", "existingPassword", "disabled", "$where", "a.b", "smimeCerts"):
            for value in OPERATORS:
                answer = await self.refused(
                    400, "InputValidationError", "PUT", f"/users/{user}", **{name: value}
                )
                self.assertTrue(all(field.startswith(name) for field in answer["details"]), answer)
        for name in ("username", "address", "mailboxes", "emptyAddress"):
            body = {"username": "x", "password": "x", name: {"$gt": ""}}
            await self.refused(400, "InputValidationError", "POST", "/users", **body)
        self.assertEqual(self.without_dates(), before)

    async def test_odd_values(self) -> None:
        """Whatever stands in the place of any parameter, the answer is a fitting one."""
        user = await self.new(password=False)
        answered: dict[int, int] = {}
        alone = [name for name in CREATE.fields if name not in UPDATE.fields]
        for route, names in (("POST", ["tags", "pubKey", *alone]), ("PUT", UPDATE.fields)):
            path = "/users" if route == "POST" else f"/users/{user}"
            for name in names:
                for number, value in enumerate(ODD):
                    body = {"username": f"odd{number}", "password": False} if route == "POST" else {}
                    status, answer = await self.call(route, path, **{**body, name: value})
                    self.assertIn(status, (200, 400, 403), (route, name, value, answer))
                    answered[status] = answered.get(status, 0) + 1
                    self.raw.users.delete_many({"username": {"$ne": "user"}})
        self.assertGreater(min(answered[200], answered[400]), 100, answered)
        await self.show(user)

    async def test_paths_and_queries(self) -> None:
        """Neither in a path nor in a query."""
        await self.new()
        for path in ("/users/$gt", "/users/%7B%22$gt%22:%22%22%7D", "/users/xyz", f"/users/{NOBODY}x"):
            await self.refused(400, "InputValidationError", "GET", path)
        for query in (
            "query[$gt]=",
            "query.$gt=",
            "tags=$gt",
            "next=eyIkZ3QiOiIifQ",
            "forward=.*",
            "query=.*",
        ):
            status, answer = await self.call("GET", f"/users?{query}")
            self.assertIn(status, (200, 400), query)
            if status == 200 and "$gt" not in query:
                self.assertEqual(answer["results"], [], query)
        await self.refused(400, "InputValidationError", "GET", "/users/resolve/$where")

    async def test_keys_of_meta_data(self) -> None:
        """What metaData holds is text to the database, whatever its keys are."""
        data = {"$where": "1", "a.b": {"$gt": ""}, "": 1}
        user = await self.new(metaData=data)
        self.assertEqual((await self.show(user))["metaData"], data)
        self.assertIsInstance(self.row(user)["metaData"], str)
