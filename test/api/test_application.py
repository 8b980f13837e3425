"""The API over real sockets: conventions, access, the calls of 2017, health."""

from __future__ import annotations

import http.client
import json
import select
import socket
from typing import Any, cast
from urllib.parse import urlencode

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread
from twisted.python import log
from twisted.trial.unittest import TestCase

from test.support.databases import blocking_database
from test.support.parts import connected, pool
from wildduck import limits
from wildduck.accounts import Accounts, SignIn
from wildduck.accounts.tokens import AccessTokens
from wildduck.api import make_application
from wildduck.api.frame.answers import Success
from wildduck.api.frame.application import Application
from wildduck.api.frame.call import Call
from wildduck.api.frame.channel import ApiChannel
from wildduck.api.frame.route import Route
from wildduck.api.frame.schema import Schema, String
from wildduck.config import ApiSettings, Settings
from wildduck.errors import AuthenticationFailed, BadInput, OverQuota
from wildduck.mailstore import MailStore

_FORM = "application/x-www-form-urlencoded"


class Caller:
    """A blocking HTTP client, run in a thread."""

    def __init__(self, port: int) -> None:
        self.port = port

    async def call(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        """The status and the decoded answer."""
        return await deferToThread(self._call, method, path, body, headers or {})

    def _call(self, method: str, path: str, body: Any, headers: dict[str, str]) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        if isinstance(body, dict):
            body = json.dumps(body)
            headers = {"Content-Type": "application/json", **headers}
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            assert answer.headers["content-type"] == "application/json; charset=utf-8", answer.headers
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    async def raw(self, data: bytes) -> bytes:
        """Send bytes, return all that comes until the server closes."""
        return await deferToThread(self._raw, data)

    def _raw(self, data: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as connection:
            connection.sendall(data)
            received = b""
            while piece := connection.recv(65536):
                received += piece
            return received


async def closed(reactor: Any) -> None:
    """Returns when the server has seen that its connections are gone."""
    while any(isinstance(getattr(one, "protocol", None), ApiChannel) for one in reactor.getReaders()):
        await deferLater(reactor, 0.005)


def listen(test: TestCase, application: Application) -> Caller:
    """Serve an application until the test ends."""
    from twisted.internet import reactor

    port: Any = reactor.listenTCP(0, cast(Any, application.site()), interface="127.0.0.1")
    test.addCleanup(lambda: Deferred.fromCoroutine(closed(reactor)))
    test.addCleanup(port.stopListening)
    test.addCleanup(application.drained)
    return Caller(port.getHost().port)


class ConventionTests(TestCase):
    """What holds for every endpoint."""

    def setUp(self) -> None:
        self.seen: list[Any] = []
        self.answer: Any = {"success": True}
        self.caller = self._serve("")

    def _serve(self, token: str) -> Caller:
        application = Application(token)
        schema = Schema({"name": String(required=True), "id": String()})
        for method in ("POST", "GET"):
            route = Route(cast(Any, method), "/things/<id>", schema, Success, self._handle, permission=())
            application.add(route)
        return listen(self, application)

    async def _handle(self, call: Call) -> Any:
        self.seen.append(call.values)
        if isinstance(self.answer, Exception):
            raise self.answer
        return await self.answer if isinstance(self.answer, Deferred) else self.answer

    async def test_parameters(self) -> None:
        """Path, query and body are one namespace; the earlier source wins."""
        for path, body, headers in (
            ("/things/7?name=a", None, {}),
            ("/things/7", {"name": "a"}, {}),
            ("/things/7?name=a", {"name": "b"}, {}),
            ("/things/7?name=", {"name": "a", "id": "8"}, {}),
            ("/things/7", urlencode({"name": "a"}), {"Content-Type": _FORM}),
        ):
            self.assertEqual(await self.caller.call("POST", path, body, headers), (200, {"success": True}))
            self.assertEqual(self.seen.pop(), {"name": "a", "id": "7"})

    async def test_bad_bodies(self) -> None:
        """A body that is not what it says is 400, and nothing is called."""
        for body, kind in (
            ("{", "application/json"),
            ("[]", "application/json"),
            (b'{"name": "\xff"}', "application/json"),
            ("[" * 100_000, "application/json"),
            ("name=%ff", "application/x-www-form-urlencoded"),
            ("&".join(["a=1"] * 2000), "application/x-www-form-urlencoded"),
            ("<xml/>", "text/xml"),
            ("--x\r\n\r\n" * 2000, "multipart/form-data; boundary=x"),
        ):
            status, answer = await self.caller.call("POST", "/things/7", body, {"Content-Type": kind})
            self.assertEqual((status, answer["code"]), (400, "InputValidationError"), kind)
        self.assertEqual(self.seen, [])

    async def test_errors(self) -> None:
        """Every failed field is named; errors carry their code; a bug shows its reference alone."""
        status, answer = await self.caller.call("POST", "/things/7", {"name": {"$ne": 1}, "other": 1})
        self.assertEqual((status, set(answer["details"])), (400, {"name", "other"}))
        for error, expected in (
            (BadInput("x", {"name": "bad"}), (400, "InputValidationError")),
            (OverQuota(), (403, "OverQuotaError")),
            (KeyError("a secret"), (500, "InternalError")),
        ):
            self.answer = error
            status, answer = await self.caller.call("GET", "/things/7?name=a")
            self.assertEqual((status, answer["code"]), expected)
            self.assertNotIn("secret", json.dumps(answer))
        self.assertEqual(len(self.flushLoggedErrors(KeyError)), 1)

    async def test_routes(self) -> None:
        """Unknown paths and methods are JSON errors too; the trailing slash counts."""
        for method, path, expected in (
            ("GET", "/nothing", (404, "ResourceNotFound")),
            ("GET", "/things/7/", (404, "ResourceNotFound")),
            ("DELETE", "/things/7", (405, "MethodNotAllowed")),
        ):
            status, answer = await self.caller.call(method, path)
            self.assertEqual((status, answer["code"]), expected)

    async def test_token(self) -> None:
        """With a token configured, nothing is done without it, wherever it may stand."""
        self.caller = self._serve("right")
        body = {"name": "a"}
        for path, headers, expected in (
            ("/things/7", {}, 403),
            ("/things/7", {"X-Access-Token": "wrong"}, 403),
            ("/things/7?accessToken=wrong", {"X-Access-Token": "right"}, 403),
            ("/things/7", {"Authorization": "Basic right"}, 403),
            ("/things/7", {"Authorization": "Bearer right"}, 200),
            ("/things/7", {"X-Access-Token": "right", "Origin": "https://example.com"}, 200),
            ("/things/7?accessToken=right", {}, 200),
        ):
            self.assertEqual((await self.caller.call("POST", path, body, headers))[0], expected, headers)
        self.assertEqual(len(self.seen), 3)
        # A form is not looked at before the token.
        for body, kind in (("x", "multipart/form-data"), ("--x\r\nx", "multipart/form-data; boundary=x")):
            status, answer = await self.caller.call("POST", "/things/7", body, {"Content-Type": kind})
            self.assertEqual((status, answer["code"]), (403, "InvalidToken"), kind)

    async def test_without_token(self) -> None:
        """Without a token neither a web page, nor a rebound name, nor a guessed token gets in."""
        for headers, expected in (
            ({"Origin": "https://example.com"}, 403),
            ({"Sec-Fetch-Site": "cross-site"}, 403),
            ({"Sec-Fetch-Site": "none"}, 200),
            ({"X-Forwarded-For": "192.0.2.1"}, 403),
            ({"Host": "rebound.example.com"}, 403),
            ({"X-Access-Token": "guess"}, 403),
            ({"Host": "localhost:8080"}, 200),
            ({"Host": "[::1]:8080"}, 200),
        ):
            status, _ = await self.caller.call("POST", "/things/7", {"name": "a"}, headers)
            self.assertEqual(status, expected, headers)
        for host, expected in ((b"localhost:8080", 200), (b"rebound.example.com", 403)):
            # The name in the target counts (RFC 9112 §3.2.2).
            head = b"GET http://%b/things/7?name=a HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
            answer = await self.caller.raw(head % host)
            self.assertTrue(answer.startswith(b"HTTP/1.1 %d " % expected), (host, answer))

    async def test_too_big(self) -> None:
        """A body over the bound is answered before it is read, chunked ones when they pass it."""
        head = b"POST /things/7 HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        answer = await self.caller.raw(head + b"Content-Length: 2000000\r\n\r\n")
        self.assertTrue(answer.startswith(b"HTTP/1.1 413 "), answer[:80])
        chunks = b"10000\r\n" + b"x" * 65536 + b"\r\n"
        answer = await self.caller.raw(head + b"Transfer-Encoding: chunked\r\n\r\n" + chunks * 17)
        self.assertTrue(answer.startswith(b"HTTP/1.1 413 "), answer[:80])
        expecting = b"Expect: 100-continue\r\nContent-Length: 2000000\r\n\r\n"
        answer = await self.caller.raw(head + expecting)
        self.assertTrue(answer.startswith(b"HTTP/1.1 413 "), answer[:80])
        self.assertEqual(answer.count(b"HTTP/1.1"), 1, answer)
        self.assertEqual(self.seen, [])

    async def test_expected(self) -> None:
        """Who waits for leave to send a body gets it, and then the answer (RFC 9110 §10.1.1)."""
        head = b"POST /things/7 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        body = b'Expect: 100-continue\r\nContent-Length: 12\r\n\r\n{"name":"a"}'
        answer = await self.caller.raw(head + body)
        self.assertTrue(answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK"), answer[:80])

    async def test_encoded(self) -> None:
        """A body with a Content-Encoding is 415 (RFC 9110 §15.5.16) and not taken for what it is not."""
        for coding, body, expected in (
            ("gzip", b"\x1f\x8b", 415),
            ("x-unknown, gzip", b'{"name": "a"}', 415),
            ("identity", b'{"name": "a"}', 200),
            ("", b'{"name": "a"}', 200),
        ):
            status, answer = await self.caller.call("POST", "/things/7", body, {"Content-Encoding": coding})
            self.assertEqual(status, expected, coding)
            self.assertEqual("Content-Encoding" in answer.get("details", {}), expected == 415)
        status, _ = await self.caller.call("POST", "/things/7?name=a", None, {"Content-Encoding": "gzip"})
        self.assertEqual(status, 200)

    async def test_no_http(self) -> None:
        """A head that is too long or no HTTP is answered, all of it can be sent, and nothing is called."""
        for head, status in (
            (b"GET /things/7?name=" + b"x" * 100_000 + b" HTTP/1.1\r\n\r\n", b"431"),
            (b"GET /things/7?name=a HTTP/1.1\r\n" + b"X-Y: %s\r\n" % (b"z" * 1000) * 100, b"431"),
            (b"GET /things/7?name=a HTTP/1.1\r\nX-Y: " + b"z" * 100_000, b"431"),
            (b"GET /things/7?name=a HTTP/1.1\r\n" + b"X: y\r\n" * 600, b"431"),
            (b"nonsense\r\n", b"400"),
            (b"GET /things/7?name=a HTTP/1.1\r\n\r\n", b"400"),
            (b"GET /things/7?name=a HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", b"400"),
            (b"GET /things/7?name=a HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", b"400"),
            (b'POST /things/7 HTTP/1.1\r\nContent-Length: 12\r\n\r\n{"name":"a"}', b"400"),
        ):
            answer = await self.caller.raw(head)
            self.assertTrue(answer.startswith(b"HTTP/1.1 %s " % status), answer[:80])
            self.assertIn("code", json.loads(answer.partition(b"\r\n\r\n")[2]))
        self.assertEqual(self.seen, [])
        answer = await self.caller.raw(b"GET /things/7?name=a HTTP/1.0\r\n\r\n")
        self.assertTrue(answer.startswith(b"HTTP/1.0 200 "), answer[:80])

    async def test_big_body_sent(self) -> None:
        """Who sends all of a body that is too big can still read the answer."""
        head = b"POST /things/7 HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        for length in (2_000_000, 20_000_000):
            body = b"Content-Length: %d\r\n\r\n" % length + b" " * length
            answer = await self.caller.raw(head + body)
            self.assertTrue(answer.startswith(b"HTTP/1.1 413 "), answer[:80])

    async def test_drip(self) -> None:
        """A head or body that comes byte by byte is given up; requests on one connection are not added up."""
        self.patch(limits, "API_REQUEST_SECONDS", 0.3)
        head = b"GET /things/7?name=a HTTP/1.1\r\nHost: localhost\r\n"
        body = b"POST /things/7 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n{"
        for start in (head, body):
            answer = await deferToThread(self._drip, start, b" ", b"")
            self.assertTrue(answer.startswith(b"HTTP/1.1 408 "), answer[:80])
        self.assertEqual(self.seen, [])
        answer = await deferToThread(self._drip, b"", head + b"\r\n", b"nonsense\r\n")
        self.assertNotIn(b" 408 ", answer)
        self.assertTrue(answer.startswith(b"HTTP/1.1 200 "), answer[:80])

    def _drip(self, start: bytes, piece: bytes, end: bytes) -> bytes:
        """Send pieces for a second, at most; all that comes back."""
        with socket.create_connection(("127.0.0.1", self.caller.port), timeout=20) as connection:
            connection.sendall(start)
            for _ in range(20):
                connection.sendall(piece)
                if select.select([connection], [], [], 0.05)[0] and not end:
                    break
            connection.sendall(end)
            received = b""
            while found := connection.recv(65536):
                received += found
            return received

    async def test_log(self) -> None:
        """What stands in a query, a token for one, does not get into the log."""
        lines: list[str] = []

        def note(event: Any) -> None:
            lines.append(str(log.textFromEventDict(event)))

        log.addObserver(note)
        self.addCleanup(log.removeObserver, note)
        await self.caller.call("GET", "/things/7?name=a&accessToken=topsecret")
        self.assertTrue(any("'/things/7' 403" in line for line in lines), lines)
        self.assertNotIn("topsecret", "".join(lines))

    async def test_hang_up(self) -> None:
        """A handler whose client hangs up goes on to its end."""
        self.answer = Deferred()
        head = b"GET /things/7?name=a HTTP/1.0\r\nHost: localhost\r\n\r\n"

        def hang_up() -> None:
            with socket.create_connection(("127.0.0.1", self.caller.port), timeout=20) as connection:
                connection.sendall(head)
                while not self.seen:
                    pass

        await deferToThread(hang_up)
        finished: Deferred[None] = Deferred()

        def went_on(result: Any) -> Any:
            finished.callback(None)
            return result

        self.answer.addCallback(went_on)
        await self.caller.call("GET", "/nothing")
        self.answer.callback({"success": True})
        await finished


class ApiCase(TestCase):
    """
    The whole API over real databases.

    @cvar api_settings: section C{[api]}; the default: callers from this machine are root.
    """

    api_settings = ApiSettings()

    async def setUp(self) -> None:  # type: ignore[override]
        from twisted.internet import reactor

        self.settings, self.databases, self.redis = await connected(self)
        self.store = await self._store(self.settings)
        self.accounts = Accounts(
            self.databases, self.redis, self.store, pool(self), reactor, default_quota=1000
        )
        self.tokens = AccessTokens.from_settings(
            self.redis, self.databases.users, cast(Any, reactor), self.api_settings
        )
        self.application = make_application(
            self.accounts, self.store, self.databases, self.redis, cast(Any, reactor), self.api_settings
        )
        self.caller = listen(self, self.application)
        self.raw = blocking_database(self.settings)

    async def _store(self, settings: Settings) -> MailStore:
        from test.support.parts import mail_store

        return await mail_store(self, settings, self.databases, self.redis)

    async def post(self, path: str, **body: Any) -> tuple[int, Any]:
        return await self.caller.call("POST", path, body)


class LegacyTests(ApiCase):
    async def test_documented_examples(self) -> None:
        """The requests of the original documentation get their answers."""
        status, answer = await self.post("/user/create", username="testuser", password="secretpass")
        self.assertEqual((status, answer["success"], answer["username"]), (200, True, "testuser"))
        self.assertRegex(answer["id"], "^[0-9a-f]{24}$")
        self.assertEqual(
            await self.post("/user/address/create", username="testuser", address="user@example.com"),
            (200, {"success": True, "username": "testuser", "address": "user@example.com"}),
        )
        status, answer = await self.post("/user/quota", username="testuser", quota=1234567, recipients=500)
        self.assertEqual((status, answer["quota"], answer["recipients"]), (200, 1234567, 500))
        status, answer = await self.post("/user/quota/reset", username="testuser")
        self.assertEqual((answer["previousStorageUsed"], answer["storageUsed"]), (0, 0))
        status, answer = await self.post("/user/password", username="testuser", password="newpass")
        self.assertEqual(answer, {"success": True, "username": "testuser"})
        status, answer = await self.caller.call("GET", "/user?username=testuser")
        self.assertEqual(
            (status, answer["quota"], answer["storageUsed"], answer["recipients"]), (200, 1234567, 0, 500)
        )
        self.assertEqual(
            [(a["address"], a["main"]) for a in answer["addresses"]], [("user@example.com", True)]
        )
        with self.assertRaises(AuthenticationFailed):
            await self.accounts.sign_in(SignIn("testuser", "secretpass"))
        await self.accounts.sign_in(SignIn("testuser", "newpass"))

    async def test_mailboxes_made(self) -> None:
        """An account has its mailboxes when the answer comes."""
        _, answer = await self.post("/user/create", username="user@example.com", password="secretpass")
        self.assertEqual(self.raw.mailboxes.count_documents({}), 5)
        self.assertEqual(
            str((await self.accounts.receivers.find("user@example.com")).recipient.account.id), answer["id"]
        )

    async def test_recipients_sent(self) -> None:
        """What was sent today is counted by the shared counter."""
        _, answer = await self.post("/user/create", username="testuser", password="secretpass")
        await self.post("/user/quota", username="testuser", recipients=5)
        await self.redis.execute("SET", f"wdr:{answer['id']}", 5, "EX", 1000)
        _, shown = await self.caller.call("GET", "/user?username=testuser")
        self.assertEqual((shown["recipientsSent"], shown["recipientsLimited"]), (5, True))
        self.assertTrue(0 < shown["recipientsTtl"] <= 1000)

    async def test_refusals(self) -> None:
        """Unknown and taken names, missing and odd values each have their answer."""
        await self.post("/user/create", username="testuser", password="secretpass")
        for path, body, expected in (
            ("/user/create", {"username": "test.user", "password": "x"}, (400, "UserExistsError")),
            ("/user/create", {"username": "a b", "password": "x"}, (400, "InputValidationError")),
            ("/user/quota", {"username": "testuser"}, (400, "InputValidationError")),
            ("/user/quota", {"username": "nobody", "quota": 1}, (404, "UserNotFound")),
            ("/user/password", {"username": {"$ne": ""}, "password": "x"}, (400, "InputValidationError")),
            ("/user/address/create", {"username": "testuser", "address": "x"}, (400, "InputValidationError")),
        ):
            status, answer = await self.caller.call("POST", path, body)
            self.assertEqual((status, answer["code"]), expected, path)


class HealthTests(ApiCase):
    async def test_healthy(self) -> None:
        """Databases that answer and take writes are healthy."""
        status, answer = await self.caller.call("GET", "/health")
        self.assertEqual((status, answer["success"]), (200, True))

    async def test_redis_down(self) -> None:
        """What fails is said."""
        await self.redis.close()
        status, answer = await self.caller.call("GET", "/health")
        self.assertEqual((status, answer["error"]), (500, "Redis is down"))
