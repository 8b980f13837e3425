"""
Account documents that npm's WildDuck wrote, put into the databases of a test.

They are made by L{test.interop.wildduck_documents}.
"""

from __future__ import annotations

import datetime
import os
from dataclasses import dataclass
from typing import Any

from bson import ObjectId, json_util

from test.support.server_process import ROOT

#: Outcomes of a sign-in, as IMAP says them.
IN = "in"
WRONG = "AUTHENTICATIONFAILED"
NOT_HERE = "AUTHORIZATIONFAILED"
SHUT = "CONTACTADMIN"

#: Account, password, and what it opens over IMAP, over POP3 and as C{master}.
TABLE = [
    ("plain", "master", IN, IN, "master"),
    ("unicode", "master", IN, IN, "master"),
    ("letters", "master", IN, IN, "master"),
    ("asps", "master", IN, IN, "master"),
    ("asps", "imap", IN, NOT_HERE, "AuthFailed"),
    ("asps", "pop3", NOT_HERE, IN, "AuthFailed"),
    ("asps", "any", IN, IN, "AuthFailed"),
    ("asps", "limited", IN, IN, "AuthFailed"),
    ("without-password", "any", IN, IN, "AuthFailed"),
    ("disabled", "master", SHUT, SHUT, "UserDisabled"),
    ("disabled", "any", SHUT, SHUT, "AuthFailed"),
    ("suspended", "master", SHUT, SHUT, "UserDisabled"),
    ("suspended", "any", SHUT, SHUT, "AuthFailed"),
    ("disabled-scopes", "master", NOT_HERE, IN, "master"),
    ("disabled-scopes", "imap", NOT_HERE, NOT_HERE, "AuthFailed"),
    ("disabled-scopes", "any", NOT_HERE, IN, "AuthFailed"),
    ("second-factor", "master", WRONG, WRONG, "master"),
    ("second-factor", "any", IN, IN, "AuthFailed"),
    ("temporary", "master", IN, IN, "master"),
    ("temporary", "temporary", WRONG, WRONG, "temporary"),
    ("temporary-later", "master", IN, IN, "master"),
    ("temporary-later", "temporary", WRONG, WRONG, "TempPasswordNotYetValid"),
    # WildDuck makes its password a temporary one.
    ("change-required", "master", WRONG, WRONG, "temporary"),
]

_FOLDER = os.path.join(ROOT, "test", "accounts", "wildduck_documents")


@dataclass(frozen=True)
class Written:
    """
    @ivar passwords: by name: C{master}, C{temporary}, or an application's.
    @ivar documents: lists by collection; times as if they had been written just now.
    """

    passwords: dict[str, str]
    documents: dict[str, list[dict[str, Any]]]

    @property
    def user(self) -> dict[str, Any]:
        return self.documents["users"][0]

    @property
    def id(self) -> ObjectId:
        identity: ObjectId = self.user["_id"]
        return identity

    @property
    def username(self) -> str:
        return str(self.user["username"])

    def put(self, database: Any) -> None:
        """@param database: a blocking handle."""
        for collection, rows in self.documents.items():
            if rows:
                database[collection].insert_many(rows)


def names() -> list[str]:
    """All that there are."""
    return sorted(name.removesuffix(".json") for name in os.listdir(_FOLDER))


def read(name: str) -> Written:
    """One account, as new as it was when WildDuck had written it."""
    with open(os.path.join(_FOLDER, f"{name}.json")) as file:
        content = json_util.loads(file.read())
    now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
    age = now - content["made"].replace(tzinfo=None)
    return Written(content["passwords"], _later(content["documents"], age))


def _later(value: Any, age: datetime.timedelta) -> Any:
    if isinstance(value, datetime.datetime):
        return value + age
    if isinstance(value, dict):
        return {key: _later(member, age) for key, member in value.items()}
    if isinstance(value, list):
        return [_later(member, age) for member in value]
    return value
