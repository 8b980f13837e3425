"""LMTP connections in memory, with a delivery that writes down what it is given."""

from __future__ import annotations

import os
from typing import Any

from bson import ObjectId
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from test.network.support import connect_in_memory
from wildduck import config
from wildduck.accounts import Account, normalise
from wildduck.delivery import Delivered, Destination, Envelope
from wildduck.errors import AddressNotFound
from wildduck.lmtp import LmtpFactory
from wildduck.mailstore.values import Mailbox
from wildduck.mime.message import Message
from wildduck.network.registry import Registry


class RecordingDelivery:
    """
    Knows C{*@here.example}; one account for each local part without its label.

    @ivar messages: (address, bytes, envelope) of each message.
    @ivar problems: what to raise for an address, at RCPT (C{"rcpt"}) or later (C{"deliver"}).
    @ivar hold: when set, work waits for L{release}.
    """

    def __init__(self) -> None:
        self.messages: list[tuple[str, bytes, Envelope]] = []
        self.problems: dict[tuple[str, str], Exception] = {}
        self.sizes: list[int] = []
        self.hold = False
        self._held: list[Deferred[None]] = []
        self._accounts: dict[str, ObjectId] = {}

    async def _wait(self) -> None:
        if self.hold:
            held: Deferred[None] = Deferred()
            self._held.append(held)
            await held

    def release(self) -> None:
        """Let the work go on that waits now."""
        held, self._held = self._held, []
        for one in held:
            one.callback(None)

    @property
    def waiting(self) -> int:
        return len(self._held)

    async def recipient(self, address: str, size: int = 0) -> Destination:
        await self._wait()
        self.sizes.append(size)
        self._fail("rcpt", address)
        local, _, domain = address.rpartition("@")
        if domain.lower() != "here.example":
            raise AddressNotFound()
        user = self._accounts.setdefault(local.partition("+")[0].lower(), ObjectId())
        return Destination(
            Account(user, local), normalise.address(address), Mailbox(ObjectId(), user, "INBOX")
        )

    async def deliver(self, destination: Destination, message: Message, envelope: Envelope) -> Delivered:
        content = message.read(0, message.length)
        await self._wait()
        self._fail("deliver", destination.address)
        self.messages.append((destination.address, content, envelope))
        return Delivered(ObjectId(), destination.mailbox, 1, message.length)

    def _fail(self, when: str, address: str) -> None:
        problem = self.problems.get((when, address))
        if problem is not None:
            raise problem


class LmtpTestCase(SynchronousTestCase):
    """
    A connection in memory.

    @ivar sets: further settings.
    """

    sets: tuple[str, ...] = ()

    def setUp(self) -> None:
        data = os.path.abspath(self.mktemp())
        os.makedirs(os.path.join(data, "spool"))
        self.settings = config.load(
            None, data, ("server.hostname=mail.here.example", "limits.max_message_size=100000", *self.sets)
        )
        self.clock = Clock()
        self.clock.advance(1_800_000_000)
        self.delivery = RecordingDelivery()
        self.connect()

    def connect(self, tls_options: Any = None, registry: Registry | None = None) -> None:
        delivery: Any = self.delivery
        self.factory = LmtpFactory(delivery, self.settings, tls_options, self.clock, registry)
        self.connection = connect_in_memory(self.factory)
        self.transport = self.connection.transport
        self.greeting = self.transport.taken()

    def say(self, *lines: bytes) -> list[str]:
        """Send lines, each with CRLF, in one segment; the replies."""
        return self.send(b"".join(line + b"\r\n" for line in lines))

    def send(self, data: bytes) -> list[str]:
        """Send bytes; the reply lines."""
        self.connection.dataReceived(data)
        self.clock.advance(0)  # pipelined commands have waited for their turn
        return self.replies()

    def replies(self) -> list[str]:
        text: str = self.transport.taken().decode("ascii")
        return text.split("\r\n")[:-1]

    def begin(self, *recipients: bytes, mail: bytes = b"MAIL FROM:<sender@there.example>") -> None:
        """A transaction with recipients, C{user@here.example} for none."""
        rcpt = [b"RCPT TO:<" + one + b">" for one in recipients or (b"user@here.example",)]
        for reply in self.say(b"LHLO client.example", mail, *rcpt):
            self.assertTrue(reply.startswith("250"), reply)

    def contents(self) -> list[bytes]:
        return [content for _, content, _ in self.delivery.messages]
