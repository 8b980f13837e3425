"""Mailboxes over the API, over real sockets (spec/api.md §3)."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from bson import ObjectId

from test.api.test_addresses import NOBODY, AddressCase
from test.mailstore.support import META, message
from wildduck.limits import MAILBOXES
from wildduck.mailstore.values import Mailbox
from wildduck.mime.message import scan

MEMBERS = {
    "id", "name", "path", "specialUse", "modifyIndex", "subscribed", "hidden", "encryptMessages", "retention",
}  # fmt: skip


class MailboxCase(AddressCase):
    async def setUp(self) -> None:  # type: ignore[override]
        await super().setUp()
        self.boxes = f"/users/{self.one}/mailboxes"

    async def make(self, path: str, **more: Any) -> str:
        made = await self.done("POST", self.boxes, {"path": path, **more})
        return str(made["id"])

    async def show(self, id: str) -> dict[str, Any]:
        return await self.done("GET", f"{self.boxes}/{id}")

    async def paths(self, query: str = "") -> list[str]:
        return [one["path"] for one in (await self.done("GET", f"{self.boxes}{query}"))["results"]]

    def document(self, id: str) -> dict[str, Any]:
        return dict(self.raw.mailboxes.find_one({"_id": ObjectId(id)}) or {})

    async def add(self, box: Mailbox, count: int = 1, **options: Any) -> None:
        account = await self.accounts.get("one")
        self.raw.users.update_one({"_id": self.one}, {"$set": {"quota": 1_000_000}})
        for n in range(count):
            data = scan(message(n))
            await self.store.add(account, box, data, meta=META, **options)
            data.close()


class ListTests(MailboxCase):
    async def test_order_and_members(self) -> None:
        """INBOX, what lies under it, the subscribed ones by name, the others."""
        await self.make("Zed")
        await self.make("inbox/x")
        await self.make("abc")
        await self.make("Äpfel/Birnen")
        away = await self.make("aaa")
        await self.done("PUT", f"{self.boxes}/{away}", {"subscribed": False})
        await self.make("Hid", hidden=True)
        plain = [
            "INBOX",
            "INBOX/x",
            "abc",
            "Äpfel/Birnen",
            "Drafts",
            "Junk",
            "Sent Mail",
            "Trash",
            "Zed",
            "aaa",
        ]
        self.assertEqual(await self.paths(), plain)
        self.assertEqual(await self.paths("?showHidden=1"), [*plain[:5], "Hid", *plain[5:]])
        special = ["INBOX", "Drafts", "Junk", "Sent Mail", "Trash"]
        self.assertEqual(await self.paths("?specialUse=true"), special)
        rows = (await self.done("GET", self.boxes))["results"]
        for row in rows:
            self.assertEqual(set(row), MEMBERS)
        by_path = {row["path"]: row for row in rows}
        self.assertEqual(by_path["Äpfel/Birnen"]["name"], "Birnen")
        self.assertEqual((by_path["INBOX"]["specialUse"], by_path["Junk"]["specialUse"]), (None, "\\Junk"))
        self.assertEqual((by_path["INBOX"]["retention"], by_path["Junk"]["retention"]), (0, 30 * 86_400_000))
        self.assertEqual([by_path[name]["subscribed"] for name in ("abc", "aaa")], [True, False])

    async def test_order_of_punctuation(self) -> None:
        """As people's lists are sorted, not by code points."""
        wanted = ["10", "9", "a b", "a_b", "a-b", "a.b", "a/b", "ab", "Ab", "Äb", "b"]
        for path in reversed(wanted):
            await self.make(path)
        self.assertEqual([path for path in await self.paths() if path in wanted], wanted)

    async def test_counters(self) -> None:
        """Messages, unseen ones and bytes, where they are asked for; right after every change."""
        inbox = await self.store.mailboxes.get(self.one, "INBOX")
        await self.add(inbox, 3)
        await self.add(inbox, 2, flags=["\\Seen"])

        async def counts(query: str) -> dict[str, Any]:
            rows = (await self.done("GET", f"{self.boxes}?{query}"))["results"]
            return {name: rows[0][name] for name in sorted(set(rows[0]) - MEMBERS)}

        size = sum(row["size"] for row in self.raw.messages.find())
        self.assertEqual(await counts(""), {})
        self.assertEqual(await counts("counters=1"), {"total": 5, "unseen": 3})
        self.assertEqual(await counts("sizes=1"), {"size": size})
        await self.store.store_flags(inbox, [1], "+", ["\\Seen"])
        self.assertEqual(await counts("counters=1&sizes=1"), {"size": size, "total": 5, "unseen": 2})
        await self.store.store_flags(inbox, [1, 2], "+", ["\\Deleted"])
        await self.store.expunge(inbox)
        self.assertEqual(await counts("counters=1"), {"total": 3, "unseen": 1})
        shown = await self.show(str(inbox.id))
        self.assertEqual((shown["total"], shown["unseen"]), (3, 1))
        rows = (await self.done("GET", f"{self.boxes}?counters=1&sizes=1"))["results"]
        self.assertEqual([(row["total"], row["unseen"], row["size"]) for row in rows[1:]], [(0, 0, 0)] * 4)

    async def test_few_round_trips(self) -> None:
        """Twenty mailboxes with counters: mailboxes and account are read once, and counted at most once."""
        for n in range(15):
            await self.make(f"m{n}")
        asked: list[str] = []
        run = self.databases.main._cluster.run

        async def counting(command: dict[str, Any], *arguments: Any, **options: Any) -> Any:
            asked.append(next(iter(command)) + " " + str(next(iter(command.values()))))
            return await run(command, *arguments, **options)

        self.patch(self.databases.main._cluster, "run", counting)
        await self.done("GET", f"{self.boxes}?counters=1")
        self.assertEqual(
            sorted(asked), ["aggregate messages", "aggregate messages", "find mailboxes", "find users"]
        )
        self.raw.mailboxes.update_many({}, [{"$set": {"native.time": {"$subtract": ["$$NOW", 11_000]}}}])
        await self.done("GET", f"{self.boxes}?counters=1")
        asked.clear()
        self.assertEqual(len((await self.done("GET", f"{self.boxes}?counters=1"))["results"]), 20)
        self.assertEqual(sorted(asked), ["find mailboxes", "find users"])

    async def test_old_documents(self) -> None:
        """Documents with few or odd fields are shown as well as can be."""
        self.raw.mailboxes.insert_many(
            [
                {"user": self.one, "path": "bare"},
                {"user": self.one, "path": "odd", "retention": None, "specialUse": False, "modifyIndex": 3.0},
            ]
        )
        rows = {row["path"]: row for row in (await self.done("GET", f"{self.boxes}?counters=1"))["results"]}
        self.assertEqual((rows["bare"]["subscribed"], rows["bare"]["specialUse"]), (False, None))
        self.assertEqual((rows["odd"]["retention"], rows["odd"]["modifyIndex"]), (0, 3))

    async def test_refused(self) -> None:
        await self.refused(404, "UserNotFound", "GET", f"/users/{NOBODY}/mailboxes")
        bad = "?specialUse=x&showHidden=7&counters[$ne]=1&sizes=&more=1"
        fields = ["specialUse", "showHidden", "counters", "more"]
        await self.refused(400, "InputValidationError", "GET", self.boxes + bad, None, fields)


class CreateTests(MailboxCase):
    async def test_all_fields(self) -> None:
        """As given, told to IMAP clients, in WildDuck's form."""
        heard = self.hear()
        id = await self.make("Work/Deep/Er", retention=90_000, hidden=True, encryptMessages=True)
        shown = await self.show(id)
        self.assertEqual(
            shown,
            {
                "id": id, "name": "Er", "path": "Work/Deep/Er", "specialUse": None, "modifyIndex": 1,
                "subscribed": True, "hidden": True, "encryptMessages": True, "retention": 90_000,
                "total": 0, "unseen": 0,
            },
        )  # fmt: skip
        entry: Any = self.raw.journal.find_one({"mailbox": ObjectId(id)})
        self.assertEqual(
            (entry["command"], entry["path"], entry["user"]), ("CREATE", "Work/Deep/Er", self.one)
        )
        await self.store.settle()
        self.assertIn({"e": str(self.one)}, [{"e": ping["e"]} for ping in heard()])
        # Levels between are not made.
        self.assertNotIn("Work", await self.paths("?showHidden=1"))

    def hear(self) -> Any:
        from test.support.databases import blocking_redis

        channel = blocking_redis(self.settings).pubsub()
        channel.subscribe("wd_events")
        channel.get_message(timeout=1)
        self.addCleanup(channel.close)
        return lambda: [json.loads(m["data"]) for m in iter(lambda: channel.get_message(timeout=0.5), None)]

    async def test_retention_of_the_account(self) -> None:
        """A mailbox without retention gets the account's; none is a value too."""
        self.raw.users.update_one({"_id": self.one}, {"$set": {"retention": 5e9}})
        self.assertEqual((await self.show(await self.make("a")))["retention"], 5_000_000_000)
        self.assertEqual((await self.show(await self.make("b", retention=0)))["retention"], 0)

    async def test_refused(self) -> None:
        """Names that are taken or not possible, accounts that are not there, too many mailboxes."""
        await self.make("/a")
        for path in ("a", "INBOX", "inbox", "Trash"):
            await self.refused(400, "MailboxExistsError", "POST", self.boxes, {"path": path})
        for path in ("a/", "a//b", "x" * 513, "/".join("x" * 129), "x" * 70_000):
            await self.refused(400, "InputValidationError", "POST", self.boxes, {"path": path}, ["path"])
        for path in ("x\0y", "a\r\nb", "/"):
            status, answer = await self.ask("POST", self.boxes, {"path": path})
            self.assertEqual(status, 400, answer)
        bad = {
            "path": {"$ne": 1},
            "hidden": "x",
            "retention": -1,
            "encryptMessages": [],
            "specialUse": "\\Junk",
        }
        await self.refused(400, "InputValidationError", "POST", self.boxes, bad, bad)
        await self.refused(400, "InputValidationError", "POST", self.boxes, {}, ["path"])
        await self.refused(404, "UserNotFound", "POST", f"/users/{NOBODY}/mailboxes", {"path": "x"})
        self.assertEqual(self.raw.mailboxes.count_documents({"user": ObjectId(NOBODY)}), 0)
        count = self.raw.mailboxes.count_documents({"user": self.one})
        self.raw.mailboxes.insert_many(
            [{"user": self.one, "path": f"many{n}"} for n in range(MAILBOXES - count)]
        )
        status, answer = await self.ask("POST", self.boxes, {"path": "one more"})
        self.assertEqual(status, 400, answer)
        self.assertEqual(self.raw.mailboxes.count_documents({"user": self.one}), MAILBOXES)


class ShowTests(MailboxCase):
    async def test_resolve(self) -> None:
        """By its name, INBOX in any case."""
        id = await self.make("A b/ü")
        self.assertEqual((await self.done("GET", f"{self.boxes}/resolve?path={quote('A b/ü')}"))["id"], id)
        self.assertEqual(await self.show("resolve?path=inBox"), await self.show("resolve?path=INBOX"))
        await self.refused(404, "NoSuchMailbox", "GET", f"{self.boxes}/resolve?path=a+b")
        await self.refused(400, "InputValidationError", "GET", f"{self.boxes}/resolve", None, ["path"])
        await self.refused(
            400, "InputValidationError", "GET", f"{self.boxes}/resolve?path[$ne]=x", None, ["path"]
        )

    async def test_refused(self) -> None:
        id = await self.make("a")
        await self.refused(400, "InputValidationError", "GET", f"{self.boxes}/{id}?path=a", None, ["path"])
        await self.refused(404, "NoSuchMailbox", "GET", f"{self.boxes}/{NOBODY}")
        await self.refused(404, "UserNotFound", "GET", f"/users/{NOBODY}/mailboxes/{id}")
        await self.refused(400, "InputValidationError", "GET", f"{self.boxes}/xyz", None, ["mailbox"])


class ChangeTests(MailboxCase):
    async def test_settings(self) -> None:
        """Each alone; neither session nor address of the caller is kept."""
        id = await self.make("a")
        for change in (
            {"subscribed": False}, {"encryptMessages": True}, {"hidden": True}, {"retention": 5_000_000_000},
            {"hidden": False}, {"path": "b/c"}, {"path": "b/c", "retention": 0},
        ):  # fmt: skip
            before = await self.show(id)
            body = {**change, "sess": "session", "ip": "192.0.2.1"}
            self.assertEqual(await self.done("PUT", f"{self.boxes}/{id}", body), {})
            expected = {**before, **change}
            if "path" in change:
                expected["name"] = "c"
            self.assertEqual(await self.show(id), expected)
        self.assertEqual(set(self.document(id)) & {"sess", "ip", "name", "path2", "children"}, set())
        (task,) = self.raw.tasks.find()
        self.assertEqual(
            (task["task"], task["data"]),
            ("mailbox-retention", {"user": self.one, "mailbox": ObjectId(id), "retentionCounter": 2}),
        )

    async def test_children(self) -> None:
        """What lies under a mailbox stays, or goes with it if that is said."""
        id = await self.make("a")
        await self.make("a/b")
        await self.done("PUT", f"{self.boxes}/{id}", {"path": "x"})
        self.assertEqual({"a/b", "x"}, {path for path in await self.paths() if path[0] in "ax"})
        await self.done("PUT", f"{self.boxes}/{id}", {"path": "a"})
        await self.done("PUT", f"{self.boxes}/{id}", {"path": "x", "children": True})
        alone = {"subscribed": False, "children": True}
        await self.refused(400, "InputValidationError", "PUT", f"{self.boxes}/{id}", alone, ["children"])
        self.assertEqual({"x", "x/b"}, {path for path in await self.paths() if path[0] in "ax"})

    async def test_refused(self) -> None:
        """INBOX and hidden mailboxes keep their names; nothing to do is an error; bad fields are named."""
        id = await self.make("a")
        hidden = await self.make("h", hidden=True)
        inbox = (await self.show("resolve?path=INBOX"))["id"]
        before = list(self.raw.mailboxes.find())
        await self.refused(400, "DisallowedMailboxMethod", "PUT", f"{self.boxes}/{inbox}", {"path": "x"})
        await self.refused(400, "DisallowedMailboxMethod", "PUT", f"{self.boxes}/{hidden}", {"path": "x"})
        await self.refused(
            400, "MailboxExistsError", "PUT", f"{self.boxes}/{id}", {"path": "Trash", "hidden": True}
        )
        nothing = {"path", "retention", "subscribed", "encryptMessages", "hidden"}
        for body in ({}, {"sess": "x", "ip": "::1"}, {"children": True}, {"path": ""}):
            await self.refused(400, "InputValidationError", "PUT", f"{self.boxes}/{id}", body, nothing)
        bad = {
            "path": "a//",
            "retention": {"$inc": 1},
            "subscribed": "x",
            "hidden": 3,
            "encryptMessages": {},
            "user2": 1,
        }
        await self.refused(400, "InputValidationError", "PUT", f"{self.boxes}/{id}", bad, bad)
        for change in ({"path": "x"}, {"hidden": True}):
            await self.refused(404, "NoSuchMailbox", "PUT", f"{self.boxes}/{NOBODY}", change)
            await self.refused(404, "NoSuchMailbox", "PUT", f"/users/{NOBODY}/mailboxes/{id}", change)
        self.assertEqual(list(self.raw.mailboxes.find()), before)

    async def test_owner(self) -> None:
        """Another's mailbox is not there, whatever is asked of it and with whichever token."""
        id = await self.make("a")
        token = await self.tokens.sign_in(self.two)
        before = list(self.raw.mailboxes.find())
        for holder, whose in (("master", self.two), (token, self.two), (token, "me")):
            path = f"/users/{whose}/mailboxes/{id}"
            for method, body in (
                ("GET", None), ("PUT", {"hidden": True}), ("PUT", {"path": "mine"}),
                ("PUT", {"retention": 1}), ("PUT", {"subscribed": False, "user": str(self.one)}),
                ("DELETE", None),
            ):  # fmt: skip
                status, answer = await self.ask(method, path, body, holder)
                self.assertEqual((status, answer["code"]), (404, "NoSuchMailbox"), (method, body))
        status, answer = await self.ask("PUT", f"{self.boxes}/{id}", {"hidden": True}, token)
        self.assertEqual((status, answer["code"]), (403, "MissingPrivileges"))
        self.assertEqual(list(self.raw.mailboxes.find()), before)
        self.assertEqual(self.raw.tasks.count_documents({}), 0)


class DeleteTests(MailboxCase):
    async def test_deleted(self) -> None:
        """Messages expire, filters that point to it go, what lies under it stays."""
        id = await self.make("a")
        await self.make("a/b")
        await self.add(await self.store.mailboxes.get(self.one, "a"), 2)
        self.raw.filters.insert_one({"user": self.one, "action": {"mailbox": ObjectId(id)}})
        self.assertEqual(await self.done("DELETE", f"{self.boxes}/{id}"), {})
        self.assertIn("a/b", await self.paths())
        self.assertEqual(self.raw.messages.count_documents({"exp": True}), 2)
        self.assertEqual(self.raw.filters.count_documents({}), 0)
        self.assertIsNotNone(self.raw.journal.find_one({"command": "DELETE", "mailbox": ObjectId(id)}))
        await self.refused(404, "NoSuchMailbox", "DELETE", f"{self.boxes}/{id}")
        await self.refused(404, "NoSuchMailbox", "GET", f"{self.boxes}/{id}")

    async def test_refused(self) -> None:
        """INBOX, special-use and hidden mailboxes stay."""
        await self.make("h", hidden=True)
        for row in (await self.done("GET", f"{self.boxes}?showHidden=1"))["results"]:
            await self.refused(400, "DisallowedMailboxMethod", "DELETE", f"{self.boxes}/{row['id']}")
        self.assertEqual(len(await self.paths("?showHidden=1")), 6)
        await self.refused(404, "NoSuchMailbox", "DELETE", f"/users/{NOBODY}/mailboxes/{NOBODY}")
        await self.refused(400, "InputValidationError", "DELETE", f"{self.boxes}/x", None, ["mailbox"])


class EncryptionTests(MailboxCase):
    async def test_nothing_in_clear(self) -> None:
        """A mailbox that is told to encrypt gets nothing in clear from then on."""
        from wildduck.errors import CannotDo

        id = await self.make("a")
        box = await self.store.mailboxes.get(self.one, "a")
        await self.done("PUT", f"{self.boxes}/{id}", {"encryptMessages": True, "path": "b"})
        with self.assertRaises(CannotDo):
            await self.add(box)
        self.assertEqual(self.raw.messages.count_documents({}), 0)
