"""Accounts over the API, on real sockets and databases."""

from __future__ import annotations

import json
import socket
from typing import Any

from bson import ObjectId
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread

from test.accounts.key_samples import FINE, WEAK
from test.accounts.test_keys import certificate
from test.api.users.cases import NOBODY, SETTINGS, UsersCase
from wildduck.accounts import passwords
from wildduck.accounts.stored import meta_value
from wildduck.limits import GIB

#: Where GET shows a setting, if not under its own name.
LIMITS = {
    "quota": "quota",
    "recipients": "recipients",
    "forwards": "forwards",
    "filters": "filters",
    "imapMaxUpload": "imapUpload",
    "imapMaxDownload": "imapDownload",
    "pop3MaxDownload": "pop3Download",
    "pop3MaxMessages": "pop3MaxMessages",
    "imapMaxConnections": "imapMaxConnections",
    "receivedMax": "received",
}
NOT_SHOWN = {"uploadSentMessages"}


class CreateTests(UsersCase):
    async def test_little(self) -> None:
        """What an account is that little was said of."""
        user = await self.new(address="first.last@example.com")
        window = {"used": 0, "ttl": False}
        day = {"allowed": 10 * GIB, **window}
        self.assertEqual(
            await self.show(user),
            {
                "success": True,
                "id": user,
                "username": "user",
                "name": None,
                "address": "first.last@example.com",
                "language": None,
                "enabled2fa": [],
                "autoreply": False,
                "encryptMessages": False,
                "encryptForwarded": False,
                "pubKey": "",
                "smimeCerts": [],
                "smimeCipher": "AES-CBC",
                "smimeKeyTransport": "PKCS#1 v1.5",
                "spamLevel": 50,
                "keyInfo": False,
                "smimeCertInfo": [],
                "metaData": {},
                "internalData": {},
                "targets": [],
                "limits": {
                    "quota": {"allowed": 1000, "used": 0},
                    "recipients": {"allowed": 2000, **window},
                    "forwards": {"allowed": 2000, **window},
                    "received": {"allowed": 60, **window},
                    "filters": {"allowed": 400, "used": 0},
                    "imapUpload": day,
                    "imapDownload": day,
                    "pop3Download": day,
                    "pop3MaxMessages": {"allowed": 250},
                    "imapMaxConnections": {"allowed": 15, "used": 0},
                },
                "tags": [],
                "fromWhitelist": [],
                "featureFlags": {},
                "disabledScopes": [],
                "hasPasswordSet": True,
                "activated": True,
                "disabled": False,
                "suspended": False,
                "passwordPwned": False,
                "require2faEnabled": False,
                "requirePasswordChange": False,
            },
        )
        paths = [row["path"] for row in self.raw.mailboxes.find({"user": ObjectId(user)}).sort("_id")]
        self.assertEqual(paths, ["INBOX", "Sent Mail", "Trash", "Drafts", "Junk"])

    def shown(self, answer: dict[str, Any], name: str) -> Any:
        if name in LIMITS:
            return answer["limits"][LIMITS[name]]["allowed"]
        return answer[name]

    async def test_everything(self) -> None:
        """Every setting is stored and shown as it was said, by POST and by PUT."""
        made = await self.new("one", **SETTINGS)
        changed = await self.new("two")
        status, answer = await self.call("PUT", f"/users/{changed}", **SETTINGS)
        self.assertEqual((status, answer), (200, {"success": True}))
        for user in (made, changed):
            answer = await self.show(user)
            for name, value in SETTINGS.items():
                if name not in NOT_SHOWN:
                    self.assertEqual(self.shown(answer, name), value, name)
            self.assertEqual(answer["keyInfo"]["address"], "fine@example.com")
            row = self.row(user)
            self.assertEqual((row["uploadSentMessages"], row["tagsview"]), (True, ["a", "b"]))
            self.assertEqual(meta_value(row["metaData"]), SETTINGS["metaData"])
            self.assertEqual({"protocol", "sess", "ip", "allowUnsafe"} & set(row), set())

    async def test_certificates(self) -> None:
        pem = certificate()
        user = await self.new(smimeCerts=[pem], smimeCipher="AES-GCM", smimeKeyTransport="OAEP")
        answer = await self.show(user)
        self.assertEqual(
            (answer["smimeCerts"], answer["smimeCipher"], answer["smimeKeyTransport"]),
            ([pem.strip()], "AES-GCM", "OAEP"),
        )
        self.assertEqual(answer["smimeCertInfo"][0]["subject"], "O=Example\nCN=Me")

    async def test_mailboxes(self) -> None:
        """The special-use mailboxes have the names that were asked for (WildDuck loses them)."""
        user = await self.new(mailboxes={"sent": "Mine/Out", "trash": "", "junk": "Bad"}, language="de")
        rows = self.raw.mailboxes.find({"user": ObjectId(user)})
        self.assertEqual(
            {row["specialUse"]: row["path"] for row in rows},
            {
                None: "INBOX",
                "\\Sent": "Mine/Out",
                "\\Trash": "Gelöscht",
                "\\Drafts": "Entwürfe",
                "\\Junk": "Bad",
            },
        )
        before = self.without_dates()
        for names, field in (
            ({"sent": "x", "junk": "x"}, "mailboxes,junk"),
            ({"drafts": "inbox"}, "mailboxes,drafts"),
            ({"sent": "a//b"}, "mailboxes,sent"),
            ({"archive": "x"}, "mailboxes,archive"),
        ):
            answer = await self.refused(
                400, "InputValidationError", "POST", "/users", username="x", password="x", mailboxes=names
            )
            self.assertEqual(set(answer["details"]), {field})
        self.assertEqual(self.without_dates(), before)

    async def test_passwords(self) -> None:
        """A password, its hash, a temporary one or none."""
        for name, (given, more, opens) in enumerate(
            (
                ("secret", {}, ("imap", "master")),
                (False, {}, ()),
                ("", {}, ()),
                ("$1$salt$qJH7.N4xYta3aEG/dfqo/0", {"hashedPassword": True}, ("imap", "master")),
                ("secret", {"requirePasswordChange": True}, ("master",)),
            )
        ):
            user = await self.new(f"user{name}", password=given, **more)
            password = "password" if more.get("hashedPassword") else "secret"
            for scope in ("imap", "master"):
                body = {"username": f"user{name}", "password": password, "scope": scope}
                status, _ = await self.call("POST", "/authenticate", **body)
                self.assertEqual(status, 200 if scope in opens else 403, (name, scope))
            self.assertEqual((await self.show(user))["hasPasswordSet"], bool(given))

    async def test_password_is_required(self) -> None:
        answer = await self.refused(400, "InputValidationError", "POST", "/users", username="x")
        self.assertEqual(set(answer["details"]), {"password"})

    async def test_addresses(self) -> None:
        """Made from the username, given, or none."""
        domain = self.accounts._creation._around.email_domain
        for fields, address in (
            ({"username": "a.b@example.com"}, "a.b@example.com"),
            ({"username": "c.d"}, f"c.d@{domain}"),
            ({"username": "e", "address": "E.f+x@Example.com"}, "e.f@example.com"),
            ({"username": "g", "emptyAddress": True}, ""),
        ):
            user = await self.new(**fields)
            self.assertEqual((await self.show(user))["address"], address)
            rows = self.raw.addresses.find({"user": ObjectId(user)})
            self.assertEqual([row["address"] for row in rows], [address] if address else [])

    async def test_taken(self) -> None:
        """A name and an address can be had once; nothing is left of who comes too late."""
        await self.new("u.ser", address="a@example.com")
        before = self.without_dates()
        answer = await self.refused(400, "UserExistsError", "POST", "/users", username="User", password="x")
        self.assertEqual(answer["username"], "user")
        body = {"username": "other", "password": "x", "address": "A@example.com"}
        answer = await self.refused(400, "AddressExistsError", "POST", "/users", **body)
        self.assertEqual((answer["username"], self.without_dates()), ("other", before))

    async def test_every_bad_field(self) -> None:
        """All failed fields are named at once, and nothing is made."""
        bad = {
            "username": "a b", "password": 5, "address": "nowhere", "language": "x" * 21, "retention": -1,
            "name": "x" * 257, "targets": ["ok@example.com", "ftp://x"], "mtaRelay": "https://x.example",
            "spamLevel": 101, "quota": -1, "recipients": "x", "forwards": 1.5, "filters": True,
            "imapMaxUpload": 2**53, "fromWhitelist": ["x" * 129], "tags": "x", "disabledScopes": ["master"],
            "metaData": "x", "internalData": 5, "smimeCipher": "x", "smimeKeyTransport": "x",
            "smimeCerts": ["x"] * 17, "encryptMessages": "maybe", "featureFlags": {"flying": True},
            "hashedPassword": 7, "mailboxes": {"other": "x"}, "unknown": 1,
        }  # fmt: skip
        answer = await self.refused(400, "InputValidationError", "POST", "/users", **bad)
        nested = {"targets": "targets,1", "fromWhitelist": "fromWhitelist,0",
                  "disabledScopes": "disabledScopes,0", "featureFlags": "featureFlags,flying",
                  "mailboxes": "mailboxes,other"}  # fmt: skip
        self.assertEqual(set(answer["details"]), {nested.get(name, name) for name in bad})
        self.assertEqual(self.raw.users.count_documents({}), 0)

    async def test_bad_keys(self) -> None:
        """Keys that nothing can be encrypted to."""
        for fields, failed in (
            ({"pubKey": WEAK}, {"pubKey"}),
            ({"pubKey": "x"}, {"pubKey"}),
            ({"smimeCerts": [certificate(1024)]}, {"smimeCerts,0"}),
            ({"pubKey": FINE, "smimeCerts": [certificate()]}, {"pubKey", "smimeCerts"}),
            ({"password": "x", "hashedPassword": True}, {"password"}),
        ):
            body = {"username": "x", "password": "x", **fields}
            answer = await self.refused(400, "InputValidationError", "POST", "/users", **body)
            self.assertEqual(set(answer["details"]), failed)
        self.assertEqual(self.raw.users.count_documents({}), 0)

    async def test_breached(self) -> None:
        """A password that is known is refused where it is to be looked up, and only there."""
        asked: list[str] = []

        class Known:
            asks = True

            async def knows(self, password: str) -> bool:
                asked.append(password)
                return True

        for part in (self.accounts._creation, self.accounts._updating):
            object.__setattr__(part._around, "pwned", Known())
        user = await self.new(allowUnsafe=True)
        for method, path in (("POST", "/users"), ("PUT", f"/users/{user}")):
            body = {"password": "secret", "allowUnsafe": False}
            if method == "POST":
                body["username"] = "x"
            await self.refused(403, "InsecurePasswordError", method, path, **body)
        self.assertEqual(asked, ["secret"] * 2)

    async def test_nobody_to_ask(self) -> None:
        """Where no service is set, a password that is to be looked up is refused, and nothing is changed."""
        user = await self.new("y")
        for method, path, more in (
            ("POST", "/users", {"username": "x"}),
            ("PUT", f"/users/{user}", {"name": "Other"}),
        ):
            body = {"password": "secret", "allowUnsafe": False, **more}
            answer = await self.refused(400, "InputValidationError", method, path, **body)
            self.assertEqual(set(answer["details"]), {"allowUnsafe"})
        self.assertEqual([row.get("name") or "" for row in self.raw.users.find()], [""])
        hashed = passwords.hash_password("secret")
        await self.new("z", password=hashed, hashedPassword=True, allowUnsafe=False)


class ListTests(UsersCase):
    async def asyncSetUp(self) -> None:
        self.ids = [
            await self.new(
                f"user.{letter}", address=f"{letter}@example.com", tags=[letter, "All"], metaData={"n": 1}
            )
            for letter in "abcde"
        ]

    async def found(self, query: str) -> list[str]:
        status, answer = await self.call("GET", f"/users?{query}")
        self.assertEqual((status, answer["total"]), (200, len(answer["results"])), answer)
        return [row["username"][-1] for row in answer["results"]]

    async def test_found(self) -> None:
        """By parts of address and name, of targets, and by tags."""
        await self.asyncSetUp()
        await self.call("PUT", f"/users/{self.ids[2]}", targets=["https://hook.example/?X=1"])
        for query, expected in (
            ("", "abcde"),
            ("query=A@exa", "a"),
            ("query=us.er", "abcde"),
            ("query=serb", "b"),
            ("query=nothing", ""),
            ("forward=hook.example/%3Fx", "c"),
            ("forward=hook.example", "c"),
            ("tags=A,%20b", "ab"),
            ("requiredTags=all,c", "c"),
            ("tags=a,b&requiredTags=B", ""),
            ("tags=b&requiredTags=B", "b"),
            ("unknown=1", "abcde"),
        ):
            self.assertEqual("".join(await self.found(query)), expected, query)

    async def test_row(self) -> None:
        user = await self.new(quota=5, metaData={"m": 1}, internalData={"i": 1}, targets=["x@y.example"])
        self.raw.users.update_one({}, {"$set": {"storageUsed": -5, "enabled2fa": True}})
        row = {
            "id": user, "username": "user", "name": None, "address": self.row(user)["address"], "tags": [],
            "targets": ["x@y.example"], "enabled2fa": ["totp"], "autoreply": False, "encryptMessages": False,
            "encryptForwarded": False, "quota": {"allowed": 5, "used": 0}, "hasPasswordSet": True,
            "activated": True, "disabled": False, "suspended": False,
        }  # fmt: skip
        for query, more in (
            ("", {}),
            ("metaData=1&internalData=yes", {"metaData": {"m": 1}, "internalData": {"i": 1}}),
        ):
            _, answer = await self.call("GET", f"/users?{query}")
            self.assertEqual(answer["results"], [{**row, **more}])
            self.assertNotIn("query", answer)

    async def test_pages(self) -> None:
        """Forth and back, each account once, in the order of ids."""
        await self.asyncSetUp()
        seen, path = [], "/users?limit=2&query=user"
        for page in (1, 2, 3):
            _, answer = await self.call("GET", path)
            self.assertEqual((answer["page"], answer["total"], answer["query"]), (page, 5, "user"))
            seen += [row["id"] for row in answer["results"]]
            path = f"/users?limit=2&query=user&next={answer['nextCursor']}"
        self.assertEqual((seen, answer["nextCursor"]), (self.ids, False))
        _, answer = await self.call("GET", f"/users?limit=2&query=user&previous={answer['previousCursor']}")
        self.assertEqual([row["id"] for row in answer["results"]], self.ids[2:4])
        _, answer = await self.call("GET", f"/users?limit=2&query=user&previous={answer['previousCursor']}")
        self.assertEqual((answer["previousCursor"], answer["page"]), (False, 1))

    async def test_bad(self) -> None:
        for query in ("limit=0", "limit=251", "next=x", "metaData=maybe", f"query={'x' * 256}"):
            await self.refused(400, "InputValidationError", "GET", f"/users?{query}")


class ResolveTests(UsersCase):
    async def test_resolve(self) -> None:
        """Dots do not count, nor does a label of a name that is an address."""
        plain, address = await self.new("first.last"), await self.new("first.last@example.com")
        for name, user in (
            ("firstlast", plain),
            ("F.irst.Last", plain),
            ("firstlast@example.com", address),
            ("First.Last@example.com", address),
        ):
            status, answer = await self.call("GET", f"/users/resolve/{name}")
            self.assertEqual((status, answer), (200, {"success": True, "id": user}))
        await self.refused(404, "UserNotFound", "GET", "/users/resolve/nobody")


class ShowTests(UsersCase):
    async def test_nobody(self) -> None:
        await self.refused(404, "UserNotFound", "GET", f"/users/{NOBODY}")

    async def test_counters(self) -> None:
        user = await self.new(recipients=9)
        await self.redis.execute("SET", f"wdr:{user}", "5", "EX", "500")
        await self.redis.execute("HSET", "lim:imap", user, "2")
        limits = (await self.show(user))["limits"]
        self.assertEqual((limits["recipients"]["allowed"], limits["recipients"]["used"]), (9, 5))
        self.assertTrue(490 <= limits["recipients"]["ttl"] <= 500)
        self.assertEqual(limits["imapMaxConnections"]["used"], 2)

    async def test_odd_document(self) -> None:
        """A document of an older WildDuck that lacks everything, or has it in odd forms, is shown."""
        bare, odd = ObjectId(), ObjectId()
        names = [name for name in await self.show(await self.new()) if name not in ("id", "success")]
        names += ["quota", "storageUsed", "mtaRelay", "retention", "tempPassword", *LIMITS]
        self.raw.users.insert_one({"_id": bare, "unameview": "bare"})
        for number, value in enumerate((None, 5, "x", [5, {"x": 1}], {"x": {"y": 1}}, float("nan"), True)):
            self.raw.users.replace_one(
                {"_id": odd}, {**dict.fromkeys(names, value), "unameview": f"odd{number}"}, upsert=True
            )
            await self.show(str(odd))
            status, _ = await self.call("GET", "/users?metaData=1&internalData=1")
            self.assertEqual(status, 200, value)
        self.assertEqual((await self.show(str(bare)))["spamLevel"], 50)
        status, _ = await self.call("PUT", f"/users/{odd}", password="newpass", targets=[], quota=1)
        self.assertEqual(status, 200)


class UpdateTests(UsersCase):
    async def test_nothing(self) -> None:
        user = await self.new()
        for body in ({}, {"protocol": "x", "sess": "s", "ip": "::1"}, {"existingPassword": "secretpass"}):
            await self.refused(400, "NoUpdates", "PUT", f"/users/{user}", **body)
        await self.refused(404, "UserNotFound", "PUT", f"/users/{NOBODY}", name="x")

    async def test_cleared(self) -> None:
        """An empty string clears name, key, relay and password, and is nothing for the others."""
        user = await self.new(name="A", pubKey=FINE, mtaRelay="smtp://x.example", language="et", quota=5)
        body = {"name": "", "pubKey": "", "mtaRelay": "", "password": "", "language": "", "quota": ""}
        status, _ = await self.call("PUT", f"/users/{user}", **body)
        answer = await self.show(user)
        self.assertEqual(
            (status, answer["name"], answer["pubKey"], "mtaRelay" in answer, answer["hasPasswordSet"]),
            (200, "", "", False, False),
        )
        self.assertEqual((answer["language"], answer["limits"]["quota"]["allowed"]), ("et", 5))

    async def test_not_settable(self) -> None:
        """What only POST takes, and what nobody sets, is refused by name."""
        user = await self.new()
        for name in ("username", "address", "emptyAddress", "addTagsToAddress", "mailboxes", "authVersion",
                     "requirePasswordChange", "storageUsed", "activated", "tempPassword"):  # fmt: skip
            answer = await self.refused(400, "InputValidationError", "PUT", f"/users/{user}", **{name: "x"})
            self.assertEqual(set(answer["details"]), {name})

    async def test_existing_password(self) -> None:
        user = await self.new()
        body = {"password": "newpass", "existingPassword": "wrong"}
        await self.refused(403, "AuthFail", "PUT", f"/users/{user}", **body)
        status, _ = await self.call("PUT", f"/users/{user}", **{**body, "existingPassword": "secretpass"})
        self.assertEqual(status, 200)
        self.assertTrue(passwords.verify_password("newpass", self.row(user)["password"]))

    async def test_session_noted(self) -> None:
        """Who did it from where is in the account's log."""
        user = await self.new(sess="s0", ip="192.0.2.1")
        await self.call("PUT", f"/users/{user}", password="newpass", sess="s1", ip="192.0.2.2")
        rows = self.raw.authlog.find({"user": ObjectId(user)}).sort("_id")
        self.assertEqual(
            [(row["action"], row["ip"], row["sess"], row.get("protocol")) for row in rows],
            [("account created", "192.0.2.1", "s0", None), ("password change", "192.0.2.2", "s1", "API")],
        )


class HangUpTests(UsersCase):
    async def test_hang_up(self) -> None:
        """A client that hangs up in the midst leaves a whole account, or none."""
        users = self.accounts._creation._users
        insert_one, begun = users.insert_one, []

        async def insert(collection: str, *args: Any, **more: Any) -> None:
            if collection == "users":
                begun.append(Deferred())
                await begun[0]
            await insert_one(collection, *args, **more)

        self.patch(users, "insert_one", insert)
        body = json.dumps({"username": "user", "password": "secretpass", "address": "a@example.com"})
        request = (
            f"POST /users HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}"
        )

        def send_and_go() -> None:
            with socket.create_connection(("127.0.0.1", self.caller.port)) as connection:
                connection.sendall(request.encode())
                while not begun:
                    pass

        await deferToThread(send_and_go)
        begun[0].callback(None)
        await self.application.drained()
        row = self.raw.users.find_one()
        self.assertEqual((row["activated"], row["address"]), (True, "a@example.com"))
        self.assertEqual(
            (self.raw.addresses.count_documents({}), self.raw.mailboxes.count_documents({})), (1, 5)
        )
