"""Everyday programs: swaks, curl, Python's imaplib, openssl s_client."""

from __future__ import annotations

import contextlib
import imaplib
import json
import ssl
import subprocess
import time
from collections.abc import Sequence

from test.interop.case import Failed, Setting, expect, output_of
from test.interop.programs import find
from test.support.server_process import PASSWORD

_TEXT = "Sent by swaks."
_SECONDS = 60.0


def _subjects(setting: Setting, user: str) -> list[bytes]:
    """The subjects in INBOX, oldest first."""
    with setting.server.imap(user) as client:
        client.select()
        rows = client.command("FETCH 1:* (ENVELOPE)").rows() if client.exists else {}
    return [row["ENVELOPE"][1] for row in rows.values()]


def _swaks(setting: Setting, subject: str, *options: str) -> str:
    address = setting.account("swaks")
    return output_of(
        [
            find("swaks"),
            *("--protocol", "LMTP"),
            *("--server", f"127.0.0.1:{setting.ports['lmtp']}"),
            *("--from", "sender@example.net", "--to", address),
            *("--header", f"Subject: {subject}", "--body", _TEXT),
            *options,
        ]
    )


def swaks_plain(setting: Setting) -> str:
    """swaks delivers by LMTP without TLS."""
    said = _swaks(setting, "plain")
    expect(b"plain" in _subjects(setting, "swaks"), "the message is not in INBOX:\n" + said)
    return "delivered by LMTP"


def swaks_starttls(setting: Setting) -> str:
    """swaks delivers by LMTP after STARTTLS."""
    said = _swaks(setting, "starttls", "--tls")
    expect("TLS started with cipher" in said, "no TLS:\n" + said)
    expect(b"starttls" in _subjects(setting, "swaks"), "the message is not in INBOX:\n" + said)
    return "delivered by LMTP after STARTTLS"


def curl_account(setting: Setting) -> str:
    """curl makes an account and an address by the API, and reads both back."""
    root = f"http://127.0.0.1:{setting.ports['api']}"

    def ask(path: str, *options: str) -> dict[str, object]:
        answer: dict[str, object] = json.loads(output_of([find("curl"), "-sS", *options, root + path]))
        return answer

    def post(path: str, body: dict[str, object]) -> dict[str, object]:
        return ask(path, "-H", "Content-Type: application/json", "-d", json.dumps(body))

    made = post("/user/create", {"username": "curl", "password": PASSWORD, "quota": 1234567})
    expect(made.get("success") and made.get("username") == "curl", f"/user/create answered {made}")
    added = post("/user/address/create", {"username": "curl", "address": "curl@example.com"})
    expect(added.get("success"), f"/user/address/create answered {added}")
    read = ask("/user?username=curl")
    addresses = [entry["address"] for entry in read["addresses"]]  # type: ignore[attr-defined]
    expect(addresses == ["curl@example.com"] and read["quota"] == 1234567, f"/user answered {read}")
    refused = post("/user/create", {"username": "curl", "password": PASSWORD})
    expect(refused.get("success") is not True and refused.get("error"), f"made twice: {refused}")
    form = ask("/user/password", "--data-urlencode", "username=curl", "--data-urlencode", "password=other")
    expect(form.get("success"), f"/user/password with a form answered {form}")
    return "made an account and an address and read them back"


def _mail(setting: Setting, user: str) -> bytes:
    """Deliver a message with lines that begin with dots; what should be read."""
    address = setting.account(user)
    message = b"From: sender@example.net\r\nSubject: read me\r\n\r\n.dot\r\n..dots\r\n\r\nThe end.\r\n"
    with setting.server.lmtp() as client:
        (reply,) = client.data(message, [address])
    expect(reply.code == 250, f"LMTP answered {reply}")
    return message


def imaplib_reads(setting: Setting) -> str:
    """Python's imaplib reads, flags, appends and expunges, by STARTTLS and by implicit TLS."""
    message = _mail(setting, "imaplib")
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    ports = setting.ports
    plain = imaplib.IMAP4("127.0.0.1", ports["imap"], timeout=_SECONDS)
    plain.starttls(context)
    secure = imaplib.IMAP4_SSL("127.0.0.1", ports["imap_tls"], ssl_context=context, timeout=_SECONDS)
    for client in (plain, secure):
        client.login("imaplib", PASSWORD)
        client.select()
        answer = client.uid("FETCH", "*", "(FLAGS BODY.PEEK[])")[1]
        expect(isinstance(answer[0], tuple) and answer[0][1].endswith(message), f"imaplib read {answer!r}")
        expect(client.append("INBOX", "(\\Seen)", None, message)[0] == "OK", "APPEND failed")
        count = int(client.select()[1][0] or 0)
        expect(client.store(str(count), "+FLAGS", "\\Deleted")[0] == "OK", "STORE failed")
        expect(client.expunge() == ("OK", [b"%d" % count]), "EXPUNGE failed")
        expect(client.status("INBOX", "(MESSAGES)")[0] == "OK", "STATUS failed")
        client.logout()
    return "read, appended, flagged and expunged by STARTTLS and by implicit TLS"


def openssl_implicit(setting: Setting) -> str:
    """openssl s_client reads by implicit TLS."""
    return _openssl(setting, "imap_tls")


def openssl_starttls(setting: Setting) -> str:
    """openssl s_client reads after STARTTLS."""
    return _openssl(setting, "imap", "-starttls", "imap")


def openssl_pop3(setting: Setting) -> str:
    """openssl s_client reads by POP3, after STLS and by implicit TLS."""
    message = _mail(setting, "openssl-pop3")
    lines = ("USER openssl-pop3", f"PASS {PASSWORD}", "STAT", "LIST 1", "RETR 1", "QUIT")
    ends = (b"+OK", b"+OK", b"+OK", b"+OK", b".\r\n", b"+OK")
    stuffed = message.replace(b"\r\n.", b"\r\n..")
    for listener, options in (("pop3", ("-starttls", "pop3")), ("pop3_tls", ())):
        said = _s_client(setting, listener, options, list(zip(lines, ends, strict=True)))
        expect(stuffed in said, f"openssl read {said!r}")
    return "read the message after STLS and by implicit TLS"


def _openssl(setting: Setting, listener: str, *options: str) -> str:
    message = _mail(setting, "openssl")
    lines = (f"LOGIN openssl {PASSWORD}", "SELECT INBOX", "FETCH * (BODY.PEEK[])", "LOGOUT")
    steps = [(f"s{number} {line}", b"s%d OK" % number) for number, line in enumerate(lines)]
    said = _s_client(setting, listener, options, steps)
    expect(message in said, f"openssl read {said!r}")
    return "read the message"


def _s_client(
    setting: Setting, listener: str, options: Sequence[str], steps: Sequence[tuple[str, bytes]]
) -> bytes:
    """
    Send lines in a TLS session of openssl's.

    @param steps: each a line, and how the last line of its answer begins.
    @return: everything that the server has said; it is judged.
    """
    command = [find("openssl"), "s_client", "-quiet", "-crlf", *options]
    command += ["-connect", f"127.0.0.1:{setting.ports[listener]}"]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=False
    )
    assert process.stdin is not None and process.stdout is not None
    said = b""
    try:
        if listener == "pop3_tls":  # After -starttls openssl has read the greeting.
            said += _until(process, b"+OK")
        for line, end in steps:
            process.stdin.write(f"{line}\n".encode())
            process.stdin.flush()
            said += _until(process, end)
    finally:
        with contextlib.suppress(OSError):
            process.stdin.close()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()
    setting.judge_log(said.decode("latin-1"))
    return said


def _until(process: subprocess.Popen[bytes], end: bytes) -> bytes:
    """Read lines up to one that begins so, or is a refusal."""
    assert process.stdout is not None
    said = b""
    deadline = time.monotonic() + _SECONDS
    for line in process.stdout:
        said += line
        if line.startswith(end):
            return said
        if line.startswith((b"-ERR", end[:-2] + b"NO", end[:-2] + b"BAD")):
            raise Failed(f"the server answered {line!r}")
        if time.monotonic() > deadline:
            break
    raise Failed(f"no answer:\n{said!r}")
