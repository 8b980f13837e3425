"""One endpoint: its path, what it takes, what it answers, and who may call it."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from wildduck import limits
from wildduck.api.frame.answers import Answer
from wildduck.api.frame.call import Call
from wildduck.api.frame.fields import Field, Id
from wildduck.api.frame.schema import Schema
from wildduck.api.frame.streams import Stream

Method = Literal["GET", "POST", "PUT", "DELETE"]
#: Returns an instance of the route's answer (or a dictionary that fits it) or a stream.
Handler = Callable[[Call], Awaitable[Any]]

_PATH_PARAMETER = re.compile(r"<(\w+)>")
_USER = Id(required=True, about="Id of the account, or 'me' for the token's own")


@dataclass(frozen=True)
class Route:
    """
    @ivar path: C{/users/<user>/addresses}: parameters in angle brackets, one
        level each.  C{<user>} need not be in the schema; C{me} in its place is
        the caller's own account.
    @ivar answer: class of the answer, or L{Stream}.
    @ivar permission: (resource, action) that the role must have; C{()}: any
        caller with a valid token; C{None}: anybody, without a token.
    @ivar own: a role that may act on its own account only may call it though
        its path has no C{<user>}: the handler sees to it
        (L{Call.only_user}, L{Call.require_own}).
    @ivar raw: media types of bodies that are handed over as C{call.body};
        C{"*"} for any that is not a form or JSON.
    @ivar most_body: bytes of a body.
    @ivar content_type: of a L{Stream}, for the OpenAPI document.
    """

    method: Method
    path: str
    schema: Schema
    answer: type[Answer] | type[Stream]
    handler: Handler
    permission: tuple[str, str] | tuple[()] | None
    tag: str = ""
    summary: str = ""
    own: bool = False
    raw: tuple[str, ...] = ()
    most_body: int = limits.API_BODY
    content_type: str = "application/octet-stream"

    @property
    def path_parameters(self) -> list[str]:
        """Names in angle brackets."""
        return _PATH_PARAMETER.findall(self.path)

    @property
    def name(self) -> str:
        """C{GET /users/<user>}"""
        return f"{self.method} {self.path}"

    def complete(self) -> Schema:
        """The schema with every path parameter required."""
        fields: dict[str, Field] = {}
        for name in self.path_parameters:
            given: Mapping[str, Any] = self.schema.fields
            fields[name] = given[name] if name in given else _USER if name == "user" else _missing(self, name)
        fields.update({name: one for name, one in self.schema.fields.items() if name not in fields})
        return Schema(fields, self.schema.loose, self.schema.extras)


def _missing(route: Route, name: str) -> Field:
    raise ValueError(f"{route.name}: the schema does not have {name}")
