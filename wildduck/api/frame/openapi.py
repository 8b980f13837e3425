"""
The OpenAPI 3.1 document, made of the routes, their schemas and their answers.

Nothing in it is written by hand, so it can't differ from what is served.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

import wildduck
from wildduck.api.frame import answers
from wildduck.api.frame.answers import Answer, ErrorAnswer
from wildduck.api.frame.application import Application
from wildduck.api.frame.call import Call
from wildduck.api.frame.fields import Field, JsonSchema, NotServed, Object, object_schema
from wildduck.api.frame.route import Route
from wildduck.api.frame.schema import Schema
from wildduck.api.frame.streams import Stream

_REFERENCE = "#/components/schemas/{name}"
_PARAMETER = re.compile(r"<(\w+)>")
#: Methods whose parameters stand in the query.
_IN_QUERY = ("GET", "DELETE")
_SECURITY: list[dict[str, list[str]]] = [{"bearer": []}, {"header": []}, {"query": []}, {}]


def document(routes: Iterable[Route]) -> dict[str, Any]:
    """The whole document, of routes in their order."""
    routes = list(routes)
    schemas, components = _components(routes)
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        path = _PARAMETER.sub(r"{\1}", route.path)
        paths.setdefault(path, {})[route.method.lower()] = _operation(route, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "wildduck",
            "version": wildduck.__version__,
            "description": "The HTTP API of a wildduck mail server.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": tag} for tag in dict.fromkeys(route.tag for route in routes) if tag],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "header": {"type": "apiKey", "in": "header", "name": "X-Access-Token"},
                "query": {"type": "apiKey", "in": "query", "name": "accessToken"},
            },
        },
    }


def _components(routes: list[Route]) -> tuple[dict[type, JsonSchema], dict[str, JsonSchema]]:
    """For each answer's class a reference, and what the references lead to."""
    classes: list[type] = [ErrorAnswer]
    for route in routes:
        if issubclass(route.answer, Answer) and route.answer not in classes:
            classes.append(route.answer)
    references, components = msgspec.json.schema_components(classes, ref_template=_REFERENCE)
    for schema in components.values():
        _describe(schema)
        _without_prefixes(schema)
    return dict(zip(classes, references, strict=True)), components


def _without_prefixes(schema: Any) -> None:
    """A pair of two numbers as a list of two: many tools do not know C{prefixItems}."""
    for inner in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        _without_prefixes(inner)
    if isinstance(schema, dict) and isinstance(schema.get("prefixItems"), list):
        kinds = schema.pop("prefixItems")
        schema["items"] = kinds[0] if all(kind == kinds[0] for kind in kinds) else {"anyOf": kinds}


def _describe(schema: JsonSchema) -> None:
    """Docstrings are epytext: the members' part of it is no text for readers of the document."""
    text = schema.get("description")
    if isinstance(text, str):
        plain = re.sub(r"[CLI]\{([^}]*)\}", r"\1", text.partition("@ivar")[0]).strip()
        if plain:
            schema["description"] = plain
        else:
            del schema["description"]


def _operation(route: Route, schemas: Mapping[type, JsonSchema]) -> dict[str, Any]:
    fields = route.complete().all_fields()
    in_path = route.path_parameters
    others = {
        name: field
        for name, field in fields.items()
        if name not in in_path and not isinstance(field, NotServed)
    }
    operation: dict[str, Any] = {
        "operationId": _operation_id(route),
        "summary": route.summary or route.name,
        "parameters": [_parameter(name, "path", fields[name]) for name in in_path],
        "responses": _responses(route, schemas),
        "security": _SECURITY if route.permission is not None else [],
    }
    if route.tag:
        operation["tags"] = [route.tag]
    if route.method in _IN_QUERY:
        operation["parameters"] += _in_query(others)
    else:
        if route.raw:
            # A raw body leaves the query for the other parameters, if they fit in there.
            operation["parameters"] += _in_query(
                {name: one for name, one in others.items() if not one.required and _is_plain(one)}
            )
        operation["requestBody"] = _body(route, others)
    return operation


def _is_plain(field: Field) -> bool:
    return field.json_schema().get("type") not in ("array", "object")


def _in_query(fields: Mapping[str, Field]) -> list[dict[str, Any]]:
    result = []
    for name, field in fields.items():
        if isinstance(field, Object):
            result += [_parameter(f"{name}.{inner}", "query", one) for inner, one in field.fields.items()]
        else:
            result.append(_parameter(name, "query", field))
    return result


def _parameter(name: str, place: str, field: Field) -> dict[str, Any]:
    schema = field.described()
    about = schema.pop("description", "")
    if place == "path" and schema.get("type") == "string":
        schema.setdefault("minLength", 1)
    result = {"name": name, "in": place, "required": place == "path" or field.required, "schema": schema}
    if about:
        result["description"] = about
    return result


def _body(route: Route, fields: Mapping[str, Field]) -> dict[str, Any]:
    schema = object_schema(fields)
    if route.schema.loose:
        schema["additionalProperties"] = True
    content: dict[str, Any] = {"application/json": {"schema": schema}}
    for kind in route.raw:
        content["application/octet-stream" if kind == "*" else kind] = {}
    return {"content": content, "required": any(field.required or field.named for field in fields.values())}


def _responses(route: Route, schemas: Mapping[type, JsonSchema]) -> dict[str, Any]:
    if issubclass(route.answer, Stream):
        content: dict[str, Any] = {route.content_type: {}}
    else:
        content = {"application/json": {"schema": schemas[route.answer]}}
    error = {
        "description": "What is wrong",
        "content": {"application/json": {"schema": schemas[ErrorAnswer]}},
    }
    return {"200": {"description": "Success", "content": content}, "default": error}


def _operation_id(route: Route) -> str:
    """C{GET /users/<user>/addresses}: C{get_users_user_addresses}."""
    return re.sub(r"\W+", "_", f"{route.method.lower()} {route.path}").strip("_")


class OpenApi:
    """C{GET /openapi.json}, which needs no token: it holds no data."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._document: msgspec.Raw | None = None

    def register(self) -> None:
        """Add the route; those added later are in the document too."""
        self._application.add(
            Route(
                "GET",
                "/openapi.json",
                Schema({}),
                Document,
                self.document,
                None,
                "Documentation",
                "This document",
            )  # fmt: skip
        )

    async def document(self, _call: Call) -> Any:
        """Made once, at the first call."""
        if self._document is None:
            self._document = msgspec.Raw(answers.compact(document(self._application.routes)))
        return self._document


class Document(Answer, kw_only=True, forbid_unknown_fields=False):
    """An OpenAPI 3.1 document."""

    openapi: str
    info: dict[str, Any]
    paths: dict[str, Any]
    components: dict[str, Any]
