"""schemathesis: requests made up from the OpenAPI document, and answers held against it."""

from __future__ import annotations

import json
import os
import subprocess
import urllib.error
import urllib.request
from typing import Any

from test.interop import packages
from test.interop.case import Setting, expect
from test.support.server_process import ROOT, ServerProcess, automatic_ports

_VERSION = "4.32.5"
_TOKEN = "token-of-the-fuzzing-case"
_SECRET = "secret of the fuzzing case"
#: Requests of the whole run, at least; those that are to succeed; and those of one
#: operation in its longest phase.
_LEAST = 5000
_LEAST_GOOD = 500
_LEAST_STREAMS = 10
_EXAMPLES = 40
_ACCOUNTS = 25
_SECONDS = 3000
_CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
    "allow_header_conformance",
)
_SOURCE = (
    "From: sender@example.com\r\nTo: u@example.com\r\nSubject: Fuzzing {0}\r\n"
    "Message-ID: <f{0}@example.com>\r\n"
    'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="b"\r\n\r\n'
    '--b\r\nContent-Type: text/html\r\n\r\n<p>Text <img src="cid:1"></p>\r\n'
    "--b\r\nContent-Type: image/png; name=x.png\r\nContent-Disposition: attachment; filename=x.png\r\n"
    "Content-ID: <1>\r\nContent-Transfer-Encoding: base64\r\n\r\niVBORw0KGgo=\r\n--b--\r\n"
)


def schemathesis(setting: Setting) -> str:
    """5,000 requests and more by schemathesis: no 5xx, no answer against its schema, no error in the log."""
    program = packages.virtual_environment("schemathesis", _VERSION)
    folder = setting.place("schemathesis")
    sets = [f"api.token={_TOKEN}", f"api.access_secret={_SECRET}", *automatic_ports()]
    server = ServerProcess(os.path.join(folder, "data"), sets)
    server.start()
    try:
        seeds = _Seeds(server)
        with open(os.path.join(folder, "seeds.json"), "w") as file:
            json.dump(seeds.made(), file)
        statuses = _run(program, folder, server.ports["api"])
        status, answer = seeds.call("GET", "/health")
        expect(status == 200, f"after all that: {answer}")
    finally:
        server.close()
    streams = statuses.pop("streams", 0)
    counted, good = sum(statuses.values()), statuses.get("200", 0)
    expect(streams >= _LEAST_STREAMS, f"too few event streams were begun: {streams}")
    expect(
        counted >= _LEAST and good >= _LEAST_GOOD, f"too few requests, or too few that succeed: {statuses}"
    )
    expect(not server.errors(), f"the server's log: {server.errors()}")
    granted = f"{good} of them granted, {streams} as event streams"
    return f"{counted} requests, {granted}: no 5xx, no answer against its schema"


def _run(program: str, folder: str, port: int) -> dict[str, int]:
    """How many requests were answered with each status, and C{streams}: that were begun."""
    arguments = [
        program, "run", f"http://127.0.0.1:{port}/openapi.json",
        "--header", f"X-Access-Token: {_TOKEN}", "--checks", ",".join(_CHECKS),
        "--phases", "examples,coverage,fuzzing", "--max-examples", str(_EXAMPLES),
        "--seed", "4", "--generation-database", "none", "--no-color", "--continue-on-failure",
        "--suppress-health-check", "all", "--warnings", "off", "--request-timeout", "60", "--no-shrink",
    ]  # fmt: skip
    hooks = os.path.join(ROOT, "test", "interop", "fuzzing_hooks.py")
    variables = {
        "SCHEMATHESIS_HOOKS": hooks,
        "FUZZING_SEEDS": os.path.join(folder, "seeds.json"),
        "FUZZING_STATUSES": os.path.join(folder, "statuses.json"),
        "PYTHONPATH": os.path.dirname(hooks),
    }
    done = subprocess.run(
        arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        errors="replace", timeout=_SECONDS, cwd=folder, env=dict(os.environ) | variables,
    )  # fmt: skip
    shown = "\n".join(line[:500] for line in done.stdout[-200_000:].splitlines()[-300:])
    expect(done.returncode == 0, f"schemathesis ended with {done.returncode}:\n{shown}")
    with open(variables["FUZZING_STATUSES"]) as file:
        return dict(json.load(file))


class _Seeds:
    """Accounts with mailboxes, messages and addresses, so that made-up requests meet something."""

    def __init__(self, server: ServerProcess) -> None:
        self._base = f"http://127.0.0.1:{server.ports['api']}"

    def call(
        self, method: str, path: str, body: Any = None, kind: str = "application/json"
    ) -> tuple[int, Any]:
        """Status and answer."""
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        headers = {"X-Access-Token": _TOKEN} | ({"Content-Type": kind} if body is not None else {})
        request = urllib.request.Request(self._base + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    def made(self) -> list[dict[str, str]]:
        """For each account, values of path parameters that belong together."""
        return [self._account(number) for number in range(_ACCOUNTS)]

    def _made(self, path: str, body: Any, kind: str = "application/json") -> Any:
        status, answer = self.call("POST", path, body, kind)
        expect(status == 200, f"POST {path}: {answer}")
        return answer

    def _account(self, number: int) -> dict[str, str]:
        name = f"fuzz{number}"
        user = self._made("/users", {"username": name, "password": "secretpass", "tags": ["a", "b"]})["id"]
        address = self._made(f"/users/{user}/addresses", {"address": f"{name}.more@example.com"})["id"]
        forwarded = {"address": f"{name}.forwarded@example.com", "targets": ["other@example.com"]}
        forward = self._made("/addresses/forwarded", forwarded)["id"]
        mailbox = self._made(f"/users/{user}/mailboxes", {"path": "Work/Fuzzing"})["id"]
        messages = f"/users/{user}/mailboxes/{mailbox}/messages"
        for index in range(4):
            self._made(messages, _SOURCE.format(index).encode(), "message/rfc822")
        return {
            "user": user,
            "username": name,
            "password": "secretpass",
            "mailbox": mailbox,
            "message": "1",
            "attachment": "ATT00002",
            "address": address,
            "id": address,
            "forwarded": forward,
        }
