"""Accounts whose documents npm's WildDuck wrote, on every face of a server in its own process."""

from __future__ import annotations

import poplib
from typing import Any

from test.support import wildduck_documents
from test.support.blocking_imap import Imap
from test.support.databases import blocking_database, blocking_redis
from test.support.server_process import ServerTestCase
from test.support.wildduck_documents import IN, NOT_HERE, SHUT, TABLE, WRONG, Written

_POP3 = {
    WRONG: b"-ERR [AUTH] Invalid credentials",
    NOT_HERE: b"-ERR [AUTH] This account may not use this service",
    SHUT: b"-ERR [AUTH] Account is disabled",
}
_API = {WRONG: "AuthFailed", NOT_HERE: "InvalidAuthScope", SHUT: "UserDisabled"}
_MESSAGE = b"Subject: to %b\r\n\r\nText.\r\n"


class WrittenAccountTests(ServerTestCase):
    """One server for all accounts."""

    timeout = 300

    def setUp(self) -> None:
        server = self.shared_server()
        self.started = server
        settings = server.settings(server.data)
        self.db, self.redis = blocking_database(settings), blocking_redis(settings)

    def put(self, name: str) -> Written:
        """An account that is not there yet, removed after the test."""
        written = wildduck_documents.read(name)
        written.put(self.db)
        self.addCleanup(self._remove, written)
        return written

    def _remove(self, written: Written) -> None:
        for collection, rows in written.documents.items():
            self.db[collection].delete_many({"_id": {"$in": [row["_id"] for row in rows]}})

    def over_imap(self, name: str, password: str) -> str:
        with Imap(self.started.ports["imap"]) as imap:
            answer = imap.command("LOGIN", name.encode(), "", password.encode(), check=False)
        return IN if answer.status == "OK" else answer.text.partition(b"[")[2].partition(b"]")[0].decode()

    def over_pop3(self, name: str, password: str) -> bytes:
        client = poplib.POP3("127.0.0.1", self.started.ports["pop3"], timeout=60)
        client.encoding = "utf-8"
        try:
            client.user(name)
            return client.pass_(password)
        except poplib.error_proto as error:
            return bytes(error.args[0])
        finally:
            client.close()

    def over_api(self, name: str, password: str, scope: str) -> tuple[int, dict[str, Any]]:
        """C{POST /authenticate}."""
        body = {"username": name, "password": password, "scope": scope, "ip": "192.0.2.1"}
        return self.started.api("/authenticate", body)

    def forget(self, written: Written) -> None:
        """What was tried before must not limit what comes."""
        self.redis.delete(f"auth_user:{written.id}")

    def test_table(self) -> None:
        """Each password opens what WildDuck's documents say it opens, and nothing else."""
        made: dict[str, Written] = {}
        for name, which, imap, pop3, master in TABLE:
            if name not in made:
                made[name] = self.put(name)
            written, place = made[name], (name, which)
            username, password = written.username, written.passwords[which]
            self.assertEqual(imap, self.over_imap(username, password), place)
            answer = self.over_pop3(username, password)
            self.assertTrue(answer.startswith(b"+OK" if pop3 == IN else _POP3[pop3]), (*place, answer))
            for scope, wanted in (("imap", imap), ("pop3", pop3), ("master", master)):
                status, said = self.over_api(username, password, scope)
                if wanted not in (IN, "master", "temporary"):
                    self.assertEqual((403, _API.get(wanted, wanted)), (status, said["code"]), (*place, scope))
                    continue
                self.assertEqual((200, str(written.id)), (status, said.get("id")), (*place, scope))
                factors = written.user["enabled2fa"] if wanted == "master" else []
                self.assertEqual(factors or False, said["require2fa"], place)
                self.assertEqual(wanted == "temporary", said["requirePasswordChange"], place)
            self.forget(written)

    def test_hashes(self) -> None:
        """A hash of every scheme opens each face, for its password alone."""
        names = [name for name in wildduck_documents.names() if name.startswith("hash-")]
        self.assertEqual(len(names), 15)
        for number, name in enumerate(names):
            written = self.put(name)
            username, password = written.username, written.passwords["master"]
            # What opens first replaces the hash: each face meets some as they were.
            faces = [
                lambda u=username, p=password: self.over_imap(u, p) == IN,
                lambda u=username, p=password: self.over_pop3(u, p).startswith(b"+OK"),
                lambda u=username, p=password: self.over_api(u, p, "master")[0] == 200,
            ]
            for face in faces[number % 3 :] + faces[: number % 3]:
                self.assertTrue(face(), name)
            self.assertEqual(WRONG, self.over_imap(username, password.upper()), name)
            self.assertEqual(_POP3[WRONG], self.over_pop3(username, password.upper())[: len(_POP3[WRONG])])
            self.assertEqual(403, self.over_api(username, password.upper(), "imap")[0], name)

    def test_delivered(self) -> None:
        """LMTP delivers to every account but one that is disabled, and its owner reads it."""
        for name in wildduck_documents.names():
            written = self.put(name)
            address = written.user["address"]
            with self.started.lmtp() as lmtp:
                self.assertEqual(lmtp.command("MAIL FROM:<a@example.net>").code, 250)
                reply = lmtp.command(f"RCPT TO:<{address}>")
                if name == "disabled":
                    self.assertEqual(reply.code, 550, reply)
                    continue
                self.assertEqual(reply.code, 250, (name, reply))
                (reply,) = lmtp.content(_MESSAGE % name.encode(), 1)
                self.assertEqual(reply.code, 250, (name, reply))
            self.addCleanup(self.db.messages.delete_many, {"user": written.id})
            (row,) = self.db.messages.find({"user": written.id})
            self.assertEqual(row["subject"], f"to {name}")
            if name in ("plain", "hash-des"):
                self._read(written)

    def _read(self, written: Written) -> None:
        """The only message of an account, over both faces for readers."""
        with self.started.imap() as imap:
            imap.login(written.username, written.passwords["master"])
            imap.command("SELECT INBOX")
            text = imap.command("FETCH 1 BODY.PEEK[TEXT]").row()["BODY[TEXT]"]
        client = poplib.POP3("127.0.0.1", self.started.ports["pop3"], timeout=60)
        self.addCleanup(client.close)
        client.user(written.username)
        client.pass_(written.passwords["master"])
        self.assertEqual((text, client.retr(1)[1][-1]), (b"Text.\r\n", b"Text."))
