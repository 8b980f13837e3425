"""Sessions ended, storage counted, passwords reset, accounts deleted and restored, over the API."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import Any

from bson import ObjectId
from twisted.internet.defer import Deferred

from test.api.users.cases import NOBODY, UsersCase
from wildduck.config import ApiSettings


class UpkeepCase(UsersCase):
    async def setUp(self) -> None:  # type: ignore[override]
        await super().setUp()
        self.user = await self.new(address="a@example.com", tags=["T"])

    def heard(self) -> Deferred[dict[str, Any]]:
        """The next command that is sent to the sessions of the user."""
        end: Deferred[dict[str, Any]] = Deferred()

        def hear(payload: bytes) -> None:
            ping = json.loads(payload)
            if ping["e"] == self.user and "p" in ping and not end.called:
                end.callback(ping["p"])

        self.addCleanup(self.redis.subscribe("wd_events", hear))
        return end


class SessionTests(UpkeepCase):
    async def test_log_out(self) -> None:
        """Sessions are told the reason, or WildDuck's."""
        for body, reason in (({"reason": "Away"}, "Away"), ({}, "Logout requested from API")):
            heard = self.heard()
            await self.redis.subscribed("wd_events")
            self.assertEqual(
                await self.call("PUT", f"/users/{self.user}/logout", **body), (200, {"success": True})
            )
            self.assertEqual(await heard, {"command": "LOGOUT", "reason": reason})

    async def test_refused(self) -> None:
        await self.refused(404, "UserNotFound", "PUT", f"/users/{NOBODY}/logout")
        path = f"/users/{self.user}/logout"
        await self.refused(400, "InputValidationError", "PUT", path, reason="x" * 129)


class QuotaTests(UpkeepCase):
    async def test_one(self) -> None:
        """What was noted, and what the messages have."""
        user = ObjectId(self.user)
        sizes = ((user, 20), (user, 3), (None, 5))
        self.raw.messages.insert_many(
            [{"user": owner, "size": size, "uid": uid} for uid, (owner, size) in enumerate(sizes, 1)]
        )
        self.raw.users.update_one({}, {"$set": {"storageUsed": 23}})
        status, answer = await self.call("POST", f"/users/{self.user}/quota/reset")
        self.assertEqual(
            (status, answer), (200, {"success": True, "storageUsed": 23, "previousStorageUsed": 23})
        )
        await self.refused(404, "UserNotFound", "POST", f"/users/{NOBODY}/quota/reset")

    async def test_all(self) -> None:
        """A task in WildDuck's form."""
        status, answer = await self.call("POST", "/quota/reset")
        (task,) = self.raw.tasks.find()
        self.assertEqual((status, answer["task"]), (200, str(task["_id"])))
        self.assertEqual(
            (task["task"], task["data"], task["locked"], task["status"]), ("quota", {}, False, "waiting")
        )


class ResetTests(UpkeepCase):
    async def test_now(self) -> None:
        """The temporary password opens the API, not IMAP; the own one stays."""
        status, answer = await self.call("POST", f"/users/{self.user}/password/reset")
        self.assertEqual((status, set(answer)), (200, {"success", "password", "validAfter"}))
        self.assertRegex(answer["password"], r"\A[A-Za-z0-9]{12}\Z")
        for password, scope, expected in (
            (answer["password"], "master", 200),
            (answer["password"], "imap", 403),
            ("secretpass", "imap", 200),
        ):
            body = {"username": "user", "password": password, "scope": scope}
            self.assertEqual((await self.call("POST", "/authenticate", **body))[0], expected)

    async def test_later(self) -> None:
        later = datetime.now(timezone.utc) + timedelta(days=1)
        path = f"/users/{self.user}/password/reset"
        status, answer = await self.call("POST", path, validAfter=later.isoformat())
        self.assertEqual((status, answer["validAfter"][:19]), (200, later.isoformat()[:19]))
        body = {"username": "user", "password": answer["password"]}
        self.assertEqual((await self.call("POST", "/authenticate", **body))[0], 403)

    async def test_refused(self) -> None:
        await self.refused(404, "UserNotFound", "POST", f"/users/{NOBODY}/password/reset")
        path = f"/users/{self.user}/password/reset"
        await self.refused(400, "InputValidationError", "POST", path, validAfter="soon")


class DeleteTests(UpkeepCase):
    async def test_at_once(self) -> None:
        """The account is gone, its name and address are free, its mail goes by a task."""
        heard = self.heard()
        await self.redis.subscribed("wd_events")
        status, answer = await self.call("DELETE", f"/users/{self.user}")
        (task,) = self.raw.tasks.find()
        due = answer.pop("deleteAfter")
        self.assertEqual(due[:19], task["lockedUntil"].isoformat()[:19])
        self.assertEqual(
            (status, answer),
            (
                200,
                {
                    "success": True,
                    "code": "TaskScheduled",
                    "user": self.user,
                    "addresses": {"deleted": 1},
                    "task": str(task["_id"]),
                },
            ),
        )
        self.assertEqual((task["data"], task["status"]), ({"user": ObjectId(self.user)}, "waiting"))
        self.assertEqual(await heard, {"command": "LOGOUT", "reason": "The account was deleted"})
        await self.refused(404, "UserNotFound", "GET", f"/users/{self.user}")
        await self.refused(400, "DeleteInProgress", "POST", f"/users/{self.user}/restore")
        await self.new(address="a@example.com")

    async def test_later_and_back(self) -> None:
        """Until its time an account is shown among the deleted ones, and comes back whole."""
        before = self.without_dates()
        path = f"/users/{self.user}"
        await self.call("DELETE", path, deleteAfter="2030-01-02T03:04:05.678Z")
        status, answer = await self.call("DELETE", f"{path}?deleteAfter=2031-01-02T03:04:05.678Z")
        self.assertEqual(
            (status, answer["deleteAfter"], answer["addresses"]),
            (200, "2031-01-02T03:04:05.678Z", {"deleted": 0}),
        )
        task = answer["task"]
        status, answer = await self.call("GET", f"{path}/restore")
        self.assertRegex(answer.pop("deleted"), r"\A20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\Z")
        expected = {
            "success": True, "user": self.user, "username": "user", "storageUsed": 0, "tags": ["T"],
            "recoverableAddresses": ["a@example.com"],
        }  # fmt: skip
        self.assertEqual((status, answer), (200, expected))
        status, answer = await self.call("POST", f"{path}/restore")
        addresses = {"recovered": 1, "main": "a@example.com"}
        expected = {
            "success": True,
            "code": "TaskCancelled",
            "user": self.user,
            "task": task,
            "addresses": addresses,
        }
        self.assertEqual((status, answer), (200, expected))
        self.assertEqual(self.without_dates(), before)
        self.assertEqual(self.raw.tasks.count_documents({}), 0)

    async def test_without_a_task(self) -> None:
        await self.call("DELETE", f"/users/{self.user}?deleteAfter=2030-01-01")
        self.raw.tasks.delete_many({})
        _, answer = await self.call("POST", f"/users/{self.user}/restore")
        self.assertEqual((answer["code"], "task" in answer), ("RequestProcessed", False))

    async def test_refused(self) -> None:
        for method, path, code in (
            ("DELETE", f"/users/{NOBODY}", "UserNotFound"),
            ("GET", f"/users/{NOBODY}/restore", "AccountNotFound"),
            ("POST", f"/users/{self.user}/restore", "AccountNotFound"),
        ):
            await self.refused(404, code, method, path)
        for bad in ("soon", "$gt"):
            await self.refused(400, "InputValidationError", "DELETE", f"/users/{self.user}?deleteAfter={bad}")
        self.assertEqual(self.raw.users.count_documents({}), 1)

    async def test_name_taken(self) -> None:
        await self.call("DELETE", f"/users/{self.user}?deleteAfter=2030-01-01")
        await self.new("u.ser")
        await self.refused(400, "AccountFound", "POST", f"/users/{self.user}/restore")


class CompatTests(UpkeepCase):
    """C{api.compat_status}."""

    api_settings = ApiSettings(compat_status=True)

    async def test_statuses(self) -> None:
        for path, code in (("restore", "AccountNotFound"), ("password/reset", "UserNotFound")):
            await self.refused(500, code, "POST", f"/users/{NOBODY}/{path}")
        await self.refused(500, "UserNotFound", "PUT", f"/users/{NOBODY}/logout")
