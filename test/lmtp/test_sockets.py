"""LMTP over real sockets, into real databases."""

from __future__ import annotations

import random
from typing import Any

from msgspec.structs import replace
from twisted.internet.defer import Deferred
from twisted.internet.ssl import CertificateOptions

from test.delivery.support import DeliveryCase
from test.network.support import Client, connect, listen, server_tls
from test.support.corpus import corpus
from test.support.relay import Relay
from wildduck import limits
from wildduck.accounts.targets import Target
from wildduck.lmtp import LmtpFactory

HEAD = b"LHLO client.example\r\nMAIL FROM:<s@there.example>\r\nRCPT TO:<user@example.com>\r\n"
ENVELOPE = HEAD.partition(b"\r\n")[2]
ADDED = b"Delivered-To: user@example.com\r\nReturn-Path: <s@there.example>\r\n"


def stuffed(content: bytes) -> bytes:
    """As DATA carries it, with its end."""
    content = content.replace(b"\r\n.", b"\r\n..")
    return (b"." if content.startswith(b".") else b"") + content + b".\r\n"


class SocketCase(DeliveryCase):
    """L{LmtpFactory} with L{Delivery} behind it, on a loopback port."""

    async def _start(self) -> None:
        from twisted.internet import reactor

        await super()._start()
        self.factory = LmtpFactory(self.delivery, self.settings, server_tls(self), reactor)
        self.port = await listen(self, self.factory)

    async def client(self) -> Client:
        client = await connect(self, self.port)
        await client.until_has(b"220 ")
        client.forget()
        return client

    def write(self, client: Client, data: bytes) -> None:
        client.transport.write(data)  # type: ignore[union-attr]

    async def ask(self, client: Client, data: bytes, replies: int) -> list[bytes]:
        """Send bytes, wait for so many last lines of replies; these lines."""
        self.write(client, data)
        await client.until(lambda got: len(_last_lines(got)) >= replies)
        lines = _last_lines(client.data)
        client.forget()
        return lines

    async def stored(self) -> list[bytes]:
        """The contents of INBOX, oldest first."""
        found = []
        for document in self.db.messages.find({}).sort("uid", 1):
            content = await self.domain.store.content(document, exact=True)
            await content.prepare()
            found.append(await content.read())
        return found

    async def gone(self) -> None:
        """Wait until the server has no connection and nothing in the background."""
        while self.factory.connections or any(self.delivery._turns._held.values()):
            await _turn()
        await self.domain.store.settle()


class SocketTests(SocketCase):
    """Whole sessions."""

    async def test_start_tls(self) -> None:
        """After STARTTLS the session begins anew, and the message says how it came."""
        client = await self.client()
        lines = await self.ask(client, b"LHLO client.example\r\nSTARTTLS\r\n", 2)
        self.assertEqual(lines, [b"250 STARTTLS", b"220 2.0.0 Ready to start TLS"])
        client.transport.startTLS(CertificateOptions(verify=False))  # type: ignore[union-attr]
        lines = await self.ask(client, b"MAIL FROM:<>\r\nSTARTTLS\r\n", 2)
        self.assertEqual(lines, [b"503 5.5.1 LHLO first", b"503 5.5.1 TLS is active already"])
        lines = await self.ask(client, HEAD + b"DATA\r\nSubject: x\r\n\r\n.\r\n", 5)
        self.assertEqual(lines[0], b"250 SIZE 67108864")
        self.assertEqual(self.db.messages.find_one({})["meta"]["transtype"], "LMTPS")

    async def test_what_is_not_done_yet(self) -> None:
        """Mail for a forwarded address, and for who asks for what is not done yet, stays with its sender."""
        forwarded = self.domain.accounts.forwarded
        await forwarded.add("sales@example.com", [Target.new("user@example.com")])
        await forwarded.add("*@example.net", wildcard=True)
        await self.new_account("keen")
        self.db.users.update_one({"username": "keen"}, {"$set": {"encryptMessages": True}})
        client = await self.client()
        recipients = (b"Sales+x@example.com", b"any@example.net", b"keen@example.com", b"user@example.com")
        commands = b"".join(b"RCPT TO:<%b>\r\n" % one for one in recipients)
        lines = await self.ask(client, b"LHLO x\r\nMAIL FROM:<s@there.example>\r\n" + commands, 6)
        self.assertEqual([line[:9] for line in lines[2:5]], [b"451 4.3.5"] * 3)
        self.assertEqual(lines[5][:3], b"250")

    async def test_start_tls_injection(self) -> None:
        """Commands pipelined behind STARTTLS in plain text are never followed."""
        client = await self.client()
        self.write(client, b"LHLO a.example\r\nSTARTTLS\r\n" + HEAD + b"DATA\r\nevil\r\n.\r\n")
        await client.until_has(b"220 2.0.0")
        client.forget()
        client.transport.startTLS(CertificateOptions(verify=False))  # type: ignore[union-attr]
        self.assertEqual(await self.ask(client, b"NOOP\r\n", 1), [b"250 2.0.0 OK"])
        self.assertEqual(self.db.messages.count_documents({}), 0)

    async def test_corpus(self) -> None:
        """
        Each message of the corpus comes back byte for byte after the added lines.

        In chunks of any size, as it lies in the files: bare LF, no last line
        end.  By DATA they come in test.integration.test_corpus.
        """
        rng = random.Random(1)
        samples = [sample.raw for sample in corpus()]
        client = await self.client()
        await self.ask(client, b"LHLO client.example\r\n", 1)
        for content in samples:
            sent, at, chunks = [ENVELOPE], 0, 0
            while at < len(content) or not chunks:
                size = rng.choice((1, 7, 100, 5000, 10**6))
                last = b" LAST" if at + size >= len(content) else b""
                sent.append(b"BDAT %d%b\r\n" % (len(content[at : at + size]), last) + content[at : at + size])
                at, chunks = at + size, chunks + 1
            lines = await self.ask(client, b"".join(sent), 2 + chunks)
            self.assertEqual({line[:9] for line in lines[2:]}, {b"250 2.0.0"})
        self.assertEqual(await self.stored(), [ADDED + content for content in samples])

    async def test_pipelined_messages(self) -> None:
        """A hundred messages in one go, each with its replies and none lost, in order."""
        client = await self.client()
        contents = [b"Subject: %d\r\n\r\n" % n + b"x" * n * 100 + b"\r\n" for n in range(100)]
        session = b"".join(ENVELOPE + b"DATA\r\n" + stuffed(content) for content in contents)
        lines = await self.ask(client, b"LHLO client.example\r\n" + session + b"QUIT\r\n", 402)
        self.assertEqual([line[:3] for line in lines[1:]], [b"250", b"250", b"354", b"250"] * 100 + [b"221"])
        self.assertEqual(await self.stored(), [ADDED + content for content in contents])
        await client.lost

    async def test_connection_lost_in_message(self) -> None:
        """A message that was cut off anywhere before its end leaves nothing behind."""
        whole = HEAD + b"DATA\r\n" + stuffed(b"Subject: x\r\n\r\n" + b"line\r\n" * 100)
        for end in (-1, -2, -3, -4, -5, -100, len(HEAD) + 6):
            client = await self.client()
            self.write(client, whole[:end])
            await client.until_has(b"354 ")
            client.transport.loseConnection()  # type: ignore[union-attr]
            await self.gone()
        self.assertEqual(self.db.messages.count_documents({}), 0)
        self.assertEqual(self.db.users.find_one({"_id": self.account.id})["storageUsed"], 0)

    async def test_connection_lost_after_message(self) -> None:
        """A client that is gone after the last byte: the message is there once, whole."""
        client = await self.client()
        await self.ask(client, HEAD + b"DATA\r\n", 4)
        self.write(client, b"Subject: x\r\n\r\n.\r\n")
        client.transport.loseConnection()  # type: ignore[union-attr]
        await self.gone()
        self.assertEqual(await self.stored(), [ADDED + b"Subject: x\r\n\r\n"])

    async def test_half_closed(self) -> None:
        """A client that only closes its sending side (as nc does) is served up to there."""
        client = await self.client()
        self.write(client, HEAD + b"DATA\r\nSubject: x\r\n\r\n.\r\n")
        client.transport.loseWriteConnection()  # type: ignore[union-attr]
        await client.lost
        await self.gone()
        self.assertEqual(len(await self.stored()), 1)

    async def test_two_recipients(self) -> None:
        """One over quota, one with room: each its own reply, and only one copy."""
        await self.new_account("small", quota=10)
        client = await self.client()
        rcpt = b"RCPT TO:<small@example.com>\r\n"
        lines = await self.ask(client, HEAD + rcpt + b"DATA\r\nSubject: x\r\n\r\n.\r\n", 7)
        self.assertEqual([line[:9] for line in lines[-2:]], [b"250 2.0.0", b"452 4.2.2"])
        self.assertEqual(len(await self.stored()), 1)
        self.assertEqual(self.db.users.find_one({"username": "small"})["storageUsed"], 0)

    async def test_client_that_reads_nothing(self) -> None:
        """A client that sends commands and reads no reply is no longer read, and memory stays bounded."""
        client = await self.client()
        client.transport.pauseProducing()  # type: ignore[union-attr]
        (connection,) = self.factory.connections
        for _ in range(300):
            self.write(client, b"HELP\r\n" * 10_000)
            await _turn()
            if connection._reading_stopped:
                break
        self.assertTrue(connection._reading_stopped)
        self.assertLess(connection.unsent, 4 * limits.MIB)
        client.transport.resumeProducing()  # type: ignore[union-attr]
        while connection._reading_stopped:
            await _turn()

    async def test_parallel_connections(self) -> None:
        """Deliveries to one account by many connections at once: each is there once, UIDs without a gap."""
        clients = [await self.client() for _ in range(20)]
        work: list[Deferred[Any]] = [
            Deferred.fromCoroutine(self.ask(client, HEAD + b"DATA\r\nSubject: %d\r\n\r\n.\r\n" % number, 5))
            for number, client in enumerate(clients)
        ]
        for one in work:
            self.assertEqual((await one)[-1][:3], b"250")
        self.assertEqual(len(set(await self.stored())), 20)
        self.assertEqual(sorted(self.db.messages.distinct("uid")), list(range(1, 21)))


class SilentDatabaseTests(SocketCase):
    """MongoDB behind a relay that stops passing anything."""

    async def _start(self) -> None:
        from twisted.internet import reactor

        address, _, name = self.settings.mongo.uri.rpartition("/")
        self.relay = Relay(reactor, int(address.rpartition(":")[2]))
        self.relay.start()
        self.addCleanup(lambda: Deferred.fromCoroutine(self.relay.stop()))
        uri = f"mongodb://127.0.0.1:{self.relay.port}/{name}"
        self.settings = replace(self.settings, mongo=replace(self.settings.mongo, uri=uri))
        await super()._start()

    async def test_silence(self) -> None:
        """RCPT and the end of a message are answered 451 within the deadline; later mail comes through."""
        self.patch(limits, "OPERATION_SECONDS", 0.3)
        client = await self.client()
        await self.ask(client, HEAD + b"DATA\r\n", 4)
        self.relay.black_hole()
        self.assertEqual((await self.ask(client, b"Subject: x\r\n\r\n.\r\n", 1))[0][:9], b"451 4.3.0")
        lines = await self.ask(client, ENVELOPE, 2)
        self.assertEqual([line[:9] for line in lines], [b"250 2.1.0", b"451 4.3.0"])
        self.relay.restore()
        self.patch(limits, "OPERATION_SECONDS", 20.0)
        await self.ask(client, b"RSET\r\n", 1)
        lines = await self.ask(client, ENVELOPE + b"DATA\r\nSubject: y\r\n\r\n.\r\n", 4)
        self.assertEqual(lines[-1][:9], b"250 2.0.0")


def _last_lines(data: bytes) -> list[bytes]:
    """The last line of each reply."""
    return [line for line in data.split(b"\r\n")[:-1] if line[3:4] == b" "]


def _turn() -> Deferred[None]:
    """One or more iterations of the reactor."""
    from twisted.internet import reactor

    done: Deferred[None] = Deferred()
    reactor.callLater(0.001, done.callback, None)
    return done
