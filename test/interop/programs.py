"""What a case needs from outside: looked for, and fetched where that is possible."""

from __future__ import annotations

import os
import shutil

from test.interop import debian
from test.interop.packages import Missing

__all__ = ["Missing", "find"]

_DOVECOT = ["dovecot-imapd", "dovecot-lmtpd", "dovecot-pop3d"]
#: The Debian packages of each program.
_PACKAGES = {
    "swaks": ["swaks", "libnet-ssleay-perl"],
    "curl": ["curl"],
    "openssl": ["openssl"],
    "dovecot": _DOVECOT,
    "/usr/lib/dovecot/lmtp": _DOVECOT,
    "/usr/lib/dovecot/pop3": _DOVECOT,
    "mbsync": ["isync"],
    "offlineimap": ["offlineimap3"],
    "imapfilter": ["imapfilter"],
    "neomutt": ["neomutt"],
    "tmux": ["tmux"],
    "fetchmail": ["fetchmail"],
    "getmail": ["getmail6"],
    "mpop": ["mpop"],
    "wrk": ["wrk"],
    "haproxy": ["haproxy"],
}


def find(name: str) -> str:
    """
    The path of a program.

    @param name: a name to be looked for on PATH, or a path.
    @raise Missing: it is not there, and can't be had.
    """
    packages = _PACKAGES[name]
    # A Dovecot that lacks a part does not see one from elsewhere: then all are taken from there.
    together = [each for each in _PACKAGES if _PACKAGES[each] is _DOVECOT] if packages is _DOVECOT else [name]
    path = _path(name)
    if path and all(map(_path, together)):
        return path
    try:
        return debian.unpacked(name, packages)
    except debian.Unusable as reason:
        raise Missing(f"{name}: {reason} (apt-get install {' '.join(packages)})") from None


def _path(name: str) -> str | None:
    return shutil.which(name, path=os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin")
