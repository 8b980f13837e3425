"""neomutt on a terminal of tmux: what is typed, what the screen shows, what the server then holds."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Callable, Iterator

from test.interop import supply
from test.interop.case import Failed, Setting, environment, expect, private_file
from test.interop.programs import find
from test.support.server_process import PASSWORD

_SECONDS = 30.0
_POLL_SECONDS = 0.05

_NEOMUTTRC = """
set folder = "{scheme}://{user}@127.0.0.1:{port}/"
set spoolfile = "+INBOX"
set imap_pass = "{password}"
set ssl_force_tls = {force}
set ssl_starttls = {force}
set ssl_verify_host = no
set certificate_file = "{certificate}"
set header_cache = "{home}/cache"
set sort = mailbox-order
set sleep_time = 0
set delete = yes
set confirmappend = no
set confirmcreate = no
set mark_old = no
set beep = no
set help = no
set imap_idle = {idle}
# It looks at what IDLE has brought when nothing was typed for a second, and never asks by NOOP.
set timeout = 1
set mail_check = 3600
set imap_keepalive = 3600
set status_format = "-- %f: %m messages, %n new, %d deleted, %F flagged"
{more}
"""


class Terminal:
    """
    A program in a window of a tmux server of our own.

    @ivar history: the screens that L{wait_for} found, for a failure's text.
    """

    def __init__(self, home: str, command: str) -> None:
        self._socket = os.path.join(home, "tmux")
        self._home = home
        self._tmux("-f", "/dev/null", "new-session", "-d", "-x", "110", "-y", "30", command)

    def type(self, *keys: str) -> None:
        """Send keys by tmux's names; text as it is."""
        self._tmux("send-keys", *keys)

    def screen(self) -> str:
        return self._tmux("capture-pane", "-p")

    def wait_for(self, *texts: str) -> None:
        """
        Return when the screen shows all of this.

        @raise Failed: it does not in time.
        """
        self.wait_until(lambda shown: all(text in shown for text in texts), str(texts))

    def wait_until(self, shows: Callable[[str], bool], what: str) -> None:
        """
        Return when the screen shows what is wanted.

        @raise Failed: it does not in time.
        """
        deadline = time.monotonic() + _SECONDS
        while not shows(shown := self.screen()):
            if time.monotonic() > deadline:
                raise Failed(f"the screen does not show {what}:\n{shown}")
            time.sleep(_POLL_SECONDS)

    def wait_for_end(self) -> None:
        """
        Return when the program has ended.

        @raise Failed: it does not in time.
        """
        deadline = time.monotonic() + _SECONDS
        while self._run("has-session").returncode == 0:
            if time.monotonic() > deadline:
                raise Failed(f"the program does not end:\n{self.screen()}")
            time.sleep(_POLL_SECONDS)

    def close(self) -> None:
        """End the program, if it runs, and this tmux server."""
        self._run("kill-server")

    def _tmux(self, *arguments: str) -> str:
        done = self._run(*arguments)
        if done.returncode:
            raise Failed(f"tmux {arguments[0]}: {done.stderr}")
        return done.stdout

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [find("tmux"), "-S", self._socket, *arguments],
            env=environment(self._home),
            cwd=self._home,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_SECONDS,
        )


@contextlib.contextmanager
def opened(
    setting: Setting, home: str, *, tls: bool, idle: bool, user: str = "neomutt", more: str = ""
) -> Iterator[Terminal]:
    """
    neomutt on the account's INBOX; its log is judged in the end.

    @param more: lines of its configuration.
    """
    text = _NEOMUTTRC.format(
        scheme="imaps" if tls else "imap",
        user=user,
        port=setting.ports["imap_tls" if tls else "imap"],
        password=PASSWORD,
        force="yes" if tls else "no",
        idle="yes" if idle else "no",
        certificate=setting.certificate(),
        home=home,
        more=more,
    )
    rc = private_file(home, "neomuttrc", text)
    terminal = Terminal(home, f"{find('neomutt')} -n -F {rc} -d 2 -l {home}/log")
    try:
        yield terminal
    finally:
        terminal.close()
    setting.judge_log(_log(home))


def _log(home: str) -> str:
    """What neomutt has logged of the conversation."""
    with open(os.path.join(home, "log0"), errors="replace") as file:
        return file.read()


def neomutt(setting: Setting) -> str:
    """neomutt opens, reads, flags, deletes and saves, and writes that back."""
    home = setting.place("neomutt")
    address = setting.account("neomutt")
    for number in range(6):
        supply.deliver(setting, address, [_message(number)])
    with opened(setting, home, tls=False, idle=False) as terminal:
        terminal.wait_for("6 messages, 6 new", *(f"Subject {number}" for number in range(6)))
        terminal.type("1", "Enter", "Enter")
        terminal.wait_for("Text of message 0.")
        terminal.type("i")
        terminal.wait_for("6 messages, 5 new")
        terminal.type("2", "Enter", "F")
        terminal.wait_for("1 flagged")
        terminal.type("3", "Enter", "d")
        terminal.wait_for("1 deleted")
        terminal.type("4", "Enter", "s")
        terminal.wait_for("Save to mailbox")
        terminal.type("C-u", "=Drafts", "Enter")
        terminal.wait_for("2 deleted")
        terminal.type("$")
        terminal.wait_for("4 messages", "0 deleted")
        terminal.type("c", "C-u", "=Drafts", "Enter")
        terminal.wait_for("Drafts", "1 messages", "Subject 3")
        terminal.type("q")
        terminal.wait_for_end()
    left = {_subject(message): message.flags for message in supply.mailbox(setting, "neomutt")}
    expect(sorted(left) == [0, 1, 4, 5], f"INBOX holds {left}")
    expect("\\Seen" in left[0] and "\\Flagged" in left[1], f"flags in INBOX: {left}")
    saved = [_subject(message) for message in supply.mailbox(setting, "neomutt", "Drafts")]
    expect(saved == [3], f"Drafts holds {saved}")
    return "read, flagged, deleted and saved, as the screen and the server show"


def neomutt_tls(setting: Setting) -> str:
    """neomutt in TLS sees by IDLE what comes while it is open."""
    home = setting.place("neomutt-tls")
    address = setting.account("neomutt")
    with opened(setting, home, tls=True, idle=True) as terminal:
        terminal.wait_for("messages", "new")
        wait_for_idle(home)
        supply.deliver(setting, address, [_message(77)])
        terminal.wait_for("Subject 77")
        terminal.type("q")
        terminal.wait_for_end()
    return "a message that came showed itself"


def wait_for_idle(home: str) -> None:
    """
    Return when neomutt has sent IDLE.

    @raise Failed: it does not in time.
    """
    deadline = time.monotonic() + _SECONDS
    while " IDLE" not in _log(home):
        if time.monotonic() > deadline:
            raise Failed("neomutt does not use IDLE")
        time.sleep(_POLL_SECONDS)


def _message(number: int) -> bytes:
    return (
        f"From: Sender <sender@example.net>\r\nSubject: Subject {number}\r\n"
        f"Message-ID: <neomutt-{number}@example.net>\r\n\r\nText of message {number}.\r\n"
    ).encode()


def _subject(message: supply.Stored) -> int:
    return int(message.source.partition(b"Subject: Subject ")[2].split()[0])
