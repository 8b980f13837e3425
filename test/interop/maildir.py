"""A local Maildir as a mirroring client keeps it."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass

#: Maildir's letters and IMAP's flags.
LETTERS = {"D": "\\Draft", "F": "\\Flagged", "R": "\\Answered", "S": "\\Seen", "T": "\\Deleted"}

_NUMBER = re.compile(rb"(?mi)^X-Number: (\S+)")


@dataclass(frozen=True)
class Local:
    """
    A message in a Maildir.

    @ivar path: of its file.
    """

    path: str
    flags: frozenset[str]
    source: bytes

    @property
    def number(self) -> bytes:
        """The X-Number field, as L{test.interop.supply.messages} gives one to each."""
        return number(self.source)


def number(source: bytes) -> bytes:
    """The X-Number field of a message, C{b""} if it has none."""
    found = _NUMBER.search(source)
    return found[1] if found else b""


def read(folder: str) -> list[Local]:
    """The messages in C{new} and C{cur}."""
    found = []
    for part in ("new", "cur"):
        for name in sorted(os.listdir(os.path.join(folder, part))):
            path = os.path.join(folder, part, name)
            letters = name.rpartition(":2,")[2] if ":2," in name else ""
            with open(path, "rb") as file:
                found.append(Local(path, frozenset(LETTERS[letter] for letter in letters), file.read()))
    return found


def set_letters(message: Local, letters: str) -> None:
    """Give a message these flags and no others."""
    folder, name = os.path.split(message.path)
    target = os.path.join(os.path.dirname(folder), "cur", f"{name.partition(':')[0]}:2,{letters}")
    os.rename(message.path, target)


def add(folder: str, sources: Iterable[bytes]) -> None:
    """New messages with the flag C{\\Seen}, in local line ends."""
    for count, source in enumerate(sources):
        path = os.path.join(folder, "cur", f"{int(time.time())}.{os.getpid()}_{count}.local:2,S")
        with open(path, "wb") as file:
            file.write(source.replace(b"\r\n", b"\n"))
