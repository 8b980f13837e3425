"""PUT and DELETE of messages, with IMAP sessions that see them."""

from __future__ import annotations

import json
from typing import Any

from test.api.messages_case import SETTINGS, MessagesCase
from wildduck.mailstore import expunge


class UpdateTests(MessagesCase):
    """spec/api.md §4 'PUT …/messages'."""

    async def test_both_forms(self) -> None:
        await self.put(3)
        answer = await self.messages("PUT", "/1,3", {"seen": True})
        self.assertEqual(answer, (200, {"success": True, "updated": 2}))
        answer = await self.messages("PUT", "", {"message": "2:*", "flagged": "yes"})
        self.assertEqual(answer, (200, {"success": True, "updated": 2}))
        self.assertEqual(
            [["\\Seen"], ["\\Flagged"], ["\\Seen", "\\Flagged"]], [row["flags"] for row in self.rows()]
        )

    async def test_a_waiting_session_is_told(self) -> None:
        await self.put(2)
        client = await self.idling()
        await self.messages("PUT", "/2", {"seen": True, "flagged": True})
        self.assertEqual(await client.line(), b"* 2 FETCH (FLAGS (\\Flagged \\Seen \\Recent))")
        await self.messages("DELETE", "/1")
        self.assertEqual(await client.line(), b"* 1 EXPUNGE")

    async def test_expiry_and_metadata(self) -> None:
        await self.put(1)
        body = {"expires": "2030-01-02T03:04:05.678Z", "metaData": '{"$where": {"a.b": 1}}'}
        self.assertEqual((await self.messages("PUT", "/1", body))[0], 200)
        (row,) = self.rows()
        self.assertEqual((True, 1893553445678), (row["exp"], row["rdate"]))
        self.assertEqual({"$where": {"a.b": 1}}, json.loads(row["meta"]["custom"]))
        self.assertEqual((await self.messages("PUT", "/1", {"expires": False}))[0], 200)
        self.assertFalse(self.rows()[0]["exp"])

    async def test_move(self) -> None:
        await self.put(3, "\\Flagged")
        target = await self.mailbox("Target")
        here, there = await self.idling(), await self.idling("Target")
        body = {
            "message": "2:3",
            "moveTo": str(target.id),
            "seen": True,
            "flagged": False,
            "metaData": {"a": 1},
        }
        status, answer = await self.messages("PUT", "", body)
        self.assertEqual(
            (status, answer), (200, {"success": True, "mailbox": str(target.id), "id": [[2, 1], [3, 2]]})
        )
        for row in self.rows(target):
            self.assertEqual(
                (["\\Seen"], False, '{"a":1}'), (row["flags"], row["unseen"], row["meta"]["custom"])
            )
        self.assertEqual([1], self.uids())
        self.assertIn(b"EXPUNGE", await here.line())
        self.assertEqual(b"* 2 EXISTS", await there.line())

    async def test_what_is_not_there(self) -> None:
        await self.put(1)
        target = await self.mailbox("Target")
        for rest, body, code in (
            ("/7", {"seen": True}, "MessageNotFound"),
            ("/2:*", {"seen": True}, "MessageNotFound"),
            ("/7", {"moveTo": str(target.id)}, "MessageNotFound"),
            ("/1", {"moveTo": str(self.nobody())}, "NoSuchMailbox"),
        ):
            status, answer = await self.messages("PUT", rest, body)
            self.assertEqual((status, answer["code"]), (404, code))
        status, answer = await self.call("PUT", f"{self.nobody()}/messages/1", {"seen": True})
        self.assertEqual((status, answer["code"]), (404, "NoSuchMailbox"))
        for body in ({}, {"markHam": False}):
            status, answer = await self.messages("PUT", "/1", body)
            self.assertEqual((status, answer["code"]), (400, "NothingChanged"))

    async def test_marked_as_ham(self) -> None:
        """The journal says it of what is moved, as WildDuck's does; without a move nothing would."""
        await self.put(2)
        target = await self.mailbox("Target")
        for body in ({"markHam": True}, {"markHam": True, "seen": True}):
            status, answer = await self.messages("PUT", "/1", body)
            self.assertEqual((status, answer["code"]), (400, "InputValidationError"))
            self.assertEqual(set(answer["details"]), {"markHam"})
        self.assertEqual([], self.rows()[0]["flags"])
        for uid, body in ((1, {"markHam": True}), (2, {})):
            status, _ = await self.messages("PUT", f"/{uid}", {"moveTo": str(target.id), **body})
            self.assertEqual(status, 200)
        entries = self.db.journal.find({"mailbox": target.id, "command": "EXISTS"}).sort("uid", 1)
        self.assertEqual([True, None], [entry.get("markHam") for entry in entries])

    async def test_bad_values(self) -> None:
        await self.put(1)
        for rest, body, fields in (
            ("/x", {"seen": True}, {"message"}),
            ("/1:2:3", {"seen": True}, {"message"}),
            ("/0", {"seen": True}, {"message"}),
            ("", {"seen": True}, {"message"}),
            ("/1", {"seen": 7, "draft": {"$ne": 1}, "other": 1}, {"seen", "draft", "other"}),
            ("/1", {"expires": "soon", "metaData": "x", "moveTo": "x"}, {"expires", "metaData", "moveTo"}),
            ("/1", {"expires": True}, {"expires"}),
            ("/1", {"metaData": {"a": "x" * (1 << 20)}}, {"metaData"}),
        ):
            status, answer = await self.messages("PUT", rest, body)
            self.assertEqual((status, answer["code"]), (400, "InputValidationError"))
            self.assertEqual(set(answer["details"]), fields)
        self.assertEqual([], self.rows()[0]["flags"])

    async def test_another_users_target(self) -> None:
        """Whatever token it is: messages never leave their account."""
        await self.put(1)
        theirs = await self.mailbox("INBOX", self.other)
        for token in (self.token, "master"):
            status, answer = await self.messages("PUT", "/1", {"moveTo": str(theirs.id)}, token=token)
            self.assertEqual((status, answer["code"]), (404, "NoSuchMailbox"))
        self.assertEqual(([1], []), (self.uids(), self.uids(theirs)))

    async def test_another_users_mailbox_under_the_own_name(self) -> None:
        """The owner of the mailbox counts, not only the name in the path."""
        await self.put(1)
        path = f"/users/{self.other.id}/mailboxes/{self.inbox.id}/messages"
        for method, rest, body in (
            ("PUT", "/1", {"seen": True}),
            ("DELETE", "/1", None),
            ("DELETE", "", None),
            ("DELETE", "?async=true", None),
            ("POST", "", {"text": "x"}),
        ):
            headers = {"X-Access-Token": self.other_token}
            status, answer = await self.caller.call(method, path + rest, body, headers)
            self.assertEqual((status, answer["code"]), (404, "NoSuchMailbox"), method)
        self.assertEqual([[]], [row["flags"] for row in self.rows()])
        self.assertEqual(0, self.db.tasks.count_documents({}))

    async def test_another_users_token(self) -> None:
        await self.put(1)
        for method, rest, body in (
            ("PUT", "/1", {"seen": True}),
            ("PUT", "", {"message": "1", "seen": True}),
            ("DELETE", "/1", None),
            ("DELETE", "", None),
            ("POST", "", {"text": "x"}),
        ):
            status, answer = await self.messages(method, rest, body, token=self.other_token)
            self.assertEqual((status, answer["code"]), (403, "MissingPrivileges"), method)
        self.assertEqual([[]], [row["flags"] for row in self.rows()])

    async def test_encrypted_target(self) -> None:
        await self.put(1)
        target = await self.mailbox("Target")
        self.set_mailbox(target, encryptMessages=True)
        status, answer = await self.messages("PUT", "/1", {"moveTo": str(target.id), "seen": True})
        self.assertEqual((status, answer["code"]), (400, "DisallowedMailboxMethod"))
        self.assertEqual([[]], [row["flags"] for row in self.rows()])


class CompatTests(MessagesCase):
    """With C{api.compat_status}."""

    api_settings = type(SETTINGS)(
        token="master", access_control=True, access_secret="a secret of the cluster", compat_status=True
    )

    async def test_statuses(self) -> None:
        await self.put(1)
        for body in ({}, {"moveTo": str(self.nobody())}):
            self.assertEqual((await self.messages("PUT", "/1", body))[0], 500)

    async def test_mailbox_in_use(self) -> None:
        """WildDuck's word for it, too."""
        await self.put(1)
        self.patch(expunge, "LOCK_WAIT_SECONDS", 0)
        lock = await self.store._backend.locks.acquire(f"mbwr:{self.inbox.id}", 60, 0)
        assert lock is not None
        status, answer = await self.messages("DELETE", "/1")
        await lock.release()
        self.assertEqual((status, answer["code"]), (500, "LockFail"))
        self.assertEqual([1], self.uids())


class DeleteTests(MessagesCase):
    """spec/api.md §4 'DELETE …/messages'."""

    async def test_one(self) -> None:
        await self.put(2)
        answer = await self.messages("DELETE", "/1")
        self.assertEqual(answer, (200, {"success": True, "deleted": 1, "errors": 0}))
        self.assertEqual(([2], 1), (self.uids(), self.db.archived.count_documents({})))
        status, answer = await self.messages("DELETE", "/1")
        self.assertEqual((status, answer["code"]), (404, "MessageNotFound"))
        self.assertEqual(self.rows()[0]["size"], self.storage_used())

    async def test_what_can_not_be_archived_stays(self) -> None:
        """And is not said to be missing."""
        await self.put(1)
        removal = self.store._removal

        async def nothing(rows: Any) -> set[Any]:
            return set()

        self.patch(removal, "archive", nothing)
        status, answer = await self.messages("DELETE", "/1")
        self.assertEqual((status, answer["code"]), (503, "ServiceUnavailable"))
        self.assertEqual(await self.messages("DELETE"), (200, {"success": True, "deleted": 0, "errors": 1}))
        self.assertEqual([1], self.uids())

    async def test_draft_is_not_archived(self) -> None:
        await self.put(1, "\\Draft")
        await self.messages("DELETE", "/1")
        self.assertEqual(([], 0), (self.uids(), self.db.archived.count_documents({})))

    async def test_all(self) -> None:
        await self.put(3)
        client = await self.idling()
        answer = await self.messages("DELETE")
        self.assertEqual(answer, (200, {"success": True, "deleted": 3, "errors": 0}))
        self.assertEqual(([], 3, 0), (self.uids(), self.db.archived.count_documents({}), self.storage_used()))
        self.assertEqual(
            [b"* 3 EXPUNGE", b"* 2 EXPUNGE", b"* 1 EXPUNGE"], [await client.line() for _ in range(3)]
        )
        answer = await self.messages("DELETE")
        self.assertEqual(answer, (200, {"success": True, "deleted": 0, "errors": 0}))

    async def test_all_without_the_archive(self) -> None:
        await self.put(2)
        await self.messages("DELETE", "?skipArchive=true")
        self.assertEqual(([], 0), (self.uids(), self.db.archived.count_documents({})))

    async def test_by_a_task(self) -> None:
        await self.put(2)
        status, first = await self.messages("DELETE", "", {"async": True, "skipArchive": True})
        _, second = await self.messages("DELETE", "?async=1")
        (task,) = self.db.tasks.find()
        self.assertEqual(
            (200, {"success": True, "existing": False, "scheduled": str(task["_id"])}), (status, first)
        )
        self.assertEqual({**first, "existing": True}, second)
        self.assertEqual(
            {"user": self.account.id, "mailbox": self.inbox.id, "skipArchive": True}, task["data"]
        )
        self.assertEqual([1, 2], self.uids())

    async def test_bad_values(self) -> None:
        await self.put(1)
        cases: list[tuple[str, Any]] = [("/0", None), ("/x", None), ("/1,2", None), ("?async=maybe", None)]
        for rest, body in cases:
            status, answer = await self.messages("DELETE", rest, body)
            self.assertEqual((status, answer["code"]), (400, "InputValidationError"), rest)
        status, answer = await self.call("DELETE", f"{self.nobody()}/messages")
        self.assertEqual((status, answer["code"]), (404, "NoSuchMailbox"))
        self.assertEqual([1], self.uids())
