"""
Account documents as npm's WildDuck writes them, for tests of sign-in.

C{python -m test.interop.wildduck_documents} starts one on databases of its own, has
its API make accounts in every state that matters to sign-in, and writes their
documents to C{test/accounts/wildduck_documents/}, one Extended JSON file for each account.
Run it when another version of WildDuck is to be looked at.
"""

from __future__ import annotations

import datetime
import json
import os
import sys
from collections.abc import Callable
from typing import Any

from bson import ObjectId, json_util

from test.interop.wildduck_server import VERSION, WildDuck
from test.support.server_process import ROOT
from test.support.servers import HOST, RedisServer, ReplicaSet

FOLDER = os.path.join(ROOT, "test", "accounts", "wildduck_documents")

MASTER = "secretpass"

#: Collections of an account, by the member that holds its id.
_COLLECTIONS = (("users", "_id"), ("asps", "user"), ("addresses", "user"), ("mailboxes", "user"))

#: Makes an account of that name; gives its passwords by name.
Case = Callable[[WildDuck, str], dict[str, str]]


def _call(peer: WildDuck, method: str, path: str, body: Any = None) -> dict[str, Any]:
    status, answer = peer.api(method, path, body)
    assert status == 200, (method, path, answer)
    return dict(answer)


def _plain(peer: WildDuck, name: str, **more: Any) -> tuple[str, dict[str, str]]:
    return peer.account(name, **more), {"master": str(more.get("password", MASTER))}


def _changed(**change: Any) -> Case:
    def make(peer: WildDuck, name: str) -> dict[str, str]:
        id, passwords = _plain(peer, name)
        _call(peer, "PUT", f"/users/{id}", change)
        return passwords

    return make


def _with_application_passwords(peer: WildDuck, id: str, passwords: dict[str, str]) -> dict[str, str]:
    for name, body in {
        "imap": {"scopes": ["imap"]},
        "pop3": {"scopes": ["pop3"]},
        "any": {"scopes": ["*"]},
        "limited": {"scopes": ["imap", "pop3"], "ttl": 3600},
    }.items():
        answer = _call(peer, "POST", f"/users/{id}/asps", {"description": f"for {name}", **body})
        passwords[name] = answer["password"]
    return passwords


def _asps(peer: WildDuck, name: str) -> dict[str, str]:
    return _with_application_passwords(peer, *_plain(peer, name))


def _asps_and(**change: Any) -> Case:
    def make(peer: WildDuck, name: str) -> dict[str, str]:
        id, passwords = _plain(peer, name)
        _with_application_passwords(peer, id, passwords)
        _call(peer, "PUT", f"/users/{id}", change)
        return passwords

    return make


def _second_factor(peer: WildDuck, name: str) -> dict[str, str]:
    id, passwords = _plain(peer, name)
    _with_application_passwords(peer, id, passwords)
    _call(peer, "PUT", f"/users/{id}/2fa/custom")
    return passwords


def _temporary(**body: Any) -> Case:
    def make(peer: WildDuck, name: str) -> dict[str, str]:
        id, passwords = _plain(peer, name)
        passwords["temporary"] = _call(peer, "POST", f"/users/{id}/password/reset", body)["password"]
        return passwords

    return make


def _hashed(hash: str, password: str = MASTER) -> Case:
    """An account whose hash its API was given ready-made."""

    def make(peer: WildDuck, name: str) -> dict[str, str]:
        peer.account(name, password=hash, hashedPassword=True)
        return {"master": password}

    return make


def _tomorrow() -> str:
    later = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=12)
    return later.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def _letters(peer: WildDuck, name: str) -> dict[str, str]:
    """The master password could be an application's."""
    return _plain(peer, name, password="abcdefghijklmnop")[1]


def _without_password(peer: WildDuck, name: str) -> dict[str, str]:
    return _with_application_passwords(peer, peer.account(name, password=False), {})


def _unicode(peer: WildDuck, name: str) -> dict[str, str]:
    return _plain(peer, name, password="pässwörd \U0001f511")[1]


def cases() -> dict[str, Case]:
    """What to make, by name."""
    return {
        "plain": lambda peer, name: _plain(peer, name)[1],
        "unicode": _unicode,
        "letters": _letters,
        "without-password": _without_password,
        "asps": _asps,
        "disabled": _asps_and(disabled=True),
        "suspended": _asps_and(suspended=True),
        "disabled-scopes": _asps_and(disabledScopes=["imap"]),
        "second-factor": _second_factor,
        "temporary": _temporary(),
        "temporary-later": _temporary(validAfter=_tomorrow()),
        "change-required": lambda peer, name: _plain(peer, name, requirePasswordChange=True)[1],
        **{f"hash-{name}": _hashed(text) for name, text in _hashes().items()},
    }


def _hashes() -> dict[str, str]:
    """Hashes of L{MASTER} by others: crypt(3) of OpenSSL and Perl, and libraries."""
    with open(os.path.join(ROOT, "test", "accounts", "hashes.json")) as file:
        return dict(json.load(file))


def main() -> int:
    """Make all files anew."""
    os.makedirs(FOLDER, exist_ok=True)
    mongod, redis = ReplicaSet(), RedisServer()
    try:
        with (
            mongod.client() as client,
            WildDuck(f"mongodb://{HOST}:{mongod.port}/documents", f"redis://{HOST}:{redis.port}/0") as peer,
        ):
            for name, make in cases().items():
                _write(client["documents"], name, make(peer, name.replace("-", ".")))
                if name.startswith("hash-"):
                    # It is what WildDuck takes for the hash of this password.
                    body = {"username": name.replace("-", "."), "password": MASTER}
                    _call(peer, "POST", "/authenticate", body)
    finally:
        redis.close()
        mongod.close()
    return 0


def _write(database: Any, name: str, passwords: dict[str, str]) -> None:
    user: ObjectId = database.users.find_one({"username": name.replace("-", ".")})["_id"]
    documents = {
        collection: list(database[collection].find({key: user}).sort("_id", 1))
        for collection, key in _COLLECTIONS
    }
    content = {
        "made_by": f"@zone-eu/wildduck {VERSION}",
        "made": datetime.datetime.now(datetime.timezone.utc),
        "passwords": passwords,
        "documents": documents,
    }
    with open(os.path.join(FOLDER, f"{name}.json"), "w") as file:
        file.write(json_util.dumps(content, json_options=json_util.RELAXED_JSON_OPTIONS, indent=1) + "\n")
    print(name)


if __name__ == "__main__":
    sys.exit(main())
