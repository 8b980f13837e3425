"""Sizes and times on the command line."""

from __future__ import annotations

import click
from twisted.trial import unittest

from wildduck.command_line.units import AgeType, SizeType
from wildduck.limits import GIB, MIB


class UnitsTests(unittest.SynchronousTestCase):
    """L{SizeType} and L{AgeType}."""

    def test_size(self) -> None:
        """A size is a number of bytes or has a unit."""
        for text, size in (("0", 0), ("1000", 1000), ("64MiB", 64 * MIB), (" 2 GiB ", 2 * GIB)):
            self.assertEqual(SizeType().convert(text, None, None), size)

    def test_no_size(self) -> None:
        """Anything else is refused."""
        for text in ("", "-1", "1.5 GiB", "1 GB", "MiB", "9" * 20):
            self.assertRaises(click.BadParameter, SizeType().convert, text, None, None)

    def test_age(self) -> None:
        """An age is a number of seconds or has a unit."""
        for text, age in (("0", 0), ("90", 90), ("30m", 1800), ("24h", 86_400), ("7 d", 604_800), ("5s", 5)):
            self.assertEqual(AgeType().convert(text, None, None), age)

    def test_no_age(self) -> None:
        """Anything else is refused."""
        for text in ("", "-1", "1w", "h", "1.5h"):
            self.assertRaises(click.BadParameter, AgeType().convert, text, None, None)
