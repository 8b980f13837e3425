"""Breached passwords, looked up at a service of our own on a real socket."""

from __future__ import annotations

import hashlib
from typing import Any

from twisted.trial.unittest import TestCase
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Site

from wildduck import limits
from wildduck.accounts import pwned
from wildduck.accounts.pwned import PwnedPasswords

DIGEST = hashlib.sha1(b"password1").hexdigest().upper()


class Range(Resource):
    """
    The range API.

    @ivar asked: prefixes.
    """

    isLeaf = True

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[bytes] = []
        self.answer = f"{'0' * 35}:3\r\n{DIGEST[5:]}:42\r\n".encode()
        self.status = 200
        self.silent = False

    def render_GET(self, request: Any) -> Any:
        self.asked.append(request.path)
        request.setResponseCode(self.status)
        return NOT_DONE_YET if self.silent else self.answer


class PwnedTests(TestCase):
    def setUp(self) -> None:
        from twisted.internet import reactor

        self.range = Range()
        port: Any = reactor.listenTCP(0, Site(self.range), interface="127.0.0.1")  # type: ignore[attr-defined]
        self.addCleanup(port.stopListening)
        self.pwned = PwnedPasswords(f"http://127.0.0.1:{port.getHost().port}/", reactor)
        self.reactor = reactor

    async def test_known(self) -> None:
        """Only five digits are sent; a row that pads the answer (0 times seen) does not count."""
        self.assertTrue(await self.pwned.knows("password1"))
        self.assertEqual(self.range.asked, [b"/range/" + DIGEST[:5].encode()])
        self.assertFalse(await self.pwned.knows("another"))
        self.range.answer = f"{DIGEST[5:]}:0".encode()
        self.assertFalse(await self.pwned.knows("password1"))

    async def test_outage(self) -> None:
        """A service that fails, is silent, or answers without end says nothing."""
        self.range.status = 503
        self.assertFalse(await self.pwned.knows("password1"))
        self.range.status, self.range.answer = 200, b"x" * (limits.PWNED_BYTES + 1)
        self.assertFalse(await self.pwned.knows("password1"))
        self.patch(pwned, "PWNED_SECONDS", 0.1)
        self.range.silent = True
        self.assertFalse(await self.pwned.knows("password1"))
        self.assertFalse(await PwnedPasswords("http://127.0.0.1:1", self.reactor).knows("password1"))

    async def test_off(self) -> None:
        """Without an address nobody is asked."""
        self.assertFalse(await PwnedPasswords("", self.reactor).knows("password1"))
        self.assertEqual(self.range.asked, [])
