"""
The extensions that ENABLE knows (RFC 5161 §3.1), and what each of them changes in a session.

To a row here belongs one in L{wildduck.imap.capabilities}, which lists the extension.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from wildduck.imap.grammar.modes import Modes


def condstore(modes: Modes) -> Modes:
    """RFC 7162 §3.1: also what a "CONDSTORE enabling command" does."""
    return replace(modes, condstore=True)


def qresync(modes: Modes) -> Modes:
    """RFC 7162 §3.2.3: MODSEQs are told too."""
    return replace(modes, condstore=True, qresync=True)


def uidonly(modes: Modes) -> Modes:
    """RFC 9586."""
    return replace(modes, uidonly=True)


def rev2(modes: Modes) -> Modes:
    """RFC 9051 Appendix A."""
    return replace(modes, rev2=True)


def utf8(modes: Modes) -> Modes:
    """RFC 6855 §3."""
    return replace(modes, utf8=True)


#: By the extension's name in upper case: the session's modes from then on.
EXTENSIONS: dict[str, Callable[[Modes], Modes]] = {
    "CONDSTORE": condstore,
    "IMAP4REV2": rev2,
    "QRESYNC": qresync,
    "UIDONLY": uidonly,
    "UTF8=ACCEPT": utf8,
}

#: How a name is written where that is not in upper case.
_WRITTEN = {"IMAP4REV2": "IMAP4rev2"}


def written(extension: str) -> str:
    """
    As CAPABILITY lists it, for ENABLED.

    @param extension: a key of L{EXTENSIONS}.
    """
    return _WRITTEN.get(extension, extension)


def enabled(modes: Modes, extension: str) -> Modes:
    """
    The modes with one extension more; enabled twice is enabled.

    @param extension: a key of L{EXTENSIONS}.
    """
    return EXTENSIONS[extension](modes)
