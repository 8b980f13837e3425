"""Both servers open the same accounts, count the same failures, sessions and bytes, and write one log."""

from __future__ import annotations

import poplib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from typing import Any

from bson import ObjectId

from test.interop.case import Setting, expect
from test.interop.mixed.cluster import SOON, Cluster, cluster, within
from test.support.blocking_imap import Answer, CommandFailed, Imap
from test.support.server_process import PASSWORD
from test.support.wildduck_documents import read

_SERVERS = ("ours", "theirs")
_FAILURES = 12
_IN = "in"


def same_passwords(setting: Setting) -> str:
    """What one server made, the other opens and shuts."""
    mixed = cluster(setting)
    for made_by in _SERVERS:
        user = mixed.account(f"passwords.{made_by}", there=made_by == "theirs")
        _passwords(mixed, f"passwords.{made_by}", user)
    _replaced_hash(mixed)
    return "passwords of both, for each service, on both; a hash that was replaced here opens there"


def same_counts(setting: Setting) -> str:
    """Failures, sessions and bytes are counted together, and the log is one."""
    mixed = cluster(setting)
    _failures(mixed)
    _sessions(mixed)
    _bytes(mixed)
    _one_log(mixed)
    _ended(mixed)
    return "failures, sessions, uploads and downloads, events of the log; sessions end on both"


def _try(mixed: Cluster, server: str, user: str, password: str, service: str = "imap") -> str:
    """How a sign-in over IMAP or POP3 ends: C{"in"} or what is said."""
    if service == "imap":
        client = Imap(mixed.ours.ports["imap"] if server == "ours" else mixed.theirs.ports["imap"])
        try:
            client.login(user, password)
            return _IN
        except CommandFailed as error:
            return str(error)
        finally:
            client.close()
    port = mixed.ours.ports["pop3"] if server == "ours" else mixed.theirs.ports["pop3"]
    pop3 = poplib.POP3("127.0.0.1", port, timeout=30)
    try:
        pop3.user(user)
        pop3.pass_(password)
        return _IN
    except poplib.error_proto as error:
        return str(error)
    finally:
        pop3.close()


def _forget(mixed: Cluster, user: ObjectId) -> None:
    mixed.redis.delete(f"auth_user:{user}")


def _passwords(mixed: Cluster, name: str, user: ObjectId) -> None:
    passwords = {"master": (PASSWORD, ("imap", "pop3"))}
    for scope in ("imap", "pop3", "*"):
        body = {"description": f"for {scope}", "scopes": [scope]}
        made = mixed.api("theirs", "POST", f"/users/{user}/asps", body)
        passwords[scope] = (made["password"], ("imap", "pop3") if scope == "*" else (scope,))
    for changed, shut in (
        ({}, ()),
        ({"disabledScopes": ["pop3"]}, ("pop3",)),
        ({"disabledScopes": [], "suspended": True}, ("imap", "pop3")),
        ({"suspended": False, "disabled": True}, ("imap", "pop3")),
    ):
        if changed:
            mixed.api("theirs", "PUT", f"/users/{user}", changed)
        for server in _SERVERS:
            for which, (password, scopes) in passwords.items():
                for service in ("imap", "pop3"):
                    _forget(mixed, user)
                    opened = _try(mixed, server, name, password, service) == _IN
                    wanted = service in scopes and service not in shut
                    expect(opened == wanted, f"{server}: {name} by {which}, {service}, {changed}: {opened}")
    mixed.api("theirs", "PUT", f"/users/{user}", {"disabled": False})
    mixed.api("theirs", "PUT", f"/users/{user}/2fa/custom")
    for server in _SERVERS:
        for which, (password, scopes) in passwords.items():
            _forget(mixed, user)
            opened = _try(mixed, server, name, password) == _IN
            expect(opened == (which != "master" and "imap" in scopes), f"{server}: 2fa, {which}: {opened}")
    _forget(mixed, user)


def _replaced_hash(mixed: Cluster) -> None:
    user = mixed.account("old.hash", there=True)
    outdated = read("hash-md5-crypt").user["password"]
    users = mixed.database["users"]
    users.update_one({"_id": user}, {"$set": {"password": outdated}})
    expect(_try(mixed, "ours", "old.hash", "secretpass") == _IN, "an outdated hash does not open here")
    within(
        SOON,
        lambda: str(users.find_one({"_id": user})["password"]).startswith("$pbkdf2-sha256$"),
        "the hash is replaced",
    )
    expect(_try(mixed, "theirs", "old.hash", "secretpass") == _IN, "a new hash does not open there")


def _failures(mixed: Cluster) -> None:
    user = mixed.account("guessed", there=True)
    body = {"description": "x", "scopes": ["imap"]}
    password = mixed.api("theirs", "POST", f"/users/{user}/asps", body)["password"]
    for guessed_at, asked in (_SERVERS, _SERVERS[::-1]):
        for number in range(_FAILURES):
            answer = _try(mixed, guessed_at, "guessed", "wrong")
            expect("rate limited" not in answer, f"{guessed_at}: guess {number}: {answer}")
        for server in (asked, guessed_at):
            answer = _try(mixed, server, "guessed", PASSWORD)
            expect("rate limited" in answer, f"{server} after guesses at {guessed_at}: {answer}")
            answer = _try(mixed, server, "guessed", password)
            expect(answer == _IN, f"{server}: an application password after guesses: {answer}")
        _forget(mixed, user)


def _sessions(mixed: Cluster) -> None:
    user = mixed.account("sessions", there=True)
    mixed.api("theirs", "PUT", f"/users/{user}", {"imapMaxConnections": 3})
    with _held(mixed, "theirs", "ours", "theirs"):
        for server in _SERVERS:
            answer = _try(mixed, server, "sessions", PASSWORD)
            expect("oo many" in answer, f"{server}: a fourth session: {answer}")
    within(
        SOON, lambda: not int(mixed.redis.hget("lim:imap", str(user)) or 0), "no session is counted any more"
    )


@contextmanager
def _held(mixed: Cluster, *servers: str) -> Iterator[None]:
    sessions = [mixed.imap(server, "sessions") for server in servers]
    try:
        yield
    finally:
        for session in sessions:
            session.close()


def _bytes(mixed: Cluster) -> None:
    message = b"Subject: s\r\n\r\n" + b"0123456789\r\n" * 20
    for first, second in (_SERVERS, _SERVERS[::-1]):
        name = f"bytes.{first}"
        user = mixed.account(name, there=True)
        limits = {"imapMaxUpload": len(message), "imapMaxDownload": len(message)}
        mixed.api("theirs", "PUT", f"/users/{user}", limits)
        one = mixed.imap(first, name)
        one.append("INBOX", message)
        one.command("SELECT INBOX")
        one.command("FETCH 1 BODY.PEEK[]")
        for prefix in ("iup", "idw"):
            key = f"{prefix}:{user}"
            within(SOON, lambda key=key: int(mixed.redis.get(key) or 0) >= len(message), f"{key} is counted")
        other = mixed.imap(second, name)
        other.command("SELECT INBOX")
        answers = (
            _refusal(other.append("INBOX", message, check=False)),
            _refusal(other.command("FETCH 1 BODY.PEEK[]", check=False)),
        )
        for answer in answers:
            expect("rate limited" in answer, f"{second}, when {first} has used up the limit: {answer}")
        one.close()
        other.close()


def _refusal(answer: Answer) -> str:
    return f"{answer.status} {answer.text.decode()}"


def _one_log(mixed: Cluster) -> None:
    user = mixed.account("logged", there=True)
    for server in (*_SERVERS, *_SERVERS):
        expect(_try(mixed, server, "logged", PASSWORD) == _IN, f"{server}: no sign-in")
    these = {"user": user, "action": "authentication", "result": "success"}
    rows = mixed.database["authlog"]
    within(SOON, lambda: [row["events"] for row in rows.find(these)] == [4], "four sign-ins are one row")
    last = mixed.database["users"].find_one({"_id": user})["lastLogin"]
    expect(last["authEvent"] == rows.find_one(these)["_id"], "the last sign-in is not the event")


def _ended(mixed: Cluster) -> None:
    """What ends sessions, asked of one server, ends them on the other."""
    changes: tuple[dict[str, Any], ...] = ({"suspended": True}, {"password": "another one"})
    # WildDuck lets the sessions of a disabled account live on.
    asked_what = [*product(_SERVERS, changes), ("ours", {"disabled": True})]
    for number, (asked, change) in enumerate(asked_what):
        name = f"ended.{number}"
        user = mixed.account(name, there=True)
        sessions = [mixed.imap(server, name) for server in _SERVERS]
        mixed.api(asked, "PUT", f"/users/{user}", change)
        for server, session in zip(_SERVERS, sessions, strict=True):
            what = f"{server}: a session has ended after {change} at {asked}"
            within(SOON, lambda session=session: _is_over(session), what)
            session.close()


def _is_over(session: Imap) -> bool:
    try:
        session.command("NOOP")
        return False
    except CommandFailed:
        return False
    except (OSError, EOFError, AssertionError):
        return True
