"""Accounts, addresses and credentials as frozen values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from bson import ObjectId
from twisted.cred.credentials import ICredentials
from zope.interface import implementer

from wildduck.accounts.stored import stored_string, stored_tags
from wildduck.interfaces import IMailAccount
from wildduck.mailstore.values import number

#: Fields of a user document that L{Account.from_document} reads.
ACCOUNT_FIELDS = dict.fromkeys(
    (
        "username",
        "unameview",
        "name",
        "language",
        "address",
        "quota",
        "storageUsed",
        "disabled",
        "suspended",
        "activated",
        "disabledScopes",
        "enabled2fa",
        "encryptMessages",
        "targets",
        "forwards",
        "recipients",
        "autoreply",
        "retention",
        "pop3MaxMessages",
        "pop3MaxDownload",
        "imapMaxUpload",
        "imapMaxDownload",
        "imapMaxConnections",
        "spamLevel",
        "created",
    ),
    True,
)


def _names(value: Any) -> tuple[str, ...]:
    """A list of names, whatever else stands in its place."""
    return tuple(str(name) for name in value) if isinstance(value, list) else ()


def _targets(value: Any) -> tuple[Any, ...]:
    """Where mail is forwarded to; an odd value is one that nobody can forward to."""
    return tuple(value) if isinstance(value, list) else (value,) if value else ()


def _spam_level(value: Any) -> int:
    """0 to 100, 50 for what is none: 0 would make all mail spam."""
    return number(value) if isinstance(value, (int, float)) and 0 <= value <= 100 else 50


#: Names of second factors in older documents.
_FORMER_FACTORS = {"u2f": "webauthn"}


def second_factors(value: Any) -> tuple[str, ...]:
    """C{enabled2fa}: a list of names; older documents hold C{true} for totp."""
    if isinstance(value, str):
        value = [value] if value else []
    if isinstance(value, list):
        names = [str(item) for item in value if item]
        return tuple(dict.fromkeys(_FORMER_FACTORS.get(name, name) for name in names))
    return ("totp",) if value else ()


@implementer(IMailAccount)
@dataclass(frozen=True, slots=True)
class Account:
    """
    A user document as far as mail needs it (spec/schema.md 'users').

    @ivar quota: bytes, the default applied where the document has 0.
    @ivar own_quota: bytes as stored, 0 for the default.
    @ivar storage_used: bytes, never negative.
    @ivar retention: milliseconds, 0 for ever.
    @ivar pop3_max_messages: messages that POP3 shows, 0 for the default.
    @ivar pop3_max_download: bytes in a day, 0 for the default; likewise
        C{imap_max_upload} and C{imap_max_download}.
    @ivar imap_max_connections: sessions at a time, 0 for the default.
    @ivar second_factors: methods in force, empty for none.
    """

    id: ObjectId
    username: str
    address: str = ""
    name: str = ""
    language: str = ""
    quota: int = 0
    own_quota: int = 0
    storage_used: int = 0
    disabled: bool = False
    suspended: bool = False
    activated: bool = True
    disabled_scopes: tuple[str, ...] = ()
    second_factors: tuple[str, ...] = ()
    encrypt_messages: bool = False
    targets: tuple[Any, ...] = ()
    autoreply: bool = False
    retention: int = 0
    spam_level: int = 50
    recipients: int = 0
    forwards: int = 0
    pop3_max_messages: int = 0
    pop3_max_download: int = 0
    imap_max_upload: int = 0
    imap_max_download: int = 0
    imap_max_connections: int = 0

    @classmethod
    def from_document(cls, document: dict[str, Any], default_quota: int) -> Account:
        """@param default_quota: bytes for documents whose C{quota} is 0 or missing."""
        own_quota = max(0, number(document.get("quota")))
        return cls(
            id=document["_id"],
            username=str(document.get("username") or ""),
            address=str(document.get("address") or ""),
            name=str(document.get("name") or ""),
            language=str(document.get("language") or ""),
            quota=own_quota or default_quota,
            own_quota=own_quota,
            storage_used=max(0, number(document.get("storageUsed"))),
            disabled=bool(document.get("disabled")),
            suspended=bool(document.get("suspended")),
            activated=bool(document.get("activated", True)),
            disabled_scopes=_names(document.get("disabledScopes")),
            second_factors=second_factors(document.get("enabled2fa")),
            encrypt_messages=bool(document.get("encryptMessages")),
            targets=_targets(document.get("targets")),
            autoreply=bool(document.get("autoreply")),
            retention=max(0, number(document.get("retention"))),
            spam_level=_spam_level(document.get("spamLevel")),
            recipients=max(0, number(document.get("recipients"))),
            forwards=max(0, number(document.get("forwards"))),
            pop3_max_messages=max(0, number(document.get("pop3MaxMessages"))),
            pop3_max_download=max(0, number(document.get("pop3MaxDownload"))),
            imap_max_upload=max(0, number(document.get("imapMaxUpload"))),
            imap_max_download=max(0, number(document.get("imapMaxDownload"))),
            imap_max_connections=max(0, number(document.get("imapMaxConnections"))),
        )


@dataclass(frozen=True, slots=True)
class Address:
    """
    One row of C{addresses} that belongs to an account.

    @ivar main: it is the account's default address.
    @ivar name: of the sender who uses it, C{""} for none.
    @ivar meta_data: and C{internal_data}: JSON text, as stored.
    """

    id: ObjectId
    user: ObjectId
    address: str
    created: Any = None
    main: bool = False
    name: str = ""
    tags: tuple[str, ...] = ()
    meta_data: str = ""
    internal_data: str = ""

    @classmethod
    def from_document(cls, document: dict[str, Any], default: str) -> Address:
        """@param default: the account's default address."""
        address = stored_string(document.get("address"))
        return cls(
            id=document["_id"],
            user=document["user"],
            address=address,
            created=document.get("created"),
            main=bool(address) and address == default,
            name=stored_string(document.get("name")),
            tags=stored_tags(document.get("tags")),
            meta_data=stored_string(document.get("metaData")),
            internal_data=stored_string(document.get("internalData")),
        )


@dataclass(frozen=True, slots=True)
class Recipient:
    """
    Who receives mail for an address.

    @ivar account: the receiving account.
    @ivar address: the address as the sender wrote it, with its label.
    @ivar matched: the stored address, alias target or wildcard that matched.
    """

    account: Account
    address: str
    matched: str


class ISignIn(ICredentials):
    """A name and password with the service they are meant for."""


@implementer(ISignIn)
@dataclass(frozen=True, slots=True)
class SignIn:
    """
    A name and password as a client gave them.

    @ivar service: C{"imap"}, C{"pop3"}, C{"smtp"} or C{"master"}, the account itself.
    @ivar ip: the client's address, after PROXY.
    @ivar session: id of the connection, for the log.
    @ivar protocol: what the user's log shows; C{""}: the service in capitals.
    @ivar app_id: program that a caller of the API speaks for (C{appId}).
    """

    username: str
    password: str = field(repr=False)
    service: str = "imap"
    ip: str = ""
    session: str = ""
    protocol: str = ""
    app_id: str = ""


@dataclass(frozen=True, slots=True)
class Authentication:
    """
    A sign-in that was let through.

    @ivar source: whose password it was: C{"master"}, C{"asp"} (an application's) or
        C{"temporary"} (of a password reset).
    @ivar scope: the service that was asked for.
    @ivar require_2fa: second factors that the caller must still ask for, one of
        them; none for application and temporary passwords.
    @ivar require_2fa_enabled: the account's C{require2faEnabled}.
    @ivar require_password_change: the user is to choose another master password.
    @ivar asp: id of the application password.
    @ivar password_pwned: the master password is known from a breach.
    """

    account: Account
    source: Literal["master", "asp", "temporary"]
    scope: str
    require_2fa: tuple[str, ...] = ()
    require_2fa_enabled: bool = False
    require_password_change: bool = False
    asp: ObjectId | None = None
    password_pwned: bool = False
