"""Keywords: how long, how many, and which are offered to clients (spec/schema.md 'mailboxes')."""

from __future__ import annotations

from typing import Any

from wildduck.errors import LimitReached
from wildduck.limits import KEYWORD_BYTES, MAILBOX_FLAGS, MESSAGE_FLAGS
from wildduck.mailstore.backend import Backend
from wildduck.mailstore.flag_table import SYSTEM_FLAGS
from wildduck.mailstore.values import Mailbox


def check_keywords(flags: tuple[str, ...]) -> None:
    """@raise LimitReached: a keyword is longer than WildDuck takes."""
    if any(len(flag.encode("utf-8", "replace")) > KEYWORD_BYTES for flag in flags):
        raise LimitReached("A keyword is too long")


def check_count(flags: tuple[str, ...]) -> None:
    """@raise LimitReached: more flags than one message may have."""
    if len(flags) > MESSAGE_FLAGS:
        raise LimitReached("A message can not have so many flags")


async def remember_keywords(backend: Backend, mailbox: Mailbox, new: list[str]) -> None:
    """
    List keywords in the mailbox document, up to WildDuck's bound.

    Those beyond it work, but are not offered to clients.
    """
    room = MAILBOX_FLAGS - len(SYSTEM_FLAGS)
    known = {"$ifNull": ["$flags", []]}
    more: list[Any] = [{"$literal": flag} for flag in new]
    together = {"$concatArrays": [known, {"$setDifference": [more, known]}]}
    await backend.main.update_one(
        "mailboxes",
        {"_id": mailbox.id},
        [{"$set": {"flags": {"$slice": [together, room]}}}],
        idempotent=True,
    )
