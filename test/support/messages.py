"""
Messages made by a seed, of any size and with the irregularities of real mail.

The same seed and size give the same bytes on every machine.
"""

from __future__ import annotations

import base64
import random

_WORDS = [
    "the",
    "quick",
    "brown",
    "fox",
    "jumps",
    "over",
    "a",
    "lazy",
    "dog",
    "and",
    "reads",
    "mail",
    "on",
    "Sunday",
    "from",
    "Tallinn",
    "jõgi",
    "käsi",
    "südame",
    "öösel",
    "größer",
    "naïve",
    "façade",
    "señor",
    "邮件",
    "почта",
]


def generated(seed: int, size: int) -> bytes:
    """
    A message of about C{size} bytes, in CRLF text with a final line break.

    @param size: bytes, at least some 300 are used for headers.
    """
    rng = random.Random(seed)
    head = (
        f"From: Sender {seed} <sender{seed}@example.net>\r\nTo: test@example.com\r\n"
        f"Subject: =?utf-8?B?{base64.b64encode(_line(rng).encode()).decode()}?=\r\n"
        f"Date: Mon, {1 + seed % 28} Nov 2026 10:{seed % 60:02}:00 +0200\r\n"
        f"Message-ID: <generated-{seed}-{size}@example.net>\r\nMIME-Version: 1.0\r\n"
    ).encode()
    body = _part(rng, max(10, size - len(head)), depth=0)
    message = head + body
    return message if message.endswith(b"\r\n") else message + b"\r\n"


def _line(rng: random.Random) -> str:
    return " ".join(rng.choice(_WORDS) for _ in range(rng.randint(1, 12)))


def _part(rng: random.Random, size: int, depth: int) -> bytes:
    """A part with its own Content-* header fields first."""
    kinds = [_text, _binary]
    if depth < 4 and size > 800:
        kinds += [_multipart, _multipart, _multipart, _message]
    return rng.choice(kinds)(rng, size, depth)


def _text(rng: random.Random, size: int, _depth: int) -> bytes:
    lines = []
    length = 0
    while length < min(size, 20_000):
        lines.append(_line(rng).encode())
        length += len(lines[-1]) + 2
    lines *= max(1, min(size, 2_000_000) // length)  # the rest repeats: words by the million take too long
    kind = rng.choice((b"plain", b"html", b"x-odd"))
    header = b"Content-Type: text/" + kind + b"; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    return header + b"\r\n".join(lines) + rng.choice((b"", b"\r\n", b"\r\n\r\n"))


def _binary(rng: random.Random, size: int, _depth: int) -> bytes:
    columns = rng.choice((76, 76, 76, 72, 60, 64))
    raw = rng.randbytes(max(3, size * 3 // 4))
    text = base64.b64encode(raw)
    lines = [text[at : at + columns] for at in range(0, len(text), columns)]
    if rng.random() < 0.15:  # an irregular line, which can not be stored decoded
        lines.insert(len(lines) // 2, b"")
    name = rng.choice((b"report.pdf", b"=?utf-8?Q?j=C3=B5gi.bin?=", b"a b c.zip"))
    header = (
        b'Content-Type: application/octet-stream; name="' + name + b'"\r\n'
        b"Content-Disposition: attachment;\r\n\tfilename*=utf-8''%C3%B5.bin\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\n"
    )
    return header + b"\r\n".join(lines) + rng.choice((b"", b"\r\n"))


def _multipart(rng: random.Random, size: int, depth: int) -> bytes:
    boundary = b"----=_part_%d_%d" % (depth, rng.randrange(10**9))
    kind = rng.choice((b"mixed", b"alternative", b"related", b"x-unknown"))
    pieces = [b"Content-Type: multipart/" + kind + b';\r\n boundary="' + boundary + b'"\r\n\r\n']
    if rng.random() < 0.3:
        pieces.append(b"A preamble that nobody sees.\r\n")
    count = rng.randint(1, 5)
    pieces += [
        b"--" + boundary + b"\r\n" + _part(rng, size // count, depth + 1) + b"\r\n" for _ in range(count)
    ]
    if rng.random() < 0.9:
        pieces.append(b"--" + boundary + b"--" + rng.choice((b"\r\n", b"", b"  \r\n")))
        if rng.random() < 0.3:
            pieces.append(b"\r\nAn epilogue.\r\n")
    return b"".join(pieces)


def _message(rng: random.Random, size: int, depth: int) -> bytes:
    inner = b"From: inner@example.org\r\nSubject: forwarded\r\n" + _part(rng, size - 60, depth + 1)
    return b"Content-Type: message/rfc822\r\n\r\n" + inner


def sizes(count: int, least: int, most: int, seed: int = 1) -> list[int]:
    """Sizes in bytes, evenly spread over the logarithm."""
    rng = random.Random(seed)
    return [int(least * (most / least) ** rng.random()) for _ in range(count)]


def large(size: int, seed: int = 1) -> bytes:
    """A message with an attachment of about C{size} bytes in base64."""
    text = base64.encodebytes(random.Random(seed).randbytes(size * 3 // 4)).replace(b"\n", b"\r\n")
    return (
        b"Subject: large\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
        b"--b\r\nContent-Type: text/plain\r\n\r\nsmall\r\n--b\r\nContent-Type: application/octet-stream\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\n" + text + b"--b--\r\n"
    )
