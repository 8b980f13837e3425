"""
C{--config}, C{--data} and C{--set}, for every command the same as for the server.

They may stand before and after the name of a command; a later C{--config} or
C{--data} replaces an earlier one, C{--set} adds up.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from wildduck import config
from wildduck.config import Settings
from wildduck.errors import ConfigurationError


def settings_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command or group the three options; their values are kept for L{settings}."""
    options = (
        click.option(
            "-c", "--config", metavar="FILE", expose_value=False, callback=_keep, help="Settings file."
        ),
        click.option(
            "-d",
            "--data",
            metavar="DIR",
            expose_value=False,
            callback=_keep,
            help=f"Data folder of the server (default: ./{config.DEFAULT_DATA}).",
        ),
        click.option(
            "--set",
            metavar="SECTION.KEY=VALUE",
            multiple=True,
            expose_value=False,
            callback=_keep,
            help="Override one setting; may be repeated.",
        ),
    )
    for option in reversed(options):
        function = option(function)
    return function


def settings() -> Settings:
    """
    The settings that the command line asks for.

    @raise click.ClickException: with one line.
    """
    given = click.get_current_context().find_root().meta
    try:
        return config.load(given.get("config"), given.get("data"), given.get("set", ()))
    except ConfigurationError as error:
        raise click.ClickException(str(error)) from None


def _keep(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    given = context.find_root().meta
    assert parameter.name is not None
    if parameter.multiple:
        given[parameter.name] = (*given.get(parameter.name, ()), *value)
    elif value is not None:
        given[parameter.name] = value
