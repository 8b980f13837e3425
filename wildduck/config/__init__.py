"""
Settings: one TOML file, typed and strict.

Each section of the file is one frozen struct (L{wildduck.config.sections}); a key that no struct has
is an error with a suggestion, a value of another type or out of bounds an
error that names the key.  C{etc/wildduck.toml} shows every key with its
default, and a test holds the two together.

L{load} is the only way from a file and C{--set} options to L{Settings}.  It
looks at values only: whether a port is free or a database answers is the
front door's business (L{wildduck.service}).
"""

from wildduck.config.checks import is_loopback
from wildduck.config.reading import load, parse_size
from wildduck.config.sections import (
    DEFAULT_DATA,
    SECTIONS,
    ApiSettings,
    ImapSettings,
    LimitSettings,
    LmtpSettings,
    LogSettings,
    MongoSettings,
    Pop3Settings,
    RedisSettings,
    Section,
    SecuritySettings,
    ServerSettings,
    Settings,
    StorageSettings,
    TaskSettings,
    TlsSettings,
    key_name,
    listeners,
)

__all__ = [
    "DEFAULT_DATA",
    "SECTIONS",
    "ApiSettings",
    "ImapSettings",
    "LimitSettings",
    "LmtpSettings",
    "LogSettings",
    "MongoSettings",
    "Pop3Settings",
    "RedisSettings",
    "Section",
    "SecuritySettings",
    "ServerSettings",
    "Settings",
    "StorageSettings",
    "TaskSettings",
    "TlsSettings",
    "is_loopback",
    "key_name",
    "listeners",
    "load",
    "parse_size",
]
