"""
Commands reach the account's own alone (anchors/reliability.md §4.3, row 21).

Two accounts have mailboxes of the same kind; whatever one of them says, it hears
nothing of the other's, and nothing of the other's is changed.  Each command of the
table is tried, so that a new one can not be forgotten.
"""

from __future__ import annotations

import re
from base64 import b64encode
from typing import Any

from bson import ObjectId
from twisted.trial.unittest import TestCase

from test.imap.server import PASSWORD, ImapServer, MemoryClient
from test.support.databases import blocking_database
from wildduck.imap.commands.table import TABLE
from wildduck.imap.grammar.modes import Modes

MESSAGE = b"From: a@example.org\r\nSubject: confidential\r\n\r\nbody\r\n"
OWN = b"Subject: own\r\n\r\ntext\r\n"

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
    (b"APPEND secret {3+}\r\nabc", b"NO [TRYCREATE]"),
    (b'APPEND INBOX CATENATE (URL "/secret/;UID=1")', b"NO [BADURL "),
    (b'APPEND INBOX CATENATE (URL "/secret;UIDVALIDITY={validity}/;UID=1/;SECTION=TEXT")', b"NO [BADURL "),
    (b'APPEND INBOX CATENATE (URL "imap://fred@192.0.2.1/secret/;UID=1")', b"NO [BADURL "),
    (b"RESETKEY", b"OK"),
    (b"RESETKEY secret", b"NO [NONEXISTENT]"),
    (b'GENURLAUTH "{url}anonymous" INTERNAL', b"BAD"),
    (b'GENURLAUTH "imap://eve@192.0.2.1/secret/;uid=1;urlauth=anonymous" INTERNAL', b"BAD"),
    (b'URLFETCH "{url}user+fred:internal:{token}"', b"OK"),
    (b'URLFETCH ("{url}user+eve:internal:{token}" BODY BODYPARTSTRUCTURE)', b"OK"),
    (b'URLFETCH "{url}anonymous:internal:{token}" "{url}authuser:internal:{token}"', b"OK"),
    (b'URLFETCH "{url}submit+fred:internal:{token}"', b"OK"),
    (b'APPEND INBOX CATENATE (URL "{url}user+fred:internal:{token}")', b"NO [BADURL "),
    (b"NOTIFY SET STATUS (MAILBOXES (secret wish {id}) (MessageNew MessageExpunge))", b"OK"),
    (b"NOTIFY SET STATUS (SUBTREE secret (MessageNew MessageExpunge MailboxName))", b"OK"),
    (b"NOTIFY NONE", b"OK"),
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

#: The same while eve's INBOX is selected, which has one message with UID 1, and later what she copied.
SELECTED: list[tuple[bytes, bytes]] = [
    (b"ENABLE QRESYNC", b"OK"),
    (b"SELECT INBOX (QRESYNC ({validity} 1 1:9))", b"OK"),
    (b"EXAMINE INBOX (QRESYNC ({validity} 1 1:9))", b"OK"),
    (b"SELECT INBOX", b"OK"),
    (b"CHECK", b"OK"),
    (b"FETCH 1:* (UID FLAGS EMAILID THREADID BODY.PEEK[])", b"OK"),
    (b"FETCH 2 FLAGS", b"BAD"),
    (b"UID FETCH 1:* (FLAGS BINARY.PEEK[] ENVELOPE PREVIEW) (CHANGEDSINCE 1)", b"OK"),
    (b"SEARCH EMAILID {email}", b"OK"),
    (b"SEARCH RETURN (ALL COUNT SAVE) OR THREADID {thread} SUBJECT confidential", b"OK"),
    (b"UID SEARCH RETURN (ALL UPDATE) OR EMAILID {email} KEYWORD $Hidden", b"OK"),
    (b"SORT (SUBJECT) UTF-8 OR THREADID {thread} KEYWORD $Hidden", b"OK"),
    (b'CANCELUPDATE "t"', b"OK"),
    (b"UID SORT RETURN (ALL CONTEXT UPDATE) (SUBJECT) UTF-8 TEXT confidential", b"OK"),
    (b"THREAD REFERENCES UTF-8 SUBJECT confidential", b"OK"),
    (b"UID THREAD ORDEREDSUBJECT UTF-8 EMAILID {email}", b"OK"),
    (b'CANCELUPDATE "of fred"', b"OK"),
    (b"STORE 1 +FLAGS (\\Seen)", b"OK"),
    (b"STORE 2 +FLAGS (\\Seen)", b"BAD"),
    (b"UID STORE 1:9 +FLAGS.SILENT (\\Answered)", b"OK"),
    (b"COPY 1 secret", b"NO [TRYCREATE]"),
    (b"UID COPY 1:9 secret/below", b"NO [TRYCREATE]"),
    (b"MOVE 1 secret", b"NO [TRYCREATE]"),
    (b"UID MOVE 1:9 {id}", b"NO [TRYCREATE]"),
    (b"REPLACE 1 secret {3+}\r\nabc", b"NO [TRYCREATE]"),
    (b"UID REPLACE 1 secret {3+}\r\nabc", b"NO [TRYCREATE]"),
    (b'REPLACE 1 INBOX CATENATE (URL "/secret/;UID=1")', b"NO [BADURL "),
    (b"UID EXPUNGE 2:9", b"OK"),
    (b"EXPUNGE", b"OK"),
    (b"IDLE\r\nDONE", b"OK"),
    (b"NOOP", b"OK"),
    (b"UNSELECT", b"OK"),
    (b"SELECT INBOX", b"OK"),
    (b"CLOSE", b"OK"),
]


def _plain(authorization: str, username: str, password: str = PASSWORD) -> bytes:
    """What AUTHENTICATE PLAIN is given."""
    message = f"{authorization}\0{username}\0{password}"
    return b"AUTHENTICATE PLAIN " + b64encode(message.encode())


#: Attempts to act for fred, while she is signed in and while nobody is; then she is again.
SIGNING: list[tuple[bytes, bytes]] = [
    (_plain("", "fred"), b"BAD [CLIENTBUG]"),
    (_plain("fred", "eve"), b"BAD [CLIENTBUG]"),
    (b'LOGIN fred "%b"' % PASSWORD.encode(), b"BAD [CLIENTBUG]"),
    (b"STATUS secret (MESSAGES)", b"NO [NONEXISTENT]"),
    (b"SELECT INBOX", b"OK"),
    (_plain("", "fred"), b"BAD [CLIENTBUG]"),
    (b"UNAUTHENTICATE", b"OK"),
    (b"SELECT secret", b"BAD [CLIENTBUG]"),
    (_plain("fred", "eve"), b"NO [AUTHORIZATIONFAILED]"),
    (_plain("eve", "fred"), b"NO [AUTHORIZATIONFAILED]"),
    (_plain("", "fred", "a guess"), b"NO [AUTHENTICATIONFAILED]"),
    (b"LOGIN fred guess", b"NO [AUTHENTICATIONFAILED]"),
    (b"AUTHENTICATE EXTERNAL ZnJlZA==", b"NO [CANNOT]"),
    (b"STATUS secret (MESSAGES)", b"BAD [CLIENTBUG]"),
    (_plain("", "eve"), b"OK"),
    (b'LIST "" *', b"OK"),
    (b"EXAMINE secret", b"NO [NONEXISTENT]"),
    (b"EXAMINE INBOX", b"OK"),
    (b"SEARCH ALL", b"OK"),
]

#: These name nothing that is an account's.
WITHOUT_NAMES = {"CAPABILITY", "LOGOUT", "ID", "COMPRESS", "STARTTLS"}


class OtherAccountTests(TestCase):
    fred: ObjectId
    database: Any

    def test_all_tried(self) -> None:
        """Each command of the table is."""
        texts = [command for command, _ in COMMANDS + SELECTED + SIGNING]
        tried = {name for name in TABLE if any(_is_of(name.encode(), text) for text in texts)}
        self.assertEqual(set(TABLE) - tried - WITHOUT_NAMES, set())

    async def with_secrets(self) -> tuple[ImapServer, dict[bytes, bytes]]:
        """@return: fred's server, and what can be known or guessed of what he has."""
        server = await ImapServer.start(self)
        fred = await server.account("fred")
        self.fred, self.database = fred.id, blocking_database(server.settings)
        secret = await server.mailbox(fred, "secret", "\\Archive")
        await server.mailbox(fred, "secret/below")
        for path in ("secret", "secret", "INBOX", "secret/below"):
            await server.add(fred, path, MESSAGE, "\\Deleted", "$Hidden")
        await server.domain.store.mailboxes.subscribe(fred.id, "wish", True)
        url = b"imap://fred@192.0.2.1/secret/;uid=1;urlauth="
        client = server.connect()
        await client.login("fred")
        answer = await client.command(b'GENURLAUTH "%buser+fred" INTERNAL' % url)
        token = re.search(rb":internal:([0-9a-f]+)", answer)
        await client.command(b"EXAMINE secret")
        fetched = await client.command(b"FETCH 1 (EMAILID THREADID)")
        email, thread = re.findall(rb"ID \(([^)]+)\)", fetched)
        assert token is not None, answer
        client.closed()
        await server.domain.store.settle()
        return server, {
            b"{id}": str(secret.id).encode(),
            b"{validity}": b"%d" % secret.uid_validity,
            b"{url}": url,
            b"{token}": token[1],
            b"{email}": email,
            b"{thread}": thread,
        }

    async def try_each(
        self, client: MemoryClient, known: dict[bytes, bytes], commands: list[tuple[bytes, bytes]]
    ) -> dict[bytes, bytes]:
        """@return: the answers, in which nothing of fred's is that eve has not said herself."""
        before = _state(self.database, self.fred)
        ids = {str(row["_id"]).encode() for row in self.database.mailboxes.find({"user": self.fred})}
        hidden = {b"$Hidden", b"confidential", b"a@example.org", known[b"{email}"], known[b"{thread}"], *ids}
        answers = {}
        for command, expected in commands:
            given = command
            for word, value in known.items():
                given = given.replace(word, value)
            answers[command] = answer = await client.command(given)
            self.assertTrue(answer.splitlines()[-1].startswith(b"t " + expected), (given, answer))
            told = answer.replace(known[b"{id}"], b"") if b"{id}" in command else answer
            self.assertFalse([word for word in hidden if word in told], (given, answer))
        self.assertEqual(before, _state(self.database, self.fred))
        return answers

    async def test_names(self) -> None:
        """Nothing of fred's is told to eve or changed by her."""
        server, known = await self.with_secrets()
        client = await server.signed_in("eve")
        for command, answer in (await self.try_each(client, known, COMMANDS)).items():
            if command.startswith((b"LIST", b"LSUB", b"XLIST")):
                self.assertNotIn(b"secret", answer, command)
                self.assertNotIn(b"wish", answer, command)
            if command.startswith(b"GETQUOTA") and answer.endswith(b"t OK"):
                self.assertIn(b"(STORAGE 0 ", answer)
                self.assertIn(b" MESSAGE 0 ", answer)
            if command.startswith(b"URLFETCH"):
                self.assertRegex(answer, rb"\A(\* URLFETCH [^ ]+ NIL\r\n)+t OK [^\r\n]*\r\n\Z", command)
            if command.startswith(b"NOTIFY"):
                self.assertNotIn(b"* ", answer)

    async def test_selected(self) -> None:
        """Nor while she has a mailbox selected, by the numbers and ids of his messages."""
        server, known = await self.with_secrets()
        eve = await server.account("eve")
        await server.add(eve, "INBOX", OWN)
        client = server.connect()
        await client.login("eve")
        for command, answer in (await self.try_each(client, known, SELECTED)).items():
            if b"SEARCH" in command or b"SORT" in command or b"THREAD " in command[:11]:
                self.assertNotRegex(answer, rb"(?m)^\* (SEARCH|SORT|THREAD) .|ALL|COUNT [1-9]", command)

    async def test_signing(self) -> None:
        """She becomes fred by none of the commands that sign in, and is nobody but herself afterwards."""
        server, known = await self.with_secrets()
        client = await server.signed_in("eve")
        answers = await self.try_each(client, known, SIGNING)
        self.assertNotIn(b"secret", answers[b'LIST "" *'])
        self.assertEqual(answers[b"SEARCH ALL"], b"* SEARCH\r\nt OK SEARCH completed\r\n")
        self.assertEqual(client.connection._session.user.username, "eve")

    async def test_next_user(self) -> None:
        """Who signs in after UNAUTHENTICATE hears nothing of what the one before him has asked for."""
        for signs_in in (b'LOGIN eve "%b"' % PASSWORD.encode(), _plain("", "eve")):
            await self._after_fred(signs_in)

    async def _after_fred(self, signs_in: bytes) -> None:
        server, _ = await self.with_secrets()
        await server.account("eve")
        client = server.connect()
        await client.login("fred")
        for command in (
            b"ENABLE QRESYNC",
            b"SELECT secret",
            b"SEARCH RETURN (SAVE) ALL",
            b"SEARCH RETURN (UPDATE) ALL",
            b"NOTIFY SET (SELECTED (MessageNew MessageExpunge)) (PERSONAL (MessageNew MessageExpunge))",
            b"UNAUTHENTICATE",
        ):
            self.assertIn(b"\r\nt OK", b"\r\n" + await client.command(command), command)
        self.assertIn(b"t OK", await client.command(signs_in))
        fred = await server.domain.accounts.directory.find_by_name("fred")
        assert fred is not None
        await server.add(fred[0], "secret", MESSAGE)
        await server.add(fred[0], "INBOX", MESSAGE)
        self.assertEqual(await client.command(b"NOOP"), b"t OK Completed\r\n")
        self.assertRegex(await client.command(b"FETCH 1 BODY[]"), rb"\At BAD ")
        answer = await client.command(b"SELECT INBOX")
        self.assertIn(b"* 0 EXISTS\r\n", answer)
        self.assertEqual(await client.command(b"UID FETCH $ FLAGS"), b"t OK FETCH completed\r\n")
        self.assertEqual(client.data, b"")

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


def _is_of(name: bytes, text: bytes) -> bool:
    return text.startswith(name) and text[len(name) :][:1] in (b"", b" ", b"\r")


def _state(database: Any, user: Any) -> list[Any]:
    """All that is stored of an account's mailboxes."""
    collections = ("mailboxes", "messages", "subscriptions", "journal", "filters")
    found = [list(database[name].find({"user": user}).sort("_id")) for name in collections]
    return [*found, list(database.users.find({"_id": user}, {"quota": 1, "storageUsed": 1}))]
