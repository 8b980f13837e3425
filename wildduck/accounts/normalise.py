"""
Names and addresses in the forms they are stored and looked up in.

Source: spec/schema.md §9, spec/api.md 'Common parameter types'.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import idna

from wildduck.errors import BadInput
from wildduck.mime.normal import normalized

#: Characters of the widest partial wildcard (spec/config.md 'wildcard part').
WILDCARD_PART = 32
USERNAME_LENGTH = 128
#: RFC 5321 §4.5.3.1: 64 octets of local part, 255 of domain.
LOCAL_PART_BYTES = 64
DOMAIN_BYTES = 255

_NAME = r"[a-z0-9-]+(?:[._=:][a-z0-9-]+)*"
_USERNAME = re.compile(rf"{_NAME}(?:@{_NAME})?\Z")
_ATEXT = re.compile(r"[\w!#$%&'*+/=?^`{|}~.-]+\Z")
_LABEL = re.compile(r"[^\W_](?:[\w-]*[^\W_])?\Z")


def username(value: str) -> str:
    """
    The stored form of a sign-in name.

    @raise BadInput: it is none.
    """
    name = value.strip(" ").lower()
    if not 1 <= len(name) <= USERNAME_LENGTH or not _USERNAME.match(name):
        text = "username must be letters, digits and '-' joined by single '.', '_', '=' or ':'"
        raise BadInput(text, {"username": text})
    return name


def name_view(name: str) -> str:
    """The unique form of a sign-in name: lower case, without dots before the C{@}."""
    local, at, domain = name.strip(" ").lower().partition("@")
    return local.replace(".", "") + at + domain


def domain(value: str) -> str:
    """A domain in lower case with its A-labels decoded; one that does not decode, or is too long, is kept."""
    value = value.strip(" ").lower()
    if "xn--" not in value or len(value) > DOMAIN_BYTES:
        return normalized("NFC", value)
    return ".".join(_u_label(label) for label in value.split("."))


def _u_label(label: str) -> str:
    if not label.startswith("xn--"):
        return label
    try:
        return normalized("NFC", idna.ulabel(label))
    except (idna.IDNAError, UnicodeError):
        return label


def address(value: str, *, remove_label: bool = False, remove_dots: bool = False) -> str:
    """An address in lower case, NFC, its domain decoded; C{""} domains are left as they are."""
    local, at, host = value.strip(" ").rpartition("@")
    if not at:
        local, host = host, ""
    local = normalized("NFC", local).lower()
    if remove_label:
        local = local.partition("+")[0]
    if remove_dots:
        local = local.replace(".", "")
    # Last, for blanks and combining marks can stand beside what was taken out.
    local = normalized("NFC", local.strip(" "))
    return local + at + domain(host) if at else local


def address_view(value: str) -> str:
    """The unique form of an address: without label and dots in its local part."""
    return address(value, remove_label=True, remove_dots=True)


def wildcard_views(local: str, host: str) -> Iterator[str]:
    """
    The partial wildcards that match a dotless local part, longest first.

    C{prefix*@host}, C{*suffix@host} with up to L{WILDCARD_PART} characters and
    finally C{*@host}.
    """
    for length in range(min(len(local), WILDCARD_PART), 0, -1):
        yield f"{local[:length]}*@{host}"
        yield f"*{local[-length:]}@{host}"
    yield f"*@{host}"


def new_address(value: str) -> str:
    """
    An address for an account as it is stored, wildcard forms included.

    @raise BadInput: no address, or one with a label, which could never match.
    """
    stored = address(value)
    local, at, host = stored.rpartition("@")
    problem = _address_problem(local, at, host)
    if problem:
        raise BadInput(problem, {"address": problem})
    return stored


def is_address(value: str) -> bool:
    """Whether a string is an email address of one recipient; it may have a label."""
    local, at, host = address(value).rpartition("@")
    return not _address_problem(local.replace("+", "-"), at, host) and "*" not in local + host


def _address_problem(local: str, at: str, host: str) -> str:
    if not at or not local or not host:
        return "address must be of the form local@domain"
    if "+" in local:
        return "address must not have a +label"
    if local.count("*") + host.count("*") > 1:
        return "address can have one wildcard only"
    if len(local.encode()) > LOCAL_PART_BYTES or len(host.encode()) > DOMAIN_BYTES:
        return "address is too long"
    if host == "*":
        return "" if _is_local_part(local) else "address has an invalid local part"
    if not all(_LABEL.match(label) for label in host.split(".")):
        return "address has an invalid domain"
    if "*" in local:
        return _wildcard_problem(local)
    return "" if _is_local_part(local) else "address has an invalid local part"


def _wildcard_problem(local: str) -> str:
    part = local[1:] if local.startswith("*") else local[:-1]
    if "*" in part:
        return "a wildcard stands first or last in the local part"
    if len(part) > WILDCARD_PART:
        return f"a partial wildcard has at most {WILDCARD_PART} characters"
    return "" if not part or _ATEXT.match(part) else "address has an invalid local part"


def _is_local_part(local: str) -> bool:
    """A dot-atom (RFC 5322 §3.2.3, RFC 6532 §3.2); quoted local parts are not stored."""
    if not _ATEXT.match(local) or "*" in local:
        return False
    return not (local.startswith(".") or local.endswith(".") or ".." in local)
