"""
The parameters of a request: path, query and body as one namespace.

A later source replaces an earlier value only where that is empty (spec/api.md
'Param sources', spec/differences.md G 'Merged-parameter rules').  In a query,
dots and brackets nest; in a form nothing does.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, BinaryIO
from urllib.parse import parse_qsl

from wildduck.api.frame import json_body, multipart
from wildduck.api.frame.json_body import Steps
from wildduck.api.frame.schema import LONGEST_NAME, bad_input
from wildduck.errors import BadInput
from wildduck.limits import MIB

#: Parameters of one query string or form.
MOST_FIELDS = 1000
#: Levels that the name of a query parameter may have.
MOST_LEVELS = 5
#: Largest index in brackets that makes a list.
MOST_INDEX = 20

#: Bytes of an urlencoded form: each escape costs as much as hundreds of plain ones.
MOST_FORM = 4 * MIB

_PART = re.compile(r"\[([^\[\]]*)\]|\.([^.\[\]]+)|([^.\[\]]+)")
_FORM = b"application/x-www-form-urlencoded"
#: Media types of bodies that hold parameters.
PARSED = ("application/json", "application/x-www-form-urlencoded", "multipart/form-data")


def merged(path: Mapping[str, Any], query: bytes, content_type: bytes | None, body: BinaryIO | None) -> Steps:
    """
    All parameters by name, in steps: a body can be large.

    @param query: what follows the question mark of the URL.
    @param body: at its begin, or C{None} where it is not to be read.
    @raise BadInput: a body that is not what its Content-Type says.
    """
    result = dict(path)
    if query:
        found = from_query(query)
        # It names the caller, not what is asked for.
        found.pop("accessToken", None)
        _add(result, found)
    if body is not None:
        content = body.read()
        _add(result, (yield from _from_body(content_type, content)))
    return result


def _add(result: dict[str, Any], source: dict[str, Any]) -> None:
    for name, value in source.items():
        if not result.get(name):
            result[name] = value


def from_query(query: bytes) -> dict[str, Any]:
    """
    A query string with its nested names.

    @raise BadInput: it is not UTF-8, or has too many parameters.
    """
    result: dict[str, Any] = {}
    for name, value in _pairs(query, "query"):
        parts = _parts(name) if "." in name or "[" in name else [name]
        _put(result, parts, value)
    return {name: _lists(value) for name, value in result.items()}


def from_form(form: bytes) -> dict[str, Any]:
    """
    An urlencoded form: names are as they are, one that comes twice makes a list.

    @raise BadInput: it is not UTF-8, too long, or has too many parameters.
    """
    if len(form) > MOST_FORM:
        text = f"must have at most {MOST_FORM} bytes as a form; JSON and multipart/form-data may have more"
        raise BadInput(f"The request body {text}", {"body": text})
    return _flat(_pairs(form, "body"))


def _flat(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    several: set[str] = set()
    for name, value in pairs:
        if name not in result:
            result[name] = value
        elif name in several:
            result[name].append(value)
        else:
            several.add(name)
            result[name] = [result[name], value]
    return result


def _pairs(encoded: bytes, where: str) -> list[tuple[str, str]]:
    # Unescaped UTF-8 is no form, but what curl -d sends of it.
    text = encoded.decode("utf-8", "surrogateescape")
    try:
        pairs = parse_qsl(text, keep_blank_values=True, errors="surrogateescape", max_num_fields=MOST_FIELDS)
    except ValueError as error:
        too_many = f"must have at most {MOST_FIELDS} parameters"
        raise BadInput(f"A query or form {too_many}", {where: too_many}) from error
    wrong = [name for name, value in pairs if not (_is_utf_8(name) and _is_utf_8(value))]
    if wrong:
        raise bad_input({(name[:LONGEST_NAME],): "must be UTF-8" for name in wrong})
    return pairs


def _is_utf_8(text: str) -> bool:
    """Whether no byte had to be kept as a lone surrogate."""
    return text.isascii() or not any("\udc80" <= character <= "\udcff" for character in text)


def _parts(name: str) -> list[str]:
    """C{a.b[c]} is C{a}, C{b}, C{c}; a name of another form or too deep is one part."""
    parts: list[str] = []
    position = 0
    while position < len(name):
        found = _PART.match(name, position)
        if found is None or found.group(3) is not None and position or len(parts) > MOST_LEVELS:
            return [name]
        parts.append(next(group for group in found.groups() if group is not None))
        position = found.end()
    return parts


class _Several(list[Any]):
    """The values of a name that came twice, told from a list in one value."""


def _put(tree: dict[str, Any], parts: list[str], value: str) -> None:
    for part in parts[:-1]:
        inner = tree.get(part)
        if not isinstance(inner, dict):
            # An earlier plain value under the same name gives way.
            inner = tree[part] = {}
        tree = inner
    last = parts[-1]
    before = tree.get(last)
    if last not in tree or isinstance(before, dict):
        tree[last] = _Several([value]) if not last and len(parts) > 1 else value
    elif isinstance(before, _Several):
        before.append(value)
    else:
        tree[last] = _Several([before, value])


def _lists(value: Any) -> Any:
    """Objects whose names are small indexes, or C{[]}, are lists."""
    if not isinstance(value, dict):
        return list(value) if isinstance(value, _Several) else value
    if list(value) == [""]:
        return _lists(value[""])
    inner = {name: _lists(one) for name, one in value.items()}
    if inner and all(name.isascii() and name.isdigit() and int(name[:9]) <= MOST_INDEX for name in inner):
        return [inner[name] for name in sorted(inner, key=int)]
    return inner


def _from_body(content_type: bytes | None, content: bytes) -> Steps:
    header = content_type or b"application/json"
    kind = header.partition(b";")[0].strip().lower()
    if kind == b"application/json":
        return (yield from from_json(content))
    if not content or content.isspace():
        return {}
    if kind == _FORM:
        return from_form(content.strip())
    if kind == b"multipart/form-data":
        return _flat(multipart.parts(header, content))
    kinds = "must be application/json, application/x-www-form-urlencoded or multipart/form-data"
    raise BadInput(f"Content-Type {kinds}", {"Content-Type": kinds})


def from_json(content: bytes) -> Steps:
    """
    A JSON object; an empty one where there is nothing but blanks.

    @raise BadInput: it is none, or too much.
    """
    value = yield from json_body.read(content)
    if not isinstance(value, dict):
        raise BadInput("The request body must be a JSON object", {"body": "must be an object"})
    return value
