"""What every request value has in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


class Command:
    """
    Base of the values of one command each.

    @cvar verb: the command's name in the command table, C{UID} included where
        the value says so (L{name}).
    """

    __slots__ = ()

    verb: ClassVar[str] = ""

    @property
    def name(self) -> str:
        """Key of the command table (L{wildduck.imap.commands.table})."""
        return self.verb

    def arguments(self) -> list[bytes]:
        """The arguments as a client would write them, literals as C{{n+}}."""
        return []


@dataclass(frozen=True, slots=True)
class Request:
    """
    One complete command.

    @ivar tag: as given.
    """

    tag: bytes
    command: Command

    def compose(self) -> bytes:
        return b" ".join([self.tag, self.command.name.encode("ascii"), *self.command.arguments()]) + b"\r\n"
