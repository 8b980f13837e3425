"""curl as a mail client: IMAP and POP3, plain and in TLS."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from test.interop import supply
from test.interop.case import Setting, expect, output_of, private_file
from test.interop.programs import find
from test.support.server_process import PASSWORD


@dataclass(frozen=True)
class _Curl:
    """
    curl on one account by one protocol.

    @ivar scheme: of the URL; that with an C{s} is in TLS, and the certificate is checked.
    """

    setting: Setting
    scheme: str
    user: str

    def ask(self, path: str, *options: str) -> bytes:
        """What curl printed for the URL of a path; its log is judged."""
        home = self.setting.place(f"curl-{self.scheme}")
        listener = {"imap": "imap", "imaps": "imap_tls", "pop3": "pop3", "pop3s": "pop3_tls"}[self.scheme]
        secret = private_file(home, "netrc", f"machine localhost login {self.user} password {PASSWORD}\n")
        answer = os.path.join(home, "answer")
        with open(answer, "wb"):
            pass
        url = f"{self.scheme}://localhost:{self.setting.ports[listener]}/{path}"
        command = [find("curl"), "-sSv", "-4", "--netrc-file", secret, "--cacert", self.setting.certificate()]
        self.setting.judge_log(output_of([*command, "-o", answer, *options, url], home=home))
        with open(answer, "rb") as file:
            return file.read()


def imap(setting: Setting) -> str:
    """Lists, fetches, searches, appends and deletes by IMAP."""
    return _imap(_Curl(setting, "imap", "curl-imap"))


def imaps(setting: Setting) -> str:
    """The same in TLS."""
    return _imap(_Curl(setting, "imaps", "curl-imaps"))


def pop3(setting: Setting) -> str:
    """Lists, fetches and deletes by POP3."""
    return _pop3(_Curl(setting, "pop3", "curl-pop3"))


def pop3s(setting: Setting) -> str:
    """The same in TLS."""
    return _pop3(_Curl(setting, "pop3s", "curl-pop3s"))


def _delivered(curl: _Curl) -> list[supply.Stored]:
    """Three messages that were delivered one after the other."""
    address = curl.setting.account(curl.user)
    for message in supply.messages(3):
        supply.deliver(curl.setting, address, [message])
    return supply.mailbox(curl.setting, curl.user)


def _imap(curl: _Curl) -> str:
    stored = _delivered(curl)
    listed = re.findall(rb'(?m)^\* LIST .* "?([^"\r\n]+)"?\r$', curl.ask(""))
    expect({b"INBOX", b"Drafts", b"Trash"} <= set(listed), f"LIST shows {listed}")
    uid = stored[1].uid
    expect(curl.ask(f"INBOX;UID={uid}") == stored[1].source, "the message is not as it was delivered")
    found = curl.ask("INBOX?HEADER%20X-Number%200-2")
    expect(found.split() == [b"*", b"SEARCH", b"3"], f"SEARCH found {found!r}")
    written = supply.messages(1, 1)[0]
    path = private_file(curl.setting.place(f"curl-{curl.scheme}"), "written", "")
    with open(path, "wb") as file:
        file.write(written)
    curl.ask("Drafts", "-T", path)
    (draft,) = supply.mailbox(curl.setting, curl.user, "Drafts")
    expect(draft.source == written, "the message is not as it was appended")
    curl.ask("INBOX", "-X", f"UID STORE {uid} +FLAGS.SILENT (\\Deleted)")
    curl.ask("INBOX", "-X", "EXPUNGE")
    left = [message.uid for message in supply.mailbox(curl.setting, curl.user)]
    expect(left == [stored[0].uid, stored[2].uid], f"UIDs after EXPUNGE: {left}")
    return "listed, fetched, searched, appended and deleted"


def _pop3(curl: _Curl) -> str:
    stored = _delivered(curl)
    sizes = [(number, len(message.source)) for number, message in enumerate(stored, 1)]
    listed = [tuple(map(int, line.split())) for line in curl.ask("").splitlines()]
    expect(listed == sizes, f"LIST shows {listed}, not {sizes}")
    ids = [line.split()[1] for line in curl.ask("", "-X", "UIDL").splitlines()]
    expect(len(set(ids)) == 3, f"UIDL shows {ids}")
    for number, message in enumerate(stored, 1):
        expect(curl.ask(str(number)) == message.source, f"message {number} is not as it was delivered")
    top = curl.ask("", "-X", "TOP 1 0")
    expect(top.rstrip() == stored[0].source.partition(b"\r\n\r\n")[0], f"TOP 1 0 shows {top!r}")
    curl.ask("2", "-l", "-X", "DELE")
    left = [message.source for message in supply.mailbox(curl.setting, curl.user)]
    expect(left == [stored[0].source, stored[2].source], f"{len(left)} messages after DELE")
    expect([line.split()[1] for line in curl.ask("", "-X", "UIDL").splitlines()] == [ids[0], ids[2]], "UIDL")
    return "listed, fetched and deleted"
