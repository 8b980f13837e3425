"""An IMAP server on real databases, spoken to over an in-memory transport."""

from __future__ import annotations

import re
from typing import Any

from test.support.mail_server import PASSWORD, MailServer
from test.support.memory import PATIENCE, Lost, MemoryClient as AnyClient, MemoryTransport
from wildduck.imap.factory import ImapFactory

__all__ = ["PASSWORD", "PATIENCE", "ImapServer", "Lost", "MemoryClient", "MemoryTransport"]


class MemoryClient(AnyClient):
    """A client that speaks IMAP."""

    async def command(self, text: bytes, tag: bytes = b"t") -> bytes:
        """Everything that answers a command, its tagged response included."""
        self.send(tag + b" " + text + b"\r\n")
        # Not line by line: an answer may have megabytes, and each line would copy the rest.
        tagged = re.compile(rb"(?:\A|\r\n)" + re.escape(tag) + rb" [^\r\n]*\r\n")
        start = 0
        while (match := tagged.search(self.data, start)) is None:
            start = max(0, self.data.rfind(b"\r\n", start))
            await self._more()
        found, self.data = self.data[: match.end()], self.data[match.end() :]
        return found

    async def login(self, name: str) -> None:
        """Sign in, the greeting included."""
        await self.line()
        answer = await self.command(b'LOGIN %b "%b"' % (name.encode(), PASSWORD.encode()))
        assert answer.startswith(b"t OK"), answer


class ImapServer(MailServer):
    """@ivar factory: the IMAP port."""

    factory: ImapFactory

    def make_factory(self, tls_options: Any, clock: Any, **options: Any) -> ImapFactory:
        domain = self.domain
        return ImapFactory(domain.accounts, domain.store, self.settings, tls_options, clock, **options)

    def connect(self, peer: str = "127.0.0.1") -> MemoryClient:
        return MemoryClient(self.factory, peer)

    async def signed_in(self, name: str = "fred") -> MemoryClient:
        """A session of a new account."""
        await self.account(name)
        client = self.connect()
        await client.login(name)
        return client
