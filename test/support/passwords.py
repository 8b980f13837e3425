"""Password hashes that cost no time, for tests that are about something else."""

from __future__ import annotations

from twisted.trial import unittest

from wildduck.accounts import passwords

_ITERATIONS = 1000


def cheap_passwords(test: unittest.SynchronousTestCase) -> None:
    """Let new hashes in this process be made, and so verified, with few iterations until the test ends."""
    test.patch(passwords, "ITERATIONS", _ITERATIONS)
