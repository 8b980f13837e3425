"""
The HTTP application: routing, access, errors and answers in one place.

Handlers run detached from the request: Klein cancels a handler whose client
hangs up, and a change must be whole or absent.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from io import SEEK_END, BytesIO
from typing import Any, BinaryIO, ClassVar, cast
from uuid import uuid4

from klein import Klein
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.iweb import IRequest
from twisted.web.server import Site
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from wildduck import limits
from wildduck.api.frame import answers, compat, parameters, roles
from wildduck.api.frame.access import Access
from wildduck.api.frame.call import ROOT, Call, Caller
from wildduck.api.frame.cors import Cors
from wildduck.api.frame.dispatch import DirectResource, RouteTable
from wildduck.api.frame.json_body import Steps
from wildduck.api.frame.roles import Grant, MissingPrivileges
from wildduck.api.frame.route import Route
from wildduck.api.frame.schema import Schema
from wildduck.api.frame.site import ApiSite
from wildduck.api.frame.streams import HungUp, Stream, Writer, WrongLength
from wildduck.errors import BadInput, DomainError, ServerBug
from wildduck.network.registry import Registry

_JSON = b"application/json; charset=utf-8"
#: What twisted.web does not know.
_PHRASES = {429: b"Too Many Requests"}
_EVERYTHING = Grant(any=True)
#: A route with its complete schema.
_Served = tuple[Route, Schema]


class Application:
    """
    Routes with their schemas over one L{Klein}.

    @cvar strict_answers: an answer that does not fit its struct is an error
        (tests), else it is sent nonetheless and logged.
    @ivar klein: the routing.
    @ivar routes: all that were added.
    """

    strict_answers: ClassVar[bool] = False
    _log = Logger()

    def __init__(
        self,
        access: Access | str = "",
        *,
        clock: IReactorTime | None = None,
        compat_status: bool = False,
        cors: Iterable[str] = (),
        registry: Registry | None = None,
    ) -> None:
        """
        @param access: who may call; text is the configured token, C{""} for none.
        @param clock: the reactor, if not the global one.
        @param compat_status: answer with WildDuck's HTTP statuses.
        @param cors: origins of web pages that may call, C{"*"} for all.
        @param registry: counts the connections.
        """
        self._access = Access(access) if isinstance(access, str) else access
        if clock is None:
            from twisted.internet import reactor

            clock = cast(IReactorTime, reactor)
        self._clock: IReactorTime = clock
        self._compat_status = compat_status
        # Where no token is asked for, no web page may call.
        self._cors = Cors(cors if self._access.protected else ())
        self._registry = registry or Registry()
        self._running: set[Deferred[None]] = set()
        self._at_end: list[Callable[[], None]] = []
        self.routes: list[Route] = []
        self._table: RouteTable[_Served] = RouteTable()
        self.klein = Klein()
        self.klein.handle_errors(HTTPException)(self._routing_error)

    def add(self, route: Route) -> None:
        """Serve a route."""
        schema = route.complete()
        self.routes.append(route)

        self._table.add(route.method, route.path, (route, schema))

        def serve(request: IRequest, **path_values: str) -> Deferred[None]:
            work = self._begin(request, (route, schema), path_values)
            # Klein may cancel what it is given, the work goes on.
            outer: Deferred[None] = Deferred(lambda cancelled: cancelled.callback(None))

            def ended(_: None) -> None:
                if not outer.called:
                    outer.callback(None)

            work.addCallback(ended)
            return outer

        # The endpoint is named, for Klein would tell two by the function's name.
        self.klein.route(route.path, methods=[route.method], endpoint=route.name, strict_slashes=True)(serve)

    def site(self) -> Site:
        """The factory to listen with."""
        resource = DirectResource(self.klein, self._table, self._begin, self._malformed)
        return ApiSite(resource, self._most_body, self._registry)

    def at_end(self, callback: Callable[[], None]) -> None:
        """
        Have something called when the server is about to end.

        @param callback: ends handlers that would go on.
        """
        self._at_end.append(callback)

    def drained(self) -> Deferred[Any]:
        """Ends what goes on by itself; fires when no handler runs any more."""
        for callback in self._at_end:
            callback()
        waits = []
        for running in self._running:
            wait: Deferred[None] = Deferred()
            running.addBoth(_pass_on, wait)
            waits.append(wait)
        return DeferredList(waits)

    def _most_body(self, method: bytes, path: bytes) -> int:
        """Bytes that the body of a request may have."""
        found = self._table.find(method, path.partition(b"?")[0])
        return found[0][0].most_body if found is not None else limits.API_BODY

    def _begin(self, request: Any, served: _Served, path: dict[str, str]) -> Deferred[None]:
        """
        Serve a request; it goes on when the client hangs up.

        @return: fires when it has been finished, or can not be any more.
        """
        route, schema = served
        work = Deferred.fromCoroutine(self._serve(request, path, route, schema))
        self._running.add(work)
        return work.addBoth(self._ended, request, work)

    def _ended(self, result: Any, request: Any, work: Deferred[None]) -> None:
        self._running.discard(work)
        if isinstance(result, Failure):
            self._log.failure("an answer could not be written", failure=result)
        if not request._disconnected and not request.finished:
            request.finish()

    async def _serve(self, request: Any, path: dict[str, str], route: Route, schema: Schema) -> None:
        status = 200
        # Before anything is waited for.
        content = _take_body(request)
        try:
            if any(len(value) > limits.API_PATH_PARAMETER for value in path.values()):
                raise PathNotFound()
            call = await self._call(request, content, path, route, schema)
            answer = await route.handler(call)
            if isinstance(answer, Stream):
                await self._send(request, answer)
                return
            body = answers.pretty(self._checked(route, call.permission.hide(answer)))
        except HungUp:
            return
        except DomainError as error:
            status, body = self._refusal(route.name, error)
        except Exception:
            incident = uuid4().hex[:16]
            self._log.failure(
                "API request {route} failed, reference {incident}", route=route.name, incident=incident
            )
            status, body = self._refusal(route.name, ServerBug(incident))
        finally:
            content.close()
        if not request._disconnected:
            self._head(request, status, _JSON, len(body))
            request.write(body)

    async def _call(
        self, request: Any, content: BinaryIO, path: dict[str, str], route: Route, schema: Schema
    ) -> Call:
        """@raise DomainError: the caller may not call, or the parameters are wrong."""
        caller = ROOT if route.permission is None else await self._access.caller(request)
        if caller.user is not None and path.get("user") == "me":
            path["user"] = str(caller.user)
        grant = _permission(route, caller, path.get("user"))
        _refuse_encoded(request, content)
        raw = bool(route.raw) and _is_raw(route.raw, request.getHeader(b"content-type"))
        _, _, query = request.uri.partition(b"?")
        body = None if raw else content
        given = await self._in_turns(parameters.merged(path, query, request.getHeader(b"content-type"), body))
        if caller.user is not None and given.get("user") == "me":
            given["user"] = str(caller.user)
        if grant.without or grant.only is not None:
            # What nobody may give is said to them as to all others.
            given = {
                name: value
                for name, value in given.items()
                if name in path or grant.allows(name) or name not in schema.fields
            }
        parsed = schema.read(given)
        return Call(
            parsed.values,
            parsed.given,
            parsed.emptied,
            caller,
            grant,
            request,
            parsed.values.get("ip") or "",
            parsed.values.get("sess") or "",
            content if raw else None,
        )

    async def _in_turns(self, steps: Steps) -> Any:
        """What steps come to; between two of them others have their turn."""
        while True:
            try:
                next(steps)
            except StopIteration as ended:
                return ended.value
            await deferLater(self._clock, 0)

    def _checked(self, route: Route, answer: Any) -> bytes:
        """The answer as JSON, held against its struct."""
        encoded = answers.compact(answer)
        try:
            answers.check(encoded, route.answer)  # type: ignore[arg-type]
        except answers.WrongAnswer as error:
            if self.strict_answers:
                raise
            self._log.error(
                "{route} answers what its schema does not say: {error}", route=route.name, error=error
            )
        return encoded

    async def _send(self, request: Any, stream: Stream) -> None:
        """
        Send a stream.

        @raise DomainError: and others, as long as nothing has been sent.
        """
        blocks = stream.blocks
        writer: Writer | None = None
        try:
            first = await _first(blocks)
            if request._disconnected:
                return
            self._head(request, 200, stream.content_type.encode("latin-1", "replace"), stream.length)
            for name, value in stream.headers.items():
                request.setHeader(name.encode("ascii"), value.encode("ascii"))
            if request.method == b"HEAD":
                # Nothing of it would be sent; one that waits for news would keep the connection.
                return
            writer = Writer(request, self._clock)
            await writer.write(first)
            async for block in blocks:
                await writer.write(block)
            if stream.length not in (None, writer.written):
                raise WrongLength(f"{writer.written} bytes in place of {stream.length}")
            writer.close()
        except HungUp:
            pass
        except Exception:
            if writer is None:
                raise
            self._log.failure("a body could not be sent whole")
            writer.cut()
        finally:
            close = getattr(blocks, "aclose", None)
            if close is not None:
                await close()

    def _refusal(self, route: str, error: DomainError) -> tuple[int, bytes]:
        status, answer = error_answer(error)
        if self._compat_status:
            status = compat.status_of(route, answer["code"], status)
            answer = compat.envelope(status, answer)
        return status, answers.encode(answer)

    def _malformed(self, request: Any) -> bytes:
        status, body = self._refusal("", BadRequest("The path is not UTF-8, or the host is no name"))
        self._head(request, status, _JSON, len(body))
        return body

    def _routing_error(self, request: Any, failure: Failure) -> bytes:
        error = failure.value
        assert isinstance(error, HTTPException)
        if isinstance(error, MethodNotAllowed):
            if self._cors.preflight(request, error.valid_methods or ()):
                request.setResponseCode(204)
                return b""
            request.setHeader(b"allow", ", ".join(error.valid_methods or ()).encode())
            refused: DomainError = WrongMethod()
        elif error.code == 404 or error.code is not None and 300 <= error.code < 400:
            refused = PathNotFound()
        else:
            refused = BadRequest(error.name)
        status, body = self._refusal("", refused)
        self._head(request, status, _JSON, len(body))
        return body

    def _head(self, request: Any, status: int, content_type: bytes, length: int | None) -> None:
        request.setResponseCode(status, _PHRASES.get(status))
        request.setHeader(b"content-type", content_type)
        if length is not None:
            request.setHeader(b"content-length", b"%d" % length)
        request.setHeader(b"x-content-type-options", b"nosniff")
        self._cors.allow(request)


async def _first(blocks: AsyncIterator[bytes]) -> bytes:
    """The first block; not by C{anext} with a default, which leaves a generator running that waits."""
    async for block in blocks:
        return block
    return b""


class PathNotFound(DomainError):
    """Nothing is served under this path."""

    http = (404, "ResourceNotFound")
    text = "The path does not exist"


class WrongMethod(DomainError):
    """The path has other methods (RFC 9110 §15.5.6)."""

    http = (405, "MethodNotAllowed")
    text = "The method is not allowed"


class EncodedBody(BadInput):
    """The body has a Content-Encoding (RFC 9110 §8.4): what it would come to has no bound."""

    http = (415, "UnsupportedMediaType")
    text = "The request body must not have a Content-Encoding"


class BadRequest(DomainError):
    """What the routing finds wrong with a request."""

    http = (400, "BadRequest")


def error_answer(error: DomainError) -> tuple[int, dict[str, Any]]:
    """The status and the members of the error envelope."""
    status, code = error.http
    answer: dict[str, Any] = {"error": str(error), "code": code}
    if isinstance(error, BadInput):
        answer["details"] = error.fields
    return status, {**answer, **error.extra}


def _permission(route: Route, caller: Caller, user: str | None) -> Grant:
    """@raise MissingPrivileges: the caller may not call this route, for this account."""
    if not route.permission:
        return _EVERYTHING
    grant = roles.grant_of(caller.role, *route.permission)
    if grant.any:
        return grant
    if caller.user is None:
        raise MissingPrivileges()
    if user is not None and user.lower() == str(caller.user) or user is None and route.own:
        return grant
    raise MissingPrivileges()


def _take_body(request: Any) -> BinaryIO:
    """The body, which is ours from now on: a request whose client hangs up closes its own."""
    body: BinaryIO = request.content
    request.content = BytesIO()
    return body


def _refuse_encoded(request: Any, content: BinaryIO) -> None:
    """@raise EncodedBody: there is a body, and it is compressed or the like."""
    coding = (request.getHeader(b"content-encoding") or b"").strip().lower()
    length = content.seek(0, SEEK_END)
    content.seek(0)
    if length and coding not in (b"", b"identity"):
        # RFC 7694 §3
        request.setHeader(b"accept-encoding", b"identity")
        raise EncodedBody(fields={"Content-Encoding": "must not be given"})


def _is_raw(kinds: tuple[str, ...], content_type: bytes | None) -> bool:
    kind = (content_type or b"").partition(b";")[0].strip().lower().decode("latin-1")
    if kind in kinds:
        return True
    return "*" in kinds and kind not in ("", *parameters.PARSED)


def _pass_on(result: Any, wait: Deferred[None]) -> Any:
    wait.callback(None)
    return result
