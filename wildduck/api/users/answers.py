"""What the API shows of accounts (spec/api.md §1)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from wildduck.accounts.keys import CertificateInfo, KeyInfo
from wildduck.accounts.stored import meta_value, stored_string, stored_tags
from wildduck.accounts.targets import stored_targets
from wildduck.accounts.usage import Counter, Usage, positive
from wildduck.accounts.values import second_factors
from wildduck.api.frame.answers import UNSET, Answer, Success, UnsetType, iso
from wildduck.api.frame.paging import Page

_Data = dict[str, Any] | UnsetType


class MadeUser(Success, kw_only=True):
    """@ivar id: of the account."""

    id: str


class Stored(Answer, kw_only=True):
    """
    @ivar allowed: bytes.
    @ivar used: bytes.
    """

    allowed: int
    used: int


class Counted(Answer, kw_only=True):
    """
    @ivar allowed: how many within a window.
    @ivar used: how many of these.
    @ivar ttl: seconds to the end of the window; C{False} while none has begun.
    """

    allowed: int
    used: int
    ttl: int | Literal[False]


class Allowed(Answer, kw_only=True):
    """@ivar allowed: how many."""

    allowed: int


class Limits(Answer, kw_only=True):
    """
    Limits of an account and what is used of them.

    @ivar recipients: messages sent within 24 hours, by recipients.
    @ivar forwards: messages forwarded within 24 hours.
    @ivar received: messages received within a minute.
    @ivar imapUpload: bytes within 24 hours, as the next two.
    @ivar imapMaxConnections: at a time.
    """

    quota: Stored
    recipients: Counted
    forwards: Counted
    received: Counted
    filters: Stored
    imapUpload: Counted
    imapDownload: Counted
    pop3Download: Counted
    pop3MaxMessages: Allowed
    imapMaxConnections: Stored


class ShownKey(Answer, kw_only=True):
    """Whose OpenPGP key it is; C{fingerprint} is lower-case hexadecimal."""

    name: str
    address: str
    fingerprint: str


class ShownCertificate(Answer, kw_only=True):
    """@ivar fingerprint: SHA-256."""

    subject: str
    serial: str
    fingerprint: str


class ListedUser(Answer, kw_only=True):
    """
    An account in a list.

    @ivar name: C{None} where it never had one.
    @ivar targets: where its mail is forwarded to.
    @ivar hasPasswordSet: the account, or a password reset, has a password.
    @ivar disabled: neither sign-in nor mail; C{suspended}: no sign-in.
    """

    id: str
    username: str
    name: str | None
    address: str
    tags: list[str] | UnsetType = UNSET
    targets: list[str]
    enabled2fa: list[str]
    autoreply: bool
    encryptMessages: bool
    encryptForwarded: bool
    quota: Stored
    metaData: _Data = UNSET
    internalData: _Data = UNSET
    hasPasswordSet: bool
    activated: bool
    disabled: bool
    suspended: bool


class UserPage(Page, kw_only=True):
    """@ivar query: what was looked for."""

    query: str | UnsetType = UNSET
    results: list[ListedUser]


class ShownUser(Success, kw_only=True):
    """
    An account.

    @ivar retention: milliseconds that messages are kept; left out: for ever.
    @ivar keyInfo: of C{pubKey}; C{False} where there is none that can be read.
    @ivar lastPwnedCheck: when the password was last looked up among breached ones.
    """

    id: str
    username: str
    name: str | None
    address: str
    language: str | None
    retention: int | UnsetType = UNSET
    enabled2fa: list[str]
    autoreply: bool
    encryptMessages: bool
    encryptForwarded: bool
    pubKey: str
    smimeCerts: list[str]
    smimeCipher: str
    smimeKeyTransport: str
    spamLevel: int | float
    keyInfo: ShownKey | Literal[False]
    smimeCertInfo: list[ShownCertificate]
    metaData: dict[str, Any]
    internalData: _Data = UNSET
    targets: list[str]
    mtaRelay: str | UnsetType = UNSET
    limits: Limits
    tags: list[str] | UnsetType = UNSET
    fromWhitelist: list[str]
    featureFlags: dict[str, bool]
    disabledScopes: list[str] | UnsetType = UNSET
    hasPasswordSet: bool
    activated: bool
    disabled: bool
    suspended: bool
    lastPwnedCheck: str | UnsetType = UNSET
    passwordPwned: bool
    require2faEnabled: bool
    requirePasswordChange: bool


class Recounted(Success, kw_only=True):
    """Bytes that an account's messages have, counted now, and what was noted before."""

    storageUsed: int
    previousStorageUsed: int


class RecountQueued(Success, kw_only=True):
    """@ivar task: its id."""

    task: str


class NewPassword(Success, kw_only=True):
    """
    A temporary password.

    @ivar validAfter: when it begins to open the account.
    """

    password: str
    validAfter: str


class DeletedAddresses(Answer, kw_only=True):
    """@ivar deleted: how many."""

    deleted: int


class DeletedUser(Success, kw_only=True):
    """
    @ivar deleteAfter: when the mail goes; until then the account can be restored.
    @ivar task: that does it.
    """

    code: Literal["TaskScheduled"] = "TaskScheduled"
    user: str
    addresses: DeletedAddresses
    deleteAfter: str
    task: str


class RecoverableUser(Success, kw_only=True):
    """
    A deleted account.

    @ivar deleted: when that was.
    @ivar recoverableAddresses: that nobody else has meanwhile.
    """

    user: str
    username: str
    storageUsed: int
    tags: list[str] | UnsetType = UNSET
    deleted: str | None
    recoverableAddresses: list[str]


class RecoveredAddresses(Answer, kw_only=True):
    """
    @ivar recovered: how many.
    @ivar main: the default address now.
    """

    recovered: int
    main: str | UnsetType = UNSET


class RestoredUser(Success, kw_only=True):
    """@ivar task: the deletion that was called off."""

    code: Literal["TaskCancelled", "RequestProcessed"]
    user: str
    task: str | UnsetType = UNSET
    addresses: RecoveredAddresses


def listed(document: Mapping[str, Any], default_quota: int, *, meta: bool, internal: bool) -> ListedUser:
    """
    @param default_quota: bytes of accounts that have none of their own.
    @param meta: show C{metaData}, if there is any; C{internal} likewise.
    """
    used = Stored(
        allowed=positive(document.get("quota")) or default_quota, used=positive(document.get("storageUsed"))
    )
    shown = ListedUser(**_common(document), quota=used)
    if meta and document.get("metaData"):
        shown.metaData = meta_value(document["metaData"])
    if internal and document.get("internalData"):
        shown.internalData = meta_value(document["internalData"])
    return shown


def shown_user(
    document: Mapping[str, Any], usage: Usage, keys: tuple[KeyInfo | None, list[CertificateInfo]]
) -> ShownUser:
    """An account, whatever its document lacks."""
    key, certificates = keys
    relay = stored_targets([document.get("mtaRelay")])
    checked = document.get("lastPwnedCheck")
    flags = document.get("featureFlags")
    language = document.get("language")
    return ShownUser(
        **_common(document),
        language=language if isinstance(language, str) else None,
        retention=positive(document.get("retention")) or UNSET,
        pubKey=stored_string(document.get("pubKey")),
        smimeCerts=list(stored_tags(document.get("smimeCerts"))),
        smimeCipher=stored_string(document.get("smimeCipher")) or "AES-CBC",
        smimeKeyTransport=stored_string(document.get("smimeKeyTransport")) or "PKCS#1 v1.5",
        spamLevel=_spam_level(document.get("spamLevel")),
        keyInfo=ShownKey(name=key.name, address=key.address, fingerprint=key.fingerprint) if key else False,
        smimeCertInfo=[
            ShownCertificate(subject=one.subject, serial=one.serial, fingerprint=one.fingerprint)
            for one in certificates
        ],
        metaData=meta_value(document.get("metaData")),
        internalData=meta_value(document.get("internalData")),
        mtaRelay=relay[0].value if relay else UNSET,
        limits=_limits(usage),
        fromWhitelist=list(stored_tags(document.get("fromWhitelist"))),
        featureFlags=_flags(flags),
        disabledScopes=list(stored_tags(document.get("disabledScopes"))),
        lastPwnedCheck=iso(checked) if isinstance(checked, datetime) else UNSET,
        passwordPwned=bool(document.get("passwordPwned")),
        require2faEnabled=bool(document.get("require2faEnabled")),
        requirePasswordChange=bool(document.get("requirePasswordChange")),
    )


def _common(document: Mapping[str, Any]) -> dict[str, Any]:
    """Members that a list and a single account have alike."""
    texts = {name: stored_string(document.get(name)) for name in ("username", "address")}
    name = document.get("name")
    switches = ("autoreply", "encryptMessages", "encryptForwarded", "activated", "disabled", "suspended")
    return {
        "id": str(document["_id"]),
        **texts,
        "name": name if isinstance(name, str) else None,
        "tags": list(stored_tags(document.get("tags"))),
        "targets": [target.value for target in stored_targets(document.get("targets"))],
        "enabled2fa": list(second_factors(document.get("enabled2fa"))),
        **{name: bool(document.get(name)) for name in switches},
        "hasPasswordSet": bool(document.get("password") or document.get("tempPassword")),
    }


def _spam_level(value: Any) -> int | float:
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 100:
        return int(value) if value == int(value) else value
    return 50


def _flags(value: Any) -> dict[str, bool]:
    return {str(name): bool(flag) for name, flag in value.items()} if isinstance(value, Mapping) else {}


def _limits(usage: Usage) -> Limits:
    counters = usage.counters

    def counted(name: str) -> Counted:
        one = counters.get(name, Counter(0))
        return Counted(allowed=one.allowed, used=one.used, ttl=False if one.ttl is None else one.ttl)

    def plain(name: str) -> Stored:
        one = counters.get(name, Counter(0))
        return Stored(allowed=one.allowed, used=one.used)

    return Limits(
        quota=plain("quota"),
        recipients=counted("recipients"),
        forwards=counted("forwards"),
        received=counted("receivedMax"),
        filters=plain("filters"),
        imapUpload=counted("imapMaxUpload"),
        imapDownload=counted("imapMaxDownload"),
        pop3Download=counted("pop3MaxDownload"),
        pop3MaxMessages=Allowed(allowed=counters["pop3MaxMessages"].allowed),
        imapMaxConnections=plain("imapMaxConnections"),
    )
