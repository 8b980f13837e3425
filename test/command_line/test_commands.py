"""The C{wildduck} command as a process, beside a running server."""

from __future__ import annotations

import os
import subprocess
import sys

from twisted.trial import unittest

from test.support.databases import data_folder
from test.support.server_process import ServerTestCase, environment


class WithoutServerTests(unittest.SynchronousTestCase):
    """Commands when no server runs."""

    def failed(self, *arguments: str, stdin: str = "") -> str:
        """The one line of a command that fails."""
        done = subprocess.run(
            [sys.executable, "-m", "wildduck.command_line", *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            env=environment(),
            timeout=120,
        )
        self.assertEqual((done.returncode, done.stdout), (1, ""), done)
        self.assertEqual(len(done.stderr.splitlines()), 1, done)
        return done.stderr.strip()

    def test_no_server(self) -> None:
        """Without a server and without configured databases it is said that none runs."""
        data = data_folder(self)
        for command in (("user", "list"), ("verify",), ("deliver", "x.eml", "--to", "a@b")):
            self.assertEqual(
                self.failed(*command, "--data", data), f"Error: no server runs on data folder {data}"
            )

    def test_left_over(self) -> None:
        """The run.json of a server that was killed is not believed."""
        data = data_folder(self)
        os.makedirs(data)
        with open(os.path.join(data, "run.json"), "w") as file:
            file.write(
                '{"mongo": {"uri": "mongodb://127.0.0.1:1/w"}, "redis": {"uri": "redis://127.0.0.1:1"}}'
            )
        self.assertIn("is left over from one that was killed", self.failed("user", "list", "--data", data))

    def test_unreachable(self) -> None:
        """Configured databases that do not answer are one line."""
        sets = ("--set", "mongo.uri=mongodb://127.0.0.1:1/w", "--set", "redis.uri=redis://127.0.0.1:1")
        self.assertIn("MongoDB at 127.0.0.1:1", self.failed("user", "list", *sets))

    def test_no_password(self) -> None:
        """An empty standard input is refused before anything is done."""
        self.assertEqual(
            self.failed("user", "create", "alice", "--password-stdin"),
            "Error: standard input holds no password",
        )


class WithServerTests(ServerTestCase):
    """Commands on the databases of a running server."""

    def setUp(self) -> None:
        self.server = self.shared_server()

    def run_command(self, *arguments: str, stdin: str = "", status: int = 0) -> str:
        """Standard output, and error where it fails."""
        done = self.server.command(*arguments, stdin=stdin)
        self.assertEqual(done.returncode, status, done)
        return done.stdout if status == 0 else done.stderr

    def create(self, name: str, *options: str, status: int = 0) -> str:
        return self.run_command(
            "user", "create", name, "--password-stdin", *options, stdin="first", status=status
        )

    def test_accounts(self) -> None:
        """Accounts are made, shown, listed, get a new password and are deleted."""
        self.create(
            "alice", "--address", "alice@example.com", "--address", "a.l@example.com", "--quota", "2 MiB"
        )
        self.create("bob")
        shown = self.run_command("user", "show", "a.l@example.com")
        for text in ("alice@example.com (main)", "a.l@example.com", "quota:     2097152 bytes"):
            self.assertIn(text, shown)
        listed = self.run_command("user", "list").splitlines()
        for line in ("alice\talice@example.com\t0\t2097152", f"bob\t\t0\t{1 << 30}"):
            self.assertIn(line, listed)
        with self.server.imap() as client:
            client.command('LOGIN "alice" "first"')
        self.run_command("user", "password", "alice", "--password-stdin", stdin="second\n")
        with self.server.imap() as client:
            self.assertEqual(client.command('LOGIN "alice" "first"', check=False).status, "NO")
            client.command('LOGIN "alice" "second"')
        self.run_command("user", "delete", "alice", "--keep-days", "3")
        self.assertNotIn("alice@", self.run_command("user", "list"))
        self.assertEqual(self.run_command("user", "restore", "A.lice"), "restored alice with 2 addresses\n")
        with self.server.imap() as client:
            client.command('LOGIN "alice" "second"')
        self.run_command("user", "delete", "alice")
        self.assertNotIn("alice@", self.run_command("user", "list"))
        for name in ("nobody", "0" * 24):
            refused = self.run_command("user", "restore", name, status=1)
            self.assertEqual(refused, "Error: Deleted account was not found\n")

    def test_token(self) -> None:
        """Tokens are made for accounts and for nobody, used, and ended."""
        self.create("grace", "--address", "grace@example.com")
        refused = self.run_command("token", "create", "grace", "user", status=1)
        self.assertIn("api.access_secret is not set", refused)
        secret = ("--set", "api.access_secret=a secret of the cluster")
        for name, role in (("grace@example.com", "user"), ("-", "manager")):
            token = self.run_command("token", "create", name, role, *secret)
            self.assertRegex(token, r"\A[0-9a-f]{40}\n\Z")
            self.assertEqual(self.run_command("token", "drop", "--token-stdin", stdin=token), "ended\n")
            again = self.run_command("token", "drop", "--token-stdin", stdin=token)
            self.assertEqual(again, "there was no such token\n")
        self.assertIn("name one", self.run_command("token", "create", "-", "user", *secret, status=1))
        self.assertIn(
            "does not exist", self.run_command("token", "create", "nobody", "auth", *secret, status=1)
        )

    def test_refused(self) -> None:
        """What can't be done is one line and exit status 1."""
        self.create("carol", "--address", "carol@example.com")
        self.assertEqual(self.create("carol", status=1), "Error: This username already exists\n")
        self.assertEqual(
            self.create("dave", "--address", "carol@example.com", status=1),
            "Error: This email address already exists\n",
        )
        self.assertIn("Error: address", self.create("dave", "--address", "no address", status=1))
        self.assertEqual(
            self.run_command("user", "show", "nobody", status=1), "Error: This user does not exist\n"
        )
        self.assertNotIn("dave", self.run_command("user", "list"))

    def test_deliver(self) -> None:
        """Files are delivered; a refused recipient is named with the answer, and the status is 1."""
        self.create("erin", "--address", "erin@example.com")
        paths = [os.path.join(os.path.dirname(self.server.data), name) for name in ("unix.eml", "exact.eml")]
        contents = (b"Subject: unix\n\nText.\n", b"Subject: exact\r\n\r\nbare \n and none at the end")
        for path, content in zip(paths, contents, strict=True):
            with open(path, "wb") as file:
                file.write(content)
        self.run_command("deliver", *paths, "--to", "erin@example.com")
        with self.server.imap() as client:
            client.command('LOGIN "erin" "first"')
            client.select()
            for number, wanted in ((1, contents[0].replace(b"\n", b"\r\n")), (2, contents[1])):
                self.assertTrue(client.fetch(number, "(BODY[])")["BODY[]"].endswith(wanted))
        refused = self.run_command(
            "deliver", paths[0], "--to", "erin@example.com", "--to", "nobody@example.com", status=1
        )
        self.assertIn("nobody@example.com refused: 550 5.1.1", refused)
        self.assertNotIn("erin@example.com", refused)

    def test_verify(self) -> None:
        """verify names what is wrong, with status 1 until it is mended."""
        self.create("frank", "--address", "frank@example.com")
        self.assertEqual(self.run_command("verify", "--min-age", "0"), "nothing found\n")
        from test.support.databases import blocking_database

        users = blocking_database(self.server.settings(self.server.data)).users
        users.update_one({"username": "frank"}, {"$set": {"storageUsed": 1000}})
        done = self.server.command("verify", "--min-age", "0")
        self.assertEqual(done.returncode, 1)
        self.assertIn("quota", done.stdout)
        self.assertIn("(repaired)", self.run_command("verify", "--min-age", "0", "--repair"))
        self.assertEqual(self.run_command("verify", "--min-age", "0"), "nothing found\n")
