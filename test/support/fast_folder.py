"""Where the tests' databases lie."""

from __future__ import annotations

import shutil

_FOLDER = "/dev/shm"
#: Bytes that must be free: a run has a few mongods, of some hundred megabytes each.
_ROOM = 4 << 30


def fast_folder() -> str | None:
    """A folder in memory, where nobody waits for a disk; C{None}, the usual place, where it has no room."""
    try:
        return _FOLDER if shutil.disk_usage(_FOLDER).free >= _ROOM else None
    except OSError:
        return None
