"""
The HTTP application: routing, access, errors and answers in one place.

Handlers are coroutines that take the parsed parameters and return the members
of the answer.  They run detached from the request: Klein cancels a handler
whose client hangs up, and a change must be whole or absent.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import msgspec
from klein import Klein
from twisted.internet.defer import Deferred, DeferredList
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.iweb import IRequest
from twisted.web.server import Site
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from wildduck.api import access, parameters
from wildduck.api.bounded_request import BoundedRequest
from wildduck.api.schema import Schema
from wildduck.errors import BadInput, DomainError, ServerBug

Handler = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]


class Application:
    """
    Routes with their schemas over one L{Klein}.

    @ivar klein: the routing.
    """

    _log = Logger()

    def __init__(self, token: str = "") -> None:
        """@param token: the access token, C{""} for none."""
        self._token = token
        self._running: set[Deferred[None]] = set()
        self.klein = Klein()
        self.klein.handle_errors(HTTPException)(self._routing_error)

    def add(self, method: str, path: str, schema: Schema, handler: Handler) -> None:
        """Serve C{METHOD path} with a handler of parsed parameters."""

        def serve(request: IRequest, **path_values: str) -> Deferred[None]:
            return self._detached(self._serve(request, path_values, schema, handler))

        # The endpoint is named, for Klein would tell two by the function's name.
        self.klein.route(path, methods=[method], endpoint=f"{method} {path}", strict_slashes=True)(serve)

    def site(self) -> Site:
        """The factory to listen with."""
        site = Site(self.klein.resource(), requestFactory=BoundedRequest, logFormatter=_log_line)
        site.displayTracebacks = False
        return site

    def drained(self) -> Deferred[Any]:
        """Fires when no handler runs any more."""
        waits = []
        for running in self._running:
            wait: Deferred[None] = Deferred()
            running.addBoth(_pass_on, wait)
            waits.append(wait)
        return DeferredList(waits)

    def _detached(self, work: Any) -> Deferred[None]:
        """The outer Deferred may be cancelled, the work goes on."""
        inner = Deferred.fromCoroutine(work)
        outer: Deferred[None] = Deferred(lambda cancelled: cancelled.callback(None))
        self._running.add(inner)

        def done(result: Any) -> None:
            self._running.discard(inner)
            if not outer.called:
                outer.callback(None)
            if isinstance(result, Failure):
                self._log.failure("an answer could not be written", failure=result)

        inner.addBoth(done)
        return outer

    async def _serve(self, request: IRequest, path: dict[str, str], schema: Schema, handler: Handler) -> None:
        status = 200
        try:
            access.check(request, self._token)
            answer = await handler(schema.parse(parameters.merged(request, path)))
        except DomainError as error:
            status, answer = error_answer(error)
        except Exception:
            incident = uuid4().hex[:16]
            self._log.failure("API request failed, reference {incident}", incident=incident)
            status, answer = error_answer(ServerBug(incident))
        if not request._disconnected:  # type: ignore[attr-defined]
            _write(request, status, answer)

    def _routing_error(self, request: IRequest, failure: Failure) -> bytes:
        error = failure.value
        assert isinstance(error, HTTPException)
        if isinstance(error, MethodNotAllowed):
            request.setHeader(b"allow", ", ".join(error.valid_methods or ()).encode())
            return _encode(request, 405, {"error": "The method is not allowed", "code": "MethodNotAllowed"})
        if error.code is not None and 300 <= error.code < 400 or error.code == 404:
            return _encode(request, 404, {"error": "The path does not exist", "code": "ResourceNotFound"})
        return _encode(request, error.code or 400, {"error": error.name, "code": "BadRequest"})


def error_answer(error: DomainError) -> tuple[int, dict[str, Any]]:
    """The status and the members of the error envelope."""
    status, code = error.http
    answer: dict[str, Any] = {"error": str(error), "code": code}
    if isinstance(error, BadInput):
        answer["details"] = error.fields
    return status, answer


def _log_line(_timestamp: str, request: Any) -> str:
    """The access log's line: without the query, which can hold a token or a password."""
    path = request.uri.partition(b"?")[0][:500].decode("ascii", "backslashreplace")
    method = request.method[:20].decode("ascii", "backslashreplace")
    return f"{request.getClientAddress().host} {method!r} {path!r} {request.code} {request.sentLength}"


def _pass_on(result: Any, wait: Deferred[None]) -> Any:
    wait.callback(None)
    return result


def _encode(request: IRequest, status: int, answer: dict[str, Any]) -> bytes:
    body = msgspec.json.format(msgspec.json.encode(answer), indent=2) + b"\n"
    request.setResponseCode(status)
    request.setHeader(b"content-type", b"application/json; charset=utf-8")
    request.setHeader(b"content-length", str(len(body)).encode())
    request.setHeader(b"x-content-type-options", b"nosniff")
    return body


def _write(request: IRequest, status: int, answer: dict[str, Any]) -> None:
    # Klein finishes the request when the handler's Deferred fires.
    request.write(_encode(request, status, answer))
