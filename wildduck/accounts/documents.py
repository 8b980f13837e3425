"""The user document as WildDuck 1.50 makes it (spec/schema.md 'users')."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from bson import Int64, ObjectId

from wildduck.accounts import normalise

#: Numbers of a user document whose 0 means the system's default.
LIMITS = (
    "quota",
    "recipients",
    "forwards",
    "filters",
    "imapMaxUpload",
    "imapMaxDownload",
    "pop3MaxDownload",
    "pop3MaxMessages",
    "imapMaxConnections",
    "receivedMax",
)


def new_user(name: str, fields: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """
    A new account: disabled, without password and address until all its parts are there.

    @param name: the stored form of the sign-in name.
    @param fields: what was asked for, in the names and forms of the document.
    """
    document: dict[str, Any] = {
        "_id": ObjectId(),
        "username": name,
        "unameview": normalise.name_view(name),
        "name": None,
        "password": "",
        **without_second_factors(),
        "authVersion": 1,
        "address": "",
        "language": None,
        "storageUsed": 0,
        **dict.fromkeys(LIMITS, 0),
        "targets": [],
        "autoreply": False,
        "uploadSentMessages": False,
        "pubKey": "",
        "smimeCerts": [],
        "smimeCipher": "AES-CBC",
        "smimeKeyTransport": "PKCS#1 v1.5",
        "encryptMessages": False,
        "encryptForwarded": False,
        "spamLevel": 50,
        "retention": 0,
        "disabledScopes": [],
        "lastLogin": {"time": False, "authEvent": False, "ip": False},
        "require2faEnabled": False,
        "metaData": "",
        "internalData": "",
        "activated": False,
        "disabled": True,
        "suspended": False,
        "featureFlags": {},
        "created": now,
    }
    document.update(fields)
    return document


def without_second_factors() -> dict[str, Any]:
    """The fields of second factors, as they are when there are none."""
    return {
        "enabled2fa": [],
        "seed": "",
        "pendingSeed": "",
        "pendingSeedChanged": False,
        "webauthn": {"credentials": []},
    }


def temporary_password(hashed: str, now: datetime, valid_after: datetime | None = None) -> dict[str, Any]:
    """The C{tempPassword} of a document: it opens the master scope for 24 hours."""
    return {"validAfter": valid_after or now, "password": hashed, "created": now}


def stored_number(number: int | float) -> int | float | Int64:
    """Small numbers as int32, as WildDuck's driver writes them."""
    return number if isinstance(number, float) or abs(number) < 2**31 else Int64(number)
