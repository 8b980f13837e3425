"""C{wildduck user}: accounts."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone

import click

from wildduck.accounts import Account, Address
from wildduck.accounts.notes import Origin
from wildduck.accounts.stored import object_id
from wildduck.command_line.options import settings, settings_options
from wildduck.command_line.session import run
from wildduck.command_line.units import SizeType
from wildduck.domain import Domain
from wildduck.errors import AccountNotFound

#: Accounts asked for at a time by C{list}.
_PAGE = 1000


@click.group()
@settings_options
def user() -> None:
    """Manage accounts."""


@user.command()
@click.argument("name")
@click.option("--password-stdin", is_flag=True, required=True, help="Read the password from standard input.")
@click.option(
    "--address", "addresses", metavar="ADDRESS", multiple=True, help="An address; the first is the main one."
)
@click.option("--quota", type=SizeType(), default=0, help="Storage, in bytes or as '2 GiB'; 0: the default.")
@settings_options
def create(name: str, password_stdin: bool, addresses: Sequence[str], quota: int) -> None:
    """Make an account with its mailboxes."""
    password = _password()

    async def work(domain: Domain) -> Account:
        return await domain.accounts.create(name, password, addresses=addresses, quota=quota)

    account = run(settings(), work)
    click.echo(f"created {account.username} ({account.id})")
    if not account.address:
        click.echo("it has no address: nobody can write to it yet", err=True)


@user.command("list")
@settings_options
def list_users() -> None:
    """Print the accounts: name, main address, bytes used, bytes allowed."""

    async def work(domain: Domain) -> None:
        after = ""
        while page := await domain.accounts.directory.page(after, _PAGE):
            for _, account in page:
                click.echo(
                    f"{account.username}\t{account.address}\t{account.storage_used}\t{account.quota}{_state(account)}"
                )
            after = page[-1][0]

    run(settings(), work)


@user.command()
@click.argument("name")
@settings_options
def show(name: str) -> None:
    """Print one account; NAME is its sign-in name or one of its addresses."""

    async def work(domain: Domain) -> tuple[Account, list[Address]]:
        account = await domain.accounts.get(name)
        return account, await domain.accounts.addresses(account)

    account, addresses = run(settings(), work)
    click.echo(f"id:        {account.id}")
    click.echo(f"name:      {account.username}{_state(account)}")
    for address in addresses:
        click.echo(f"address:   {address.address}{' (main)' if address.main else ''}")
    click.echo(f"used:      {account.storage_used} bytes")
    click.echo(f"quota:     {account.quota} bytes{'' if account.own_quota else ' (default)'}")


@user.command()
@click.argument("name")
@click.option("--password-stdin", is_flag=True, required=True, help="Read the password from standard input.")
@settings_options
def password(name: str, password_stdin: bool) -> None:
    """Replace the password of an account."""
    new = _password()

    async def work(domain: Domain) -> Account:
        account = await domain.accounts.get(name)
        await domain.accounts.set_password(account, new)
        return account

    click.echo(f"new password for {run(settings(), work).username}")


@user.command()
@click.argument("name")
@click.option(
    "--keep-days",
    metavar="DAYS",
    type=click.IntRange(0, 36_500),
    default=0,
    help="Keep the mail so long; until then the account can be restored.",
)
@settings_options
def delete(name: str, keep_days: int) -> None:
    """Delete an account; a running server removes its mail."""

    async def work(domain: Domain) -> Account:
        account = await domain.accounts.get(name)
        until = datetime.now(timezone.utc) + timedelta(days=keep_days) if keep_days else None
        await domain.accounts.delete(account.id, until)
        return account

    click.echo(f"deleted {run(settings(), work).username}")


@user.command()
@click.argument("name")
@settings_options
def restore(name: str) -> None:
    """Bring back a deleted account whose mail is still kept; NAME is its sign-in name or its id."""

    async def work(domain: Domain) -> tuple[Account, int]:
        user = object_id(name) or next(iter(await domain.accounts.deleted(name)), None)
        if user is None:
            raise AccountNotFound()
        restored = await domain.accounts.restore(user, Origin())
        return await domain.accounts.directory.by_id(user), restored.addresses

    account, addresses = run(settings(), work)
    click.echo(f"restored {account.username} with {addresses} addresses")


def _password() -> str:
    """The first line of standard input."""
    try:
        line = sys.stdin.readline()
    except UnicodeDecodeError:
        raise click.ClickException("the password is not UTF-8") from None
    password = line.rstrip("\r\n")
    if not password:
        raise click.ClickException("standard input holds no password")
    return password


def _state(account: Account) -> str:
    states = [name for name in ("disabled", "suspended") if getattr(account, name)]
    return f" ({', '.join(states)})" if states else ""
