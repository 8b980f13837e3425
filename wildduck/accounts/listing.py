"""Looking for accounts (spec/api.md §1 'GET /users')."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bson import ObjectId

from wildduck.accounts import normalise
from wildduck.accounts.stored import containing

#: Fields of a listed user's document.
LISTED = dict.fromkeys(
    (
        "username",
        "name",
        "address",
        "tags",
        "storageUsed",
        "enabled2fa",
        "autoreply",
        "targets",
        "quota",
        "activated",
        "disabled",
        "suspended",
        "password",
        "tempPassword",
        "encryptMessages",
        "encryptForwarded",
    ),
    True,
)


@dataclass(frozen=True, slots=True)
class UserQuery:
    """
    Which accounts are meant.

    @ivar text: somewhere in the default address, or without dots in the sign-in name.
    @ivar forward: somewhere in a target.
    @ivar tags: at least one of these; C{required_tags}: all of these; in lower case.
    @ivar only: this account alone, C{None} for all.
    """

    text: str = ""
    forward: str = ""
    tags: Sequence[str] = ()
    required_tags: Sequence[str] = ()
    only: ObjectId | None = None

    def filter(self) -> dict[str, Any]:
        """The filter on C{users}; nothing of what was asked for is an operator or a pattern in it."""
        query: dict[str, Any] = {}
        if self.text:
            text = self.text.lower()
            query["$or"] = [
                {"address": containing(text)},
                {"unameview": containing(normalise.name_view(text))},
            ]
        if self.forward:
            query["targets.value"] = containing(self.forward, ignore_case=True)
        tags: dict[str, Any] = {}
        if self.required_tags:
            tags["$all"] = list(self.required_tags)
        if self.tags:
            tags["$in"] = list(self.tags)
        if tags:
            query["tagsview"] = tags
        if self.only is not None:
            query["_id"] = self.only
        return query
