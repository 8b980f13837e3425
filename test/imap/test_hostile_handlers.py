"""What a command's handler may do wrong, and what a malformed command must not do (anchors: row 11)."""

from __future__ import annotations

from typing import Any, ClassVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import TestCase

from test.imap.server import ImapServer, MemoryClient
from test.imap.test_robustness import replace_handler
from test.imap.waiting import until
from test.support.databases import blocking_database
from wildduck import errors
from wildduck.errors import DomainError
from wildduck.imap.commands import table
from wildduck.imap.grammar.values import Command, Request
from wildduck.imap.session import Done
from wildduck.imap.state import ANY
from wildduck.imap.watching import Watch

MESSAGE = b"From: a@example.org\r\nSubject: s\r\n\r\nbody\r\n"


def request(name: str) -> Request:
    """A command of this name, past the grammar, for a handler that does not look at it."""
    kind = type("Anything", (Command,), {"verb": name})
    return Request(b"t", kind())


def kinds(base: type[DomainError] = DomainError) -> list[type[DomainError]]:
    """All domain errors of the table that need no arguments."""
    found = [base]
    for kind in base.__subclasses__():
        found += kinds(kind)
    return [kind for kind in found if kind.__module__ == errors.__name__ and kind is not errors.ServerBug]


class FailingHandlers(TestCase):
    async def selected(self) -> tuple[ImapServer, MemoryClient]:
        server = await ImapServer.start(self)
        client = await server.signed_in()
        await client.command(b"SELECT INBOX")
        return server, client

    def fail_with(self, name: str, error: BaseException, **columns: Any) -> None:
        async def handler(session: Any, command: Any) -> Done:
            raise error

        replace_handler(self, name, handler, states=ANY, **columns)

    async def run_command(self, client: MemoryClient, name: str) -> bytes:
        client.connection._scheduler._begin(request(name))
        return await client.until(b"\r\n")

    async def test_each_command(self) -> None:
        """A bug in any handler is NO [SERVERBUG] with a number for the log, and the session goes on."""
        _, client = await self.selected()
        for name in list(table.TABLE):
            row = table.TABLE[name]
            self.fail_with(name, ZeroDivisionError("secret"))
            answer = await self.run_command(client, name)
            self.assertRegex(
                answer, rb"^t NO \[SERVERBUG\] Internal error, reference [0-9a-f]{16}\r\n$", name
            )
            [failure] = self.flushLoggedErrors(ZeroDivisionError)
            table.TABLE[name] = row
            self.assertEqual(await client.command(b"CHECK"), b"t OK Completed\r\n", name)

    async def test_each_message(self) -> None:
        """So is one in what decides on a message, whether its bytes wait for the decision or come."""
        _, client = await self.selected()
        for name in [row.name for row in table.TABLE.values() if row.message is not None]:

            async def message(session: Any, start: Any) -> Any:
                raise ZeroDivisionError("secret")

            row = table.TABLE[name]
            replace_handler(self, name, row.handler, message=message)
            which = b"1 INBOX" if "REPLACE" in name else b"INBOX"
            for mark in (b"{8}\r\n", b"{8+}\r\nx NOOP\r\n\r\n"):
                client.send(b"t %b %b " % (name.encode(), which) + mark + b"y NOOP\r\n")
                found = await client.until(b"y OK Completed\r\n")
                self.assertRegex(found, rb"^t NO \[SERVERBUG\] [^\r\n]*\r\ny OK Completed\r\n$")
                self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    async def test_each_error(self) -> None:
        """Each domain error is NO with its code and its text, and is no entry in the log of bugs."""
        _, client = await self.selected()
        self.assertGreater(len(kinds()), 20)
        for kind in kinds():
            error = kind()
            self.fail_with("LIST", error)
            code = b"[%b] " % kind.imap_code.encode() if kind.imap_code is not None else b""
            answer = await self.run_command(client, "LIST")
            self.assertEqual(answer, b"t NO " + code + str(error).encode() + b"\r\n", kind)
            self.assertEqual(await client.command(b"CHECK"), b"t OK Completed\r\n")

    async def test_cancelled(self) -> None:
        """A cancelled wait inside a handler is a bug like another, not the end of the session."""
        _, client = await self.selected()
        self.fail_with("LIST", CancelledError())
        self.assertIn(b"t NO [SERVERBUG]", await self.run_command(client, "LIST"))
        self.assertEqual(len(self.flushLoggedErrors(CancelledError)), 1)
        self.assertEqual(await client.command(b"CHECK"), b"t OK Completed\r\n")

    async def test_while_telling(self) -> None:
        """A bug in telling what else happened ends nothing but the command."""
        _, client = await self.selected()

        async def refresh(**options: Any) -> Any:
            raise ZeroDivisionError("secret")

        self.patch(client.connection._session.view, "refresh", refresh)
        self.assertIn(b"t NO [SERVERBUG]", await client.command(b"NOOP"))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertIn(b"t OK", await client.command(b"UNSELECT"))

    async def test_while_notifying(self) -> None:
        """So is one in telling between commands, of whatever was asked for; the next change is told."""
        server, client = await self.selected()
        session = client.connection._session
        fred = session.user
        for command in (
            b"NOTIFY SET (SELECTED (MessageNew (UID) MessageExpunge)) (PERSONAL (MessageNew MessageExpunge))",
            b"SEARCH RETURN (UPDATE) ALL",
        ):
            self.assertIn(b"t OK", await client.command(command))

        async def fails(*arguments: Any, **options: Any) -> Any:
            raise ZeroDivisionError("secret")

        for owner, name in (
            (session.view, "refresh"),
            (Watch, "_mailboxes"),
            (session.news.contexts, "look"),
            (session.store.statuses, "many"),
        ):
            patched = self.patch(owner, name, fails)
            await server.add(fred, "INBOX", MESSAGE)
            await server.add(fred, "Drafts", MESSAGE)
            failures: list[Any] = []
            await until(lambda failures=failures: failures.extend(self.flushLoggedErrors()) or failures)  # type: ignore[misc]
            patched.restore()
            self.assertEqual({failure.type for failure in failures}, {ZeroDivisionError}, name)
            self.assertIn(b"z OK Completed\r\n", await client.command(b"NOOP", b"z"), name)
        await client.command(b"NOOP")
        await server.add(fred, "INBOX", MESSAGE)
        self.assertIn(b"* 5 EXISTS\r\n", await client.until(b" EXISTS\r\n"))

    async def test_after_the_end(self) -> None:
        """A handler that fails after its client has gone is logged and leaves no session behind."""
        server, client = await self.selected()
        waiting: Deferred[None] = Deferred()

        async def handler(session: Any, command: Any) -> Done:
            await waiting
            raise ZeroDivisionError("secret")

        replace_handler(self, "LIST", handler)
        client.send(b'a LIST "" *\r\n')
        client.closed()
        await until(lambda: not server.factory.connections)
        waiting.callback(None)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(server.factory.services.counter._sessions, {})


class MalformedTails(TestCase):
    """Nothing is executed in part because its tail was malformed."""

    COMMANDS: ClassVar[list[bytes]] = [
        b"STORE 1 +FLAGS (\\Deleted)",
        b"STORE 1 FLAGS.SILENT \\Deleted",
        b"UID STORE 1 +FLAGS (\\Deleted)",
        b"EXPUNGE",
        b"UID EXPUNGE 1",
        b"CLOSE",
        b"FETCH 1 BODY[]",
        b"UID FETCH 1 (BODY[] FLAGS)",
        b"APPEND INBOX {5+}\r\nA: b\n",
        b"APPEND INBOX (\\Seen) {5+}\r\nA: b\n",
        b"COPY 1 Drafts",
        b"UID COPY 1 Drafts",
        b"MOVE 1 Drafts",
        b"UID MOVE 1 Drafts",
        b"CREATE x",
        b"CREATE {1+}\r\nx",
        b"CREATE x (USE (\\Archive))",
        b"DELETE box",
        b"RENAME box x",
        b"RENAME {3+}\r\nbox {1+}\r\nx",
        b"SUBSCRIBE box",
        b"UNSUBSCRIBE box",
        b"CREATE x (USE (\\Archive))",
        b'SETQUOTA "" (STORAGE 1)',
        b"STORE 1 (UNCHANGEDSINCE 99) +FLAGS (\\Seen)",
        b"UID STORE 1 (UNCHANGEDSINCE 99) FLAGS.SILENT (new)",
        b"REPLACE 1 INBOX {5+}\r\nA: b\n",
        b"UID REPLACE 1 INBOX (\\Seen) ~{5+}\r\nA: b\n",
        b"APPEND INBOX {5+}\r\nA: b\n (\\Seen) {5+}\r\nC: d\n",
        b"APPEND INBOX ~{5+}\r\nA: \x00\n",
        b'APPEND INBOX CATENATE (URL "/INBOX/;UID=1" TEXT {1+}\r\nx)',
        b'REPLACE 1 INBOX CATENATE (URL "/INBOX/;UID=1")',
        b"SELECT INBOX (CONDSTORE)",
        b"EXAMINE box (QRESYNC (1 1))",
        b"ENABLE QRESYNC",
        b"NOTIFY NONE",
        b"NOTIFY SET (PERSONAL (MessageNew MessageExpunge))",
        b"SEARCH RETURN (SAVE UPDATE) ALL",
        b"UID SORT RETURN (ALL) (SUBJECT) UTF-8 ALL",
        b"THREAD REFERENCES UTF-8 ALL",
        b'CANCELUPDATE "t"',
        b"RESETKEY INBOX",
        b'GENURLAUTH "imap://fred@192.0.2.1/INBOX/;uid=1;urlauth=anonymous" INTERNAL',
        b"COMPRESS DEFLATE",
        b"UNAUTHENTICATE",
        b"UNSELECT",
        b"LOGOUT",
    ]
    TAILS: ClassVar[list[bytes]] = [
        b" ",
        b"  ",
        b" (",
        b")",
        b"\x00",
        b"\r",
        b'"',
        b" {5}",
        b" {1+}\r\n\x00",
        b" ()",
        b"\t1",
    ]

    async def test_store_is_untouched(self) -> None:
        """A command with anything behind its end is BAD and changes nothing in the database."""
        server = await ImapServer.start(self)
        account = await server.account()
        await server.add(account, "INBOX", MESSAGE, "\\Deleted")
        await server.add(account, "INBOX", MESSAGE)
        await server.mailbox(account, "box")
        client = server.connect()
        await client.login("fred")
        await client.command(b"SELECT INBOX")
        database = blocking_database(server.settings)
        before = self.content(database)
        for command in self.COMMANDS:
            for tail in self.TAILS:
                if command.startswith((b"APPEND", b"GENURLAUTH")) and b"{" in tail:
                    continue  # a second message (RFC 3502), another URL
                client.send(b"t " + command + tail + b"\r\nz NOOP\r\n")
                found = await client.until(b"z OK Completed\r\n")
                self.assertRegex(found, rb"^t BAD [^\r\n]*\r\nz OK Completed\r\n$", (command, tail))
        self.assertEqual(self.content(database), before)

    def content(self, database: Any) -> dict[str, Any]:
        """What commands could have changed."""
        names = ("messages", "mailboxes", "journal", "attachments.files", "archived", "users")
        found = {name: list(database[name].find({}, sort=[("_id", 1)])) for name in names}
        for user in found["users"]:
            user.pop("lastLogin", None)
        for mailbox in found["mailboxes"]:
            mailbox.pop("native", None)  # readers keep the low-water mark there
        return found
