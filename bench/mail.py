"""
The mail of the benchmarks: the same bytes for every server.

4 KB of multipart/alternative as shops and lists send it, and 1 MB with an attachment.  Each
message has a Message-ID of its own, for WildDuck drops what it takes for a duplicate.
"""

from __future__ import annotations

import base64
import random

SENDER = "sender@example.net"
#: In every hundredth message: in the first line of its text, and some 1,400 bytes further on.
EARLY, LATE = "quinquereme", "cassiterite"
#: Of every tenth message, in its From field.
RARE_SENDER = "harbour"

_WORDS = (
    "order",
    "parcel",
    "invoice",
    "ship",
    "arrive",
    "winter",
    "summer",
    "account",
    "payment",
    "thank",
    "customer",
    "service",
    "please",
    "reply",
    "question",
    "delivery",
    "number",
    "address",
    "street",
    "model",
    "colour",
    "price",
    "offer",
    "discount",
    "week",
    "month",
    "list",
    "update",
    "news",
    "read",
    "online",
    "change",
    "settings",
    "member",
    "team",
    "project",
    "meeting",
    "agenda",
    "minutes",
    "draft",
    "review",
    "comment",
    "attached",
    "report",
    "figure",
)
_BOUNDARY = "----=_Part_4711_1622.1446"


def small(number: int, run: str) -> bytes:
    """
    A message of 4 KB: text and HTML.

    @param number: from 1; decides all but the Message-ID.
    @param run: makes the Message-ID another one in the next run.
    """
    rng = random.Random(number)
    first = f"{EARLY} " if number % 100 == 0 else ""
    last = f"{LATE} " if number % 100 == 0 else ""
    text = f"{first}{_prose(rng, 1330)}\r\n{last}{_prose(rng, 100)}\r\n"
    html = _html(rng, text)
    body = (
        f"--{_BOUNDARY}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 7bit\r\n\r\n"
        f"{text}\r\n--{_BOUNDARY}\r\nContent-Type: text/html; charset=utf-8\r\n"
        f"Content-Transfer-Encoding: 7bit\r\n\r\n{html}\r\n--{_BOUNDARY}--\r\n"
    )
    return (_head(number, run, f'multipart/alternative;\r\n boundary="{_BOUNDARY}"') + body).encode()


def large(number: int, run: str, size: int = 1 << 20) -> bytes:
    """A message of C{size} bytes with an attachment that no other message has."""
    rng = random.Random(f"{run} {number}")
    head = (
        _head(number, run, f'multipart/mixed;\r\n boundary="{_BOUNDARY}"')
        + f"--{_BOUNDARY}\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{_prose(rng, 1000)}\r\n"
        f"--{_BOUNDARY}\r\nContent-Type: application/pdf; name=report.pdf\r\n"
        "Content-Disposition: attachment; filename=report.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    ).encode()
    end = f"--{_BOUNDARY}--\r\n".encode()
    lines = (size - len(head) - len(end)) // 78
    return head + base64.encodebytes(rng.randbytes(lines * 57)).replace(b"\n", b"\r\n") + end


def _head(number: int, run: str, kind: str) -> str:
    rng = random.Random(-number)
    sender = f"{RARE_SENDER}{number}" if number % 10 == 0 else f"person{number % 500}"
    time = f"Mon, {1 + number % 28} Jun 2026 {number % 24:02}:{number % 60:02}:07 +0000"
    subject = " ".join(rng.choices(_WORDS, k=6))
    return (
        "Received: from mx.example.net (mx.example.net [192.0.2.7])\r\n\tby mail.example.com with ESMTPS"
        f" id 4Zx{number:08X}\r\n\tfor <user@example.com>; {time}\r\n"
        f"From: {sender.capitalize()} Example <{sender}@example.net>\r\n"
        f"To: User Example <user@example.com>\r\nSubject: {subject} {number}\r\nDate: {time}\r\n"
        f"Message-ID: <{run}.{number}@example.net>\r\nMIME-Version: 1.0\r\nContent-Type: {kind}\r\n\r\n"
    )


def _prose(rng: random.Random, length: int) -> str:
    """Lines of words, some C{length} bytes."""
    lines = []
    while length > 0:
        lines.append(" ".join(rng.choices(_WORDS, k=rng.randint(7, 10))))
        length -= len(lines[-1]) + 2
    return "\r\n".join(lines)


def _html(rng: random.Random, text: str) -> str:
    """The same text as a web page."""
    rows = "".join(
        f'<tr><td style="padding:4px"><a href="https://www.example.net/{rng.randrange(10**6)}">'
        f"<b>{line[:20]}</b></a>{line[20:]}</td></tr>\r\n"
        for line in text.split("\r\n")[:11]
    )
    page = (
        "<!DOCTYPE html>\r\n<html><head><title>News</title><style>td { color: #333 }</style></head>"
        f"<body>\r\n<table>\r\n{rows}</table>\r\n</body></html>\r\n"
    )
    return page
