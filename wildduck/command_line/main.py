"""The C{wildduck} command."""

from __future__ import annotations

import click

import wildduck
from wildduck.command_line.deliver import deliver
from wildduck.command_line.options import settings_options
from wildduck.command_line.user import user
from wildduck.command_line.verify import verify


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(wildduck.__version__, prog_name="wildduck")
@settings_options
def main() -> None:
    """Manage accounts and mail of a wildduck server (which 'twistd wildduck' runs)."""


main.add_command(user)
main.add_command(deliver)
main.add_command(verify)
