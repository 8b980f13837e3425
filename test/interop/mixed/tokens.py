"""Access tokens that one server made are taken, and ended, by the other."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from test.interop.case import Setting, expect
from test.interop.wildduck_server import WildDuck, request
from test.support.databases import helper
from test.support.server_process import PASSWORD, ServerProcess, automatic_ports

_SECRET = "a secret that both servers know"
_MASTER = "the-master-token-of-both"


def both_take(setting: Setting) -> str:
    """Tokens of sign-ins and of the command, for all that they open and shut, on both."""
    databases = helper()
    number = databases.take()
    mongo = f"mongodb://127.0.0.1:{databases.mongo_port}/test{number}"
    redis = f"redis://127.0.0.1:{databases.redis_port}/{number}"
    folder = setting.place("tokens")
    sets = [
        f"mongo.uri={mongo}", f"redis.uri={redis}", "mongo.mixed_cluster=true", *automatic_ports(),
        f"api.token={_MASTER}", "api.access_control=true", f"api.access_secret={_SECRET}",
    ]  # fmt: skip
    more = {
        "api_accessToken": _MASTER,
        "api_accessControl_enabled": "true",
        "api_accessControl_secret": _SECRET,
        "strict2fa": "false",
    }
    ours = ServerProcess(os.path.join(folder, "data"), sets)
    ours.start()
    try:
        with WildDuck(mongo, redis, os.path.join(folder, "wildduck.log"), more) as theirs:
            pair = _Pair({"ours": ours.ports["api"], "theirs": theirs.ports["api"]})
            for made_by, other in (("ours", "theirs"), ("theirs", "ours")):
                pair.sign_in(made_by, other)
            done = ours.command("token", "create", "-", "manager")
            expect(done.returncode == 0, done.stderr)
            pair.manages(done.stdout.strip())
    finally:
        ours.close()
    expect(not ours.errors(), f"the server's log: {ours.errors()}")
    return "tokens of each server open the other until they are dropped or the password changes"


@dataclass
class _Pair:
    """@ivar ports: of the APIs of C{ours} and C{theirs}."""

    ports: dict[str, int]

    def call(self, server: str, method: str, path: str, token: str = _MASTER, body: Any = None) -> Any:
        """Status and answer."""
        join = "&" if "?" in path else "?"
        return request(self.ports[server], method, f"{path}{join}accessToken={token}", body)

    def good(self, server: str, method: str, path: str, token: str = _MASTER, body: Any = None) -> Any:
        status, answer = self.call(server, method, path, token, body)
        expect(status == 200, f"{server}: {method} {path}: {status} {answer}")
        return answer

    def token(self, server: str, name: str, password: str = PASSWORD) -> str:
        body = {"username": name, "password": password, "token": True}
        return str(self.good(server, "POST", "/authenticate", body=body)["token"])

    def sign_in(self, made_by: str, other: str) -> None:
        """A token that C{made_by} gave to a user opens the user's account on C{other}, and no other one."""
        name = f"tokens.{made_by}"
        body = {"username": name, "password": PASSWORD, "address": f"{name}@example.com"}
        user = self.good(made_by, "POST", "/users", body=body)["id"]
        stranger = self.good(made_by, "POST", "/users", body={"username": f"{name}.x", "password": PASSWORD})[
            "id"
        ]
        first, second, third = (self.token(made_by, name) for _ in range(3))
        for server in self.ports:
            for me in ("me", user):
                mailboxes = self.good(server, "GET", f"/users/{me}/mailboxes", first)["results"]
                expect(len(mailboxes) == 5, f"{server}: {mailboxes}")
            status, answer = self.call(server, "GET", f"/users/{stranger}/mailboxes", first)
            expect((status, answer["code"]) == (403, "MissingPrivileges"), f"{server}: {status} {answer}")
        self.good(other, "DELETE", "/authenticate", second)
        self.shut(second)
        # Who changes the password stays signed in, all others do not.
        self.good(other, "PUT", "/users/me", first, {"password": "another password"})
        for server in self.ports:
            self.good(server, "GET", "/users/me", first)
        self.shut(third)
        last = self.token(made_by, name, "another password")
        self.good(other, "PUT", f"/users/{user}", body={"suspended": True})
        self.shut(last)
        self.shut(first)

    def shut(self, token: str) -> None:
        """A token opens neither server."""
        for server in self.ports:
            status, answer = self.call(server, "GET", "/users/me/mailboxes", token)
            expect((status, answer["code"]) == (403, "InvalidToken"), f"{server}: {status} {answer}")

    def manages(self, token: str) -> None:
        """A manager's token makes accounts and reads no mail, on both."""
        for server in self.ports:
            body = {"username": f"managed.{server}", "password": PASSWORD}
            user = self.good(server, "POST", "/users", token, body)["id"]
            status, _ = self.call(server, "GET", f"/users/{user}/mailboxes", token)
            expect(status == 403, f"{server}: a manager reads mailboxes: {status}")
