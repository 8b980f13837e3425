"""Telling of messages that have come into a mailbox by COPY or MOVE."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping
from typing import Any

from wildduck.mailstore import counters
from wildduck.mailstore.backend import Backend
from wildduck.mailstore.flag_table import keywords
from wildduck.mailstore.journal import exists_entry
from wildduck.mailstore.keywords import remember_keywords
from wildduck.mailstore.placing import junk_change
from wildduck.mailstore.values import Copied, Mailbox, number

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
    *,
    ham: bool = False,
) -> list[dict[str, Any]]:
    """
    Journal entries of arrivals.

    @param pairs: each message before, with C{junk}, and after, with L{ARRIVED}.
    @param ham: they say that the messages were no spam.
    """
    now = backend.now()
    return [
        exists_entry(after, session, now, junk_change(before, target), ham=ham) for before, after in pairs
    ]


class Arrivals:
    """
    What has come so far, in little memory: a mailbox can be copied as a whole.

    @ivar source: UIDs before, C{array('I')}.
    @ivar target: UIDs of the same messages after.
    """

    def __init__(self) -> None:
        self.source = array("I")
        self.target = array("I")
        self._unseen = 0
        self._keywords: dict[str, None] = {}

    def add(self, uid: int, arrived: Mapping[str, Any]) -> None:
        """
        @param uid: before.
        @param arrived: with L{ARRIVED}.
        """
        self.source.append(uid)
        self.target.append(uid_of(arrived))
        self._unseen += bool(arrived.get("unseen"))
        self._keywords.update(dict.fromkeys(keywords(arrived.get("flags") or ())))

    def copied(self, target: Mailbox) -> Copied:
        """What is answered."""
        return Copied.of(target.uid_validity, self.source, self.target)

    async def tell(self, backend: Backend, target: Mailbox, *, seen_known: bool = True) -> None:
        """
        Bring up to date what follows from arrivals: cached counters, the keywords that are offered.

        @param seen_known: nobody can have changed C{\\Seen} since L{add}.
        """
        if not self.target:
            return
        backend.arrived(target.id, len(self.target))
        await counters.adjust(
            backend.redis, target.id, len(self.target), self._unseen if seen_known else None
        )
        new = [flag for flag in self._keywords if flag not in target.keywords]
        if new:
            await remember_keywords(backend, target, new)


def uid_of(row: Mapping[str, Any]) -> int:
    """The UID of a row."""
    return number(row.get("uid"))
