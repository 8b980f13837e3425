"""imapfilter sorts a mailbox by a script."""

from __future__ import annotations

import os

from test.interop import others, supply, workers
from test.interop.case import Setting, expect, output_of, private_file
from test.interop.programs import find
from test.support.server_process import PASSWORD

_SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "imapfilter.lua")

#: What each search of the script finds in the messages of L{_mail}.
_FOUND = {
    "all": 7,
    "unseen": 7,
    "report": 3,
    "body": 1,
    "from": 2,
    "large": 1,
    "small": 6,
    "field": 1,
    "since": 7,
    "recent": 7,
    "query": 5,
    "both": 1,
    "matched": 2,
    "flagged": 2,
    "keyword": 2,
    "sorted": 4,
}


#: (subject, sender, more header fields, text)
_MAIL = (
    ("report 1", "boss@example.net", "", "Text."),
    ("report 2", "boss@example.net", "", "A needle in a haystack."),
    ("report 3", "boss@example.net", "", "A long line.\r\n" * 200),
    ("offer", "shop@example.net", "", "Text."),
    ("offer", "shop@example.net", "", "Text."),
    ("news", "list@example.net", "X-Kind: bulk\r\n", "Text."),
    ("hello", "friend@example.net", "", "Text."),
)


def imapfilter(setting: Setting) -> str:
    """Search, move, copy, delete, flag, append; create, rename, delete and subscribe mailboxes."""
    return _sort(setting, "imapfilter", "imap")


def imapfilter_starttls(setting: Setting) -> str:
    """The same after STARTTLS, with the certificate checked."""
    return _sort(setting, "imapfilter-starttls", "imap", STARTTLS="yes")


def imapfilter_tls(setting: Setting) -> str:
    """The same in TLS from the first byte."""
    return _sort(setting, "imapfilter-tls", "imap_tls", TLS="auto")


def imapfilter_idles(setting: Setting) -> str:
    """Show all messages, and again when IDLE has told of a change and all changes are done."""
    user = "imapfilter-idles"
    home = setting.place(user)
    others.prepare(setting, user, 12)
    script = os.path.join(os.path.dirname(_SCRIPT), "imapfilter_idles.lua")
    given = {"PORT": str(setting.ports["imap"]), "NAME": user, "PASSWORD": PASSWORD}

    def happen(step: str) -> None:
        if step == "shown":
            others.compare(setting, user, _shown(home))
        elif step == "idling":
            others.change(setting, user, 1)
            private_file(home, "changed", "")

    command = [find("imapfilter"), "-c", script]
    workers.steps(setting, user, command, happen, given)
    others.compare(setting, user, _shown(home))
    others.asked(setting.recorder.seen(), "IDLE")
    return "saw in IDLE that something had changed, and what by looking"


def _shown(home: str) -> others.State:
    """What the script has written, one file for each message: a line of flags, and its source."""
    state: others.State = {}
    folder = os.path.join(home, "shown")
    for name in os.listdir(folder):
        with open(os.path.join(folder, name), "rb") as file:
            flags = set(file.readline().decode().split()) - {"\\Recent"}
            state[int(name)] = (sorted(flags), others.digest(file.read()))
    return state


def _sort(setting: Setting, user: str, listener: str, **variables: str) -> str:
    home = setting.place(user)
    address = setting.account(user)
    for number, (subject, sender, fields, text) in enumerate(_MAIL):
        head = f"From: {sender}\r\nSubject: {subject}\r\nDate: Mon, 2 Nov 2026 10:00:0{number} +0200\r\n"
        supply.deliver(setting, address, [f"{head}{fields}\r\n{text}\r\n".encode()])
    log = os.path.join(home, "debug")
    given = {"PORT": str(setting.ports[listener]), "NAME": user, "PASSWORD": PASSWORD, **variables}
    command = [find("imapfilter"), "-c", _SCRIPT, "-d", log, "-t", setting.certificate()]
    said = output_of(command, home=home, variables=given)
    with open(log, errors="replace") as file:
        setting.judge_log(file.read())
    lines = [line.split(" ", 2) for line in said.splitlines()]
    found = {line[1]: int(line[2]) for line in lines if line[0] == "found"}
    expect(found == _FOUND, f"found {found}, not {_FOUND}")
    _state(setting, user)
    subscribed = next(line for line in said.splitlines() if line.startswith("subscribed "))
    return f"sorted by {len(_FOUND)} searches; {subscribed}"


def _state(setting: Setting, user: str) -> None:
    """The server holds what the script wanted."""
    wanted = {
        "INBOX": ["offer", "offer", "hello"],
        "Kept": ["report 1", "report 2", "report 3", "appended"],
        "Offers": ["offer", "offer"],
    }
    for name, subjects in wanted.items():
        stored = supply.mailbox(setting, user, name)
        held = [supply.field(message.source, "Subject") for message in stored]
        expect(held == subjects, f"{name} holds {held}, not {subjects}")
        if name == "INBOX":
            flags = [sorted(message.flags) for message in stored]
            expect(flags == [["Offer", "\\Flagged"]] * 2 + [[]], f"flags in INBOX: {flags}")
