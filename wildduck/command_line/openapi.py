"""C{wildduck openapi}: the description of the HTTP API for programs."""

from __future__ import annotations

from typing import Any

import click

from wildduck.api import Application, make_application
from wildduck.api.frame.answers import encode
from wildduck.api.frame.openapi import document
from wildduck.command_line.options import settings_options


class _Part:
    """In place of databases and accounts: the routes are looked at and never called."""

    def __getattr__(self, name: str) -> _Part:
        return self

    def __call__(self, *arguments: object, **named: object) -> _Part:
        return self


def every_route() -> Application:
    """The application with all its routes, none of which can be called."""
    part: Any = _Part()
    return make_application(part, part, part, part, part)


@click.command()
@settings_options
def openapi() -> None:
    """Print the OpenAPI 3.1 document of the HTTP API (a server has it at /openapi.json)."""
    click.echo(encode(document(every_route().routes)), nl=False)
