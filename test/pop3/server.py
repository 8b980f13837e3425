"""A POP3 server on real databases, spoken to over an in-memory transport."""

from __future__ import annotations

from typing import Any

from test.support.mail_server import PASSWORD, MailServer
from test.support.memory import MemoryClient
from wildduck.pop3.factory import Pop3Factory

__all__ = ["PASSWORD", "Pop3Client", "Pop3Server", "unstuffed"]


class Pop3Client(MemoryClient):
    """A client that speaks POP3, and knows CRLF as the only line end."""

    async def command(self, text: bytes) -> bytes:
        """The first line of the answer, without its CRLF."""
        self.send(text + b"\r\n")
        return await self.line()

    async def listing(self, text: bytes) -> list[bytes]:
        """The lines of a multi-line response, without the first and the last."""
        answer = await self.command(text)
        assert answer.startswith(b"+OK"), answer
        lines = [await self.line()]
        while lines[-1] != b".":
            lines.append(await self.line())
        return lines[:-1]

    async def message(self, text: bytes) -> bytes:
        """What RETR or TOP sends, as it is on the wire, without the first line and the end mark."""
        answer = await self.command(text)
        assert answer.startswith(b"+OK"), answer
        self.data = b"\r\n" + self.data
        return (await self.until(b"\r\n.\r\n"))[2:-3]

    async def login(self, name: str) -> bytes:
        """Sign in, the greeting included; the answer."""
        await self.line()
        await self.command(b"USER " + name.encode())
        answer = await self.command(b"PASS " + PASSWORD.encode())
        assert answer.startswith(b"+OK"), answer
        return answer


class Pop3Server(MailServer):
    """@ivar factory: the POP3 port."""

    factory: Pop3Factory

    def make_factory(self, tls_options: Any, clock: Any, **options: Any) -> Pop3Factory:
        domain = self.domain
        return Pop3Factory(domain.accounts, domain.store, self.settings, tls_options, clock, **options)

    def connect(self, peer: str = "127.0.0.1") -> Pop3Client:
        return Pop3Client(self.factory, peer)

    async def signed_in(self, name: str = "fred") -> Pop3Client:
        """A further session of an account."""
        client = self.connect()
        await client.login(name)
        return client


def unstuffed(sent: bytes, line_end: bytes = b"\r\n") -> bytes:
    """
    A message as a client gets it that takes one dot away at the beginning of each line.

    @param line_end: what that client takes for the end of a line.
    """
    lines = sent.split(line_end)
    return line_end.join(line[1:] if line.startswith(b".") else line for line in lines)
