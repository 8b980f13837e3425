"""Passwords that were right a short time ago."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase

from wildduck.accounts import passwords
from wildduck.accounts.verified import Verifier
from wildduck.errors import Overloaded
from wildduck.limits import VERIFIED_PASSWORDS, VERIFIED_SECONDS


class Pool:
    """
    Computes when it is told to.

    @ivar calls: that wait.
    @ivar count: of all calls.
    """

    def __init__(self) -> None:
        self.calls: list[tuple[Deferred[None], Any]] = []
        self.count = 0
        self.full = False

    async def run(self, function: Any, *arguments: Any) -> Any:
        if self.full:
            raise Overloaded()
        self.count += 1
        turn: Deferred[None] = Deferred()
        self.calls.append((turn, arguments))
        await turn
        return function(*arguments)

    def work(self) -> None:
        while self.calls:
            self.calls.pop(0)[0].callback(None)


class VerifierTests(TestCase):
    def setUp(self) -> None:
        self.patch(passwords, "ITERATIONS", 10)
        self.pool, self.clock = Pool(), Clock()
        self.verifier = Verifier(self.pool, self.clock)  # type: ignore[arg-type]
        self.stored = passwords.hash_password("right")

    def verify(self, password: str, stored: object = None) -> Deferred[bool]:
        return Deferred.fromCoroutine(
            self.verifier.verify(password, self.stored if stored is None else stored)
        )

    def answer(self, password: str, stored: object = None) -> bool:
        verified = self.verify(password, stored)
        self.pool.work()
        return self.successResultOf(verified)

    def test_once(self) -> None:
        """What was right is computed once, for a while."""
        self.assertTrue(self.answer("right"))
        self.clock.advance(VERIFIED_SECONDS - 1)
        self.assertTrue(self.answer("right"))
        self.assertEqual(self.pool.count, 1)
        self.clock.advance(1)
        self.assertTrue(self.answer("right"))
        self.assertEqual(self.pool.count, 2)

    def test_wrong(self) -> None:
        """A wrong password is wrong each time, also when the right one is known."""
        self.assertTrue(self.answer("right"))
        for password in ("wrong", "wrong", "Right", "right ", ""):
            self.assertFalse(self.answer(password), password)
        self.assertEqual(self.pool.count, 6)

    def test_changed(self) -> None:
        """With another hash the password that was right is asked anew."""
        self.assertTrue(self.answer("right"))
        self.assertFalse(self.answer("right", passwords.hash_password("other")))
        self.assertTrue(self.answer("right", passwords.hash_password("right")))
        self.assertFalse(self.answer("right", ""))
        self.assertFalse(self.answer("right", passwords.UNKNOWN))

    def test_at_once(self) -> None:
        """The same at the same time is computed once for all, whatever becomes of the first who asked."""
        right = [self.verify("right") for _ in range(5)]
        wrong = [self.verify("wrong") for _ in range(3)]
        right[0].cancel()
        self.failureResultOf(right[0], CancelledError)
        self.assertEqual(self.pool.count, 2)
        self.pool.work()
        self.assertEqual([self.successResultOf(one) for one in right[1:]], [True] * 4)
        self.assertEqual([self.successResultOf(one) for one in wrong], [False] * 3)

    def test_overloaded(self) -> None:
        """Who is refused for load is told so, and nothing is remembered."""
        self.pool.full = True
        self.failureResultOf(self.verify("right"), Overloaded)
        self.pool.full = False
        self.assertTrue(self.answer("right"))

    def test_set_back(self) -> None:
        """A clock that was set back does not lengthen the while."""
        self.clock.advance(10_000)
        self.assertTrue(self.answer("right"))
        self.clock.rightNow -= 5_000
        self.assertTrue(self.answer("right"))
        self.assertEqual(self.pool.count, 2)

    def test_bounded(self) -> None:
        """Of too many the earliest are forgotten, and no password can be read from what is kept."""
        for number in range(VERIFIED_PASSWORDS + 5):
            self.verifier._remember(self.verifier._mark(f"password {number}", self.stored))
        self.assertEqual(len(self.verifier._right), VERIFIED_PASSWORDS)
        self.assertFalse(self.verifier._is_known(self.verifier._mark("password 4", self.stored)))
        self.assertTrue(self.verifier._is_known(self.verifier._mark("password 5", self.stored)))
        other = Verifier(self.pool, self.clock)  # type: ignore[arg-type]
        self.assertNotEqual(other._mark("right", "x"), self.verifier._mark("right", "x"))
