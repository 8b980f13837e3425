"""C{wildduck deliver}: hand messages to the running server by LMTP."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from wildduck.command_line.lmtp_client import Delivery, DeliveryFailed, LmtpClient
from wildduck.command_line.options import settings, settings_options
from wildduck.command_line.running import running_server


@click.command()
@click.argument(
    "files", metavar="FILE...", nargs=-1, required=True, type=click.Path(dir_okay=False, allow_dash=False)
)
@click.option(
    "--to", "recipients", metavar="ADDRESS", multiple=True, required=True, help="Recipient; may be repeated."
)
@click.option("--from", "sender", metavar="ADDRESS", default="", help="Envelope sender (default: none).")
@settings_options
def deliver(files: Sequence[str], recipients: Sequence[str], sender: str) -> None:
    """
    Deliver message files to recipients of the running server.

    A file whose lines end in LF alone is sent with CRLF; any other as it is.
    Exit status 1 when a recipient was refused, each named with the answer.
    """
    run = running_server(settings())
    if "lmtp" not in run["ports"]:
        raise click.ClickException("the running server has no LMTP port (lmtp.port is 0)")
    host = _reachable(run["hosts"]["lmtp"])
    refused = 0
    try:
        with LmtpClient(host, run["ports"]["lmtp"]) as client:
            for path in files:
                refused += _report(path, client.deliver(path, sender, recipients))
    except DeliveryFailed as error:
        raise click.ClickException(str(error)) from None
    if refused:
        sys.exit(1)


def _report(path: str, deliveries: Sequence[Delivery]) -> int:
    """Name what was refused; how many."""
    for delivery in deliveries:
        if not delivery.accepted:
            click.echo(f"{path}: {delivery.recipient} refused: {delivery.answer}", err=True)
    accepted = [delivery for delivery in deliveries if delivery.accepted]
    if accepted:
        click.echo(f"{path}: delivered to {', '.join(delivery.recipient for delivery in accepted)}")
    return len(deliveries) - len(accepted)


def _reachable(host: str) -> str:
    """An address to connect to, for one to listen on."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
