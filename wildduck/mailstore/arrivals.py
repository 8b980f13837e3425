"""Telling of messages that have come into a mailbox by COPY or MOVE."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from wildduck.mailstore import counters
from wildduck.mailstore.append import remember_keywords
from wildduck.mailstore.backend import Backend
from wildduck.mailstore.flag_table import keywords
from wildduck.mailstore.journal import exists_entry
from wildduck.mailstore.placing import junk_change
from wildduck.mailstore.values import Mailbox, number

#: What is read of a message that has come.
ARRIVED = dict.fromkeys(
    ("user", "mailbox", "uid", "modseq", "unseen", "flags", "idate", "thread"),
    True,
)


def exists_entries(
    backend: Backend,
    pairs: Iterable[tuple[Mapping[str, Any], dict[str, Any]]],
    target: Mailbox,
    session: str | None,
) -> list[dict[str, Any]]:
    """
    Journal entries of arrivals.

    @param pairs: each message before, with C{junk}, and after, with L{ARRIVED}.
    """
    now = backend.now()
    return [exists_entry(after, session, now, junk_change(before, target)) for before, after in pairs]


async def counted(backend: Backend, target: Mailbox, arrived: Sequence[Mapping[str, Any]]) -> None:
    """
    Bring up to date what follows from arrivals: cached counters, the keywords that are offered.

    @param arrived: with L{ARRIVED}.
    """
    if not arrived:
        return
    unseen = sum(bool(row.get("unseen")) for row in arrived)
    await counters.adjust(backend.redis, target.id, len(arrived), unseen)
    found = {flag: None for row in arrived for flag in keywords(row.get("flags") or ())}
    new = [flag for flag in found if flag not in target.keywords]
    if new:
        await remember_keywords(backend, target, new)


def uid_of(row: Mapping[str, Any]) -> int:
    """The UID of a row."""
    return number(row.get("uid"))
