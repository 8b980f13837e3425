"""
Text as it may stand in a header: encoded-words (RFC 2047) and folding (RFC 5322 §2.2.3).

A value is a list of tokens, each with the blanks before it; lines are broken
before blanks, so that unfolding gives back exactly these.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator

#: Columns of a line that folding aims at, its blanks included (RFC 5322 §2.1.1).
LINE = 76
#: Length of an encoded-word (RFC 2047 §2).
WORD = 75
#: A longer run without blanks is encoded, for it could not be folded; lines have 998 bytes at most.
_UNBROKEN = 400

#: What no header has: controls, and what some programs take for a line break.
_FORBIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_LINE_BREAKS = re.compile("\r\n|[\r\n\x85\u2028\u2029]")
_SURROGATES = re.compile("[\ud800-\udfff]")
_TOKEN = re.compile(r"( *)([^ ]*)")
_PLAIN = re.compile(r"[!-~]+")
#: Bytes that stand for themselves in a Q word, also in a display name (RFC 2047 §5).
_Q_SAFE = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!*+-/")

_CHARSET = "utf-8"
_FRAME = len(f"=?{_CHARSET}?Q??=")

#: The blanks before a piece of a value, and the piece.
Token = tuple[str, str]


def clean(text: str) -> str:
    """
    Text without what no header field can have.

    Each line break and each control becomes a blank, half a character U+FFFD.
    """
    text = _LINE_BREAKS.sub(" ", text)
    return _SURROGATES.sub("\ufffd", _FORBIDDEN.sub(" ", text))


def fold(name: str, tokens: Iterable[Token]) -> bytes:
    """
    A complete header field.

    @param name: of the field.
    @param tokens: what it says; blanks of the first token are not written.
    @return: lines with CRLF.
    """
    line = f"{name}:"
    lines = []
    first = True
    for blanks, token in tokens:
        if first:
            blanks, first = " ", False
        elif len(line) + len(blanks) + len(token) > LINE and blanks:
            lines.append(line)
            line = ""
        line += blanks + token
    lines.append(line)
    return "".join(f"{line}\r\n" for line in lines).encode("utf-8", "replace")


def tokens(text: str, used: int = 0) -> list[Token]:
    """
    Unstructured text; what is not plain ASCII goes in encoded-words.

    @param text: any.
    @param used: columns of the line that are taken.
    """
    text = clean(text)
    pieces = [(match[1], match[2]) for match in _TOKEN.finditer(text) if match.group()]
    odd = [place for place, (_, piece) in enumerate(pieces) if not _is_plain(piece)]
    if text[:1] == " ":
        odd.insert(0, 0)
    if text[-1:] == " " and len(pieces) > 1:
        # Blanks between a plain word and an encoded one would count twice.
        odd = sorted({*odd, len(pieces) - 2})
    if not odd:
        return pieces
    start, end = odd[0], odd[-1] + 1
    before, coded, after = pieces[:start], pieces[start:end], pieces[end:]
    blanks = coded[0][0] if before else ""
    inner = "".join(map("".join, coded))[len(blanks) :]
    column = used + sum(len(space) + len(piece) for space, piece in before) + len(blanks)
    words = encoded_words(inner, LINE - column if column < LINE else WORD)
    return [*before, *((blanks if place == 0 else " ", word) for place, word in enumerate(words)), *after]


def _is_plain(piece: str) -> bool:
    """Whether it can stand as it is; a final run of blanks, which would be lost, can not."""
    return bool(_PLAIN.fullmatch(piece)) and "=?" not in piece and len(piece) <= _UNBROKEN


def encoded_words(text: str, room: int = WORD) -> Iterator[str]:
    """
    Text in UTF-8 as encoded-words, each of whole characters.

    @param text: cleaned.
    @param room: columns for the first word, if it is to be shorter than others.
    """
    data = text.encode("utf-8", "replace")
    q_length = sum(1 if byte in _Q_SAFE or byte == 0x20 else 3 for byte in data)
    cut = _q_pieces if q_length <= 4 * -(-len(data) // 3) else _b_pieces
    kind = "Q" if cut is _q_pieces else "B"
    for piece in cut(text, max(24, min(room, WORD)) - _FRAME, WORD - _FRAME):
        yield f"=?{_CHARSET}?{kind}?{piece}?="


def _q_pieces(text: str, first: int, room: int) -> Iterator[str]:
    collected: list[str] = []
    length = 0
    limit = first
    for character in text:
        coded = _q(character)
        if collected and length + len(coded) > limit:
            yield "".join(collected)
            collected, length, limit = [], 0, room
        collected.append(coded)
        length += len(coded)
    if collected:
        yield "".join(collected)


def _q(character: str) -> str:
    if character == " ":
        return "_"
    data = character.encode("utf-8", "replace")
    return "".join(chr(byte) if byte in _Q_SAFE else f"={byte:02X}" for byte in data)


def _b_pieces(text: str, first: int, room: int) -> Iterator[str]:
    collected = bytearray()
    limit = first // 4 * 3
    for character in text:
        data = character.encode("utf-8", "replace")
        if collected and len(collected) + len(data) > limit:
            yield base64.b64encode(collected).decode("ascii")
            collected = bytearray()
            limit = room // 4 * 3
        collected += data
    if collected:
        yield base64.b64encode(collected).decode("ascii")
