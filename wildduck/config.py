"""
Settings: one TOML file, typed and strict.

Each section of the file is one frozen struct below; a key that no struct has
is an error with a suggestion, a value of another type or out of bounds an
error that names the key.  C{etc/wildduck.toml} shows every key with its
default, and a test holds the two together.

L{load} is the only way from a file and C{--set} options to L{Settings}.  It
looks at values only: whether a port is free or a database answers is the
front door's business (L{wildduck.service}).
"""

from __future__ import annotations

import difflib
import functools
import ipaddress
import os
import re
import socket
import sys
import typing
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from wildduck.errors import ConfigurationError
from wildduck.limits import GIB, KIB, MIB

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

#: Where a server without C{--data} keeps what it must keep.
DEFAULT_DATA = "wildduck-data"

#: A TCP port: 0 for off, C{"auto"} for any free one.
Port = Annotated[int, Meta(ge=0, le=65535)] | Literal["auto"]

_BYTES = {"unit": "bytes"}
#: Of one account in a day.
DailyBytes = Annotated[int, Meta(ge=0, le=2**53, extra=_BYTES)]
#: Sizes may also be written as C{"64 MiB"}.
_SIZE = re.compile(r"\s*(\d{1,12})\s*(B|KiB|MiB|GiB|TiB)?\s*\Z")
_UNITS = {None: 1, "B": 1, "KiB": KIB, "MiB": MIB, "GiB": GIB, "TiB": 1024 * GIB}
_TEN_YEARS = 3650 * 24 * 3600
#: ASCII only, for it stands in greetings (RFC 5321 §4.1.2 'Domain').
_DOMAIN = re.compile(
    r"(?=.{1,255}\Z)[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*\Z"
)
#: Characters of a secret that others must not guess.
_SECRET_LENGTH = 16
#: A web page's origin (RFC 6454 §6.2).
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/?#\s\x00-\x1f\x7f]{1,255}\Z", re.IGNORECASE)
#: A header value or URL parameter must be able to carry it.
_HTTP_URL = re.compile(r"https?://[^\s/?#@]+(?:/[^\s?#]*)?\Z")
_TOKEN = re.compile(r"[!-~]{1,1024}\Z")


class Section(Struct, frozen=True):
    """Base of all sections: a frozen struct whose fields are the keys."""


class ServerSettings(Section, frozen=True, kw_only=True):
    """
    C{[server]}: who this server is.

    @ivar hostname: name in greetings, trace fields and the self-signed
        certificate; empty: the machine's.
    @ivar email_domain: domain of the addresses that are made from sign-in names,
        for accounts that are given none; empty: C{hostname}.
    """

    hostname: str = ""
    email_domain: str = ""


class ImapSettings(Section, frozen=True, kw_only=True):
    """
    C{[imap]}.

    @ivar port: IMAP with STARTTLS.
    @ivar tls_port: IMAP in TLS from the first byte (RFC 8314 §3.2).
    @ivar proxy: addresses or networks that speak the PROXY protocol to us;
        from these every connection must begin with a PROXY header, from others
        none is understood.
    @ivar connections_per_user: sessions of one account, on all servers together.
    @ivar upload_per_day: bytes that one account may APPEND in a day; 0: any.
    @ivar download_per_day: bytes of bodies that it may FETCH.
    """

    host: str = "127.0.0.1"
    port: Port = 9143
    tls_port: Port = 9993
    proxy: tuple[str, ...] = ()
    connections_per_user: Annotated[int, Meta(ge=1, le=100_000)] = 15
    upload_per_day: DailyBytes = 10 * GIB
    download_per_day: DailyBytes = 10 * GIB


class Pop3Settings(Section, frozen=True, kw_only=True):
    """
    C{[pop3]}.

    @ivar port: POP3 with STLS.
    @ivar tls_port: POP3 in TLS from the first byte (RFC 8314 §3.3).
    @ivar proxy: as in C{[imap]}.
    @ivar connections_per_user: sessions of one account in one worker.
    @ivar download_per_day: bytes that one account may retrieve in a day; 0: any.
    @ivar max_messages: messages of INBOX that a session sees, the newest; 0: all.
    @ivar delete: what becomes of a deleted message: C{"trash"}, it is moved
        there, or C{"expunge"}, it is removed as by IMAP's EXPUNGE.
    """

    host: str = "127.0.0.1"
    port: Port = 9110
    tls_port: Port = 9995
    proxy: tuple[str, ...] = ()
    connections_per_user: Annotated[int, Meta(ge=1, le=100_000)] = 15
    download_per_day: DailyBytes = 10 * GIB
    max_messages: Annotated[int, Meta(ge=0, le=10_000_000)] = 250
    delete: Literal["trash", "expunge"] = "trash"


class LmtpSettings(Section, frozen=True, kw_only=True):
    """
    C{[lmtp]}.

    @ivar over_quota: what a recipient without room is answered: C{"4.2.2"}, the
        sender tries again, or C{"5.2.2"}, the message goes back.
    @ivar proxy: as in C{[imap]}.
    """

    host: str = "127.0.0.1"
    port: Port = 2424
    proxy: tuple[str, ...] = ()
    over_quota: Literal["4.2.2", "5.2.2"] = "4.2.2"


class ApiSettings(Section, frozen=True, kw_only=True):
    """
    C{[api]}.

    @ivar token: root access token; without one, and without C{access_control},
        the API serves loopback only.
    @ivar access_control: no call without a token.
    @ivar access_secret: key that signs role tokens; all servers of a cluster,
        WildDuck's among them (C{accessControl.secret}), need the same; empty:
        there are no role tokens.
    @ivar token_ttl: seconds that a role token lives unused.
    @ivar token_lifetime: seconds that it can live at all.
    @ivar cors: origins of web pages that may call with a token, C{"*"} for all.
    @ivar connections: open connections of one server, event streams among them.
    @ivar connections_per_ip: of these, from one address.
    @ivar compat_status: answer errors with the HTTP statuses of WildDuck 1.50.
    """

    host: str = "127.0.0.1"
    port: Port = 8080
    token: str = ""
    access_control: bool = False
    access_secret: str = ""
    token_ttl: Annotated[int, Meta(ge=60, le=_TEN_YEARS)] = 14 * 24 * 3600
    token_lifetime: Annotated[int, Meta(ge=60, le=_TEN_YEARS)] = 180 * 24 * 3600
    cors: tuple[str, ...] = ("*",)
    connections: Annotated[int, Meta(ge=1, le=1_000_000)] = 5000
    connections_per_ip: Annotated[int, Meta(ge=1, le=1_000_000)] = 1000
    compat_status: bool = False


class MongoSettings(Section, frozen=True, kw_only=True):
    """
    C{[mongo]}: the four handles of spec/schema.md §0.

    @ivar uri: main database; empty: a private mongod in the data folder.
    @ivar users: accounts; a database name or a URI; empty: the main database.
    @ivar gridfs: attachments; likewise.
    @ivar sender: outgoing queue; likewise.
    @ivar mixed_cluster: WildDuck (Node.js) servers work on the same database:
        keep the indexes that its queries need too, and speak its worker channels.
    @ivar connections: connections for quick operations, per database server.
    @ivar slow_connections: connections for scans and other slow work.
    """

    uri: str = ""
    users: str = ""
    gridfs: str = ""
    sender: str = ""
    mixed_cluster: bool = False
    connections: Annotated[int, Meta(ge=1, le=64)] = 2
    slow_connections: Annotated[int, Meta(ge=1, le=64)] = 2


class RedisSettings(Section, frozen=True, kw_only=True):
    """
    C{[redis]}.

    @ivar uri: C{redis://}, C{rediss://} or C{redis-sentinel://}; empty: a
        private redis-server in the data folder.
    """

    uri: str = ""


class TlsSettings(Section, frozen=True, kw_only=True):
    """
    C{[tls]}.

    @ivar cert: PEM file with the certificate and its chain; empty, with C{key}:
        a self-signed pair is made in the data folder.
    @ivar key: PEM file with the private key.
    @ivar min_version: lowest TLS version that is spoken (RFC 8996: 1.2).
    """

    cert: str = ""
    key: str = ""
    min_version: Literal["1.2", "1.3"] = "1.2"


class SecuritySettings(Section, frozen=True, kw_only=True):
    """
    C{[security]}.

    @ivar loopback_is_secure: sign-in in plain text is allowed to clients on
        this machine, judged by the address after PROXY.
    @ivar failures_per_ip: failed sign-ins from one address, with any names,
        within five minutes; 0: addresses are not counted.
    @ivar pwned_passwords_url: of the service that knows breached passwords, asked
        where an API call has C{allowUnsafe} false; empty: nobody is asked.
    """

    loopback_is_secure: bool = True
    failures_per_ip: Annotated[int, Meta(ge=0, le=1_000_000)] = 0
    pwned_passwords_url: str = ""


class LimitSettings(Section, frozen=True, kw_only=True):
    """
    C{[limits]}: bounds that depend on the site; all others are in L{wildduck.limits}.

    @ivar max_message_size: bytes of one message, all faces.
    @ivar connections: open connections of one worker, all mail ports together.
    @ivar connections_per_ip: of these, from one address.
    @ivar password_threads: threads that hash passwords.
    @ivar mime_threads: threads that take big messages apart.
    """

    max_message_size: Annotated[int, Meta(ge=64 * KIB, le=GIB, extra=_BYTES)] = 64 * MIB
    connections: Annotated[int, Meta(ge=1, le=1_000_000)] = 10_000
    connections_per_ip: Annotated[int, Meta(ge=1, le=1_000_000)] = 1000
    password_threads: Annotated[int, Meta(ge=1, le=64)] = 2
    mime_threads: Annotated[int, Meta(ge=1, le=64)] = 2


class StorageSettings(Section, frozen=True, kw_only=True):
    """
    C{[storage]}.

    @ivar archive: expunged messages are kept in C{archived} for a while.
    @ivar archive_days: for how long.
    @ivar collector_minutes: time between two runs of the collector; 0: it does
        not run here (another server of the cluster must).
    @ivar default_quota: bytes an account may store when it has no own quota.
    @ivar text_index: the words of messages are kept, so that searches for text need
        not read every message.
    @ivar spool: folder for messages that are too large for memory; empty:
        C{spool} in the data folder.
    """

    archive: bool = True
    archive_days: Annotated[int, Meta(ge=1, le=36_500)] = 25
    collector_minutes: Annotated[int, Meta(ge=0, le=1440)] = 15
    default_quota: Annotated[int, Meta(ge=MIB, le=2**53, extra=_BYTES)] = GIB
    text_index: bool = True
    spool: str = ""


class TaskSettings(Section, frozen=True, kw_only=True):
    """
    C{[tasks]}: work in the background (L{wildduck.tasks}).

    @ivar enabled: this server does it.
    @ivar poll_seconds: between two looks whether there is any.
    """

    enabled: bool = True
    poll_seconds: Annotated[int, Meta(ge=1, le=3600)] = 2


class LogSettings(Section, frozen=True, kw_only=True):
    """
    C{[log]}.

    @ivar level: least severe event that is written.
    """

    level: Literal["debug", "info", "warn", "error", "critical"] = "info"


class Settings(Struct, frozen=True, kw_only=True):
    """
    Every setting of one server.

    @ivar data: absolute path of the data folder; given on the command line,
        not in the file.
    """

    data: str = DEFAULT_DATA
    server: ServerSettings = ServerSettings()
    imap: ImapSettings = ImapSettings()
    pop3: Pop3Settings = Pop3Settings()
    lmtp: LmtpSettings = LmtpSettings()
    api: ApiSettings = ApiSettings()
    mongo: MongoSettings = MongoSettings()
    redis: RedisSettings = RedisSettings()
    tls: TlsSettings = TlsSettings()
    security: SecuritySettings = SecuritySettings()
    limits: LimitSettings = LimitSettings()
    storage: StorageSettings = StorageSettings()
    tasks: TaskSettings = TaskSettings()
    log: LogSettings = LogSettings()

    @property
    def private(self) -> bool:
        """Whether the server starts databases of its own."""
        return not self.mongo.uri

    def with_databases(self, mongo_uri: str, redis_uri: str, **handles: str) -> Settings:
        """
        The same settings with the addresses of databases that are running.

        @param handles: C{users}, C{gridfs}, C{sender}.
        """
        mongo = replace(self.mongo, uri=mongo_uri, **handles)
        return replace(self, mongo=mongo, redis=replace(self.redis, uri=redis_uri))

    @property
    def spool(self) -> str:
        """Absolute path of the folder for spooled messages."""
        return os.path.abspath(self.storage.spool or os.path.join(self.data, "spool"))

    @property
    def hostname(self) -> str:
        """The name this server calls itself."""
        return self.server.hostname or socket.gethostname()


#: Section name to struct, in the order of the file.
SECTIONS: dict[str, type[Section]] = {
    name: hint
    for name, hint in typing.get_type_hints(Settings).items()
    if isinstance(hint, type) and issubclass(hint, Section)
}


def load(path: str | None = None, data: str | None = None, sets: Iterable[str] = ()) -> Settings:
    """
    Read, override and check the settings.

    @param path: TOML file, or C{None} for defaults only.
    @param data: data folder; it need not exist.
    @param sets: C{SECTION.KEY=VALUE} overrides, later ones win.
    @raise ConfigurationError: with one line that names the file and the key.
    """
    sections = _read(path) if path is not None else {}
    for item in sets:
        _override(sections, item)
    values = {name: _section(name, content, path) for name, content in sections.items()}
    settings = Settings(data=os.path.abspath(data or DEFAULT_DATA), **values)
    _check(settings)
    return settings


def _read(path: str) -> dict[str, dict[str, Any]]:
    """The sections of a file, their names known, their contents not yet looked at."""
    try:
        with open(path, "rb") as file:
            document: dict[str, dict[str, Any]] = tomllib.load(file)
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: {_one_line(str(error))}") from None
    for name, content in document.items():
        if name not in SECTIONS:
            what = "section" if isinstance(content, Mapping) else "key"
            raise ConfigurationError(f"{path}: unknown {what} {name!r}{_suggestion(name, SECTIONS)}")
        if not isinstance(content, dict):
            raise ConfigurationError(f"{path}: {name} must be a section, as in [{name}]")
    return document


def _override(sections: dict[str, dict[str, Any]], item: str) -> None:
    """Apply one C{--set} option."""
    name, equals, text = item.partition("=")
    section, dot, key = name.strip().partition(".")
    if not equals or not dot or not section or not key:
        raise ConfigurationError(f"--set {_shown(name)}: expected SECTION.KEY=VALUE")
    if section not in SECTIONS:
        raise ConfigurationError(f"--set {name}: unknown section {section!r}{_suggestion(section, SECTIONS)}")
    hints = _hints(SECTIONS[section])
    if key not in hints:
        raise ConfigurationError(f"--set {name}: unknown key {key!r}{_suggestion(key, hints)}")
    sections.setdefault(section, {})[key] = _value(text, hints[key])


def _value(text: str, hint: Any) -> Any:
    """The value of a C{--set} option: TOML where the key is not a string, else the text itself."""
    if hint is str or typing.get_origin(hint) is Literal:
        return text
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (tomllib.TOMLDecodeError, KeyError):
        return text


def _section(name: str, content: Mapping[str, Any], path: str | None) -> Any:
    """A checked section."""
    struct = SECTIONS[name]
    hints = _hints(struct)
    where = f"{path}: " if path else ""
    for key in content:
        if key not in hints:
            raise ConfigurationError(f"{where}unknown key {name}.{key}{_suggestion(key, hints)}")
    values = {key: _convert(f"{where}{name}.{key}", value, hints[key]) for key, value in content.items()}
    return struct(**values)


def _convert(where: str, value: Any, hint: Any) -> Any:
    """One value in its key's type."""
    if isinstance(value, str) and _is_size(hint):
        value = _size(where, value)
    try:
        return msgspec.convert(value, hint)
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"{where}: {_choices(hint) or _plain(str(error))}") from None


def _choices(hint: Any) -> str:
    """What a key with a few possible values, or a port, may be; empty for others."""
    if hint == Port:
        return "expected a port number up to 65535, 0 for off, or 'auto'"
    if typing.get_origin(hint) is Literal:
        return f"expected {' or '.join(repr(choice) for choice in typing.get_args(hint))}"
    return ""


@functools.cache
def _hints(struct: type[Section]) -> dict[str, Any]:
    """Key to type, in the order of declaration."""
    return typing.get_type_hints(struct, include_extras=True)


def _is_size(hint: Any) -> bool:
    """Whether the key counts bytes."""
    return any(isinstance(item, Meta) and item.extra == _BYTES for item in typing.get_args(hint)[1:])


def parse_size(text: str) -> int | None:
    """Bytes of C{"64 MiB"} or C{"67108864"}; C{None} when it is neither."""
    match = _SIZE.match(text)
    return int(match.group(1)) * _UNITS[match.group(2)] if match else None


def _size(where: str, text: str) -> int:
    size = parse_size(text)
    if size is None:
        raise ConfigurationError(f"{where}: expected a number of bytes, or a size such as '64 MiB'")
    return size


def _plain(message: str) -> str:
    """msgspec's message without its path and markup: C{expected int >= 0}."""
    text = message.partition(" - at `")[0].replace("`", "")
    return _one_line(text[:1].lower() + text[1:])


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _shown(text: str) -> str:
    return _one_line(text)[:80] or "''"


def _suggestion(name: str, known: Iterable[str]) -> str:
    """The closest known name, or the list of all."""
    names = list(known)
    close = difflib.get_close_matches(name, names, 1, 0.5)
    return f", did you mean {close[0]!r}?" if close else f" (known: {', '.join(names)})"


# --- what the sections must agree on --------------------------------------------


def _check(settings: Settings) -> None:
    """
    What one key's type can't say.

    @raise ConfigurationError: with one line.
    """
    if settings.server.hostname and not _DOMAIN.match(settings.server.hostname):
        raise ConfigurationError(f"server.hostname: {_shown(settings.server.hostname)} is not a host name")
    if settings.server.email_domain and not _DOMAIN.match(settings.server.email_domain):
        raise ConfigurationError(
            f"server.email_domain: {_shown(settings.server.email_domain)} is not a domain"
        )
    pwned = settings.security.pwned_passwords_url
    if pwned and not _HTTP_URL.match(pwned):
        raise ConfigurationError(
            f"security.pwned_passwords_url: {_shown(pwned)} is not an http:// or https:// URL"
        )
    if settings.api.token and not _TOKEN.match(settings.api.token):
        raise ConfigurationError("api.token: expected printable ASCII without spaces")
    for name in ("imap", "pop3", "lmtp", "api"):
        _check_address(f"{name}.host", getattr(settings, name).host)
    for name in ("imap", "pop3", "lmtp"):
        for source in getattr(settings, name).proxy:
            _check_network(f"{name}.proxy", source)
    if bool(settings.mongo.uri) != bool(settings.redis.uri):
        raise ConfigurationError("mongo.uri and redis.uri: set both, or neither for private databases")
    if settings.private and (settings.mongo.users or settings.mongo.gridfs or settings.mongo.sender):
        raise ConfigurationError("mongo.users, mongo.gridfs and mongo.sender need mongo.uri")
    if bool(settings.tls.cert) != bool(settings.tls.key):
        raise ConfigurationError("tls.cert and tls.key: set both, or neither for a self-signed certificate")
    _check_api(settings.api)
    _check_ports(settings)


def _check_api(api: ApiSettings) -> None:
    if not (api.token or api.access_control) and not is_loopback(api.host):
        raise ConfigurationError("api.host: without api.token the API serves loopback addresses only")
    if api.access_secret and len(api.access_secret) < _SECRET_LENGTH:
        raise ConfigurationError(f"api.access_secret: expected at least {_SECRET_LENGTH} characters")
    if api.access_control and not (api.access_secret or api.token):
        raise ConfigurationError(
            "api.access_control: without api.access_secret or api.token nobody could call"
        )
    for origin in api.cors:
        if origin != "*" and not _ORIGIN.match(origin):
            raise ConfigurationError(
                f"api.cors: {_shown(origin)} is not an origin such as https://example.com"
            )


def is_loopback(host: str) -> bool:
    """Whether an address literal is this machine's loopback."""
    address = ipaddress.ip_address(host)
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)


def _check_address(name: str, host: str) -> None:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        raise ConfigurationError(
            f"{name}: {_shown(host)} is not an IP address (all: 0.0.0.0 or ::)"
        ) from None


def _check_network(name: str, source: str) -> None:
    try:
        ipaddress.ip_network(source, strict=False)
    except ValueError:
        raise ConfigurationError(f"{name}: {_shown(source)} is not an IP address or network") from None


def listeners(settings: Settings) -> dict[str, tuple[str, int | Literal["auto"]]]:
    """
    Every listener that the settings name and that is not off.

    @return: C{"imap"}, C{"imap_tls"}, C{"pop3"}, C{"pop3_tls"}, C{"lmtp"} and C{"api"} to
        (host, port).
    """
    named: dict[str, tuple[str, int | Literal["auto"]]] = {
        "imap": (settings.imap.host, settings.imap.port),
        "imap_tls": (settings.imap.host, settings.imap.tls_port),
        "pop3": (settings.pop3.host, settings.pop3.port),
        "pop3_tls": (settings.pop3.host, settings.pop3.tls_port),
        "lmtp": (settings.lmtp.host, settings.lmtp.port),
        "api": (settings.api.host, settings.api.port),
    }
    return {name: address for name, address in named.items() if address[1] != 0}


def key_name(listener: str) -> str:
    """The settings key of a listener's port: C{"imap_tls"} is C{imap.tls_port}."""
    return f"{listener[:-4]}.tls_port" if listener.endswith("_tls") else f"{listener}.port"


def _check_ports(settings: Settings) -> None:
    """Two listeners can't have one port on one address."""
    seen: dict[tuple[str, int | Literal["auto"]], str] = {}
    for name, address in listeners(settings).items():
        if address[1] != "auto" and address in seen:
            raise ConfigurationError(
                f"{key_name(name)}: port {address[1]} is {key_name(seen[address])} already"
            )
        seen[address] = name
