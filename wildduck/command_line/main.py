"""The C{wildduck} command."""

from __future__ import annotations

import importlib

import click

import wildduck
from wildduck.command_line.options import settings_options

#: Command to the module of this package that has it under the same name.
_COMMANDS = ("deliver", "openapi", "token", "user", "verify")


class _Commands(click.Group):
    """Imports a command when it is asked for: C{deliver} needs no databases."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of all commands."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name."""
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = getattr(
            importlib.import_module(f"wildduck.command_line.{cmd_name}"), cmd_name
        )
        return command


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(wildduck.__version__, prog_name="wildduck")
@settings_options
def main() -> None:
    """Manage accounts and mail of a wildduck server (which 'twistd wildduck' runs)."""
