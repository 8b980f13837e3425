"""
C{make run}: a server with private databases, an account to try it with, and how.

The server is a child in a session of its own: Ctrl-C reaches this program only,
which asks the server to end and waits until it has drained.
"""

from __future__ import annotations

import ipaddress
import json
import os
import secrets
import shlex
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from typing import Any

from wildduck.config import DEFAULT_DATA
from wildduck.errors import ConfigurationError
from wildduck.private.binaries import launcher

NAME = "demo"
ADDRESS = "demo@example.com"

#: Start of server and databases, an unclean end of both before it included.
_START_SECONDS = 120
_CALL_SECONDS = 10
_TWISTD = (sys.executable, "-c", "from twisted.scripts.twistd import run; run()")
_MESSAGE = """From: Demonstration <demo@example.net>
To: {address}
Subject: It works
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8

Hello. \N{DUCK}
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
    """Ports, account and commands to try."""
    message = os.path.join(_data(arguments), "demonstration.eml")
    with open(message, "w", encoding="utf-8") as file:
        file.write(_MESSAGE.format(address=ADDRESS))
    where = {name: f"{_reached(run['hosts'][name])}:{port}" for name, port in run["ports"].items()}
    lines = ["", *_listeners(where), f"  account: {NAME}   address: {ADDRESS}   password: {password}", ""]
    for title, command in _commands(where, password, shlex.quote(message), arguments):
        lines += [f"  {title}:", f"    {command}"]
    lines += [
        "",
        "  Ctrl-C stops the server and its databases; what they hold is kept for the next start.",
        "",
    ]
    print("\n".join(lines), "\n", flush=True)


def _reached(host: str) -> str:
    """How this machine reaches what listens on an address."""
    address = ipaddress.ip_address(host)
    if address.is_unspecified:
        return "127.0.0.1"
    return f"[{host}]" if address.version == 6 else host


def _listeners(where: dict[str, str]) -> list[str]:
    """What is served where."""
    lines = []
    for name in ("imap", "pop3", "lmtp"):
        plain, tls = where.get(name), where.get(f"{name}_tls")
        shown = [*([plain] if plain else []), *([f"{tls} in TLS"] if tls else [])]
        if shown:
            lines.append(f"  {name.upper()}: {', '.join(shown)}")
    if "api" in where:
        lines.append(
            f"  API:  http://{where['api']}   its OpenAPI document: http://{where['api']}/openapi.json"
        )
    return lines


def _commands(
    where: dict[str, str], password: str, message: str, arguments: list[str]
) -> Iterator[tuple[str, str]]:
    """What to try, and how."""
    own = " ".join(shlex.quote(argument) for argument in arguments)
    wildduck = os.path.relpath(os.path.join(os.path.dirname(sys.executable), "wildduck"))
    user = f"{NAME}:{password}"
    if "lmtp" in where:
        yield "deliver a message by LMTP", f"{wildduck} deliver {message} --to {ADDRESS} {own}".rstrip()
    ids = _ids(where["api"]) if "api" in where else None
    if ids is not None:
        account, inbox = ids
        mailboxes = f"http://{where['api']}/users/{account}/mailboxes"
        upload = f"curl -s {mailboxes}/{inbox}/messages -H 'Content-Type: message/rfc822' --data-binary"
        yield "add it once more, over the API", f"{upload} @{message}"
        yield "list the mailboxes", f"curl -s '{mailboxes}?counters=true'"
    if "imap" in where:
        yield "read it by IMAP", f"curl -s --user {user} 'imap://{where['imap']}/INBOX;MAILINDEX=1'"
    if "pop3" in where:
        yield "read it by POP3", f"curl -s --user {user} pop3://{where['pop3']}/1"
    if ids is not None:
        body = '{"username":"user","address":"user@example.com","password":"secretpass"}'
        users = f"curl -s http://{where['api']}/users -H 'Content-Type: application/json'"
        yield "create another account", f"{users} -d '{body}'"


def _ids(api: str) -> tuple[str, str] | None:
    """The account's id and that of its INBOX; C{None} where the API asks for a token."""
    try:
        account = _get(f"http://{api}/users/resolve/{NAME}")["id"]
        return account, _get(f"http://{api}/users/{account}/mailboxes/resolve?path=INBOX")["id"]
    except (OSError, ValueError, KeyError):
        return None


def _get(url: str) -> Any:
    """@raise OSError: and others, where the answer is none, or not 200."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=_CALL_SECONDS) as answer:
        return json.load(answer)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
