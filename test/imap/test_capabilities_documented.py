"""C{docs/imap.rst} names every capability, its RFC and the tests that prove it."""

from __future__ import annotations

import os
import re
from importlib import import_module

from twisted.trial.unittest import SynchronousTestCase

from wildduck.imap.capabilities import CAPABILITIES

_DOCUMENT = os.path.join(os.path.dirname(__file__), "..", "..", "docs", "imap.rst")
_ROW = re.compile(
    r"^   \* - (\S+)\n     - (.+)\n     -(?: .*(?:\n       .*)*)?\n     - (.+)\n     -", re.MULTILINE
)
_MODULE = re.compile(r"``(test\.[\w.]+)``")


def documented() -> dict[str, tuple[str, list[str]]]:
    """By capability: its RFC and the test modules or classes."""
    with open(_DOCUMENT, encoding="utf-8") as file:
        rows = _ROW.findall(file.read())
    return {name: (rfc, _MODULE.findall(tests)) for name, rfc, tests in rows[1:]}


class CapabilityTableTests(SynchronousTestCase):
    def test_each(self) -> None:
        """What is announced is in the table, with the same RFC, and nothing else is."""
        announced = {name.partition("=")[0] if "{" in name else name: rfc for name, rfc in CAPABILITIES}
        self.assertEqual({name: rfc for name, (rfc, _) in documented().items()}, announced)

    def test_proofs(self) -> None:
        """Each row names tests that there are."""
        for name, (_, tests) in documented().items():
            self.assertTrue(tests, name)
            for test in tests:
                module, _, last = test.rpartition(".")
                if last.endswith("Dialogues"):
                    self.assertTrue(hasattr(import_module(module), last), test)
                else:
                    import_module(test)
