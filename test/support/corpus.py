"""The corpus of real and broken mail that tests are given, and its forms on the wire."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from twisted.trial import unittest

_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
#: Where it lies, as seen from the project's folder, unless the environment says otherwise.
_DEFAULT = os.path.join(os.path.dirname(_ROOT), "shared", "corpus")

_BARE_LF = re.compile(rb"(?<!\r)\n")


@dataclass(frozen=True)
class Sample:
    """
    One message of the corpus.

    @ivar name: path below the corpus.
    @ivar raw: as it is in the file.
    """

    name: str
    raw: bytes

    @property
    def crlf(self) -> bytes:
        """As CRLF text: each bare LF becomes CRLF; a bare CR stays what it is."""
        return _BARE_LF.sub(b"\r\n", self.raw)

    @property
    def complete(self) -> bytes:
        """As DATA carries it: CRLF text with a final CRLF."""
        text = self.crlf
        return text if text.endswith(b"\r\n") else text + b"\r\n"


def folder() -> str:
    """Where the corpus should be."""
    return os.environ.get("WILDDUCK_CORPUS") or _DEFAULT


def samples() -> list[Sample]:
    """All messages, by name; empty where there is no corpus."""
    found = []
    for place, _, names in os.walk(folder()):
        for name in names:
            if name.endswith(".eml"):
                path = os.path.join(place, name)
                with open(path, "rb") as file:
                    found.append(Sample(os.path.relpath(path, folder()), file.read()))
    return sorted(found, key=lambda sample: sample.name)


def corpus() -> list[Sample]:
    """
    All messages, for a test.

    @raise unittest.SkipTest: there is none.
    """
    found = samples()
    if not found:
        raise unittest.SkipTest(f"no corpus in {folder()} (WILDDUCK_CORPUS names another folder)")
    return found
