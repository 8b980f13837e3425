"""Temporary passwords, which the API's password reset makes (spec/schema.md C{tempPassword})."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any

#: A temporary password opens for so long after it was made.
LIFE = datetime.timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class TemporaryPassword:
    """
    @ivar is_valid: its time has come.
    """

    hash: str
    is_valid: bool

    @classmethod
    def from_document(cls, stored: Any, now: datetime.datetime) -> TemporaryPassword | None:
        """
        @param stored: C{tempPassword} of a user document; other than WildDuck's form: none.
        @return: C{None} for none, or one whose time is over.
        """
        if not isinstance(stored, dict) or not isinstance(stored.get("password"), str):
            return None
        created, valid_after = _time(stored.get("created")), _time(stored.get("validAfter"))
        # One that is valid later lives from then on: else it could end before it begins.
        begins = max(created, valid_after) if created and valid_after else created or valid_after
        if not stored["password"] or begins is None or now - begins >= LIFE:
            return None
        return cls(stored["password"], valid_after is None or valid_after <= now)


def _time(value: Any) -> datetime.datetime | None:
    if not isinstance(value, datetime.datetime):
        return None
    return value if value.tzinfo else value.replace(tzinfo=datetime.timezone.utc)
