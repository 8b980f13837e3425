"""C{wildduck verify}: whether counters, attachments and quotas are what the messages say."""

from __future__ import annotations

import sys

import click

from wildduck.command_line.options import settings, settings_options
from wildduck.command_line.session import run
from wildduck.command_line.units import AgeType
from wildduck.domain import Domain
from wildduck.mailstore.values import Finding


@click.command()
@click.option("--repair", is_flag=True, help="Mend what is found; without it nothing is changed.")
@click.option(
    "--min-age",
    type=AgeType(),
    default="24h",
    show_default=True,
    help="Leave alone what is younger, for it may be under way.",
)
@click.option("--contents", is_flag=True, help="Also read every attachment and compare its digest.")
@settings_options
def verify(repair: bool, min_age: int, contents: bool) -> None:
    """Compare what is stored with what it should be; exit status 1 when something is left to mend."""

    async def work(domain: Domain) -> list[Finding]:
        return await domain.store.verifier.verify(repair=repair, min_age=min_age, contents=contents)

    findings: list[Finding] = run(settings(), work)
    for finding in findings:
        click.echo(str(finding))
    if not findings:
        click.echo("nothing found")
    if any(not finding.repaired for finding in findings):
        sys.exit(1)
