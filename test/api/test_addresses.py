"""Addresses over the API, over real sockets (spec/api.md §2)."""

from __future__ import annotations

import socket
from typing import Any
from urllib.parse import quote

from bson import ObjectId
from twisted.internet.defer import Deferred

from test.api.test_application import ApiCase
from wildduck.config import ApiSettings

NOBODY = "0123456789abcdef01234567"


class AddressCase(ApiCase):
    """Accounts C{one} with one@example.com and C{two} with two@example.com; the caller is root."""

    api_settings = ApiSettings(token="master", access_secret="a secret of the cluster")

    async def setUp(self) -> None:  # type: ignore[override]
        await super().setUp()
        self.one = (await self.accounts.create("one", "secretpass", addresses=["one@example.com"])).id
        self.two = (await self.accounts.create("two", "secretpass", addresses=["two@example.com"])).id
        self.mine = f"/users/{self.one}/addresses"

    async def ask(
        self, method: str, path: str, body: Any = None, token: str = "master"
    ) -> tuple[int, dict[str, Any]]:
        return await self.caller.call(method, path, body, {"X-Access-Token": token})

    async def done(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        """The members of an answer that must be a success."""
        status, answer = await self.ask(method, path, body)
        self.assertEqual((status, answer.pop("success", None)), (200, True), answer)
        return answer

    async def refused(
        self, status: int, code: str, method: str, path: str, body: Any = None, fields: Any = None
    ) -> None:
        """An error with this code, naming these fields."""
        got, answer = await self.ask(method, path, body)
        self.assertEqual((got, answer.get("code")), (status, code), (method, path, body, answer))
        self.assertTrue(answer["error"])
        if fields is not None:
            self.assertEqual(set(answer["details"]), set(fields), (path, body))

    def row(self, id: str) -> dict[str, Any]:
        return dict(self.raw.addresses.find_one({"_id": ObjectId(id)}) or {})


class UserAddressTests(AddressCase):
    async def test_all_fields(self) -> None:
        """What is given comes back; lists show data only when asked."""
        data = {"tags": ["b", " A ", "a"], "metaData": {"x": [1]}, "internalData": '{"y": 2}'}
        made = await self.done("POST", self.mine, {"address": "First.Last@Example.com", "name": "F", **data})
        self.assertEqual(set(made), {"id"})
        shown = await self.done("GET", f"{self.mine}/{made['id']}")
        created = shown.pop("created")
        self.assertRegex(created, r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        expected = {
            "id": made["id"], "name": "F", "address": "first.last@example.com", "main": False,
            "tags": ["A", "b"],
        }  # fmt: skip
        both = {"metaData": {"x": [1]}, "internalData": {"y": 2}}
        self.assertEqual(shown, {**expected, **both})
        plain = (await self.done("GET", self.mine))["results"]
        self.assertEqual([one["address"] for one in plain], ["first.last@example.com", "one@example.com"])
        self.assertEqual(plain[0], {**expected, "created": created})
        self.assertEqual((plain[1]["main"], plain[1]["tags"], "name" in plain[1]), (True, [], False))
        for name in both:
            found = (await self.done("GET", f"{self.mine}?{name}=yes"))["results"]
            self.assertEqual(found[0], {**expected, "created": created, name: both[name]})
        self.assertEqual(self.row(made["id"])["tagsview"], ["a", "b"])

    async def test_change(self) -> None:
        """Each field alone; an empty name takes it away; the default address takes its place along."""
        id = (await self.done("POST", self.mine, {"address": "b@example.com", "name": "B"}))["id"]
        path = f"{self.mine}/{id}"
        for change in (
            {"name": "Other"}, {"tags": ["t"]}, {"metaData": {"a": 1}}, {"internalData": {"b": 1}},
            {"address": "c.c@example.com"}, {"main": True}, {},
        ):  # fmt: skip
            before = await self.done("GET", path)
            self.assertEqual(await self.done("PUT", path, change), {})
            self.assertEqual(await self.done("GET", path), {**before, **change})
        await self.done("PUT", path, {"name": "", "address": "d@example.com"})
        shown = await self.done("GET", path)
        self.assertEqual((shown["address"], shown["main"], "name" in shown), ("d@example.com", True, False))
        user: Any = self.raw.users.find_one({"_id": self.one})
        self.assertEqual(user["address"], "d@example.com")

    async def test_wildcards(self) -> None:
        """Only where they are allowed, never the default address, never turned into another."""
        star = {"address": "*@example.net", "allowWildcard": True}
        await self.refused(
            400, "InputValidationError", "POST", self.mine, {"address": "*@x.com"}, ["address"]
        )
        await self.refused(400, "InputValidationError", "POST", self.mine, {**star, "main": True}, ["main"])
        id = (await self.done("POST", self.mine, star))["id"]
        path = f"{self.mine}/{id}"
        await self.refused(400, "ChangeNotAllowed", "PUT", path, {"address": "x@example.net"})
        await self.refused(400, "WildcardNotPermitted", "PUT", path, {"main": True})
        await self.done("PUT", path, {"name": "All"})
        await self.done("DELETE", path)
        for address in ("a*b*@x.com", "a*b@x.com", "*@*", f"{'x' * 33}*@x.com", "us*@*"):
            body = {"address": address, "allowWildcard": True}
            await self.refused(400, "InputValidationError", "POST", self.mine, body, ["address"])
        for address in ("pre*@x.com", "*suf@x.com", "user@*", "*@x.com"):
            await self.done("POST", self.mine, {"address": address, "allowWildcard": True})

    async def test_refused(self) -> None:
        """What is not there, taken, or the default address."""
        id = (await self.done("POST", self.mine, {"address": "b@example.com"}))["id"]
        (main,) = (one["id"] for one in (await self.done("GET", self.mine))["results"] if one["main"])
        exists = {"address": "T.wo+x@example.com"}
        await self.refused(400, "InputValidationError", "POST", self.mine, exists, ["address"])
        await self.refused(400, "AddressExistsError", "POST", self.mine, {"address": "T.wo@example.com"})
        await self.refused(
            400, "AddressExistsError", "PUT", f"{self.mine}/{id}", {"address": "two@example.com"}
        )
        await self.refused(400, "InputValidationError", "PUT", f"{self.mine}/{id}", {"main": False}, ["main"])
        await self.refused(400, "NotPermitted", "DELETE", f"{self.mine}/{main}")
        await self.done("DELETE", f"{self.mine}/{id}")
        for method in ("GET", "PUT", "DELETE"):
            await self.refused(
                404,
                "AddressNotFound",
                method,
                f"{self.mine}/{id}",
                {"name": "x"} if method == "PUT" else None,
            )
            await self.refused(
                404,
                "UserNotFound",
                method,
                f"/users/{NOBODY}/addresses/{main}",
                {} if method == "PUT" else None,
            )
        await self.refused(404, "UserNotFound", "GET", f"/users/{NOBODY}/addresses")
        await self.refused(
            404, "UserNotFound", "POST", f"/users/{NOBODY}/addresses", {"address": "n@example.com"}
        )
        self.assertIsNone(self.raw.addresses.find_one({"address": "n@example.com"}))

    async def test_every_failed_field(self) -> None:
        """All that is wrong is named at once; operators are no values; nothing is written."""
        before = list(self.raw.addresses.find())
        operator = {"$gt": ""}
        bad = {
            "address": operator, "name": "x" * 129, "main": "perhaps", "allowWildcard": [], "tags": "a",
            "metaData": "[1]", "internalData": 5, "$where": "1", "a.b": 1, "ip": "1.2.3.4/8",
        }  # fmt: skip
        await self.refused(400, "InputValidationError", "POST", self.mine, bad, bad)
        bad = {"address": "x", "name": operator, "main": operator, "tags": [operator, "y" * 129], "extra": 1}
        fields = {"address", "name", "main", "tags,0", "tags,1", "extra"}
        (main,) = (await self.done("GET", self.mine))["results"]
        await self.refused(400, "InputValidationError", "PUT", f"{self.mine}/{main['id']}", bad, fields)
        await self.refused(
            400, "InputValidationError", "GET", f"{self.mine}/x?metaData=1", None, ["id", "metaData"]
        )
        await self.refused(400, "InputValidationError", "GET", f"{self.mine}?metaData=7", None, ["metaData"])
        await self.refused(400, "InputValidationError", "POST", self.mine, {}, ["address"])
        await self.refused(400, "InputValidationError", "GET", "/users/x/addresses", None, ["user"])
        self.assertEqual(list(self.raw.addresses.find()), before)

    async def test_other_users_address(self) -> None:
        """By the path of one account nobody reaches another's address, nor a forwarded one."""
        (theirs,) = (await self.done("GET", f"/users/{self.two}/addresses"))["results"]
        forwarded = await self.done("POST", "/addresses/forwarded", {"address": "f@example.com"})
        token = await self.tokens.sign_in(self.one)
        before = list(self.raw.addresses.find())
        for id in (theirs["id"], forwarded["id"]):
            for holder in ("master", token):
                for method in ("GET", "PUT", "DELETE"):
                    body = {"name": "mine", "address": "mine@example.com"} if method == "PUT" else None
                    status, answer = await self.ask(method, f"{self.mine}/{id}", body, holder)
                    self.assertEqual((status, answer["code"]), (404, "AddressNotFound"))
        self.assertEqual(list(self.raw.addresses.find()), before)

    async def test_own_token(self) -> None:
        """A user manages his own addresses, without seeing or setting internalData."""
        token = await self.tokens.sign_in(self.one)
        made = {"address": "b@example.com", "internalData": {"quota": 1}, "metaData": {"m": 1}}
        status, answer = await self.ask("POST", "/users/me/addresses", made, token)
        self.assertEqual(status, 200)
        self.assertNotIn("internalData", self.row(answer["id"]))
        self.raw.addresses.update_one({"_id": ObjectId(answer["id"])}, {"$set": {"internalData": '{"i":1}'}})
        _, shown = await self.ask("GET", f"/users/me/addresses/{answer['id']}", None, token)
        self.assertEqual((shown["metaData"], "internalData" in shown), ({"m": 1}, False))
        _, shown = await self.ask("GET", "/users/me/addresses?internalData=true", None, token)
        self.assertNotIn("internalData", str(shown))


class ListTests(AddressCase):
    async def fill(self) -> None:
        await self.done(
            "POST", self.mine, {"address": "a.a@example.net", "tags": ["x", "Y"], "metaData": {"k": 1}}
        )
        await self.done("POST", self.mine, {"address": "c@example.net", "tags": ["x"]})
        body = {"address": "sales@example.com", "targets": ["far@Example.ORG"], "tags": ["y"], "name": "S"}
        self.sales = (await self.done("POST", "/addresses/forwarded", body))["id"]

    async def found(self, query: str) -> list[str]:
        answer = await self.done("GET", f"/addresses?{query}")
        self.assertEqual(answer["total"], len(answer["results"]))
        return [one["address"] for one in answer["results"]]

    async def test_filters(self) -> None:
        """By a part of the address, of a target, by tags; nothing of it is a pattern."""
        await self.fill()
        everything = [
            "a.a@example.net",
            "c@example.net",
            "one@example.com",
            "sales@example.com",
            "two@example.com",
        ]
        for query, expected in (
            ("", everything),
            ("unknown=1&query=", everything),
            ("query=EXAMPLE.com", everything[2:]),
            ("query=.a%40", ["a.a@example.net"]),
            ("query=.*", []),
            ("query=%00", []),
            ("forward=far%40example", ["sales@example.com"]),
            ("forward=.", ["sales@example.com"]),
            ("tags=Y,z", ["a.a@example.net", "sales@example.com"]),
            ("tags=x,y&requiredTags=x", ["a.a@example.net"]),
            ("requiredTags=x", ["a.a@example.net", "c@example.net"]),
            ("requiredTags=x,y&tags=y", ["a.a@example.net"]),
        ):
            self.assertEqual(await self.found(query), expected, query)
        status, answer = await self.ask("GET", "/addresses?query[$ne]=x&tags[$ne]=y&limit=500&next=x")
        self.assertEqual(status, 400)
        self.assertEqual(set(answer["details"]), {"limit", "next", "query", "tags"})

    async def test_members(self) -> None:
        """Accounts' addresses and forwarded ones, each with what it has."""
        await self.fill()
        answer = await self.done("GET", "/addresses?metaData=1&internalData=1&query=a")
        self.assertEqual(answer["query"], "a")
        by_address = {one["address"]: one for one in answer["results"]}
        one = by_address["a.a@example.net"]
        self.assertEqual(
            one,
            {
                "id": one["id"], "address": "a.a@example.net", "user": str(self.one), "forwarded": False,
                "forwardedDisabled": False, "tags": ["x", "Y"], "metaData": {"k": 1},
            },
        )  # fmt: skip
        self.assertEqual(
            by_address["sales@example.com"],
            {
                "id": self.sales, "name": "S", "address": "sales@example.com", "forwarded": True,
                "forwardedDisabled": False, "targets": ["far@Example.ORG"], "tags": ["y"],
            },
        )  # fmt: skip

    async def test_pages(self) -> None:
        """Forth and back through all addresses, each once."""
        await self.fill()
        everything = await self.found("")
        seen: list[str] = []
        cursor, page = "", 0
        answer: dict[str, Any] = {}
        while cursor is not False:
            answer = await self.done("GET", f"/addresses?limit=2&next={cursor}")
            page += 1
            self.assertEqual((answer["page"], answer["total"]), (page, 5))
            seen += [one["address"] for one in answer["results"]]
            cursor = answer["nextCursor"]
        self.assertEqual(seen, everything)
        back = await self.done("GET", f"/addresses?limit=2&previous={answer['previousCursor']}")
        self.assertEqual([one["address"] for one in back["results"]], everything[2:4])
        self.assertEqual(back["page"], 2)

    async def test_own(self) -> None:
        """A user's token lists that user's addresses only."""
        await self.fill()
        token = await self.tokens.sign_in(self.one)
        for query in ("", f"?user={self.two}", "?query=@", "?forward=far"):
            status, answer = await self.ask("GET", f"/addresses{query}", None, token)
            self.assertEqual(status, 200)
            self.assertLessEqual({one["user"] for one in answer["results"]}, {str(self.one)})
        for method, path in (
            ("GET", f"/addresses/forwarded/{self.sales}"),
            ("GET", "/addresses/resolve/one@example.com"),
        ):
            status, answer = await self.ask(method, path, None, token)
            self.assertEqual((status, answer["code"]), (403, "MissingPrivileges"))


class ForwardedTests(AddressCase):
    FORWARDED = "/addresses/forwarded"

    async def test_all_fields(self) -> None:
        """What is given comes back, with what is left of the limit."""
        targets = ["One@Example.com", "x@y.example", "smtp://mx.example.com", "https://example.com/a?b"]
        autoreply = {
            "status": True, "name": "N", "subject": "S", "text": "T", "html": "<p>",
            "start": "2026-01-02T03:04:05.678Z", "end": False,
        }  # fmt: skip
        body = {
            "address": "Sales@example.com", "name": "S", "targets": targets, "forwards": 5,
            "autoreply": autoreply, "tags": ["q"], "metaData": {"a": 1}, "internalData": {"b": 1},
        }  # fmt: skip
        id = (await self.done("POST", self.FORWARDED, body))["id"]
        shown = await self.done("GET", f"{self.FORWARDED}/{id}")
        self.assertTrue(shown.pop("created"))
        limits = {"forwards": {"allowed": 5, "used": 0, "ttl": False}}
        del body["forwards"]
        expected = {**body, "id": id, "address": "sales@example.com", "limits": limits}
        self.assertEqual(shown, expected)
        self.assertEqual(self.row(id)["targets"][0]["user"], self.one)
        await self.redis.execute("SET", f"wdf:{id}", 3, "EX", 100)
        counted = (await self.done("GET", f"{self.FORWARDED}/{id}"))["limits"]["forwards"]
        self.assertEqual((counted["allowed"], counted["used"]), (5, 3))
        self.assertTrue(90 < counted["ttl"] <= 100)

    async def test_bare(self) -> None:
        """The least that can be given; the limit of the system is its limit."""
        id = (await self.done("POST", self.FORWARDED, {"address": "s@example.com"}))["id"]
        shown = await self.done("GET", f"{self.FORWARDED}/{id}")
        del shown["created"]
        self.assertEqual(
            shown,
            {
                "id": id, "address": "s@example.com", "targets": [], "tags": [],
                "autoreply": {"status": False},
                "limits": {"forwards": {"allowed": 2000, "used": 0, "ttl": False}},
            },
        )  # fmt: skip
        self.raw.addresses.update_one(
            {"_id": ObjectId(id)}, {"$unset": {"autoreply": 1, "targets": 1, "created": 1}}
        )
        shown = await self.done("GET", f"{self.FORWARDED}/{id}")
        self.assertEqual((shown["autoreply"], shown["targets"]), ({"status": False}, []))

    async def test_system_limit(self) -> None:
        """WildDuck's setting in the database is the default."""
        self.raw.settings.insert_one({"key": "const:max:forwards", "value": "77"})
        await self.databases.shared_settings.read()
        id = (await self.done("POST", self.FORWARDED, {"address": "s@example.com"}))["id"]
        shown = await self.done("GET", f"{self.FORWARDED}/{id}")
        self.assertEqual(shown["limits"]["forwards"]["allowed"], 77)

    async def test_change(self) -> None:
        """Each field alone; no forwards is a number too; parts of an automatic reply stay."""
        body = {
            "address": "s@example.com",
            "forwards": 5,
            "autoreply": {"subject": "S", "start": "2026-01-01"},
        }
        id = (await self.done("POST", self.FORWARDED, body))["id"]
        path = f"{self.FORWARDED}/{id}"
        for change in (
            {"name": "N"}, {"tags": ["t"]}, {"metaData": {"a": 1}}, {"internalData": {"b": 1}},
            {"address": "c.c@example.com"}, {"targets": ["a@b.example"]}, {"forwardedDisabled": True}, {},
        ):  # fmt: skip
            before = await self.done("GET", path)
            self.assertEqual(await self.done("PUT", path, change), {})
            self.assertEqual(await self.done("GET", path), {**before, **change})
        await self.done("PUT", path, {"forwards": 0, "forwardedDisabled": False, "name": "", "targets": []})
        await self.done("PUT", path, {"autoreply": {"status": False, "text": "T", "start": ""}})
        shown = await self.done("GET", path)
        self.assertEqual(shown["limits"]["forwards"]["allowed"], 2000)
        self.assertEqual(shown["autoreply"], {"status": False, "subject": "S", "text": "T", "start": False})
        self.assertEqual(
            (shown["targets"], "name" in shown, "forwardedDisabled" in shown), ([], False, False)
        )
        self.assertEqual(await self.done("DELETE", path), {})
        await self.refused(404, "AddressNotFound", "DELETE", path)

    async def test_refused(self) -> None:
        """Itself as target, taken addresses, wildcards, accounts' addresses."""
        id = (await self.done("POST", self.FORWARDED, {"address": "s@example.com"}))["id"]
        path = f"{self.FORWARDED}/{id}"
        itself = {"targets": ["S+label@Example.com"]}
        await self.refused(400, "InputValidationError", "PUT", path, itself, ["targets"])
        await self.refused(
            400, "InputValidationError", "POST", self.FORWARDED, {"address": "*@x.com"}, ["address"]
        )
        await self.refused(
            400, "InputValidationError", "POST", self.FORWARDED, {"address": "a+b@x.com"}, ["address"]
        )
        await self.refused(400, "AddressExistsError", "POST", self.FORWARDED, {"address": "o.ne@example.com"})
        await self.refused(400, "AddressExistsError", "PUT", path, {"address": "one@example.com"})
        await self.refused(400, "ChangeNotAllowed", "PUT", path, {"address": "*@example.com"})
        (own,) = (await self.done("GET", self.mine))["results"]
        for method in ("GET", "PUT", "DELETE"):
            body = {"name": "x"} if method == "PUT" else None
            await self.refused(404, "AddressNotFound", method, f"{self.FORWARDED}/{own['id']}", body)
        bad = {
            "address": "x", "targets": ["bad", "ftp://x", {"$ne": 1}, "ok@x.example"], "forwards": -1,
            "autoreply": {"status": 7, "start": "x", "name": "x" * 129, "$where": "1"},
            "forwardedDisabled": "x", "metaData": "x", "allowWildcard": True,
        }  # fmt: skip
        fields = {
            "address", "targets,0", "targets,1", "targets,2", "forwards", "autoreply,status",
            "autoreply,start", "autoreply,name", "autoreply,$where", "forwardedDisabled",
            "metaData", "allowWildcard",
        }  # fmt: skip
        await self.refused(400, "InputValidationError", "PUT", path, bad, fields)


class ResolveTests(AddressCase):
    async def resolve(self, address: str, more: str = "") -> dict[str, Any]:
        return await self.done("GET", f"/addresses/resolve/{quote(address)}{more}")

    async def test_order(self) -> None:
        """Exact, alias, longest wildcard of the domain, of the alias' target, the name at any domain."""
        made: dict[str, str] = {}
        for address in (
            "ab*@example.com",
            "*yz@example.com",
            "*@example.com",
            "x*@target.example",
            "xx*@target.example",
            "*@target.example",
            "post@*",
        ):
            body = {"address": address, "allowWildcard": True}
            made[(await self.done("POST", self.mine, body))["id"]] = address
        self.raw.domainaliases.insert_one({"alias": "alias.example", "domain": "target.example"})
        self.raw.domainaliases.insert_one({"alias": "alias.com", "domain": "example.com"})
        for address, expected in (
            ("abc@example.com", "ab*@example.com"),
            ("aayz@example.com", "*yz@example.com"),
            ("a.b.yz+label@EXAMPLE.com", "ab*@example.com"),
            ("post@example.com", "*@example.com"),
            ("xxx@alias.example", "xx*@target.example"),
            ("xy@alias.example", "x*@target.example"),
            ("q@alias.example", "*@target.example"),
            ("po.st@other.example", "post@*"),
        ):
            found = await self.resolve(address, "?allowWildcard=true")
            self.assertEqual(made[found["id"]], expected, address)
            await self.refused(404, "AddressNotFound", "GET", f"/addresses/resolve/{quote(address)}")
        for address in ("one@example.com", "O.n.e+x@Example.COM", "one@alias.com"):
            self.assertEqual((await self.resolve(address))["address"], "one@example.com")
        await self.refused(
            404, "AddressNotFound", "GET", "/addresses/resolve/nobody@nowhere.example?allowWildcard=1"
        )

    async def test_members(self) -> None:
        """By id too; a forwarded one is shown with its targets."""
        id = (await self.done("POST", self.mine, {"address": "b@example.com", "metaData": {"a": 1}}))["id"]
        found = await self.resolve(id)
        self.assertTrue(found.pop("created"))
        self.assertEqual(
            found,
            {"id": id, "address": "b@example.com", "user": str(self.one), "tags": [], "metaData": {"a": 1}},
        )
        body = {"address": "s@example.com", "targets": ["a@b.example"]}
        forwarded = (await self.done("POST", "/addresses/forwarded", body))["id"]
        found = await self.resolve("s@example.com")
        self.assertEqual(found, await self.done("GET", f"/addresses/forwarded/{forwarded}"))
        for bad in ("nope", "a@", "$ne", "x" * 24):
            await self.refused(
                400, "InputValidationError", "GET", f"/addresses/resolve/{bad}", None, ["address"]
            )
        await self.refused(404, "AddressNotFound", "GET", f"/addresses/resolve/{NOBODY}")


class OtherTests(AddressCase):
    async def test_rename_domain(self) -> None:
        """Numbers of changed rows; a bad name is named; a clash changes nothing."""
        rename = "/addresses/renameDomain"
        await self.done("POST", f"/users/{self.two}/addresses", {"address": "one@taken.example"})
        await self.refused(
            400,
            "AddressExistsError",
            "PUT",
            rename,
            {"oldDomain": "example.com", "newDomain": "taken.example"},
        )
        done = await self.done("PUT", rename, {"oldDomain": "Example.com", "newDomain": "new.example"})
        self.assertEqual(
            done, {"modifiedAddresses": 2, "modifiedUsers": 2, "modifiedDkim": 0, "modifiedAliases": 0}
        )
        self.assertEqual((await self.done("GET", self.mine))["results"][0]["address"], "one@new.example")
        await self.refused(
            400, "InputValidationError", "PUT", rename, {"oldDomain": {"$ne": 1}}, ["oldDomain", "newDomain"]
        )
        await self.refused(
            400,
            "InputValidationError",
            "PUT",
            rename,
            {"oldDomain": "a b", "newDomain": "*"},
            ["oldDomain", "newDomain"],
        )

    async def test_register(self) -> None:
        """Whom the account has written to; an entry can be hidden, another's can not."""
        path = f"/users/{self.one}/addressregister"
        rows: list[dict[str, Any]] = [
            {"user": self.one, "name": "Smith", "address": "a@x.example", "updated": 1},
            {"user": self.one, "address": "smith@y.example", "updated": 2},
            {"user": self.two, "address": "smith@z.example", "updated": 3},
        ]
        ids = self.raw.addressregister.insert_many(rows).inserted_ids
        found = (await self.done("GET", f"{path}?query=SMI"))["results"]
        self.assertEqual(
            found,
            [
                {"id": str(ids[1]), "address": "smith@y.example"},
                {"id": str(ids[0]), "name": "Smith", "address": "a@x.example"},
            ],
        )
        self.assertEqual(len((await self.done("GET", f"{path}?query=smi&limit=1"))["results"]), 1)
        await self.done("PUT", f"{path}/{ids[1]}", {"disabled": True})
        await self.done("PUT", f"{path}/{ids[0]}", {"disabled": False, "name": "Smythe"})
        self.assertEqual((await self.done("GET", f"{path}?query=smi"))["results"], [])
        self.assertEqual(len((await self.done("GET", f"{path}?query=smy"))["results"]), 1)
        await self.refused(404, "AddressNotFound", "PUT", f"{path}/{ids[2]}", {"disabled": True})
        await self.refused(404, "UserNotFound", "GET", f"/users/{NOBODY}/addressregister?query=a")
        await self.refused(400, "InputValidationError", "GET", path, None, ["query"])
        await self.refused(
            400, "InputValidationError", "PUT", f"{path}/x", {"name": {"$ne": 1}}, ["id", "disabled", "name"]
        )


class HangUpTests(AddressCase):
    async def test_client_goes(self) -> None:
        """A client that does not wait for the answer leaves the address whole, the default one too."""
        body = b'{"address": "new@example.com", "main": true}'
        head = (
            f"POST {self.mine} HTTP/1.1\r\nHost: x\r\nX-Access-Token: master\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        arrived: Deferred[None] = Deferred()
        insert = self.accounts.book.insert

        async def slow(row: dict[str, Any]) -> None:
            arrived.callback(None)
            await self.gone
            await insert(row)

        self.gone: Deferred[None] = Deferred()
        self.patch(self.accounts.book, "insert", slow)
        connection = socket.create_connection(("127.0.0.1", self.caller.port))
        connection.sendall(head.encode() + body)
        await arrived
        connection.close()
        drained = self.application.drained()
        self.gone.callback(None)
        await drained
        user: Any = self.raw.users.find_one({"_id": self.one})
        self.assertEqual(user["address"], "new@example.com")
        self.assertIsNotNone(self.raw.addresses.find_one({"address": "new@example.com"}))


class CompatibleTests(AddressCase):
    api_settings = ApiSettings(token="master", compat_status=True)

    async def test_register(self) -> None:
        """WildDuck answers success: false for an entry that is not there."""
        path = f"/users/{self.one}/addressregister/{NOBODY}"
        status, answer = await self.ask("PUT", path, {"disabled": True})
        self.assertEqual((status, answer["success"]), (200, False))
