"""
C{make run}: a server with private databases, an account to try it with, and how.

The server is a child in a session of its own: Ctrl-C reaches this program only,
which asks the server to end and waits until it has drained.
"""

from __future__ import annotations

import json
import os
import secrets
import shlex
import signal
import subprocess
import sys
import time
from typing import Any

from wildduck.config import DEFAULT_DATA
from wildduck.errors import ConfigurationError
from wildduck.private.binaries import launcher

NAME = "demo"
ADDRESS = "demo@example.com"

#: Start of server and databases, an unclean end of both before it included.
_START_SECONDS = 120
_TWISTD = (sys.executable, "-c", "from twisted.scripts.twistd import run; run()")
_MESSAGE = """From: Demonstration <demo@example.net>
To: {address}
Subject: It works
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8

This message came by LMTP. \N{DUCK}
"""


def main(arguments: list[str]) -> int:
    """
    Run until Ctrl-C.

    @param arguments: options for the server: C{--data}, C{--config}, C{--set}.
    @return: exit status.
    """
    try:
        prefix = launcher()
    except ConfigurationError as error:
        raise SystemExit(f"wildduck: {error}") from None
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    server = subprocess.Popen([*prefix, *_TWISTD, "-n", "--pidfile=", "wildduck", *arguments])
    try:
        run = _wait(server, os.path.join(_data(arguments), "run.json"))
        if run is not None:
            _show(run, _account(arguments), arguments)
        return server.wait()
    except BaseException as error:
        server.terminate()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        server.wait()
        if isinstance(error, KeyboardInterrupt):
            return 0
        raise


def _data(arguments: list[str]) -> str:
    """The data folder of the server."""
    for index, argument in enumerate(arguments):
        if argument in ("--data", "-d") and index + 1 < len(arguments):
            return arguments[index + 1]
        if argument.startswith("--data="):
            return argument.partition("=")[2]
    return DEFAULT_DATA


def _wait(server: subprocess.Popen[bytes], path: str) -> dict[str, Any] | None:
    """Content of run.json once the server serves; C{None} when it ended instead."""
    deadline = time.monotonic() + _START_SECONDS
    while server.poll() is None and time.monotonic() < deadline:
        try:
            with open(path) as file:
                run: dict[str, Any] = json.load(file)
            if run["pid"] == server.pid:
                return run
        except FileNotFoundError:
            pass
        time.sleep(0.1)
    return None


def _account(arguments: list[str]) -> str:
    """Make the account, or give it a new password; the password."""
    password = secrets.token_urlsafe(12)
    command = [sys.executable, "-m", "wildduck.command_line", "user"]
    create = [*command, "create", NAME, "--password-stdin", "--address", ADDRESS, *arguments]
    made = subprocess.run(create, input=password, text=True, capture_output=True)
    if made.returncode:
        change = [*command, "password", NAME, "--password-stdin", *arguments]
        changed = subprocess.run(change, input=password, text=True, capture_output=True)
        if changed.returncode:
            raise SystemExit(
                f"the account could not be made: {made.stderr.strip()}; {changed.stderr.strip()}"
            )
    return password


def _show(run: dict[str, Any], password: str, arguments: list[str]) -> None:
    """Ports, account and three commands to try."""
    ports = run["ports"]
    message = os.path.join(_data(arguments), "demonstration.eml")
    with open(message, "w", encoding="utf-8") as file:
        file.write(_MESSAGE.format(address=ADDRESS))
    wildduck = os.path.join(os.path.dirname(sys.executable), "wildduck")
    own = " ".join(shlex.quote(argument) for argument in arguments)
    lines = [
        "",
        f"  wildduck serves: {', '.join(f'{name} {port}' for name, port in ports.items())}",
        f"  account: {NAME}   address: {ADDRESS}   password: {password}",
        "",
        "  deliver a message:",
        f"    {os.path.relpath(wildduck)} deliver {shlex.quote(message)} --to {ADDRESS} {own}".rstrip(),
        f"  read it (by POP3: pop3://{NAME}@127.0.0.1:{ports.get('pop3', 0)}/):",
        f"    curl -s --user {NAME}:{password} 'imap://127.0.0.1:{ports.get('imap', 0)}/INBOX;MAILINDEX=1'",
        "  create another account:",
        f"    curl -s http://127.0.0.1:{ports.get('api', 0)}/user/create -H 'Content-Type: application/json'"
        ' -d \'{"username":"user@example.com","password":"secretpass"}\'',
        "",
        "  Ctrl-C stops the server and its databases; what they hold is kept for the next start.",
        "",
    ]
    print("\n".join(lines), flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
