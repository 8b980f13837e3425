"""The way that a user goes: an account by HTTP or by command, mail by LMTP, reading by IMAP."""

from __future__ import annotations

import base64
import os
import random
from typing import Any

from test.integration.beside import store_beside
from test.support.databases import blocking_database
from test.support.server_process import PASSWORD, ServerProcess, ServerTestCase

_DAY = 86_400.0
#: Archive time (25 days by default) and the sweeper's day, with room.
_LATER = 40 * _DAY
_MESSAGES = 100


def _message(number: int, attachment: bytes) -> bytes:
    encoded = base64.encodebytes(attachment).replace(b"\n", b"\r\n")
    return (
        b"From: sender@example.net\r\nSubject: number %d\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
        b"--b\r\nContent-Type: text/plain\r\n\r\nText %d.\r\n"
        b"--b\r\nContent-Type: application/pdf; name=a.pdf\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\n%b--b--\r\n" % (number, number, encoded)
    )


class FrontDoorTests(ServerTestCase):
    """All from outside, over sockets and commands."""

    def test_http_and_imap(self) -> None:
        """An account made by HTTP takes mail by LMTP, with a label too, and reads it by IMAP and over TLS."""
        server = self.server()
        address = server.account("alice", quota=10_000_000)
        with server.lmtp() as lmtp:
            replies = lmtp.data(b"Subject: one\r\n\r\nText.\r\n", [address, "alice+label@example.com"])
            self.assertEqual([reply.code for reply in replies], [250, 250])
            self.assertEqual(lmtp.command("MAIL FROM:<>").code, 250)
            refused = lmtp.command("RCPT TO:<nobody@example.com>")
            self.assertEqual((refused.code, refused.text[:5]), (550, "5.1.1"))
        with server.imap() as client:
            client.start_tls()
            client.login("alice", PASSWORD)
            self.assertEqual(client.select().untagged and client.exists, 2)
            self.assertTrue(client.fetch(1, "(BODY[])")["BODY[]"].endswith(b"Subject: one\r\n\r\nText.\r\n"))
            self.assertIn(b"\\Seen", client.fetch(1, "(FLAGS)")["FLAGS"])
        status, user = server.api("/user?username=alice")
        self.assertEqual((status, user["quota"]), (200, 10_000_000))
        self.assertGreater(user["storageUsed"], 40)
        self.assertEqual(server.api("/health")[0], 200)

    def test_commands(self) -> None:
        """The wildduck command makes, shows and deletes an account, and delivers files to it."""
        server = self.server()
        path = os.path.join(os.path.dirname(server.data), "mail.eml")
        with open(path, "wb") as file:
            file.write(b"Subject: from a file\n\nText.\n")
        self._command(
            server,
            "user",
            "create",
            "bob",
            "--password-stdin",
            "--address",
            "bob@example.com",
            stdin=PASSWORD,
        )
        self.assertIn("bob@example.com", self._command(server, "user", "list"))
        self._command(server, "deliver", path, "--to", "bob@example.com")
        with server.imap("bob") as client:
            client.select()
            self.assertTrue(
                client.fetch(1, "(BODY[])")["BODY[]"].endswith(b"Subject: from a file\r\n\r\nText.\r\n")
            )
        self.assertEqual(self._command(server, "verify", "--min-age", "0"), "nothing found\n")
        self._command(server, "user", "delete", "bob")
        self.assertNotIn("bob@example.com", self._command(server, "user", "list"))
        with server.lmtp() as lmtp:
            lmtp.command("MAIL FROM:<>")
            self.assertEqual(lmtp.command("RCPT TO:<bob@example.com>").code, 550)

    def _command(self, server: ServerProcess, *arguments: str, stdin: str = "") -> str:
        done = server.command(*arguments, stdin=stdin)
        self.assertEqual(done.returncode, 0, done)
        return done.stdout

    async def test_attachment(self) -> None:
        """One attachment in 100 messages is stored once; expunged and long after, nothing is left."""
        server = self.server("storage.collector_minutes=0")
        address = server.account("carol")
        attachment = random.Random(1).randbytes(400_000)
        with server.lmtp() as lmtp:
            for number in range(_MESSAGES):
                (reply,) = lmtp.data(_message(number, attachment), [address])
                self.assertEqual(reply.code, 250, reply)
        database = blocking_database(server.settings(server.data))
        (row,) = database["attachments.files"].find()
        self.assertEqual((row["length"], row["metadata"]["c"]), (len(attachment), _MESSAGES))
        self.assertEqual(database["attachments.chunks"].count_documents({}), 2)
        self.assertEqual(self._command(server, "verify", "--min-age", "0"), "nothing found\n")
        with server.imap("carol") as client:
            client.select()
            client.command("STORE 1:* +FLAGS.SILENT (\\Deleted)")
            client.command("EXPUNGE")
        self.assertEqual(database.archived.count_documents({}), _MESSAGES)
        self.assertEqual(self._command(server, "verify", "--min-age", "0"), "nothing found\n")
        for later in (_LATER, 2 * _LATER):  # first the archive, then what nobody refers to
            store = await store_beside(self, server, later)
            await store.collector().run_once()
        self.assertEqual(self._left(database), {})
        self.assertEqual(self._command(server, "verify", "--min-age", "0"), "nothing found\n")
        self.assertEqual(server.api("/user?username=carol")[1]["storageUsed"], 0)

    def _left(self, database: Any) -> dict[str, int]:
        names = ("messages", "archived", "attachments.files", "attachments.chunks")
        counts = {name: int(database[name].count_documents({})) for name in names}
        return {name: count for name, count in counts.items() if count}
