"""
A Redis URI, and the endpoint it stands for.

C{redis://[user:password@]host[:6379][/db]}, C{rediss://} for TLS,
C{unix://[user:password@]/path/to/socket[?db=3]}, and for Sentinel
C{redis+sentinel://[user:password@]host[:26379][,host…]/service[/db]} or
C{rediss+sentinel://}.  Options: C{db}; for TLS C{ca} and C{cert} (PEM files),
C{verify=false}; for Sentinel C{sentinel_password}.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, urlsplit

from wildduck.database.secure import Secure
from wildduck.errors import ConfigurationError

_SCHEMES = {
    "redis": (False, False),
    "rediss": (True, False),
    "unix": (False, False),
    "redis+sentinel": (False, True),
    "redis-sentinel": (False, True),
    "rediss+sentinel": (True, True),
    "rediss-sentinel": (True, True),
}


@dataclass(frozen=True)
class RedisAddress:
    """
    @ivar hosts: (host, port) of Redis, or of the sentinels; empty for a socket.
    @ivar path: of a UNIX socket, else empty.
    @ivar service: the master's name where L{hosts} are sentinels, else empty.
    @ivar db: database number.
    @ivar secure: how to do TLS, C{None} for plain text.
    """

    hosts: tuple[tuple[str, int], ...] = ()
    path: str = ""
    service: str = ""
    username: str = ""
    password: str = ""
    sentinel_password: str = ""
    db: int = 0
    secure: Secure | None = None

    def __repr__(self) -> str:
        return f"<RedisAddress {self.label}>"

    @property
    def label(self) -> str:
        """For messages, without passwords."""
        return self.path or ",".join(f"{host}:{port}" for host, port in self.hosts)


def parse(uri: str, key: str = "redis.uri") -> RedisAddress:
    """
    @param key: the setting it comes from, for the message.
    @raise ConfigurationError: malformed, or something in it is not known.
    """
    try:
        return _parse(uri)
    except (ValueError, OSError) as error:
        raise ConfigurationError(f"{key}: not a usable Redis URI ({error})") from None


def _parse(uri: str) -> RedisAddress:
    scheme, _, _ = uri.partition("://")
    if scheme.lower() not in _SCHEMES:
        raise ValueError(f"begins with none of {', '.join(_SCHEMES)}")
    tls, sentinel = _SCHEMES[scheme.lower()]
    parts = urlsplit(uri)
    options = dict(parse_qsl(parts.query, strict_parsing=bool(parts.query)))
    credentials, _, hosts = parts.netloc.rpartition("@")
    username, _, password = credentials.partition(":")
    path, service, db = _path(scheme.lower(), sentinel, unquote(parts.path), options.pop("db", ""))
    address = RedisAddress(
        hosts=() if path else tuple(_host(host, 26379 if sentinel else 6379) for host in hosts.split(",")),
        path=path,
        service=service,
        username=unquote(username),
        password=unquote(password),
        sentinel_password=options.pop("sentinel_password", "") if sentinel else "",
        db=db,
        secure=_secure(options) if tls else None,
    )
    if options:
        raise ValueError(f"option {sorted(options)[0]} is not supported")
    if len(address.hosts) > 1 and not sentinel:
        raise ValueError("names several hosts")
    if address.username and not address.password:
        raise ValueError("a user name needs a password; a password alone is written :password@")
    return address


def _path(scheme: str, sentinel: bool, path: str, db: str) -> tuple[str, str, int]:
    """The socket, the service and the database number."""
    if scheme == "unix":
        if not path.strip("/"):
            raise ValueError("names no socket")
        return path, "", _number(db)
    pieces = [piece for piece in path.split("/") if piece]
    service = ""
    if sentinel:
        if not pieces:
            raise ValueError("names no service of the sentinels")
        service = pieces.pop(0)
    if len(pieces) > 1 or (pieces and db):
        raise ValueError("has more than a database number behind the host")
    return "", service, _number(pieces[0] if pieces else db)


def _number(text: str) -> int:
    if not text:
        return 0
    if not text.isascii() or not text.isdigit() or len(text) > 6:
        raise ValueError("the database is not a number")
    return int(text)


def _host(text: str, default: int) -> tuple[str, int]:
    parts = urlsplit(f"//{text}")
    if not parts.hostname:
        raise ValueError("names no host")
    return parts.hostname, parts.port or default


def _secure(options: dict[str, str]) -> Secure:
    verify = options.pop("verify", "true")
    if verify not in ("true", "false"):
        raise ValueError("verify is true or false")
    return Secure(options.pop("ca", ""), options.pop("cert", ""), any_certificate=verify == "false")
