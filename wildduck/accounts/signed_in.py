"""How many sessions each account has on one face of a worker."""

from __future__ import annotations

from collections import Counter
from typing import Protocol

from bson import ObjectId

from wildduck.accounts.values import Account
from wildduck.errors import TooManySessions


class SessionCounter(Protocol):
    """
    What faces count the sessions of each account by: L{SignedIn}, or over all
    servers L{wildduck.accounts.SharedSessions}.
    """

    async def enter(self, account: Account) -> None: ...
    def leave(self, account: Account) -> None: ...


class SignedIn:
    """
    Counts the sessions of each account, over all ports of a face.

    @ivar most: sessions that one account may have.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._sessions: Counter[ObjectId] = Counter()

    async def enter(self, account: Account) -> None:
        """@raise TooManySessions: the account has as many as it may."""
        if self._sessions[account.id] >= self.most:
            raise TooManySessions()
        self._sessions[account.id] += 1

    def leave(self, account: Account) -> None:
        """Give back what L{enter} took."""
        self._sessions[account.id] -= 1
        if self._sessions[account.id] <= 0:
            del self._sessions[account.id]
