"""
neomutt comes back to a mailbox that others have changed, and looks on while they do; its index tells.

How much it asks for is judged where nothing has vanished.  Else neomutt 20220429 keeps the message numbers
of before, as if VANISHED (EARLIER) changed none, finds that they are wrong, and reads all flags.
"""

from __future__ import annotations

import re
from contextlib import AbstractContextManager

from test.interop import others, supply
from test.interop.case import Setting
from test.interop.screen import Terminal, opened, wait_for_idle

#: All of them, and those that are added, fit on the screen.
_COUNT = 14
_INDEX = """
set index_format = "<%a|%Z>"
set to_chars = "       "
set use_threads = flat
"""


def condstore(setting: Setting) -> str:
    """By CONDSTORE, with messages that are gone found by UID."""
    _come_back(setting, "neomutt-condstore", "condstore", r"\(CHANGEDSINCE \d+\)")
    return "caught up by FETCH (CHANGEDSINCE ...) and in IDLE"


def qresync(setting: Setting) -> str:
    """By QRESYNC."""
    _come_back(setting, "neomutt-qresync", "qresync", r"ENABLE QRESYNC", r"\(CHANGEDSINCE \d+ VANISHED\)")
    return "caught up by FETCH (CHANGEDSINCE ... VANISHED) and in IDLE"


def _come_back(setting: Setting, user: str, extension: str, *requests: str) -> None:
    """
    See all messages; what has changed; what has vanished, too; and what changes meanwhile.

    @param requests: patterns of what is asked for.
    """
    home = setting.place(user)
    others.prepare(setting, user, _COUNT)
    more = f"set imap_{extension} = yes{_INDEX}"

    def neomutt(idle: bool = False) -> AbstractContextManager[Terminal]:
        return opened(setting, home, tls=False, idle=idle, user=user, more=more)

    with neomutt() as terminal:
        _shows(setting, terminal, user)
        _quit(terminal)
    changes = others.change(setting, user, 1, removing=False)
    before = len(setting.recorder.seen())
    with neomutt() as terminal:
        _shows(setting, terminal, user)
        _quit(terminal)
    others.told(setting.recorder.seen()[before:], changes)
    others.change(setting, user, 2)
    with neomutt(idle=True) as terminal:
        _shows(setting, terminal, user)
        wait_for_idle(home)
        others.change(setting, user, 3)
        _shows(setting, terminal, user)
        _quit(terminal)
    others.asked(setting.recorder.seen()[before:], *requests, "IDLE")


def _quit(terminal: Terminal) -> None:
    terminal.type("q")
    terminal.wait_for_end()


def _shows(setting: Setting, terminal: Terminal, user: str) -> None:
    """Wait until the index has a row for each message, with its flags, in the order of UIDs."""
    wanted = [
        f"<{supply.field(stored.source, 'From').partition('<')[2]}"[:-1] + f"|{_status(stored.flags)}>"
        for stored in supply.mailbox(setting, user)
    ]
    terminal.wait_until(lambda shown: re.findall("<.*>", shown) == wanted, "\n".join(wanted))


def _status(flags: frozenset[str]) -> str:
    """neomutt's three letters: replied, read or new; nothing; flagged."""
    first = "r" if "\\Answered" in flags else " " if "\\Seen" in flags else "N"
    return first + (" !" if "\\Flagged" in flags else "  ")
