"""Running the calls against one server."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterable
from typing import Any

from test.interop.api.call import Call
from test.interop.api.compare import Answer

_SECONDS = 60


def run(port: int, calls: Iterable[Call]) -> list[Answer]:
    """The answers of the API at a port, in order."""
    kept: dict[str, str] = {}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_SECONDS)
    answers = []
    try:
        for call in calls:
            answer = _answer(connection, call, kept)
            answers.append(answer)
            for name, place in call.keep.items():
                found = _at(answer.body, place)
                if found is not None:
                    kept[name] = str(found)
    finally:
        connection.close()
    return answers


def _answer(connection: http.client.HTTPConnection, call: Call, kept: dict[str, str]) -> Answer:
    path, body = call.filled(kept)
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    headers = dict(call.headers)
    if data is not None:
        headers.setdefault("Content-Type", call.content_type)
    connection.request(call.method, path, data, headers)
    response = connection.getresponse()
    content = response.read()
    kind = (response.headers.get("Content-Type") or "").partition(";")[0].strip().lower()
    return Answer(response.status, json.loads(content) if kind == "application/json" else content, kind)


def _at(value: Any, place: str) -> Any:
    """A member of an answer; C{None} if it is not there."""
    for step in place.split("."):
        if isinstance(value, list) and step.isdigit() and int(step) < len(value):
            value = value[int(step)]
        elif isinstance(value, dict):
            value = value.get(step)
        else:
            return None
    return value
