"""Ctrl-C for children of a test run that was started in the background."""

from __future__ import annotations

import signal

from twisted.trial import unittest


def heed_interrupts(test: unittest.SynchronousTestCase) -> None:
    """
    Let processes that the test starts be ended by SIGINT.

    A shell starts background jobs with SIGINT ignored, and what is ignored
    stays so in all descendants, Twisted's reactor included.
    """
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        test.addCleanup(signal.signal, signal.SIGINT, signal.SIG_IGN)
