"""mbsync and offlineimap keep a Maildir and a mailbox alike, both ways."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable

from test.interop import maildir, others, supply
from test.interop.case import Setting, expect, output_of, private_file
from test.interop.programs import find
from test.interop.recorder import Conversation
from test.support.server_process import PASSWORD

_COUNT = 2000

_MBSYNCRC = """
IMAPAccount far
Host 127.0.0.1
Port {port}
User {user}
Pass {password}
AuthMechs {mechanism}
SSLType {tls}
{certificate}

IMAPStore far
Account far

MaildirStore near
Path {home}/mail/
Inbox {home}/mail/INBOX

Channel all
Far :far:
Near :near:
Patterns INBOX
Create Near
Expunge Both
Sync All
SyncState *
"""

_OFFLINEIMAPRC = """
[general]
accounts = all
metadata = {home}/state
fsync = False
socktimeout = 60

[Account all]
localrepository = near
remoterepository = far

[Repository near]
type = Maildir
localfolders = {home}/mail

[Repository far]
type = IMAP
# It checks a certificate for names only.
remotehost = localhost
remoteport = {port}
remoteuser = {user}
remotepass = {password}
{tls}
auth_mechanisms = {mechanism}
maxconnections = 2
usecompression = {compressed}
"""

#: Commands that change something or fetch a message.
_TRANSFER = re.compile(rb"(?mi)^\S+ (?:UID )?(?:STORE|APPEND|EXPUNGE|COPY|FETCH [^\r\n]*BODY(?:\.PEEK)?\[\])")
#: Header fields that mbsync and offlineimap add to what they copy.
_ADDED = re.compile(rb"(?m)^X-(?:TUID|OfflineIMAP): .*\n")


def mbsync(setting: Setting) -> str:
    """Fill the Maildir, change both sides, sync, compare; a sync without changes transfers nothing."""
    home = setting.place("mbsync")
    address = setting.account("mbsync")
    supply.deliver(setting, address, supply.messages(_COUNT))
    private_file(home, "mbsyncrc", _configuration(setting, home))
    os.makedirs(os.path.join(home, "mail"), exist_ok=True)
    folder = os.path.join(home, "mail", "INBOX")

    _sync(home)
    expect(len(maildir.read(folder)) == _COUNT, f"{len(maildir.read(folder))} messages were copied")
    compare(setting, "mbsync", folder)
    _nothing_moves(setting, home)

    _change_locally(folder)
    _change_remotely(setting, address)
    _sync(home)
    count = compare(setting, "mbsync", folder)
    expect(count == _COUNT - 40 - 4 + 30, f"{count} messages after deletions and additions on both sides")
    _nothing_moves(setting, home)
    others.asked(setting.recorder.seen(), "COMPRESS DEFLATE", "UID STORE")
    return f"{_COUNT} messages mirrored, changed on both sides and mirrored again, compressed"


def mbsync_tls(setting: Setting) -> str:
    """The same program by implicit TLS, with a certificate that it checks, and after STARTTLS."""
    home = setting.place("mbsync-tls")
    address = setting.account("mbsync-tls")
    folder = os.path.join(home, "mail", "INBOX")
    os.makedirs(os.path.join(home, "mail"), exist_ok=True)
    for round_number, (kind, listener) in enumerate((("IMAPS", "imap_tls"), ("STARTTLS", "imap"))):
        supply.deliver(setting, address, supply.messages(10, 10 + round_number))
        certificate = f"CertificateFile {setting.certificate()}"
        text = _configuration(setting, home, "mbsync-tls", kind, setting.ports[listener], certificate)
        private_file(home, "mbsyncrc", text)
        setting.judge_log(_sync(home, "-Dn"))
        count = compare(setting, "mbsync-tls", folder)
        expect(count == 10 * (round_number + 1), f"{kind}: {count} messages")
    return "mirrored by implicit TLS and after STARTTLS, with the certificate checked"


def offlineimap(setting: Setting) -> str:
    """offlineimap mirrors all mailboxes over two connections, in both directions, then by TLS."""
    return _offlineimap(setting, "offlineimap", "no")


def offlineimap_compressed(setting: Setting) -> str:
    """The same, compressed."""
    said = _offlineimap(setting, "offlineimap-compressed", "yes")
    others.asked(setting.recorder.seen(), "COMPRESS DEFLATE", "UID STORE")
    return f"compressed: {said}"


def _offlineimap(setting: Setting, user: str, compressed: str) -> str:
    home = setting.place(user)
    address = setting.account(user)
    supply.deliver(setting, address, supply.messages(60))
    plain = "ssl = no\nstarttls = no"
    secure = f"ssl = yes\nsslcacertfile = {setting.certificate()}"
    folder = os.path.join(home, "mail", "INBOX")

    def sync(tls: str = plain, listener: str = "imap", mechanism: str = "PLAIN") -> None:
        text = _OFFLINEIMAPRC.format(
            home=home,
            user=user,
            port=setting.ports[listener],
            password=PASSWORD,
            tls=tls,
            mechanism=mechanism,
            compressed=compressed,
        )
        rc = private_file(home, "offlineimaprc", text)
        setting.judge_log(
            output_of([find("offlineimap"), "-c", rc, "-o", "-d", "imap", "-u", "basic"], home=home)
        )

    sync()
    expect(compare(setting, user, folder) == 60, "not all messages were copied")
    local = {message.number: message for message in maildir.read(folder)}
    for count in range(10):
        maildir.set_letters(local[b"0-%d" % count], "FS")
        os.unlink(local[b"0-%d" % (count + 10)].path)
    maildir.add(folder, supply.messages(5, 1))
    with setting.server.imap(user) as client:
        client.select()
        client.command("STORE 31:35 +FLAGS (\\Answered)")
        client.command("STORE 41:45 +FLAGS.SILENT (\\Deleted)")
        client.command("EXPUNGE")
        client.command("MOVE 31:32 Drafts")
        client.select("Drafts")
        client.command("MOVE 1 INBOX")
    supply.deliver(setting, address, supply.messages(5, 2))
    sync(mechanism="LOGIN")
    expect(compare(setting, user, folder) == 54, "additions and deletions were not copied")
    drafts = os.path.join(home, "mail", "Drafts")
    expect(compare(setting, user, drafts, "Drafts") == 1, "what was moved was not copied")
    before = len(setting.recorder.seen())
    sync()
    moved = transfers(setting.recorder.seen()[before:])
    expect(not moved, f"a sync without changes sent {moved}")
    supply.deliver(setting, address, supply.messages(5, 3))
    sync(secure, "imap_tls")
    expect(compare(setting, user, folder) == 59, "not all messages were copied in TLS")
    return "mirrored in both directions, with and without TLS; folders " + ", ".join(
        sorted(os.listdir(os.path.join(home, "mail")))
    )


def compare(setting: Setting, user: str, folder: str, mailbox: str = "INBOX") -> int:
    """
    Bytes and flags on both sides, exactly, but for the fields that a client adds.

    @return: how many messages there are.
    @raise Failed: something differs.
    """
    ours = [
        (message.source.replace(b"\r\n", b"\n"), message.flags)
        for message in supply.mailbox(setting, user, mailbox)
    ]
    theirs = [(message.source, message.flags) for message in maildir.read(folder)]
    here, there = _without_added(ours), _without_added(theirs)
    missing, surplus = here - there, there - here
    expect(
        not missing and not surplus,
        f"{missing.total()} messages of the server's differ from the Maildir's {surplus.total()}: "
        f"{_shown(missing)} and {_shown(surplus)}",
    )
    return len(ours)


def transfers(conversations: Iterable[Conversation]) -> list[bytes]:
    """The commands that fetched a message or changed something."""
    return [line for talk in conversations for line in _TRANSFER.findall(talk.said(False))]


def _without_added(rows: list[tuple[bytes, frozenset[str]]]) -> Counter[tuple[bytes, frozenset[str]]]:
    return Counter((_ADDED.sub(b"", source), flags) for source, flags in rows)


def _shown(rows: Counter[tuple[bytes, frozenset[str]]]) -> str:
    for source, flags in rows:
        return f"{sorted(flags)} {source[:300]!r}"
    return "none"


def _configuration(
    setting: Setting, home: str, user: str = "mbsync", tls: str = "None", port: int = 0, certificate: str = ""
) -> str:
    return _MBSYNCRC.format(
        port=port or setting.ports["imap"],
        user=user,
        password=PASSWORD,
        mechanism="PLAIN" if tls == "IMAPS" else "LOGIN",
        tls=tls,
        certificate=certificate,
        home=home,
    )


def _sync(home: str, *options: str) -> str:
    return output_of([find("mbsync"), "-c", os.path.join(home, "mbsyncrc"), *options, "all"], home=home)


def _nothing_moves(setting: Setting, home: str) -> None:
    before = len(setting.recorder.seen())
    _sync(home)
    moved = transfers(setting.recorder.seen()[before:])
    expect(not moved, f"a sync without changes sent {moved}")


def _change_locally(folder: str) -> None:
    """Flags on 60 messages, 20 gone, 15 new."""
    local = {message.number: message for message in maildir.read(folder)}
    for number in range(100, 160):
        maildir.set_letters(local[b"0-%d" % number], ("S", "FS", "RS")[number % 3])
    for number in range(200, 210):
        maildir.set_letters(local[b"0-%d" % number], "ST")
    for number in range(210, 220):
        os.unlink(local[b"0-%d" % number].path)
    maildir.add(folder, supply.messages(15, 1))


def _change_remotely(setting: Setting, address: str) -> None:
    """Flags on 60 other messages, 20 gone, 5 moved out and one of them back, 15 new."""
    uids = {maildir.number(message.source): message.uid for message in supply.mailbox(setting, "mbsync")}
    with setting.server.imap("mbsync") as client:
        client.select()
        for first, flags in ((300, "\\Seen"), (320, "\\Flagged \\Answered"), (340, "\\Draft")):
            marked = ",".join(str(uids[b"0-%d" % number]) for number in range(first, first + 20))
            client.command(f"UID STORE {marked} +FLAGS ({flags})")
        gone = ",".join(str(uids[b"0-%d" % number]) for number in range(400, 420))
        client.command(f"UID STORE {gone} +FLAGS.SILENT (\\Deleted)")
        client.command("EXPUNGE")
        moved = ",".join(str(uids[b"0-%d" % number]) for number in range(420, 425))
        client.command(f"UID MOVE {moved} Trash")
        client.select("Trash")
        client.command("MOVE * INBOX")
    supply.deliver(setting, address, supply.messages(15, 2))
