"""fetchmail, getmail and mpop empty a mailbox of 5,000 messages over POP3."""

from __future__ import annotations

import os
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from test.interop import maildir, supply
from test.interop.case import Setting, expect, output_of, private_file
from test.interop.programs import find
from test.interop.recorder import Conversation
from test.interop.sink import Sink
from test.support.server_process import PASSWORD

_COUNT = 5000
_DISTINCT = 500
#: What stays in INBOX when the connection ends before QUIT.
_FEW = 60
#: DELEs that are answered before that.
_DELETED = 20
_USER = "drained"
_SECONDS = 240.0


@dataclass(frozen=True)
class _Way:
    """
    How a client connects.

    @ivar listener: C{"pop3"} or C{"pop3_tls"}.
    @ivar starttls: STLS is asked for.
    """

    listener: str = "pop3"
    starttls: bool = False


_PLAIN = _Way()
_STLS = _Way(starttls=True)
_TLS = _Way("pop3_tls")

#: Runs a client once, with a home that is empty at first; what it took, in local line ends.
_Client = Callable[[Setting, str, _Way, bool], list[bytes]]

#: What fetchmail drops and adds.
_CHANGED = re.compile(rb"(?m)^(?:Return-Path: |Received: from localhost).*\n(?:[ \t].*\n)*")

_FETCHMAILRC = """
set no syslog
set pidfile "{home}/pid"
set idfile "{home}/ids"
set postmaster "nobody"
poll localhost protocol POP3 port {port} timeout 60
  user "{user}" password "{password}"
  {tls}
  fetchall no keep no rewrite bsmtp "{home}/taken"
"""

_GETMAILRC = """
[retriever]
type = {kind}
server = localhost
port = {port}
username = {user}
password = {password}
timeout = 60
{certificate}

# Its Maildir destination misses the end of one of its children now and then.
[destination]
type = MDA_lmtp
host = 127.0.0.1
port = {sink}
override = nobody@example.com

[options]
read_all = true
delete = true
received = false
delivered_to = false
verbose = 1
"""

_MPOPRC = """
defaults
tls {tls}
tls_starttls on
tls_trust_file {certificate}
timeout 60

account all
host localhost
port {port}
auth {method}
user {user}
password {password}
delivery maildir {home}/mail
uidls_file {home}/ids
keep off
received_header off
"""


def fetchmail(setting: Setting) -> str:
    """fetchmail drains without TLS, and after STLS."""
    return _drain(setting, "fetchmail", _fetchmail, _PLAIN, _STLS)


def getmail(setting: Setting) -> str:
    """getmail drains without TLS, and in TLS from the first byte; it knows no STLS."""
    return _drain(setting, "getmail", _getmail, _PLAIN, _TLS)


def mpop(setting: Setting) -> str:
    """mpop, which pipelines, drains without TLS, and after STLS."""
    return _drain(setting, "mpop", _mpop, _PLAIN, _STLS)


def fetchmail_cut(setting: Setting) -> str:
    """A connection of fetchmail that ends before QUIT deletes nothing."""
    return _cut(setting, "fetchmail", _fetchmail)


def getmail_cut(setting: Setting) -> str:
    """The same with getmail."""
    return _cut(setting, "getmail", _getmail)


def mpop_cut(setting: Setting) -> str:
    """The same with mpop."""
    return _cut(setting, "mpop", _mpop)


def _drain(setting: Setting, name: str, client: _Client, *ways: _Way) -> str:
    """All messages, each once and as it was stored; then INBOX is empty."""
    for number, way in enumerate(ways):
        _fill(setting)
        stored = _stored(setting)
        taken = client(setting, _empty(setting, f"{name}-{number}"), way, True)
        _same(client, stored, taken)
        with setting.server.imap(_USER) as peer:
            peer.select()
            expect(not peer.exists, f"{way}: {peer.exists} messages are still in INBOX")
    return f"{_COUNT} messages taken and deleted, without and with TLS"


def _cut(setting: Setting, name: str, client: _Client) -> str:
    user = f"{name}-cut"
    supply.deliver(setting, setting.account(user), supply.messages(_FEW))
    before = supply.mailbox(setting, user)

    def some_deleted(talk: Conversation) -> bool:
        return talk.listener == "pop3" and talk.said(False).count(b"DELE ") >= _DELETED

    setting.recorder.cut = some_deleted
    client(setting, _empty(setting, user), _PLAIN, False)
    expect(setting.recorder.cut is None, "the client deleted nothing before the cut")
    after = supply.mailbox(setting, user)
    kept = [message.uid for message in after] == [message.uid for message in before]
    expect(kept, f"{len(after)} of {_FEW} messages are left after a connection without QUIT")
    taken = client(setting, _empty(setting, user), _PLAIN, True)
    _same(client, before, taken)
    expect(not supply.mailbox(setting, user), "INBOX is not empty after QUIT")
    return f"nothing was deleted after {_DELETED} DELE without QUIT, all the next time"


def _fill(setting: Setting) -> None:
    """
    All messages into INBOX: from Trash, where they are when a client has taken and deleted them.

    The first time some are delivered, and copied within INBOX until there are enough.
    """
    address = setting.account(_USER)
    with setting.server.imap(_USER) as client:
        client.select("Trash")
        if client.exists:
            client.command('MOVE 1:* "INBOX"')
        client.select()
        if not client.exists:
            supply.deliver(setting, address, supply.messages(_DISTINCT))
            client.select()
        for _ in range(_COUNT // _DISTINCT - 1):
            if client.exists < _COUNT:
                client.command(f'COPY 1:{_DISTINCT} "INBOX"')
                client.select()
        expect(client.exists == _COUNT, f"{client.exists} messages are in INBOX")


def _stored(setting: Setting) -> list[supply.Stored]:
    """The messages that all drains take, read once."""
    if _USER not in setting.kept:
        setting.kept[_USER] = supply.mailbox(setting, _USER)
    return setting.kept[_USER]


def _exactly(source: bytes) -> bytes:
    """A message in local line ends, without what a client drops or adds."""
    return _CHANGED.sub(b"", _local(source))


def _same(client: _Client, stored: Iterable[supply.Stored], taken: Iterable[bytes]) -> None:
    """
    Each message once and as it was stored; getmail writes MIME anew, so that only the number is looked at.

    @raise Failed: that is not so.
    """
    key = maildir.number if client is _getmail else _exactly
    here, there = Counter(key(message.source) for message in stored), Counter(map(key, taken))
    missing, surplus = here - there, there - here
    expect(
        not missing and not surplus,
        f"{missing.total()} messages were not taken, but {surplus.total()} that were not there; "
        f"the first ones: {next(iter(missing), b'')!r} and {next(iter(surplus), b'')!r}",
    )


def _local(source: bytes) -> bytes:
    return source.replace(b"\r\n", b"\n")


def _empty(setting: Setting, name: str) -> str:
    """An empty folder, also the second time."""
    shutil.rmtree(setting.place(name))
    return setting.place(name)


def _user(home: str) -> str:
    """The account of a case: that of its folder for the short ones."""
    name = os.path.basename(home)
    return name if name.endswith("-cut") else _USER


def _run(setting: Setting, command: list[str], home: str, way: _Way, good: bool) -> None:
    """Run a client, which may fail where not all is C{good}; its log is judged where the relay is blind."""
    statuses = (0,) if good else range(256)
    log = output_of(command, home=home, seconds=_SECONDS, statuses=statuses)
    if way != _PLAIN:
        setting.judge_log(log)


def _fetchmail(setting: Setting, home: str, way: _Way, good: bool) -> list[bytes]:
    tls = (
        f'sslproto "auto" sslcertck sslcertfile "{setting.certificate()}"' if way.starttls else 'sslproto ""'
    )
    values = {"home": home, "port": setting.ports[way.listener], "user": _user(home), "tls": tls}
    rc = private_file(home, "fetchmailrc", _FETCHMAILRC.format(password=PASSWORD, **values))
    command = [find("fetchmail"), "-f", rc, "--nodetach", "-v"]
    _run(setting, command, home, way, good)
    return _batched(os.path.join(home, "taken"))


def _batched(path: str) -> list[bytes]:
    """The messages of a file in BSMTP, as fetchmail writes it, in local line ends."""
    with open(path, "rb") as file:
        transactions = _local(file.read()).split(b"\nDATA\n")[1:]
    return [
        (b"\n" + text).partition(b"\n.\n")[0].replace(b"\n..", b"\n.")[1:] + b"\n" for text in transactions
    ]


def _getmail(setting: Setting, home: str, way: _Way, good: bool) -> list[bytes]:
    tls = way.listener == "pop3_tls"
    with Sink() as sink:
        text = _GETMAILRC.format(
            kind="SimplePOP3SSLRetriever" if tls else "SimplePOP3Retriever",
            port=setting.ports[way.listener],
            user=_user(home),
            password=PASSWORD,
            certificate=f"ca_certs = {setting.certificate()}" if tls else "",
            sink=sink.port,
        )
        rc = private_file(home, "getmailrc", text)
        _run(setting, [find("getmail"), "-r", rc, "-g", home], home, way, good)
        return sink.messages


def _mpop(setting: Setting, home: str, way: _Way, good: bool) -> list[bytes]:
    for part in ("mail/tmp", "mail/new", "mail/cur"):
        os.makedirs(os.path.join(home, part))
    text = _MPOPRC.format(
        tls="on" if way.starttls else "off",
        certificate=setting.certificate(),
        port=setting.ports[way.listener],
        method="plain" if way.starttls else "user",
        user=_user(home),
        password=PASSWORD,
        home=home,
    )
    rc = private_file(home, "mpoprc", text)
    command = [find("mpop"), "-C", rc, "-d", "all"]
    _run(setting, command, home, way, good)
    return [message.source for message in maildir.read(os.path.join(home, "mail"))]
