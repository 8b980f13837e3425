"""One call of the comparison."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_VARIABLE = re.compile(r"<<(\w+)>>")


@dataclass(frozen=True)
class Call:
    """
    A request; C{<<name>>} in path and body is what an earlier call has kept.

    @ivar body: JSON, or bytes of another content type.
    @ivar keep: name to the place in the answer, dotted: C{"id"}, C{"results.0.id"}.
    @ivar headers: sent with it.
    """

    method: str
    path: str
    body: Any = None
    content_type: str = "application/json"
    keep: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        body = "" if self.body is None else f" {self.body!r}"
        return f"{self.method} {self.path}{body if len(body) < 200 else body[:200] + '…'}"

    def filled(self, kept: Mapping[str, str]) -> tuple[str, Any]:
        """Path and body with what was kept."""
        body = self.body
        if body is not None and not isinstance(body, bytes):
            body = json.loads(_fill(json.dumps(body), kept))
        return _fill(self.path, kept), body


def _fill(text: str, kept: Mapping[str, str]) -> str:
    return _VARIABLE.sub(lambda match: str(kept.get(match[1], "0" * 24)), text)


def get(path: str, **more: Any) -> Call:
    return Call("GET", path, **_options(more))


def post(path: str, body: Any = None, **more: Any) -> Call:
    return Call("POST", path, {} if body is None else body, **_options(more))


def put(path: str, body: Any = None, **more: Any) -> Call:
    return Call("PUT", path, {} if body is None else body, **_options(more))


def delete(path: str, **more: Any) -> Call:
    return Call("DELETE", path, **_options(more))


def _options(more: dict[str, Any]) -> dict[str, Any]:
    """C{keep="name"} is C{keep={"name": "id"}}."""
    if isinstance(more.get("keep"), str):
        more["keep"] = {more["keep"]: "id"}
    return more
