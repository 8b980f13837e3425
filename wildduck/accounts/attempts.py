"""
Sign-ins to one account that are under way in this worker.

Guesses are counted when they have turned out wrong, tens of milliseconds after
they were let through.  So one that is right must not be ahead of those that came
before it: it waits until they are counted.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from twisted.internet.defer import Deferred


@dataclass(slots=True)
class _Account:
    """
    @ivar attempts: by number, in the order in which they began.
    @ivar marks: how many of them give each password.
    """

    attempts: dict[int, Attempt] = field(default_factory=dict)
    marks: Counter[bytes] = field(default_factory=Counter)


class Attempt:
    """One sign-in."""

    __slots__ = ("_account", "_mark", "_number", "_waiting")

    def __init__(self, account: _Account, number: int, mark: bytes) -> None:
        self._account = account
        self._number = number
        self._mark = mark
        self._waiting: list[Deferred[None]] = []
        account.attempts[number] = self
        account.marks[mark] += 1

    @property
    def has_rivals(self) -> bool:
        """Whether somebody is trying another password."""
        return len(self._account.marks) > 1

    async def earlier(self) -> None:
        """Wait until those have ended that began before and give another password."""
        for other in list(self._account.attempts.values()):
            if other._number >= self._number:
                break
            if other._mark != self._mark and other._number in self._account.attempts:
                waiter: Deferred[None] = Deferred()
                other._waiting.append(waiter)
                await waiter

    def end(self) -> None:
        """It has been answered, and is counted if it was wrong."""
        del self._account.attempts[self._number]
        self._account.marks[self._mark] -= 1
        if not self._account.marks[self._mark]:
            del self._account.marks[self._mark]
        for waiter in self._waiting:
            if not waiter.called:
                waiter.callback(None)


class Attempts:
    """Those of all accounts."""

    def __init__(self) -> None:
        # What is kept must tell nothing of a password.
        self._key = os.urandom(32)
        self._accounts: dict[str, _Account] = {}
        self._begun = 0

    @contextmanager
    def begun(self, account: str, password: str) -> Iterator[Attempt]:
        """@param account: its id."""
        mark = hashlib.blake2b(password.encode(), digest_size=16, key=self._key).digest()
        self._begun += 1
        known = self._accounts.setdefault(account, _Account())
        attempt = Attempt(known, self._begun, mark)
        try:
            yield attempt
        finally:
            attempt.end()
            if not known.attempts and self._accounts.get(account) is known:
                del self._accounts[account]
