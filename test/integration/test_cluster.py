"""Two server processes on the same databases: what is done through one is told by the other."""

from __future__ import annotations

from typing import Any

from test.support.blocking_imap import CommandFailed, Imap
from test.support.server_process import ServerProcess, ServerTestCase

_USER = "fred"
_MESSAGE = b"From: sender@example.net\r\nSubject: cluster\r\n\r\nText.\r\n"


class ClusterTests(ServerTestCase):
    """Clients wait in IDLE, one on each server."""

    def _watchers(self, servers: tuple[ServerProcess, ServerProcess], mailbox: str = "INBOX") -> list[Imap]:
        watchers = [server.imap(_USER) for server in servers]
        for watcher in watchers:
            self.addCleanup(watcher.close)
            watcher.select(mailbox)
            watcher.idle()
        return watchers

    def _writer(self, server: ServerProcess, mailbox: str = "") -> Imap:
        writer = server.imap(_USER)
        self.addCleanup(writer.close)
        if mailbox:
            writer.select(mailbox)
        return writer

    def _all_told(self, watchers: list[Imap], *last: Any) -> list[list[list[Any]]]:
        return [watcher.told(*last) for watcher in watchers]

    def test_changes(self) -> None:
        """Arrivals by LMTP, APPEND, COPY and MOVE, flags and expunges; through either server."""
        servers = self.pair()
        address = servers[0].account(_USER)
        self._writer(servers[0]).command("CREATE Other")
        watchers = self._watchers(servers)
        exists = 0
        for server in servers:
            with server.lmtp() as lmtp:
                self.assertEqual(250, lmtp.data(_MESSAGE, [address])[0].code)
            exists += 1
            self._all_told(watchers, exists, b"EXISTS")
            other = self._writer(server, "Other")
            for _ in range(2):
                other.append("Other", _MESSAGE)
            for command in ("COPY 1:2 INBOX", "MOVE 1:2 INBOX"):
                other.command(command)
                exists += 2
                self._all_told(watchers, exists, b"EXISTS")
            other.append("INBOX", _MESSAGE, options="(\\Flagged)")
            exists += 1
            self._all_told(watchers, exists, b"EXISTS")
            writer = self._writer(server, "INBOX")
            writer.command(f"STORE {exists - 1}:{exists} +FLAGS (\\Deleted $Work)")
            for told in self._all_told(watchers, exists, b"FETCH"):
                self.assertIn([exists - 1, b"FETCH"], [response[:2] for response in told])
                (flags,) = [response[2][1] for response in told if response[:2] == [exists, b"FETCH"]]
                self.assertEqual({b"\\Flagged", b"\\Deleted", b"$Work"}, set(flags) - {b"\\Recent"})
            writer.command("EXPUNGE")
            exists -= 2
            for told in self._all_told(watchers, exists + 1, b"EXPUNGE"):
                self.assertEqual([[exists + 2, b"EXPUNGE"], [exists + 1, b"EXPUNGE"]], told)
            writer.command("MOVE 1 Other")
            exists -= 1
            self._all_told(watchers, 1, b"EXPUNGE")
        for watcher in watchers:
            self.assertEqual([], watcher.done().untagged)
        known = [watcher.command("UID FETCH 1:* (FLAGS)").rows() for watcher in watchers]
        uids = [[row["UID"] for row in rows.values()] for rows in known]
        self.assertEqual((uids[0], exists), (uids[1], len(uids[0])))
        # To one of the two each was recent.
        recent = [sum(b"\\Recent" in row["FLAGS"] for row in rows.values()) for rows in known]
        self.assertEqual(exists, sum(recent))

    def test_mailbox_of_another_process(self) -> None:
        """Renamed under a session it goes on; deleted, the session gets BYE."""
        servers = self.pair()
        servers[0].account(_USER)
        writer = self._writer(servers[0])
        writer.command("CREATE Other")
        watchers = self._watchers(servers, "Other")
        writer.command("RENAME Other Elsewhere")
        writer.append("Elsewhere", _MESSAGE)
        self._all_told(watchers, 1, b"EXISTS")
        writer.command("DELETE Elsewhere")
        for watcher in watchers:
            told = watcher.told(b"BYE")
            self.assertEqual([[b"BYE", b"The selected mailbox was deleted"]], told[-1:])
            self.assertRaises(ConnectionError, watcher.told, b"BYE")
        self.assertRaises(CommandFailed, writer.select, "Elsewhere")
