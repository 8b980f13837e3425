"""
Bringing a private mongod to life: its replica set, and what the front door asks before start-up.

txmongo never connects to a member of a replica set that was not initiated
("host None is not master", for ever), so these few calls go through pymongo,
which comes with txmongo.  They block: call them before the reactor runs or in
a thread.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pymongo import MongoClient
from pymongo.errors import ConfigurationError as UriError, InvalidURI, OperationFailure, PyMongoError

#: Name of the replica set of a private mongod.
REPLICA_SET = "wildduck"

#: One attempt to reach a local mongod, and one command on it, in milliseconds.
_CONNECT_MS = 1000
_COMMAND_MS = 20_000


def settle(host: str, port: int) -> bool:
    """
    Do the next step towards a writable single-node replica set.

    Initiates the set in a new data folder, and takes over the configuration of
    one that listened on another port before.

    @return: whether the server is writable; if not, call again a moment later.
    """
    address = f"{host}:{port}"
    client: MongoClient[dict[str, Any]] = MongoClient(
        host,
        port,
        directConnection=True,
        serverSelectionTimeoutMS=_CONNECT_MS,
        connectTimeoutMS=_CONNECT_MS,
        socketTimeoutMS=_COMMAND_MS,
    )
    with client:
        try:
            return _step(client, address)
        except PyMongoError:
            # Not listening yet, starting, or electing.
            return False


def _step(client: MongoClient[dict[str, Any]], address: str) -> bool:
    hello = client.admin.command("hello")
    if hello.get("isWritablePrimary") and hello.get("me") == address:
        _raise_compatibility(client)
        return True
    try:
        config = client.admin.command("replSetGetConfig")["config"]
    except OperationFailure as error:
        if error.code != 94:  # NotYetInitialized
            raise
        members = [{"_id": 0, "host": address}]
        client.admin.command("replSetInitiate", {"_id": REPLICA_SET, "members": members})
        return False
    if [member["host"] for member in config["members"]] != [address]:
        config["members"] = [{"_id": 0, "host": address}]
        config["version"] += 1
        client.admin.command("replSetReconfig", config, force=True)
    return False


def _raise_compatibility(client: MongoClient[dict[str, Any]]) -> None:
    """Let the files follow the server's version, or the next major version can't open them."""
    current = client.admin.command("getParameter", 1, featureCompatibilityVersion=1)
    stored: Mapping[str, Any] = current["featureCompatibilityVersion"]
    version = client.server_info()["versionArray"]
    wanted = f"{version[0]}.{version[1]}"
    if stored.get("version") == wanted:
        return
    command: dict[str, Any] = {"setFeatureCompatibilityVersion": wanted}
    if version[0] >= 7:
        command["confirm"] = True
    client.admin.command(command)


def unreachable(uri: str, seconds: float) -> str:
    """
    Why a configured MongoDB can't be used; empty when it answers.

    @param uri: as configured; the answer never shows its password.
    @param seconds: how long to wait for it.
    """
    milliseconds = int(seconds * 1000)
    try:
        client: MongoClient[dict[str, Any]] = MongoClient(
            uri, serverSelectionTimeoutMS=milliseconds, connectTimeoutMS=milliseconds, appname="wildduck"
        )
    except (UriError, InvalidURI, ValueError) as error:
        return f"not a usable URI ({type(error).__name__})"
    with client:
        try:
            client.admin.command("ping")
        except OperationFailure as error:
            return f"refused with code {error.code}"
        except PyMongoError as error:
            return f"no answer within {seconds:g} seconds ({type(error).__name__})"
    return ""
