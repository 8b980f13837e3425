"""
The parameters of a request: path, query and body as one namespace.

A later source replaces an earlier value only where that is empty (spec/api.md
'Param sources').
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

import msgspec
from twisted.web.iweb import IRequest

from wildduck.errors import BadInput

#: Parameters of one query string or form.
MOST_FIELDS = 1000


def merged(request: IRequest, path: dict[str, Any] | None = None) -> dict[str, Any]:
    """@raise BadInput: a body that is not what its Content-Type says."""
    _, _, query = request.uri.partition(b"?")
    result: dict[str, Any] = dict(path or {})
    for source in (_pairs(query), _body(request)):
        for name, value in source.items():
            if not result.get(name):
                result[name] = value
    return result


def _pairs(encoded: bytes) -> dict[str, Any]:
    """A query string or form; a name that comes twice makes a list."""
    try:
        pairs = parse_qsl(
            encoded.decode("ascii"), keep_blank_values=True, encoding="utf-8", errors="strict",
            max_num_fields=MOST_FIELDS,
        )  # fmt: skip
    except ValueError as error:
        raise BadInput("The parameters are not valid UTF-8 or too many") from error
    result: dict[str, Any] = {}
    for name, value in pairs:
        if name not in result:
            result[name] = value
        elif isinstance(result[name], list):
            result[name].append(value)
        else:
            result[name] = [result[name], value]
    return result


def _body(request: IRequest) -> dict[str, Any]:
    content = request.content.read() if request.content is not None else b""
    if not content.strip():
        return {}
    header = request.getHeader(b"content-type") or b"application/json"
    kind = header.partition(b";")[0].strip().lower()
    if kind == b"application/x-www-form-urlencoded":
        return _pairs(content.strip())
    if kind == b"application/json":
        return _json(content)
    raise BadInput("Content-Type must be application/json or application/x-www-form-urlencoded")


def _json(content: bytes) -> dict[str, Any]:
    try:
        value = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadInput("The request body is not valid JSON", {"body": "must be valid JSON"}) from error
    if not isinstance(value, dict):
        raise BadInput("The request body must be a JSON object", {"body": "must be an object"})
    return value
