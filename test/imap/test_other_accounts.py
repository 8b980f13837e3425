"""
Commands on mailboxes reach the account's own alone (anchors/reliability.md §4.3, row 21).

Two accounts have mailboxes of the same kind; whatever one of them says, it hears
nothing of the other's, and nothing of the other's is changed.
"""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import TestCase

from test.imap.server import ImapServer
from test.support.databases import blocking_database
from wildduck.imap.grammar.modes import Modes

MESSAGE = b"From: a@example.org\r\nSubject: s\r\n\r\nbody\r\n"

#: What the other one does, with fred's names, and how it is answered.
COMMANDS: list[tuple[bytes, bytes]] = [
    (b'LIST "" *', b"OK"),
    (b'LIST "" "secret*"', b"OK"),
    (b'LIST (SUBSCRIBED RECURSIVEMATCH) "" (* secret/%) RETURN (STATUS (MESSAGES SIZE MAILBOXID))', b"OK"),
    (b'LIST (SPECIAL-USE REMOTE) "" * RETURN (SUBSCRIBED CHILDREN SPECIAL-USE)', b"OK"),
    (b'LIST "#user/fred/" *', b"OK"),
    (b'LIST "fred@example.com/" %', b"OK"),
    (b'LSUB "" *', b"OK"),
    (b'XLIST "" *', b"OK"),
    (b"NAMESPACE", b"OK"),
    (b"STATUS secret (MESSAGES UNSEEN UIDNEXT SIZE DELETED DELETED-STORAGE MAILBOXID)", b"NO [NONEXISTENT]"),
    (b"STATUS {id} (MESSAGES)", b"NO [NONEXISTENT]"),
    (b"STATUS fred/secret (MESSAGES)", b"NO [NONEXISTENT]"),
    (b"SELECT secret", b"NO [NONEXISTENT]"),
    (b"EXAMINE {id}", b"NO [NONEXISTENT]"),
    (b"DELETE secret", b"NO [NONEXISTENT]"),
    (b"DELETE secret/below", b"NO [NONEXISTENT]"),
    (b"RENAME secret mine", b"NO [NONEXISTENT]"),
    (b"RENAME secret/below mine", b"NO [NONEXISTENT]"),
    (b"RENAME INBOX mine", b"OK"),
    (b"RENAME Trash secret", b"OK"),
    (b"DELETE mine", b"OK"),
    (b"CREATE secret/below", b"OK"),
    (b"CREATE Old (USE (\\Archive))", b"OK"),
    (b"UNSUBSCRIBE secret", b"OK"),
    (b"UNSUBSCRIBE wish", b"OK"),
    (b"SUBSCRIBE secret/below", b"OK"),
    (b"GETQUOTA fred", b"NO [NONEXISTENT]"),
    (b'GETQUOTA "#user/fred"', b"NO [NONEXISTENT]"),
    (b'GETQUOTA ""', b"OK"),
    (b"GETQUOTAROOT fred/secret", b"OK"),
    (b'SETQUOTA "" (STORAGE 1)', b"NO [NOPERM]"),
    (b'SETQUOTA "#user/fred" (STORAGE 1)', b"NO [NOPERM]"),
]


class OtherAccountTests(TestCase):
    async def test_every_command(self) -> None:
        """Nothing of fred's is told to eve or changed by her, in any mode of the session."""
        server = await ImapServer.start(self)
        fred = await server.account("fred")
        await server.account("eve")
        database = blocking_database(server.settings)
        await server.mailbox(fred, "secret", "\\Archive")
        await server.mailbox(fred, "secret/below")
        for path in ("secret", "secret", "INBOX", "secret/below"):
            await server.add(fred, path, MESSAGE, "\\Deleted", "$Hidden")
        await server.domain.store.mailboxes.subscribe(fred.id, "wish", True)
        await server.domain.store.settle()
        secret = database.mailboxes.find_one({"user": fred.id, "path": "secret"})
        before = _state(database, fred.id)
        ids = {str(row["_id"]).encode() for row in database.mailboxes.find({"user": fred.id})}
        client = server.connect()
        await client.login("eve")
        for command, expected in COMMANDS:
            command = command.replace(b"{id}", str(secret["_id"]).encode())
            answer = await client.command(command)
            tagged = answer.splitlines()[-1]
            self.assertTrue(tagged.startswith(b"t " + expected), (command, answer))
            self.assertFalse([id for id in ids if id in answer], (command, answer))
            if command.startswith((b"LIST", b"LSUB", b"XLIST")):
                self.assertNotIn(b"secret", answer, command)
                self.assertNotIn(b"wish", answer, command)
            if command.startswith(b"GETQUOTA") and expected == b"OK":
                self.assertIn(b"(STORAGE 0 ", answer)
                self.assertIn(b" MESSAGE 0 ", answer)
        self.assertEqual(before, _state(database, fred.id))

    async def test_modes(self) -> None:
        """Nor in a session of IMAP4rev2."""
        server = await ImapServer.start(self)
        fred = await server.account("fred")
        await server.mailbox(fred, "caf\xe9")
        client = await server.signed_in("eve")
        session = client.connection._session
        session.modes = Modes(rev2=True)
        session.line.set_modes(session.modes)
        for command in (
            b'STATUS "cafe\xcc\x81" (MESSAGES)',
            b'SELECT "caf\xc3\xa9"',
            b'RENAME "cafe\xcc\x81" x',
            b'DELETE "cafe\xcc\x81"',
        ):
            self.assertEqual(
                b"t NO [NONEXISTENT] This mailbox does not exist\r\n", await client.command(command)
            )


def _state(database: Any, user: Any) -> list[Any]:
    """All that is stored of an account's mailboxes."""
    collections = ("mailboxes", "messages", "subscriptions", "journal", "filters")
    found = [list(database[name].find({"user": user}).sort("_id")) for name in collections]
    return [*found, list(database.users.find({"_id": user}, {"quota": 1, "storageUsed": 1}))]
