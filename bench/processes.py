"""What processes have used: CPU and memory, from C{/proc}."""

from __future__ import annotations

import os

_TICK = os.sysconf("SC_CLK_TCK")


def tree(pid: int) -> list[int]:
    """A process and all below it."""
    found = [pid]
    for process in found:
        for task in _names(f"/proc/{process}/task"):
            found += [int(child) for child in _read(f"/proc/{process}/task/{task}/children").split()]
    return found


def cpu(pid: int) -> float:
    """
    Seconds of CPU that a process and those below it have used, children that have ended included.

    To the nanosecond for what runs; to the clock tick (10 ms) for threads and children that ended.
    """
    return sum(_own(process) for process in tree(pid))


def _own(pid: int) -> float:
    fields = _read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    if not fields:
        return 0.0
    user, system, children_user, children_system = (int(field) for field in fields[11:15])
    running = 0
    for task in _names(f"/proc/{pid}/task"):
        running += int((_read(f"/proc/{pid}/task/{task}/schedstat").split() or ["0"])[0])
    # Threads that ended are in the ticks only; rounding makes the difference a tick or so without any.
    ended = (user + system) / _TICK - running / 1e9
    return running / 1e9 + (ended if ended > 2 / _TICK else 0.0) + (children_user + children_system) / _TICK


def memory(pid: int) -> float:
    """Bytes of memory of a process and those below it; what several share counts once (PSS)."""
    total = 0
    for process in tree(pid):
        for line in _read(f"/proc/{process}/smaps_rollup").splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1]) * 1024
    return float(total)


def _names(path: str) -> list[str]:
    try:
        return os.listdir(path)
    except OSError:
        return []


def _read(path: str) -> str:
    try:
        with open(path) as file:
            return file.read()
    except OSError:  # it has ended
        return ""
