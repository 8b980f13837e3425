"""
Bringing a private mongod to life: its replica set, and what the front door asks before start-up.

txmongo never connects to a member of a replica set that was not initiated
("host None is not master", for ever), so these few calls go through pymongo,
which comes with txmongo.  They block: call them before the reactor runs or in
a thread.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import Any

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from wildduck.database import address, redis_address
from wildduck.errors import ConfigurationError

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
    where = f"{host}:{port}"
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
            return _step(client, where)
        except PyMongoError:
            # Not listening yet, starting, or electing.
            return False


def _step(client: MongoClient[dict[str, Any]], where: str) -> bool:
    hello = client.admin.command("hello")
    if hello.get("isWritablePrimary") and hello.get("me") == where:
        _raise_compatibility(client)
        return True
    try:
        config = client.admin.command("replSetGetConfig")["config"]
    except OperationFailure as error:
        if error.code != 94:  # NotYetInitialized
            raise
        members = [{"_id": 0, "host": where}]
        client.admin.command("replSetInitiate", {"_id": REPLICA_SET, "members": members})
        return False
    if [member["host"] for member in config["members"]] != [where]:
        config["members"] = [{"_id": 0, "host": where}]
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


def check_mongodb(uri: str, key: str, seconds: float) -> None:
    """
    Whether a configured MongoDB can be used and has a primary.

    @param key: the setting that the URI comes from.
    @param seconds: how long to wait for it.
    @raise ConfigurationError: with one line.
    """
    where = f"{key}: MongoDB at {address.parse(uri, key).label}"
    milliseconds = int(seconds * 1000)
    client: MongoClient[dict[str, Any]] = MongoClient(
        uri, serverSelectionTimeoutMS=milliseconds, connectTimeoutMS=milliseconds, appname="wildduck"
    )
    with client:
        try:
            client.admin.command("ping")
        except OperationFailure as error:
            raise ConfigurationError(f"{where} refuses the name or password (code {error.code})") from None
        except PyMongoError:
            raise ConfigurationError(f"{where} does not answer within {seconds:g} seconds") from None


def check_redis(uri: str, key: str, seconds: float) -> None:
    """
    Whether something listens where Redis (or one of its sentinels) is configured.

    @raise ConfigurationError: with one line.
    """
    where = redis_address.parse(uri, key)
    for target in where.hosts or (where.path,):
        try:
            _connect(target, seconds)
            return
        except OSError:
            continue
    raise ConfigurationError(f"{key}: Redis at {where.label} does not answer")


def _connect(target: str | tuple[str, int], seconds: float) -> None:
    """Connect to a UNIX socket or to host and port, and hang up."""
    if not isinstance(target, str):
        socket.create_connection(target, seconds).close()
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(seconds)
        probe.connect(target)
