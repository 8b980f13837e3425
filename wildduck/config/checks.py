"""What one key's type can't say, and what sections must agree on."""

from __future__ import annotations

import ipaddress
import re
from typing import Literal

from wildduck.config.sections import ApiSettings, Settings, key_name, listeners
from wildduck.errors import ConfigurationError

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


def check(settings: Settings) -> None:
    """
    What one key's type can't say.

    @raise ConfigurationError: with one line.
    """
    if settings.server.hostname and not _DOMAIN.match(settings.server.hostname):
        raise ConfigurationError(f"server.hostname: {shown(settings.server.hostname)} is not a host name")
    if settings.server.email_domain and not _DOMAIN.match(settings.server.email_domain):
        raise ConfigurationError(
            f"server.email_domain: {shown(settings.server.email_domain)} is not a domain"
        )
    pwned = settings.security.pwned_passwords_url
    if pwned and not _HTTP_URL.match(pwned):
        raise ConfigurationError(
            f"security.pwned_passwords_url: {shown(pwned)} is not an http:// or https:// URL"
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
                f"api.cors: {shown(origin)} is not an origin such as https://example.com"
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
        raise ConfigurationError(f"{name}: {shown(host)} is not an IP address (all: 0.0.0.0 or ::)") from None


def _check_network(name: str, source: str) -> None:
    try:
        ipaddress.ip_network(source, strict=False)
    except ValueError:
        raise ConfigurationError(f"{name}: {shown(source)} is not an IP address or network") from None


def _check_ports(settings: Settings) -> None:
    """Two listeners can't have one port on one address."""
    seen: dict[tuple[str, int | Literal["auto"]], str] = {}
    for name, address in listeners(settings).items():
        if address[1] != "auto" and address in seen:
            raise ConfigurationError(
                f"{key_name(name)}: port {address[1]} is {key_name(seen[address])} already"
            )
        seen[address] = name


def one_line(text: str) -> str:
    return " ".join(text.split())


def shown(text: str) -> str:
    return one_line(text)[:80] or "''"
