"""Sign-ins to one account that are under way."""

from __future__ import annotations

from contextlib import ExitStack

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from wildduck.accounts.attempts import Attempt, Attempts


class AttemptsTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.attempts = Attempts()

    def begin(self, password: str, account: str = "a") -> tuple[Attempt, ExitStack]:
        stack = ExitStack()
        return stack.enter_context(self.attempts.begun(account, password)), stack

    def test_rivals(self) -> None:
        """Only another password of the same account is one."""
        one, ends = self.begin("x")
        self.begin("y", "b")
        same, _ = self.begin("x")
        self.assertEqual((False, False), (one.has_rivals, same.has_rivals))
        _, other_ends = self.begin("y")
        self.assertEqual((True, True), (one.has_rivals, same.has_rivals))
        other_ends.close()
        ends.close()
        self.assertFalse(same.has_rivals)

    def test_earlier(self) -> None:
        """It waits for those before it, not for later ones and not for its own password."""
        _, first = self.begin("x")
        _, second = self.begin("y")
        one, _ = self.begin("right")
        self.begin("right")
        self.begin("z")
        waiting = Deferred.fromCoroutine(one.earlier())
        second.close()
        self.assertNoResult(waiting)
        first.close()
        self.successResultOf(waiting)
        self.successResultOf(Deferred.fromCoroutine(one.earlier()))

    def test_gone(self) -> None:
        """A client that goes away while it waits disturbs nobody, and nothing is kept."""
        _, first = self.begin("x")
        one, stack = self.begin("right")
        other, other_stack = self.begin("right")
        gone = Deferred.fromCoroutine(one.earlier())
        waiting = Deferred.fromCoroutine(other.earlier())
        gone.cancel()
        self.failureResultOf(gone)
        first.close()
        self.successResultOf(waiting)
        stack.close()
        other_stack.close()
        self.assertEqual({}, self.attempts._accounts)
