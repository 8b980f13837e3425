"""WildDuck copies what was delivered here into a mailbox that encrypts."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from typing import Any

import bson
from bson import ObjectId

from test.interop.case import Failed, Setting, expect
from test.interop.mixed.cluster import Cluster, cluster
from test.interop.mixed.corpus_differences import ROWS
from test.interop.mixed.shown import same
from test.support.corpus import samples

_USER = "vault"

#: The public half of a pair (RSA 2048) whose other half nobody has.
_PUBLIC_KEY = """\
-----BEGIN PGP PUBLIC KEY BLOCK-----

mQENBGsHh+kBCADL+OPv10E+4cN326wHZEFCGtEU3QGq+SO71T2BsQwgGiIyCTjI
1ISPv1M4qRZg6iDRpkex4pKrZVbxMS3dMxFbmBt7PoC7bZryu0MubqKaLmqISPxR
gksyK21h081iQ2WJZ86HR0Anj7pSV/372fJ7Gca87Vhr7PcuUNZZHXj3ASCHIGSZ
FQVHeX0LmwNOQPxJgOBHnCxCi55YkvayruT+nqeX4estUl0VoPtEDBHudHl4FehC
sbUr7SW+h4+QMnFV2e1tD9YEbIPHTXiUnr2k/VJs1MH7YEO+jDML+gP4pHW6pQw2
SVBWZT3zkm+m8AAlffiEVQXhZ8s+YqqlbImXABEBAAG0GVZhdWx0IDx2YXVsdEBl
eGFtcGxlLmNvbT6JAU4EEwEKADgWIQRwinq8gp1KyoEMau/zmpAR/rNEOQUCaweH
6QIbLwULCQgHAgYVCgkICwIEFgIDAQIeAQIXgAAKCRDzmpAR/rNEOTN5B/9wLCYM
t/k+K25LromTdXlB8LPD2vlUYvvuwxtC9djVBb7tpWFNDsqBslOztzsb98r3LvAs
vjDvJBSSk1+GBhomhn1Q2AO5bcEW1/zFfHDrldIYxscLLPklNokqd5/cAWqAoS0k
UE5RmzwFbnkAf1esWZfzSg2bxd5shA5brYItnNdJ2ECK9kVoMlEHsZeiQVIQjQFT
cqokrhHVAjvXcPgSXRbhgPw7gSl3R3x8GvqAFIjdjhJLDlsBpSt9uA/kILL7dGAV
pCX1VdYWMVuqtO0sXyZVzQAwGvfGCKBpkwxfaa9zx6zSDShTTFO/b5D70x05pvm+
NZ6UNXl/kmR1IW2EuQENBGsHh+kBCADZjlU79gv1lPaPZ87X+2OKIW/NywgsxjoD
b/DIsprMelFa55xA8/1hcfJn49SSTNTQqdlia6GdEcevGlQI+2kA35CwDBdox9wr
bJmK6pxwgsq5cxwMz2WbXdRo9mOJB26lLiM1voYKhbXe1gp4Sz37KmpIiF2bpAlo
N1vcO1cY8IgICLcgSvCGCUZr9ElemJFNcXh2QSNleC09Q+jgDyo7nCtO7iHRGjIu
h1BBwiSpsiu1vsm0vaJfeCg6Ddt/JBwn18jiW2hBnNfABHNpRirp22lbKqAtGG87
LoR9Txz7V8qH8int8/oEebDkKCJfMDP79GkZOn1h5Jb6jMq8cvq9ABEBAAGJAmwE
GAEKACAWIQRwinq8gp1KyoEMau/zmpAR/rNEOQUCaweH6QIbLgFACRDzmpAR/rNE
OcB0IAQZAQoAHRYhBA+9MvHznIHMgqucANKG9dsDEAEyBQJrB4fpAAoJENKG9dsD
EAEy7P4H/3ZaqKBx2D5OVtJ7D5cqhfiQyXYYPLKlooca0+u3Dr8trsSBLqPJfP0V
NiESIAoaj+f+YvDifa4W2I0ZH6h5r/5ILaLuL5JeQtytl+4IZvYOMjyHKMBAlpU7
DgjXuYBSRgXmbr09DsPSxrhXtKigM1Y38RbkPrGxg9wwe14O9zOPwzqzcrqZ4jIR
vOtkBvVMEzTEoKVF7Rwdjqa9sPtBlZy9A1SMZStFOrKMiAHNBVW1YlsAqVD0UV6K
pUqmKK0TCSTzXugEockX8YjiRnTy5ylHrzV4P/jLlSURwJBWufF0Db4vsi2S+l4E
wWPQZ2+UWrsZ+ZRvqPtonkkNYWGqk0NbrQf/frjCgqZShzKo60gS++M2NbnEknuy
0cZ+HXD7ojlK1R6n6/LFQVJVEBvQiPdR1de21CuPC4/hz8jSXOy0wQv+eSIqvs1A
oZuviIeW0KcK+UdzixUq22OPktNiyIN1HZlI2HTO0WvcVrP9K2dTUbTXlelYatj6
FBtkHtys+eEggYUwa8mFpecXUV1z7OEVK1HCTjv1bzxdc8TMgeKWB92s9nKIYKbI
zEemPsR9/RFQJvBIyU+YdIisQ6IOXJh0vOgim4eoOFwbPvuu3a3fzJ1jV4FYRD2X
rwGsvGHPGFiCv8DaxrkaDi52Bc0dC525xCj/WPRItVnBJ85ORkH/DznQVQ==
=yKhW
-----END PGP PUBLIC KEY BLOCK-----
"""

#: In a body, a preamble, an epilogue, an attachment; the middle one makes a skeleton that needs a blob.
_CANARY = b"Canary-of-the-mixed-cluster"
#: Messages that are moved, the others are copied and expunged.
_MOVED = 40
_LINE = re.compile(rb"[!-~][ -~]{30,}[!-~]")


def no_clear_copy(setting: Setting) -> str:
    """No byte of a body stays readable in the copy, and no attachment is lost."""
    mixed = cluster(setting)
    mail = _inexact()
    user = _account(mixed)
    with mixed.ours.lmtp() as client:
        for message in mail:
            (reply,) = client.data(message, [f"{_USER}@example.com"])
            expect(reply.code == 250, f"LMTP: {reply}")
    inbox, vault = (mixed.mailbox(user, path) for path in ("INBOX", "Vault"))
    blobs = mixed.database["messages"].count_documents(
        {"mailbox": inbox, "mimeTree.attachmentMap.NATIVE": {"$exists": True}}
    )
    expect(blobs, "no message has its skeleton in a blob")
    _refused_here(mixed)
    for document, message in zip(_documents(mixed, inbox), mail, strict=True):
        expect(_clear(mixed, document, message), f"nothing is seen in the original {document['subject']!r}")
    with mixed.imap("theirs", _USER) as client:
        client.select("INBOX")
        copied = client.command("COPY 1:* Vault")
        expect(b"COPYUID" in copied.text, f"COPY: {copied.text!r}")
    _encrypted(mixed, vault, mail)
    _verified(mixed, "with originals and copies")
    with mixed.imap("theirs", _USER) as client:
        client.select("INBOX")
        client.command(f"STORE {_MOVED + 1}:* +FLAGS.SILENT (\\Deleted)")
        client.command("EXPUNGE")
        client.command("MOVE 1:* Vault")
    _encrypted(mixed, vault, [*mail, *mail[:_MOVED]])
    _verified(mixed, "after the originals were expunged or moved")
    return f"{len(mail)} inexact messages, {blobs} with a blob, are encrypted and whole"


def _documents(mixed: Cluster, mailbox: ObjectId) -> list[dict[str, Any]]:
    return list(mixed.database["messages"].find({"mailbox": mailbox}).sort("uid", 1))


def _encrypted(mixed: Cluster, vault: ObjectId, mail: list[bytes]) -> None:
    """The mailbox has these messages, of which nothing can be read."""
    copies = _documents(mixed, vault)
    expect(len(copies) == len(mail), f"{len(copies)} of {len(mail)} messages are in the mailbox")
    problems = []
    for document, message in zip(copies, mail, strict=True):
        problems += _clear(mixed, document, message)
    expect(not problems, "\n".join(problems))
    for document in copies:
        kind = document["mimeTree"]["parsedHeader"]["content-type"]["value"]
        expect(kind == "multipart/encrypted", f"{document['subject']!r} is {kind}")
    same(mixed, _USER, "Vault")


def _account(mixed: Cluster) -> ObjectId:
    """With a key, and a mailbox that wants to be encrypted."""
    user = mixed.account(_USER)
    mixed.api("theirs", "PUT", f"/users/{user}", {"pubKey": _PUBLIC_KEY})
    made = mixed.api("theirs", "POST", f"/users/{user}/mailboxes", {"path": "Vault"})
    mixed.api("theirs", "PUT", f"/users/{user}/mailboxes/{made['id']}", {"encryptMessages": True})
    return user


def _refused_here(mixed: Cluster) -> None:
    """This server encrypts nothing yet, and stores nothing in clear there."""
    with mixed.imap("ours", _USER) as client:
        client.select("INBOX")
        for command in ("COPY 1 Vault", "MOVE 1 Vault"):
            answer = client.command(command, check=False)
            expect(answer.status == "NO" and b"[CANNOT]" in answer.text, f"{command}: {answer}")
        answer = client.append("Vault", b"Subject: x\r\n\r\ny\r\n", check=False)
        expect(answer.status == "NO" and b"[CANNOT]" in answer.text, f"APPEND: {answer}")


def _inexact() -> list[bytes]:
    """The corpus messages that WildDuck's tree can't give back, and some that show where bytes could stay."""
    names = {row.message for row in ROWS}
    return [sample.complete for sample in samples() if sample.name in names] + list(_crafted())


def _crafted() -> Iterator[bytes]:
    head = b"From: a@example.net\r\nSubject: crafted\r\nMIME-Version: 1.0\r\n"
    for lines in (1, 6000):
        preamble = b"".join(b"%s preamble %06d\r\n" % (_CANARY, number) for number in range(lines))
        attached = b"".join(b"%s attachment %06d\r\n" % (_CANARY, number) for number in range(9000))
        encoded = base64.b64encode(attached)
        # Lines of different lengths: the stored form can't give them back.
        cut = b"\r\n".join([encoded[:40], encoded[40:100], *_lines(encoded[100:], 76)])
        yield (
            head + b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n' + preamble + b"--b  \r\n"
            b"Content-Type: text/plain\r\n\r\n" + _CANARY + b" the text of the message\r\n--b\r\n"
            b'Content-Type: application/octet-stream; name="x.bin"\r\n'
            b"Content-Transfer-Encoding: base64\r\n\r\n"
            + cut
            + b"\r\n--b--\r\n"
            + _CANARY
            + b" the epilogue of the message\r\n"
        )


def _lines(text: bytes, length: int) -> list[bytes]:
    return [text[start : start + length] for start in range(0, len(text), length)]


def _clear(mixed: Cluster, document: dict[str, Any], message: bytes) -> list[str]:
    """What can still be read of a body in the copy's document and attachments."""
    head, _, body = message.partition(b"\r\n\r\n")
    lines = {line for line in _LINE.findall(body) if line not in head} | {_CANARY}
    kept = [("document", bson.encode(document))]
    for key, name in ((document.get("mimeTree") or {}).get("attachmentMap") or {}).items():
        chunks = mixed.database["attachments.chunks"].find({"files_id": name}).sort("n", 1)
        kept.append((key, b"".join(chunk["data"] for chunk in chunks)))
    subject = document.get("subject")
    if "native" in (document.get("mimeTree") or {}):
        return [f"{subject!r}: what this server added to the tree is in the copy"]
    return [
        f"{subject!r}: {place} of the copy shows {line!r}"
        for place, data in kept
        for line in sorted(lines)
        if line in data
    ]


def _verified(mixed: Cluster, when: str) -> None:
    found = mixed.verified()
    if found:
        raise Failed(f"verify {when}:\n" + "\n".join(found))
