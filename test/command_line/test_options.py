"""C{--config}, C{--data} and C{--set} of every command."""

from __future__ import annotations

import os
from typing import Any

import click
from click.testing import CliRunner
from twisted.trial import unittest

from wildduck.command_line.main import main
from wildduck.command_line.options import settings, settings_options


@click.group()
@settings_options
def group() -> None:
    """A group."""


@group.command()
@settings_options
def leaf() -> None:
    """Print what it was given."""
    given = settings()
    click.echo(f"{given.data} {given.imap.port} {given.imap.tls_port} {given.lmtp.port}")


class OptionsTests(unittest.SynchronousTestCase):
    """L{settings_options}."""

    def run_leaf(self, *arguments: str) -> Any:
        return CliRunner().invoke(group, arguments)

    def test_places(self) -> None:
        """The options stand before or after the command's name; sets add up, a later value wins."""
        done = self.run_leaf(
            *("--set", "imap.port=1", "--set", "lmtp.port=5", "--data", "/a"),
            "leaf",
            *("--data", "/b", "--set", "imap.port=2", "--set", "imap.tls_port=3"),
        )
        self.assertEqual((done.exit_code, done.output), (0, "/b 2 3 5\n"))

    def test_config(self) -> None:
        """The file is read; a set wins over it."""
        path = self.mktemp()
        with open(path, "w") as file:
            file.write("[imap]\nport = 7\ntls_port = 8\n")
        done = self.run_leaf("leaf", "-c", path, "--set", "imap.port=9", "-d", "/d")
        self.assertEqual(done.output, "/d 9 8 2424\n")

    def test_default_data(self) -> None:
        """Without --data the folder is the server's default."""
        self.assertIn(os.path.abspath("wildduck-data"), self.run_leaf("leaf").output)

    def test_error(self) -> None:
        """A bad setting is one line and exit status 1."""
        done = self.run_leaf("leaf", "--set", "imap.prot=1")
        self.assertEqual(done.exit_code, 1)
        self.assertEqual(done.output, "Error: --set imap.prot: unknown key 'prot', did you mean 'port'?\n")

    def test_all_commands(self) -> None:
        """Every command takes the three options."""

        def check(command: click.Command) -> None:
            names = {option for parameter in command.params for option in parameter.opts}
            self.assertLessEqual({"--config", "--data", "--set"}, names, command.name)
            if isinstance(command, click.Group):
                context = click.Context(command)
                for name in command.list_commands(context):
                    child = command.get_command(context, name)
                    assert child is not None
                    check(child)

        check(main)
