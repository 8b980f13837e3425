"""The sections of the settings and their keys, and what follows from them alone."""

from __future__ import annotations

import os
import socket
import typing
from typing import Annotated, Literal

from msgspec import Meta, Struct
from msgspec.structs import replace

from wildduck.limits import GIB, KIB, MIB

#: Where a server without C{--data} keeps what it must keep.
DEFAULT_DATA = "wildduck-data"

#: A TCP port: 0 for off, C{"auto"} for any free one.
Port = Annotated[int, Meta(ge=0, le=65535)] | Literal["auto"]

#: What a key that counts bytes is told by.
BYTES = {"unit": "bytes"}
#: Of one account in a day.
DailyBytes = Annotated[int, Meta(ge=0, le=2**53, extra=BYTES)]
_TEN_YEARS = 3650 * 24 * 3600


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


#: C{application} of RFC 5593 §4, in lower case.
Application = Annotated[str, Meta(pattern=r"\A[a-z0-9]+\Z")]


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
    @ivar url_applications: by an access identifier of URLs (RFC 4467, RFC 5593), in lower
        case, the accounts that may read by such URLs.
    """

    host: str = "127.0.0.1"
    port: Port = 9143
    tls_port: Port = 9993
    proxy: tuple[str, ...] = ()
    connections_per_user: Annotated[int, Meta(ge=1, le=100_000)] = 15
    upload_per_day: DailyBytes = 10 * GIB
    download_per_day: DailyBytes = 10 * GIB
    url_applications: dict[Application, tuple[str, ...]] = {}


class Pop3Settings(Section, frozen=True, kw_only=True):
    """
    C{[pop3]}.

    @ivar port: POP3 with STLS.
    @ivar tls_port: POP3 in TLS from the first byte (RFC 8314 §3.3).
    @ivar proxy: as in C{[imap]}.
    @ivar connections_per_user: as in C{[imap]}.
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
        where an API call has C{allowUnsafe} false, and every two weeks about the
        password that an account signs in with; empty: nobody is asked.
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

    max_message_size: Annotated[int, Meta(ge=64 * KIB, le=GIB, extra=BYTES)] = 64 * MIB
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
    @ivar text_index: the words of messages and some header fields are kept, so that
        searches for them need not read every message.
    @ivar spool: folder for messages that are too large for memory; empty:
        C{spool} in the data folder.
    """

    archive: bool = True
    archive_days: Annotated[int, Meta(ge=1, le=36_500)] = 25
    collector_minutes: Annotated[int, Meta(ge=0, le=1440)] = 15
    default_quota: Annotated[int, Meta(ge=MIB, le=2**53, extra=BYTES)] = GIB
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
