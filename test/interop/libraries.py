"""Client libraries that others build on: imapflow (npm), IMAPClient (PyPI)."""

from __future__ import annotations

import json
import os
import sys

from test.interop.case import Setting, expect, output_of
from test.interop.packages import npm, pypi
from test.support.server_process import PASSWORD

_MESSAGE = b"From: sender@example.net\r\nSubject: library\r\n\r\nText\r\n.dot\r\n"

_IMAPCLIENT = """
import json, ssl, sys
from imapclient import IMAPClient
context = ssl.create_default_context()
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
port, user, password = sys.argv[1:]
with IMAPClient("127.0.0.1", port=int(port), ssl=True, ssl_context=context, timeout=60) as client:
    client.login(user, password)
    count = client.select_folder("INBOX")[b"EXISTS"]
    items = ["RFC822.SIZE", "ENVELOPE", "BODYSTRUCTURE", "INTERNALDATE", "BODY.PEEK[]"]
    row = client.fetch(count, items)[count]
    client.add_flags(count, [b"\\\\Flagged"])
    flags = client.get_flags(count)[count]
    client.append("Drafts", b"Subject: draft\\r\\n\\r\\nText\\r\\n", [b"\\\\Draft"])
    print(json.dumps({
        "source": row[b"BODY[]"].decode("latin-1"),
        "size": row[b"RFC822.SIZE"],
        "subject": row[b"ENVELOPE"].subject.decode(),
        "flags": [flag.decode() for flag in flags],
        "drafts": client.folder_status("Drafts")[b"MESSAGES"],
        "folders": [name for _, _, name in client.list_folders()],
    }))
"""


def imapflow(setting: Setting) -> str:
    """imapflow signs in by STARTTLS, reads, flags, appends and lists."""
    node, folder = npm("imapflow", "2.1.2")
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "imapflow_reads.js")
    _deliver(setting, "imapflow")
    port = str(setting.ports["imap"])
    seen = json.loads(output_of([node, script, folder, port, "imapflow", PASSWORD]).splitlines()[-1])
    expect(seen["downloaded"] == seen["size"], f"downloaded {seen['downloaded']} bytes of {seen['size']}")
    return _judge(seen)


def imapclient(setting: Setting) -> str:
    """IMAPClient signs in by TLS, reads, flags, appends and lists."""
    folder = pypi("IMAPClient", "3.0.1")
    _deliver(setting, "imapclient")
    port = str(setting.ports["imap_tls"])
    code = f"import sys; sys.path.insert(0, {folder!r})\n{_IMAPCLIENT}"
    return _judge(json.loads(output_of([sys.executable, "-c", code, port, "imapclient", PASSWORD])))


def _deliver(setting: Setting, user: str) -> None:
    address = setting.account(user)
    with setting.server.lmtp() as client:
        (reply,) = client.data(_MESSAGE, [address])
    expect(reply.code == 250, f"LMTP answered {reply}")


def _judge(seen: dict[str, object]) -> str:
    source = str(seen["source"])
    expect(source.endswith(_MESSAGE.decode()), f"read {source!r}")
    expect(seen["size"] == len(source), f"RFC822.SIZE {seen['size']}, but {len(source)} bytes")
    expect(seen["subject"] == "library", f"subject {seen['subject']!r}")
    expect("\\Flagged" in list(seen["flags"]), f"flags {seen['flags']}")  # type: ignore[call-overload]
    expect(seen["drafts"] == 1, f"{seen['drafts']} messages in Drafts")
    return f"read, flagged and appended; folders {seen['folders']}"
