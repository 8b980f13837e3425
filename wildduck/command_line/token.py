"""C{wildduck token}: access tokens of the API."""

from __future__ import annotations

import sys

import click
from bson import ObjectId

from wildduck.api.frame.roles import ROLES
from wildduck.command_line.options import settings, settings_options
from wildduck.command_line.session import run
from wildduck.domain import Domain

#: Stands for no account.
_NOBODY = "-"


@click.group()
@settings_options
def token() -> None:
    """Make and end access tokens of the API."""


@token.command()
@click.argument("name", metavar="USER")
@click.argument("role", type=click.Choice(sorted(ROLES)))
@click.option("--ttl", type=click.IntRange(0), default=0, help="Seconds that it lives unused; 0: for ever.")
@settings_options
def create(name: str, role: str, ttl: int) -> None:
    """
    Print a new token of ROLE, bound to the account USER; '-' is none.

    A bound token acts for that account where its role says so, and ends when
    the account's password changes.
    """
    if role == "user" and name == _NOBODY:
        raise click.ClickException("role user acts for an account: name one")

    async def work(domain: Domain) -> str:
        user: ObjectId | None = None
        version: int | None = None
        if name != _NOBODY:
            account = await domain.accounts.get(name)
            user, version = account.id, await domain.tokens.auth_version(account.id)
        return await domain.tokens.issue(role, user, auth_version=version, ttl=ttl)

    click.echo(run(settings(), work))


@token.command()
@click.option("--token-stdin", is_flag=True, required=True, help="Read the token from standard input.")
@settings_options
def drop(token_stdin: bool) -> None:
    """End a token."""
    text = sys.stdin.readline().strip()
    if not text.isascii():
        raise click.ClickException("standard input holds no token")

    async def work(domain: Domain) -> bool:
        return await domain.tokens.drop(text)

    click.echo("ended" if run(settings(), work) else "there was no such token")
