"""
What each role may do (spec/api.md 'Permission model').

A grant is for one resource and one action, on any account or on the caller's
own, with the attributes that it covers.  Attributes are parameters on the way
in and members of the answer on the way out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from wildduck.errors import DomainError


class MissingPrivileges(DomainError):
    """The caller's role does not allow the call."""

    http = (403, "MissingPrivileges")
    text = "Not enough privileges"


@dataclass(frozen=True)
class Grant:
    """
    @ivar any: on every account, else on the caller's own.
    @ivar only: parameters that may be given, C{None} for all.
    @ivar without: attributes that may be neither given nor seen.
    """

    any: bool
    only: frozenset[str] | None = None
    without: frozenset[str] = frozenset()

    def allows(self, attribute: str) -> bool:
        """Whether a parameter may be given."""
        return attribute not in self.without and (self.only is None or attribute in self.only)

    def hide(self, answer: Any) -> Any:
        """The answer (C{Struct} or dictionary) without what may not be seen, in its C{results} too."""
        if self.without:
            _hide(answer, self.without)
            rows = answer.get("results") if isinstance(answer, dict) else getattr(answer, "results", None)
            for row in rows if isinstance(rows, list) else ():
                _hide(row, self.without)
        return answer

    def filtered(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """A copy of a dictionary without what the grant does not cover."""
        return {name: value for name, value in values.items() if self.allows(name)}


def _hide(answer: Any, names: frozenset[str]) -> None:
    for name in names:
        if isinstance(answer, dict):
            answer.pop(name, None)
        elif hasattr(answer, name):
            setattr(answer, name, msgspec.UNSET)


_ACTIONS = {"C": "create", "R": "read", "U": "update", "D": "delete"}

#: role -> (resource, action) -> grant
Table = dict[tuple[str, str], Grant]


def _grants(letters: str, resources: str, grant: Grant) -> Table:
    return {(name, _ACTIONS[letter]): grant for name in resources.split() for letter in letters}


_ANY = Grant(any=True)
_OWN = Grant(any=False)
#: Nor can they be guessed by asking for accounts with certain tags.
_PRIVATE = frozenset(("tags", "requiredTags", "disabledScopes", "internalData"))
_OWN_USER = Grant(any=False, without=_PRIVATE)
#: What the holder of an account may change of it.
_CHANGES = """
    existingPassword password allowUnsafe language name targets mtaRelay spamLevel uploadSentMessages
    metaData pubKey smimeCerts smimeCipher smimeKeyTransport encryptMessages encryptForwarded retention
    disable2fa protocol sess ip
"""
_OWN_USER_CHANGES = Grant(any=False, only=frozenset(_CHANGES.split()))
_MAIL = "messages attachments storage mailboxes"
_MANAGED = "addresses users autoreplies filters certs dkim domainaccess domainaliases webhooks"


def _managing(more: str = "") -> Table:
    return {
        **_grants("CRUD", f"{_MANAGED} {more}", _ANY),
        **_grants("R", "addresslisting userlisting", _ANY),
        **_grants("CR", "authentication", _ANY),
        **_grants("CRD", "asps", _ANY),
    }


#: The roles of WildDuck 1.50's C{roles.json}.
ROLES: Mapping[str, Table] = {
    "root": _managing(f"{_MAIL} settings"),
    "manager": _managing(),
    "webmail": {
        **_grants("CRUD", f"addresses {_MAIL} autoreplies filters domainaccess webhooks", _ANY),
        **_grants("CR", "authentication", _ANY),
        **_grants("RU", "users", _ANY),
        **_grants("CRD", "asps", _ANY),
    },
    "user": {
        **_grants("R", "addresslisting", Grant(any=False, without=frozenset(("internalData",)))),
        **_grants("R", "userlisting users", _OWN_USER),
        **_grants("U", "users", _OWN_USER_CHANGES),
        **_grants("CRUD", "addresses", Grant(any=False, without=frozenset(("internalData",)))),
        **_grants("CR", "authentication", _OWN),
        **_grants("CRD", "asps", _OWN),
        **_grants("CRUD", f"{_MAIL} autoreplies filters", _OWN),
        **_grants("R", "webhooks", _OWN),
    },
    "auth": _grants("C", "authentication", Grant(any=True, without=frozenset(("token",)))),
    "tokenAuth": _grants("C", "authentication", _ANY),
    "attachments": _grants("R", "attachments", _ANY),
    "audit": {**_grants("R", "users", _ANY), **_grants("CRUD", "audit", _ANY)},
    "auditclient": _grants("R", "audit", _ANY),
    "export": _grants("C", "export import", _ANY),
    "settings": _grants("CRUD", "settings", _ANY),
    "downloader": _grants("R", "messages", _ANY),
}


def grant_of(role: str, resource: str, action: str) -> Grant:
    """@raise MissingPrivileges: the role has none."""
    grant = ROLES.get(role, {}).get((resource, action))
    if grant is None:
        raise MissingPrivileges()
    return grant
