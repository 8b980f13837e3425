"""Routes: who may call, raw bodies, streams, web pages, answers that do not fit."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import AsyncIterator
from typing import Any

from bson import ObjectId
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from test.api.test_application import Caller, closed, listen
from wildduck import limits
from wildduck.accounts.tokens import InvalidToken
from wildduck.api.frame.access import Access
from wildduck.api.frame.answers import UNSET, Answer, Success, UnsetType
from wildduck.api.frame.application import Application
from wildduck.api.frame.call import ROOT, Call, Caller as Holder
from wildduck.api.frame.fields import Boolean, Integer, String
from wildduck.api.frame.route import Method, Route
from wildduck.api.frame.schema import Schema
from wildduck.api.frame.streams import Stream, WrongLength
from wildduck.errors import OverQuota
from wildduck.network.registry import Registry

ME, OTHER = ObjectId(), ObjectId()


class Given(Access):
    """Callers by their tokens, without a database."""

    holders = {
        b"root": ROOT,
        b"mine": Holder("user", ME),
        b"auth": Holder("auth"),
        b"unbound": Holder("user"),
    }

    async def caller(self, request: Any) -> Holder:
        try:
            return self.holders[request.getHeader(b"x-access-token") or b""]
        except KeyError:
            raise InvalidToken() from None


class Row(Answer, kw_only=True):
    id: str
    internalData: dict[str, Any] | UnsetType = UNSET


class Rows(Success, kw_only=True):
    tags: list[str] | UnsetType = UNSET
    internalData: dict[str, Any] | UnsetType = UNSET
    results: list[Row] = []


class RouteCase(TestCase):
    def setUp(self) -> None:
        self.application = Application(Given("root"), cors=["https://mail.example.com"])
        self.calls: list[Call] = []
        self.answer: Any = Success()
        self.addCleanup(setattr, Application, "strict_answers", Application.strict_answers)

    def add(
        self, method: Method, path: str, permission: Any = (), answer: Any = Success, **more: Any
    ) -> None:
        schema = more.pop("schema", Schema({}))
        self.application.add(Route(method, path, schema, answer, self.handle, permission, **more))

    async def handle(self, call: Call) -> Any:
        self.calls.append(call)
        if callable(self.answer):
            return await self.answer(call)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def serve(self) -> Caller:
        self.caller = listen(self, self.application)
        return self.caller

    async def call(
        self, method: str, path: str, token: str = "root", body: Any = None, **headers: str
    ) -> Any:
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if token:
            headers["X-Access-Token"] = token
        return await self.caller.call(method, path, body, headers)

    async def fetch(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any, bytes]:
        """Status, headers and body as they come."""

        def work() -> tuple[int, Any, bytes]:
            connection = http.client.HTTPConnection("127.0.0.1", self.caller.port, timeout=20)
            try:
                named = {name.replace("_", "-"): value for name, value in headers.items()}
                connection.request(method, path, body, {"X-Access-Token": "root", **named})
                answer = connection.getresponse()
                return answer.status, answer.headers, answer.read()
            finally:
                connection.close()

        return await deferToThread(work)


class PermissionTests(RouteCase):
    async def test_own(self) -> None:
        """A user's token opens that user's paths, by id and as 'me'."""
        self.add("GET", "/users/<user>/mailboxes", ("mailboxes", "read"))
        self.add("GET", "/mailboxes", ("mailboxes", "read"))
        self.add("GET", "/filters", ("filters", "read"), own=True)
        self.serve()
        for path, token, expected in (
            (f"/users/{ME}/mailboxes", "mine", 200),
            (f"/users/{str(ME).upper()}/mailboxes", "mine", 200),
            ("/users/me/mailboxes", "mine", 200),
            (f"/users/{OTHER}/mailboxes", "mine", 403),
            (f"/users/{OTHER}/mailboxes?user={ME}", "mine", 403),
            ("/users/x/mailboxes", "mine", 403),
            (f"/users/{ME}/mailboxes", "auth", 403),
            (f"/users/{ME}/mailboxes", "unbound", 403),
            ("/users/me/mailboxes", "unbound", 403),
            ("/users/me/mailboxes", "root", 400),
            (f"/users/{OTHER}/mailboxes", "root", 200),
            (f"/users/{OTHER}/mailboxes", "", 403),
            ("/mailboxes", "mine", 403),
            ("/mailboxes", "root", 200),
            ("/filters", "mine", 200),
            ("/filters", "unbound", 403),
        ):
            status, _ = await self.call("GET", path, token)
            self.assertEqual(status, expected, (path, token))
        self.assertEqual([call.user for call in self.calls[:3]], [ME, ME, ME])
        self.assertEqual([call.only_user() for call in self.calls[-2:]], [None, ME])

    async def test_attributes(self) -> None:
        """What a role may not give is not given; what it may not see is not in the answer."""
        fields = {name: Integer() for name in ("quota", "spamLevel")}
        self.add("PUT", "/users/<user>", ("users", "update"), schema=Schema(fields))
        self.add("GET", "/users/<user>", ("users", "read"), Rows)
        self.add("POST", "/authenticate", ("authentication", "create"), schema=Schema({"token": Boolean()}))
        self.serve()
        for token, quota in (("mine", None), ("root", 5)):
            status, _ = await self.call("PUT", f"/users/{ME}", token, {"quota": 5, "spamLevel": 3})
            values = self.calls[-1].values
            self.assertEqual((status, values["quota"], values["spamLevel"]), (200, quota, 3))
        for token in ("mine", "root"):
            status, answer = await self.call("PUT", f"/users/{ME}", token, {"spamLevel": 3, "nonsense": 1})
            self.assertEqual((status, set(answer["details"])), (400, {"nonsense"}), token)
        for token, shown in (("mine", False), ("root", True)):
            self.answer = Rows(tags=["a"], results=[Row(id="1", internalData={})])
            _, answer = await self.call("GET", f"/users/{ME}", token)
            self.assertEqual(("tags" in answer, "internalData" in answer["results"][0]), (shown, shown))
        self.answer = Success()
        await self.call("POST", "/authenticate", "auth", {"token": True})
        self.assertEqual(self.calls[-1].values, {"token": None})

    async def test_public(self) -> None:
        """A route without a permission needs no token."""
        self.add("GET", "/open", None)
        self.serve()
        self.assertEqual((await self.call("GET", "/open", ""))[0], 200)


class AnswerTests(RouteCase):
    async def test_form(self) -> None:
        """Two blanks for each level, a line break at the end, the length said."""
        self.add("GET", "/x", answer=Rows)
        self.answer = Rows(results=[Row(id="ä")])
        self.serve()
        _, headers, body = await self.fetch("GET", "/x")
        expected = '{\n  "success": true,\n  "results": [\n    {\n      "id": "ä"\n    }\n  ]\n}\n'
        self.assertEqual(body.decode(), expected)
        self.assertEqual(headers["content-length"], str(len(body)))

    async def test_wrong(self) -> None:
        """An answer that does not fit its struct fails in tests, and is logged in production."""
        self.add("GET", "/x", answer=Rows)
        self.answer = {"success": True, "results": [], "other": 1}
        self.serve()
        self.assertEqual((await self.call("GET", "/x"))[0], 500)
        self.assertEqual(len(self.flushLoggedErrors()), 1)
        Application.strict_answers = False
        self.assertEqual(await self.call("GET", "/x"), (200, self.answer))
        self.answer = {"success": "yes"}
        self.assertEqual(await self.call("GET", "/x"), (200, self.answer))

    async def test_extra(self) -> None:
        """Members that an error adds are in the envelope."""
        self.add("GET", "/x")
        self.answer = OverQuota()
        self.answer.extra = {"allowed": 5}
        self.serve()
        status, answer = await self.call("GET", "/x")
        self.assertEqual((status, answer["allowed"], answer["code"]), (403, 5, "OverQuotaError"))

    async def test_long_parameter(self) -> None:
        """A path parameter has a bound, as with WildDuck."""
        self.add("GET", "/x/<id>", schema=Schema({"id": String(required=True)}))
        self.serve()
        self.assertEqual((await self.call("GET", f"/x/{'a' * 196}"))[0], 200)
        self.assertEqual((await self.call("GET", f"/x/{'a' * 197}"))[1]["code"], "ResourceNotFound")

    def test_missing_field(self) -> None:
        """A path parameter that no schema has is found at the start."""
        self.assertRaises(ValueError, self.add, "GET", "/x/<id>")


class RawBodyTests(RouteCase):
    async def test_raw(self) -> None:
        """A body of the named type is handed over as it is; others are parameters."""
        self.add(
            "POST",
            "/x",
            schema=Schema({"seen": Boolean()}),
            raw=("message/rfc822",),
            most_body=3 * limits.API_BODY,
        )
        bodies = []

        async def read(call: Call) -> Success:
            bodies.append(call.body.read() if call.body is not None else None)
            return Success()

        self.answer = read
        self.serve()
        content = b"\x00\xff" * (limits.API_BODY)
        status, _ = await self.call(
            "POST", "/x?seen=true", body=content, Content_Type="Message/RFC822; charset=x"
        )
        self.assertEqual((status, bodies.pop(), self.calls[-1].values), (200, content, {"seen": True}))
        status, _ = await self.call("POST", "/x", body={"seen": False})
        self.assertEqual((status, bodies.pop(), self.calls[-1].values), (200, None, {"seen": False}))
        self.assertEqual((await self.call("POST", "/x", body=b"x", Content_Type="text/plain"))[0], 400)
        answer = await self.caller.raw(
            b"POST /x?a=/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n"
            % (3 * limits.API_BODY + 1)
        )
        self.assertTrue(answer.startswith(b"HTTP/1.1 413 "), answer[:80])

    async def test_many(self) -> None:
        """There is room for so many big bodies at once; when one has ended there is room again."""
        self.patch(limits, "API_BIG_BODIES", 1)
        self.add("POST", "/x", raw=("message/rfc822",), most_body=3 * limits.API_BODY)
        arrived: Deferred[None] = Deferred()
        goes_on: Deferred[None] = Deferred()

        async def wait(_call: Call) -> Success:
            arrived.callback(None)
            await goes_on
            return Success()

        self.answer = wait
        self.serve()
        content = b"x" * (2 * limits.API_BODY)
        first = Deferred.fromCoroutine(self.call("POST", "/x", body=content, Content_Type="message/rfc822"))
        await arrived
        self.answer = Success()
        status, headers, body = await self.fetch("POST", "/x", content, Content_Type="message/rfc822")
        self.assertEqual((status, json.loads(body)["code"]), (503, "ServiceUnavailable"))
        self.assertEqual(headers["retry-after"], "5")
        self.assertEqual((await self.call("POST", "/x", body={}))[0], 200)
        goes_on.callback(None)
        self.assertEqual((await first)[0], 200)
        self.assertEqual((await self.call("POST", "/x", body=content, Content_Type="message/rfc822"))[0], 200)

    async def test_connections(self) -> None:
        """More connections than the bounds are told so; one that ends makes room."""
        for registry in (Registry(1, 10), Registry(10, 1)):
            await self.crowd(registry)

    async def crowd(self, registry: Registry) -> None:
        self.application = Application(Given("root"), registry=registry)
        self.add("GET", "/x")
        self.answer = Success()
        caller = self.serve()
        self.patch(limits, "API_REFUSED_CONNECTIONS", 1)
        self.patch(limits, "API_LINGER_SECONDS", 0.2)

        def connect() -> socket.socket:
            return socket.create_connection(("127.0.0.1", caller.port), timeout=20)

        def ask(connection: socket.socket) -> bytes:
            connection.sendall(b"GET /x HTTP/1.1\r\nHost: localhost\r\nX-Access-Token: root\r\n\r\n")
            return connection.recv(1000)

        def others() -> bytes:
            with connect() as first:
                assert ask(first).startswith(b"HTTP/1.1 200 ")
                with connect() as second, connect() as third:
                    # The third is closed without a word, and the second if it says nothing.
                    assert third.recv(10) == b"" == second.recv(10)
                with connect() as second:
                    # Its predecessor may have not been forgotten yet.
                    refusal = ask(second)
                assert ask(first).startswith(b"HTTP/1.1 200 ")
                return refusal

        refusal = await deferToThread(others)
        self.assertTrue(refusal.startswith(b"HTTP/1.1 503 "), refusal)
        self.assertIn(b"\r\nRetry-After: 5\r\n", refusal)
        self.assertEqual(json.loads(refusal.partition(b"\r\n\r\n")[2])["code"], "TooManyConnections")
        from twisted.internet import reactor

        await closed(reactor)
        self.assertEqual((await self.call("GET", "/x"))[0], 200)
        self.assertEqual(len(self.calls), 3)
        self.calls.clear()

    async def test_idle(self) -> None:
        """A connection that says nothing more is closed."""
        self.add("GET", "/x")
        site = self.application.site()
        site.timeOut = 0.2
        self.patch(self.application, "site", lambda: site)
        caller = self.serve()

        def idle(request: bytes) -> bytes:
            with socket.create_connection(("127.0.0.1", caller.port), timeout=20) as connection:
                connection.sendall(request)
                received = b""
                while data := connection.recv(10_000):
                    received += data
                return received

        whole = b"GET /x HTTP/1.1\r\nHost: localhost\r\nX-Access-Token: root\r\n\r\n"
        part = whole[:20]
        for request, answered in ((b"", False), (part, False), (whole, True), (whole + part, True)):
            answer = await deferToThread(idle, request)
            self.assertEqual(answer.startswith(b"HTTP/1.1 200 "), answered, (request, answer))


class StreamTests(RouteCase):
    async def test_whole(self) -> None:
        """Blocks come in their order, with type, length and headers."""
        self.add("GET", "/x", answer=Stream)

        async def blocks() -> AsyncIterator[bytes]:
            for _ in range(100):
                yield b"x" * 65536

        self.answer = Stream("image/png", blocks(), 6553600, {"Content-Disposition": "attachment"})
        self.serve()
        status, headers, body = await self.fetch("GET", "/x")
        self.assertEqual((status, body), (200, b"x" * 6553600))
        self.assertEqual(
            (headers["content-type"], headers["content-disposition"], headers["content-length"]),
            ("image/png", "attachment", "6553600"),
        )

    async def test_head(self) -> None:
        """HEAD has the head and no more: also of a stream that would never end, and is closed."""
        self.add("GET", "/x", answer=Stream)
        closed: list[bool] = []

        async def blocks() -> AsyncIterator[bytes]:
            try:
                while True:
                    yield b"x"
                    await Deferred()
            finally:
                closed.append(True)

        async def stream(_: Call) -> Stream:
            return Stream("image/png", blocks(), None, {"Content-Disposition": "attachment"})

        self.answer = stream
        self.serve()
        head = b"%s /%s HTTP/1.1\r\nHost: localhost\r\nX-Access-Token: root\r\n%s\r\n"
        requests = head % (b"HEAD", b"x", b"") + head % (b"GET", b"nothing", b"Connection: close\r\n")
        answer = await self.caller.raw(requests)
        self.assertTrue(answer.startswith(b"HTTP/1.1 200 "), answer)
        first, second = answer.split(b"HTTP/1.1 ")[1:]
        self.assertIn(b"image/png", first)
        self.assertEqual(first.partition(b"\r\n\r\n")[2], b"")
        self.assertTrue(second.startswith(b"404 "), second)
        self.assertEqual(closed, [True])

    async def test_error_before(self) -> None:
        """What fails before the first byte is an error like any other."""
        self.add("GET", "/x", answer=Stream)

        async def blocks() -> AsyncIterator[bytes]:
            raise OverQuota()
            yield b""

        self.answer = Stream("image/png", blocks())
        self.serve()
        self.assertEqual((await self.call("GET", "/x"))[0], 403)

    async def test_error_after(self) -> None:
        """What fails later, or ends too early, cuts the connection: what came does not look whole."""
        self.add("GET", "/x", answer=Stream)
        self.serve()

        async def fails() -> bool:
            try:
                await self.fetch("GET", "/x")
            except (http.client.HTTPException, OSError):
                return True
            return False

        async def blocks(error: Exception | None) -> AsyncIterator[bytes]:
            yield b"x" * 10
            if error is not None:
                raise error

        self.answer = Stream("image/png", blocks(KeyError()))
        self.assertTrue(await fails())
        self.assertEqual(len(self.flushLoggedErrors(KeyError)), 1)
        self.answer = Stream("image/png", blocks(None), 11)
        self.assertTrue(await fails())
        self.assertEqual(len(self.flushLoggedErrors(WrongLength)), 1)
        self.answer = Stream("image/png", blocks(None), 10)
        self.assertFalse(await fails())

    async def test_back_pressure(self) -> None:
        """A client that does not read stops the blocks; when it hangs up they are closed."""
        self.add("GET", "/x", answer=Stream)
        made = 0
        closed: Deferred[None] = Deferred()

        async def blocks() -> AsyncIterator[bytes]:
            nonlocal made
            try:
                while True:
                    made += 1
                    yield b"x" * 65536
            finally:
                closed.callback(None)

        self.answer = Stream("image/png", blocks())
        caller = self.serve()
        request = b"GET /x HTTP/1.1\r\nHost: localhost\r\nX-Access-Token: root\r\n\r\n"

        def read_some() -> None:
            with socket.create_connection(("127.0.0.1", caller.port), timeout=20) as connection:
                connection.sendall(request)
                self.assertTrue(connection.recv(100).startswith(b"HTTP/1.1 200"))
                # Until nothing more is made: what the kernel's buffers hold is bounded.
                before = -1
                while before != made:
                    before = made
                    connection_wait.wait(0.2)

        import threading

        connection_wait = threading.Event()
        await deferToThread(read_some)
        await closed
        self.assertLess(made, 1000)


class CorsTests(RouteCase):
    async def test_allowed(self) -> None:
        """Pages of the origins that are named may ask and read; others may not."""
        self.add("POST", "/x")
        self.serve()
        for origin, allowed in (("https://mail.example.com", True), ("https://example.com", False)):
            asked = {"Origin": origin, "Access_Control_Request_Method": "POST"}
            status, headers, _ = await self.fetch("OPTIONS", "/x", **asked)
            self.assertEqual(status, 204)
            self.assertEqual(headers["access-control-allow-origin"], origin if allowed else None)
            status, headers, _ = await self.fetch("POST", "/x", Origin=origin)
            self.assertEqual(
                (status, headers["access-control-allow-origin"]), (200, origin if allowed else None)
            )
            # A cache must not give one page the other's answer.
            self.assertEqual(headers["vary"], "Origin")
        status, _, _ = await self.fetch("OPTIONS", "/x")
        self.assertEqual(status, 405)

    async def test_errors_too(self) -> None:
        """A page can read why it was refused."""
        self.add("POST", "/x")
        self.serve()
        _, headers, body = await self.fetch("POST", "/x", "{", Origin="https://mail.example.com")
        self.assertEqual(headers["access-control-allow-origin"], "https://mail.example.com")
        self.assertEqual(json.loads(body)["code"], "InputValidationError")

    async def test_without_token(self) -> None:
        """Where no token is asked for, no page may call."""
        self.application = Application("", cors=["*"])
        self.add("POST", "/x")
        self.serve()
        asked = {"Origin": "https://mail.example.com", "Access_Control_Request_Method": "POST"}
        status, headers, _ = await self.fetch("OPTIONS", "/x", **asked)
        self.assertEqual((status, headers["access-control-allow-origin"]), (405, None))


class OddRequestTests(RouteCase):
    async def test_answered(self) -> None:
        """Whatever a head holds, the answer is JSON, no 500, and nothing in the log."""
        self.add("GET", "/x")
        self.serve()
        for line, host, expected in (
            (b"GET /nothing", b"a..b", b"400"),
            (b"GET /nothing", b"\xff\xfe", b"400"),
            (b"GET /nothing", b"a" * 300, b"400"),
            (b"GET /%ff", b"localhost", b"400"),
            (b"GET /x?a=%ff", b"localhost", b"400"),
            (b"GET http://localhost/x", b"localhost", b"200"),
            (b"GET HTTPS://localhost:8080/x?", b"localhost", b"200"),
            (b"GET http://localhost?x", b"localhost", b"404"),
            (b"GET http://a@localhost/x", b"localhost", b"404"),
            (b"GET http:///x", b"localhost", b"404"),
            (b"GET x", b"localhost", b"404"),
            (b"CONNECT a:1", b"localhost", b"404"),
            (b"PATCH /x", b"localhost", b"405"),
            (b"HEAD /x", b"a..b", b"400"),
            (b"G\xffT /x", b"localhost", b"400"),
            (b"GET /x", b"a..b", b"200"),
        ):
            head = (
                line
                + b" HTTP/1.1\r\nHost: "
                + host
                + b"\r\nX-Access-Token: root\r\nConnection: close\r\n\r\n"
            )
            answer = await self.caller.raw(head)
            self.assertTrue(answer.startswith(b"HTTP/1.1 " + expected), (line, host, answer[:80]))
            if not line.startswith(b"HEAD"):
                json.loads(answer.partition(b"\r\n\r\n")[2])
