"""Python's own imaplib and poplib, for more than reading."""

from __future__ import annotations

import imaplib
import os
import poplib
import re

from test.interop import supply
from test.interop.case import Setting, expect
from test.support.server_process import PASSWORD, ServerProcess, automatic_ports

_SECONDS = 60.0
_SHOWN = 250
_HELD = 300


def imaplib_works(setting: Setting) -> str:
    """imaplib searches, copies, moves, and makes, names anew, lists and removes mailboxes."""
    address = setting.account("imaplib-works")
    for message in supply.messages(4):
        supply.deliver(setting, address, [message])
    client = imaplib.IMAP4("127.0.0.1", setting.ports["imap"], timeout=_SECONDS)
    client.login("imaplib-works", PASSWORD)
    for name in ("Work", "Work/Old", "Gone"):
        _ok(client.create(name))
    _ok(client.rename("Work/Old", "Work/Kept"))
    _ok(client.delete("Gone"))
    _ok(client.subscribe("Work/Kept"))
    listed = _names(client.list()[1])
    expect("Work/Kept" in listed and "Gone" not in listed, f"LIST shows {listed}")
    expect("Work/Kept" in _names(client.lsub()[1]), f"LSUB shows {client.lsub()}")
    _ok(client.unsubscribe("Work/Kept"))
    expect(client.namespace()[1] == [b'(("" "/")) NIL NIL'], f"NAMESPACE {client.namespace()}")
    client.select()
    expect(client.search(None, "HEADER", "X-Number", "0-2")[1] == [b"3"], "SEARCH HEADER")
    found = client.uid("SEARCH", "CHARSET", "UTF-8", "OR", "FROM", "sender0", "UID", "2:3")[1]
    expect(found == [b"1 2 3"], f"UID SEARCH found {found}")
    _ok(client.copy("1:2", "Work"))
    _ok(client.uid("MOVE", "3:4", "Work/Kept"))
    expect(client.response("EXPUNGE")[1] == [b"4", b"3"], "MOVE tells no EXPUNGE")
    _ok(client.store("1", "FLAGS.SILENT", "(\\Seen $Label1)"))
    expect(client.search(None, "KEYWORD", "$Label1", "SEEN")[1] == [b"1"], "SEARCH KEYWORD")
    _ok(client.close())
    client.logout()
    for mailbox, numbers in (("INBOX", [0, 1]), ("Work", [0, 1]), ("Work/Kept", [2, 3])):
        held = [message.source for message in supply.mailbox(setting, "imaplib-works", mailbox)]
        numbered = [supply.field(source, "X-Number") for source in held]
        expect(numbered == [f"0-{number}" for number in numbers], f"{mailbox} holds {numbered}")
    return "searched, copied, moved; made, renamed, subscribed and deleted mailboxes"


def _ok(answer: tuple[str, object]) -> None:
    expect(answer[0] == "OK", f"imaplib got {answer}")


def _names(rows: list[object]) -> list[str]:
    """The mailboxes of LIST or LSUB."""
    lines = [row.decode() for row in rows if isinstance(row, bytes)]
    return [re.sub(r'.*"/" "?([^"]*)"?$', r"\1", line) for line in lines]


def poplib_window(setting: Setting) -> str:
    """
    How many messages POP3 shows: all where pop3.max_messages is 0, the newest 250 by default.

    The second server, with defaults, works on the first one's databases.
    """
    address = setting.account("poplib")
    mail = supply.messages(_HELD)
    supply.deliver(setting, address, mail)
    held = [len(message.source) for message in supply.mailbox(setting, "poplib")]
    uris = [f"{name}.uri={setting.server.run[name]['uri']}" for name in ("mongo", "redis")]
    second = ServerProcess(os.path.join(setting.place("second"), "data"), [*uris, *automatic_ports()])
    second.start()
    try:
        for port, wanted in ((setting.ports["pop3"], held), (second.ports["pop3"], held[-_SHOWN:])):
            _window(port, wanted)
    finally:
        second.close()
    expect(not second.errors(), f"the second server's log: {second.errors()}")
    return f"all of {_HELD} messages on one server, the newest {_SHOWN} on another by default"


def _window(port: int, wanted: list[int]) -> None:
    client = poplib.POP3("127.0.0.1", port, timeout=_SECONDS)
    expect("UIDL" in client.capa(), "CAPA names no UIDL")
    client.user("poplib")
    client.pass_(PASSWORD)
    expect(client.stat() == (len(wanted), sum(wanted)), f"STAT shows {client.stat()}")
    sizes = [int(line.split()[1]) for line in client.list()[1]]
    expect(sizes == wanted, f"LIST shows {len(sizes)} messages, and not the newest ones")
    ids = {line.split()[1] for line in client.uidl()[1]}
    expect(len(ids) == len(wanted), f"UIDL shows {len(ids)} ids")
    number = len(wanted)
    lines = client.retr(number)[1]
    expect(sum(map(len, lines)) + 2 * len(lines) == wanted[-1], "RETR is as long as LIST says")
    client.dele(number)
    client.rset()
    expect(client.stat()[0] == number, "RSET gives back what DELE took")
    client.quit()
