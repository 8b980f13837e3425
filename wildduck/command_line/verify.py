"""C{wildduck verify}: whether counters, attachments and quotas are what the messages say."""

from __future__ import annotations

import sys

import click

from wildduck.command_line.options import settings, settings_options
from wildduck.command_line.session import run
from wildduck.command_line.units import AgeType
from wildduck.composition import Backend


@click.command()
@click.option("--repair", is_flag=True, help="Mend what is found; without it nothing is changed.")
@click.option(
    "--min-age",
    type=AgeType(),
    default="24h",
    show_default=True,
    help="Leave alone what is younger, for it may be under way.",
)
@settings_options
def verify(repair: bool, min_age: int) -> None:
    """Compare what is stored with what it should be; exit status 1 when something is left to mend."""

    async def work(backend: Backend) -> int:
        findings = await backend.verifier.verify(repair=repair, min_age=min_age)
        for finding in findings:
            click.echo(str(finding))
        return len(findings)

    count = run(settings(), work)
    what = "nothing found" if not count else f"{count} {'repaired' if repair else 'found'}"
    click.echo(what)
    if count and not repair:
        sys.exit(1)
