"""
A MongoDB URI as we can honour it.

txmongo reads few of the options, ignores others and breaks on one
(anchors/stack.md §2, P6 to P8).  What it can't do is done here or refused: no
option is read and ignored.  The options that ask for what this server does
anyway (C{retryWrites=true}, C{retryReads=true}, C{w=majority},
C{journal=true}) are accepted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus, urlencode

from pymongo.errors import PyMongoError
from pymongo.uri_parser import parse_uri

from wildduck.database.secure import Secure
from wildduck.errors import ConfigurationError

_ALREADY_SO: dict[str, Any] = {
    "retrywrites": True,
    "retryreads": True,
    "w": "majority",
    "journal": True,
    # tlsInsecure sets it too.
    "tlsdisableocspendpointcheck": True,
}
_TLS = {
    "tls": "",
    "tlscafile": "authorities",
    "tlscertificatekeyfile": "certificate",
    "tlsallowinvalidcertificates": "any_certificate",
    "tlsallowinvalidhostnames": "any_name",
    "tlsinsecure": "insecure",
}
_HONOURED = {"authsource", "authmechanism", "replicaset", "directconnection"}


@dataclass(frozen=True)
class Address:
    """
    Where a MongoDB is and how it is entered.

    @ivar hosts: (name or address, port), never empty.
    @ivar database: the name in the URI's path.
    @ivar username: with L{password}; empty for a server without sign-in.
    @ivar auth_source: database that knows the user.
    @ivar replica_set: its name, empty where the URI names none.
    @ivar direct: stay with L{hosts}, do not follow the replica set's own list.
    @ivar secure: how to do TLS, C{None} for plain text.
    """

    hosts: tuple[tuple[str, int], ...]
    database: str
    username: str = ""
    password: str = ""
    auth_source: str = "admin"
    replica_set: str = ""
    direct: bool = False
    secure: Secure | None = None

    def __repr__(self) -> str:
        return f"<Address {self.label}>"

    @property
    def label(self) -> str:
        """C{host:port,…} for messages, without the password."""
        return ",".join(_host_port(host, port) for host, port in self.hosts)

    def for_txmongo(self) -> str:
        """The URI that makes txmongo do the same: without a database or user it signs in nowhere (P7)."""
        user = f"{quote_plus(self.username)}:{quote_plus(self.password)}@" if self.username else ""
        options = {}
        if self.username:
            options["authSource"] = self.auth_source
        if self.replica_set:
            options["replicaSet"] = self.replica_set
        query = f"?{urlencode(options)}" if options else ""
        return f"mongodb://{user}{self.label}/{quote_plus(self.database)}{query}"


def parse(uri: str, key: str = "mongo.uri") -> Address:
    """
    Read a C{mongodb://} or C{mongodb+srv://} URI.

    The latter asks the DNS and blocks meanwhile: for start-up only.

    @param key: the setting it comes from, for the message.
    @raise ConfigurationError: malformed, or something in it can not be honoured.
    """
    try:
        parsed = parse_uri(uri, warn=False)
    except (PyMongoError, ValueError, OSError) as error:
        # InvalidURI's texts name the fault and never the password.
        raise ConfigurationError(f"{key}: not a usable MongoDB URI ({_first_line(error)})") from None
    options = {name.lower(): value for name, value in parsed["options"].items()}
    _refuse(options, key)
    if not parsed["database"]:
        raise ConfigurationError(f"{key}: names no database, as in mongodb://host:27017/wildduck")
    if any(port is None for _, port in parsed["nodelist"]):
        raise ConfigurationError(f"{key}: UNIX sockets are not supported")
    username = parsed["username"] or ""
    if bool(username) != bool(parsed["password"]):
        raise ConfigurationError(f"{key}: a user name needs a password, and a password a user name")
    return Address(
        hosts=tuple((host, int(port)) for host, port in parsed["nodelist"]),
        database=parsed["database"],
        username=username,
        password=parsed["password"] or "",
        auth_source=options.get("authsource") or (parsed["database"] if username else "admin"),
        replica_set=options.get("replicaset") or "",
        direct=bool(options.get("directconnection")),
        secure=_secure(options, key),
    )


def _refuse(options: Mapping[str, Any], key: str) -> None:
    for name, value in options.items():
        if name in _HONOURED or name in _TLS:
            continue
        if name == "readpreference":
            raise ConfigurationError(f"{key}: readPreference can not be used, all reads go to the primary")
        if name not in _ALREADY_SO:
            raise ConfigurationError(f"{key}: option {name} is not supported")
        if value != _ALREADY_SO[name]:
            wanted = str(_ALREADY_SO[name]).lower()
            raise ConfigurationError(f"{key}: option {name} can only be {wanted}")
    mechanism = options.get("authmechanism", "SCRAM-SHA-1")
    if mechanism != "SCRAM-SHA-1":
        raise ConfigurationError(f"{key}: authMechanism {mechanism} is not supported, only SCRAM-SHA-1")


def _secure(options: Mapping[str, Any], key: str) -> Secure | None:
    given = {_TLS[name]: value for name, value in options.items() if name in _TLS and name != "tls"}
    if not options.get("tls"):
        if given:
            raise ConfigurationError(f"{key}: TLS options need tls=true")
        return None
    if given.pop("insecure", False):
        given["any_certificate"] = given["any_name"] = True
    try:
        return Secure(**given)
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{key}: TLS files can not be used ({_first_line(error)})") from None


def _host_port(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
