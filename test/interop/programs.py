"""What a case needs from outside: looked for, and installed where that is possible."""

from __future__ import annotations

import os
import shutil
import subprocess

#: The Debian package of each program.
_PACKAGES = {
    "swaks": ["swaks", "libnet-ssleay-perl"],
    "curl": ["curl"],
    "openssl": ["openssl"],
    "dovecot": ["dovecot-imapd"],
    "/usr/lib/dovecot/lmtp": ["dovecot-lmtpd"],
    "/usr/lib/dovecot/pop3": ["dovecot-pop3d"],
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
_INSTALL_SECONDS = 600
_updated = False


class Missing(Exception):
    """A program that this machine lacks; the text says why it was not installed."""


def find(name: str) -> str:
    """
    The path of a program.

    @param name: a name to be looked for on PATH, or a path.
    @raise Missing: it is not there, and can't be installed.
    """
    path = _path(name)
    if path:
        return path
    _install(_PACKAGES[name])
    path = _path(name)
    if not path:
        raise Missing(f"{name} is not on PATH, although its package was installed")
    return path


def _path(name: str) -> str | None:
    return shutil.which(name, path=os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin")


def _install(packages: list[str]) -> None:
    global _updated
    names = " ".join(packages)
    if not shutil.which("apt-get"):
        raise Missing(f"{names}: this is no Debian, so it is not installed from here")
    if os.geteuid() != 0:
        raise Missing(f"{names}: only root can install it (apt-get install {names})")
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    steps = [["install", "-y", "--no-install-recommends", *packages]]
    if not _updated:
        steps.insert(0, ["update", "-qq"])
        _updated = True
    print(f"installing {names}", flush=True)
    for step in steps:
        done = subprocess.run(
            ["apt-get", *step],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_INSTALL_SECONDS,
        )
        if done.returncode:
            lines = done.stderr.strip().splitlines() or [f"status {done.returncode}"]
            raise Missing(f"{names}: apt-get {step[0]}: {lines[-1]}")
