"""Mailbox names as they are stored: levels with a slash between them."""

from __future__ import annotations

import unicodedata
from typing import Any

from wildduck.errors import CannotDo
from wildduck.limits import MAILBOX_DEPTH, MAILBOX_SEGMENT
from wildduck.mime.normal import normalized

INBOX = "INBOX"

#: The character that follows the slash: all that lies under a name sorts before
#: the name with this at its end.
_AFTER_SLASH = "0"


def normal_path(path: str) -> str:
    """
    A mailbox name as it is stored: no slash at its ends, INBOX in capitals.

    Only the first level is INBOX without regard to case (RFC 3501 §5.1).
    """
    path = path.strip("/")
    first, slash, rest = path.partition("/")
    if first.upper() == INBOX:
        first = INBOX
    return first + slash + rest


def composed(path: str) -> str:
    """The same characters in Unicode's Normalization Form C, as Net-Unicode wants them (RFC 5198 §3)."""
    return path if path.isascii() else normalized("NFC", path)


def check_path(path: str) -> None:
    """
    @param path: as L{normal_path} gives it.
    @raise CannotDo: no mailbox can have this name.
    """
    segments = path.split("/")
    if not path or "" in segments:
        raise CannotDo("A mailbox name has an empty level")
    if len(segments) > MAILBOX_DEPTH or any(len(segment) > MAILBOX_SEGMENT for segment in segments):
        raise CannotDo("A mailbox name is too long")
    if any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in path):
        raise CannotDo("A mailbox name has a control character")


def new_path(path: str) -> str:
    """
    The name of a mailbox that is to be, as it is stored.

    One slash at its end only says that there will be others under it (RFC 3501 §6.3.3).

    @raise CannotDo: no mailbox can have this name.
    """
    if "//" in path:
        raise CannotDo("A mailbox name has an empty level")
    path = normal_path(path)
    check_path(path)
    return path


def lies_under(path: str, superior: str) -> bool:
    """Whether a name is an inferior of another."""
    return path.startswith(superior + "/")


def tree(path: str) -> list[dict[str, Any]]:
    """Filters, of which a mailbox document matches one if it has this name or lies under it."""
    return [{"path": path}, {"path": {"$gte": path + "/", "$lt": path + _AFTER_SLASH}}]
