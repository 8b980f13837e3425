"""Hypothesis strategies: bytes that look like mail, and mail that is broken."""

from __future__ import annotations

from hypothesis import strategies as st

#: What the scanner could stumble over.
_FRAGMENTS = (
    b"\r\n",
    b"\n",
    b"\r",
    b"\r\n\r\n",
    b"\n\n",
    b"--b",
    b"--b--",
    b"\r\n--b\r\n",
    b"\r\n--b--\r\n",
    b"\r\n--c \t\r\n",
    b"\n--c--",
    b"--bb",
    b"--bb--",
    b"\r\n--bx" * 300,
    b"Content-Type: multipart/mixed; boundary=b\r\n",
    b"Content-Type: multipart/alternative;\r\n boundary=c\r\n",
    b'content-type: multipart/digest; boundary="bb"\n',
    b"Content-Type: message/rfc822\r\n",
    b"Content-Type: text/plain; charset=utf-8\r\n",
    b"Content-Type: application/octet-stream\r\n",
    b"Content-Transfer-Encoding: base64\r\n",
    b"Content-Transfer-Encoding: 8bit\r\n",
    b"Content-Disposition: attachment; filename=x\r\n",
    b"Subject: =?utf-8?q?=C3=A4?=\r\n",
    b"To: a@example.com, b@example.com\r\n",
    b" folded\r\n",
    b"QUJD\r\nREVG",
    b"hello \xe4\xc3\xa4",
    b"\0",
    b" ",
    b"x",
)

fragments = st.lists(st.one_of(st.sampled_from(_FRAGMENTS), st.binary(max_size=8)), max_size=50).map(b"".join)

#: Any bytes, most of them with some structure.
messages = st.one_of(
    st.binary(max_size=300),
    fragments,
    fragments.map(lambda rest: b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n" + rest),
)

#: Lengths of the pieces that a message is fed in.
pieces = st.lists(st.integers(1, 40), min_size=1, max_size=20)


def cut(data: bytes, lengths: list[int]) -> list[bytes]:
    """Data in pieces of these lengths, over and over."""
    result = []
    position = index = 0
    while position < len(data):
        length = lengths[index % len(lengths)]
        result.append(data[position : position + length])
        position += length
        index += 1
    return result
