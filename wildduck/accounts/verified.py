"""
Passwords that were right a short time ago.

A mail program opens several connections at once, a phone opens one every few
minutes, and each costs as much CPU as the hash was made to cost.  So who gave
the right password is not made to pay again for a while.

What is kept tells nothing of a password without the key beside it, which is
random and of this process: a keyed BLAKE2b of password and stored hash.  The hash is
read for each sign-in, so a password that was changed, wherever, opens nothing;
what else shuts an account is looked at as always.  A wrong password is never kept;
the same one given several times at once is computed once.
"""

from __future__ import annotations

import hashlib
import os
from collections import OrderedDict

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from wildduck.accounts import passwords
from wildduck.limits import VERIFIED_PASSWORDS, VERIFIED_SECONDS
from wildduck.threads import BoundedPool


class Verifier:
    """Checks passwords against hashes; one for each worker."""

    def __init__(self, pool: BoundedPool, clock: IReactorTime) -> None:
        """@param pool: where hashes are computed."""
        self._pool = pool
        self._clock = clock
        self._key = os.urandom(32)
        #: When each was found right, the earliest first.
        self._right: OrderedDict[bytes, float] = OrderedDict()
        #: Who waits for what is being computed.
        self._waiting: dict[bytes, list[Deferred[bool]]] = {}

    async def verify(self, password: str, stored: object, *, anew: bool = False) -> bool:
        """
        As L{passwords.verify_password}.

        @param anew: compute it, whatever is known or being computed: for an answer whose
            time must not tell that the password is right, or that there is no account.
        @raise Overloaded: too many wait already.
        """
        if anew:
            return await self._pool.run(passwords.verify_password, password, stored)
        mark = self._mark(password, stored)
        if self._is_known(mark):
            return True
        waiter: Deferred[bool] = Deferred()
        if mark in self._waiting:
            self._waiting[mark].append(waiter)
        else:
            self._waiting[mark] = [waiter]
            # Not this sign-in's: a client that goes away must not fail the others.
            Deferred.fromCoroutine(self._compute(mark, password, stored))
        return await waiter

    def remembers(self, password: str, stored: object) -> bool:
        """Whether it was right for this hash a short time ago."""
        return self._is_known(self._mark(password, stored))

    async def _compute(self, mark: bytes, password: str, stored: object) -> None:
        """Never raises; who waits is told."""
        matches, failure = False, None
        try:
            matches = await self._pool.run(passwords.verify_password, password, stored)
        except Exception as error:
            failure = error
        if matches:
            self._remember(mark)
        for waiter in self._waiting.pop(mark):
            if waiter.called:
                continue
            if failure is None:
                waiter.callback(matches)
            else:
                waiter.errback(failure)

    def _mark(self, password: str, stored: object) -> bytes:
        said = hashlib.blake2b(password.encode(), digest_size=32).digest()
        return hashlib.blake2b(said + str(stored).encode("utf-8", "replace"), key=self._key).digest()

    def _is_known(self, mark: bytes) -> bool:
        since = self._right.get(mark)
        # A clock that was set back must not lengthen it.
        return since is not None and 0 <= self._clock.seconds() - since < VERIFIED_SECONDS

    def _remember(self, mark: bytes) -> None:
        self._right[mark] = self._clock.seconds()
        self._right.move_to_end(mark)
        if len(self._right) > VERIFIED_PASSWORDS:
            self._right.popitem(last=False)
