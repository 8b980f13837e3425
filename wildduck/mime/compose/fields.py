"""
Header fields: text, addresses, Message-IDs, dates, values with parameters.

Each function gives complete lines with CRLF, C{b""} where there is nothing to say.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime, timezone
from email.utils import format_datetime

import idna

from wildduck.mime.compose.values import Address
from wildduck.mime.compose.words import Token, clean, encoded_words, fold, tokens

_NAME = re.compile(r"[!-9;-~]{1,255}")
_ATOM = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+")
_DOT_ATOM = re.compile(r"[\w!#$%&'*+/=?^`{|}~-]+(?:\.[\w!#$%&'*+/=?^`{|}~-]+)*")
_DOMAIN = re.compile(r"[\w-]+(?:\.[\w-]+)*\.?")
_LITERAL = re.compile(r"\[[0-9A-Za-z:.-]+\]")
_MESSAGE_ID = re.compile(r"<[!-;=?-~]{1,900}>")
_TOKEN = re.compile(r"[A-Za-z0-9!#$&+.^_`{|}~-]+")
_PRINTABLE = re.compile(r"[ -~]*")
_ESCAPED = re.compile(r'(["\\])')
#: Longest quoted name or parameter, and section of an encoded parameter.
_QUOTED = 60
#: Of an address or a name: longer ones are no mail addresses, and names are cut.
_ADDRESS_LENGTH = 500
#: Bytes of an address as it stands in a line, which has 998 at most.
_ADDRESS_BYTES = 900
_NAME_LENGTH = 1000
#: Bytes that stand for themselves in an extended parameter (RFC 2231 §7 attribute-char).
_ATTRIBUTE = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$&+-.^_`{|}~")


def is_name(name: str) -> bool:
    """Whether this can be the name of a header field (RFC 5322 §3.6.8 ftext)."""
    return bool(_NAME.fullmatch(name))


def unstructured(name: str, value: str) -> bytes:
    """@param value: any text; what is no ASCII is encoded."""
    found = tokens(value, len(name) + 2)
    return fold(name, found) if found else b""


def date(name: str, value: datetime) -> bytes:
    """@param value: without a zone it is in UTC."""
    if value.tzinfo is None:
        value = value.replace(tzinfo=timezone.utc)
    return f"{name}: {format_datetime(value)}\r\n".encode("ascii")


# --- Message-IDs ----------------------------------------------------------------


def ids_in(text: str) -> list[str]:
    """The Message-IDs of a field like References, with brackets; what is none is left out."""
    return _MESSAGE_ID.findall(text)


def message_ids(name: str, ids: Iterable[str]) -> bytes:
    """@param ids: with brackets; what is no Message-ID is left out."""
    good = [(" ", id) for id in ids if _MESSAGE_ID.fullmatch(id)]
    return fold(name, good) if good else b""


# --- addresses --------------------------------------------------------------------


def is_address(address: str) -> bool:
    """Whether this is C{local@domain} in a form that can be written."""
    return _written(address) is not None


def host_of(address: str) -> str:
    """The domain of an address in ASCII, for Message-IDs; C{localhost} where it has none."""
    domain = (_written(address) or "").rpartition("@")[2]
    return domain if domain.isascii() and _DOMAIN.fullmatch(domain) else "localhost"


def addresses(name: str, entries: Sequence[Address]) -> bytes:
    """
    An address list (RFC 5322 §3.4).

    @raise ValueError: an address is none (see L{is_address}).
    """
    found: list[Token] = []
    for place, entry in enumerate(entries):
        some = _mailbox(entry, len(name) + 2)
        if place < len(entries) - 1:
            some[-1] = (some[-1][0], f"{some[-1][1]},")
        found += some
    return fold(name, found) if found else b""


def _mailbox(entry: Address, used: int) -> list[Token]:
    written = _written(entry.address)
    if written is None:
        raise ValueError("not an address")
    name = clean(entry.name[:_NAME_LENGTH]).strip()
    return [*_phrase(name, used), (" ", f"<{written}>")] if name else [(" ", written)]


def _phrase(name: str, used: int) -> list[Token]:
    """A display name: atoms, a quoted string, or encoded-words."""
    if "=?" not in name and _PRINTABLE.fullmatch(name):
        parts = name.split(" ")
        if all(_ATOM.fullmatch(part) and len(part) <= _QUOTED for part in parts):
            return [(" ", part) for part in parts]
        if len(name) <= _QUOTED:
            return [(" ", f'"{_ESCAPED.sub(_backslash, name)}"')]
    return [(" ", word) for word in encoded_words(name, 76 - used)]


def _backslash(match: re.Match[str]) -> str:
    return f"\\{match[1]}"


def _written(address: str) -> str | None:
    """An address as it stands in a header, C{None} if it is none."""
    local, at, domain = address.rpartition("@")
    if not at or not local or len(address) > _ADDRESS_LENGTH or clean(address) != address:
        return None
    if not _DOT_ATOM.fullmatch(local):
        if local[0] == local[-1] == '"' and len(local) > 2:
            local = re.sub(r"\\(.)", r"\1", local[1:-1])
        local = f'"{_ESCAPED.sub(_backslash, local)}"'
    if not _LITERAL.fullmatch(domain):
        if not _DOMAIN.fullmatch(domain):
            return None
        domain = domain if domain.isascii() else _a_labels(domain)
    written = f"{local}@{domain}"
    return written if len(written.encode()) <= _ADDRESS_BYTES else None


def _a_labels(domain: str) -> str:
    """RFC 5891; a domain that has no such form stays in UTF-8 (RFC 6532)."""
    try:
        return idna.encode(domain, uts46=True).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        return domain


# --- values with parameters ---------------------------------------------------------


def parameterized(name: str, value: str, parameters: Iterable[tuple[str, str]]) -> bytes:
    """
    A field like Content-Type (RFC 2045 §5.1, RFC 2231).

    @param value: a token or two with a slash between them.
    @param parameters: their names are tokens; a value may be any text.
    """
    found: list[Token] = [(" ", value)]
    for key, text in parameters:
        for section in _sections(key, clean(text)):
            found[-1] = (found[-1][0], f"{found[-1][1]};")
            found.append((" ", section))
    return fold(name, found)


def is_token(text: str) -> bool:
    """Whether this can be a type, a subtype or the name of a parameter."""
    return bool(_TOKEN.fullmatch(text)) and len(text) <= _QUOTED


def _sections(key: str, text: str) -> list[str]:
    # Many readers do not understand what is escaped in a quoted value.
    if len(text) <= _QUOTED and _PRINTABLE.fullmatch(text) and "=?" not in text and not _ESCAPED.search(text):
        return [f"{key}={text}" if is_token(text) else f'{key}="{text}"']
    coded = [
        "".join(chr(byte) if byte in _ATTRIBUTE else f"%{byte:02X}" for byte in character.encode("utf-8"))
        for character in text
    ]
    sections, section, length = [], ["utf-8''"], 7
    for piece in coded:
        if length + len(piece) > _QUOTED:
            sections.append("".join(section))
            section, length = [], 0
        section.append(piece)
        length += len(piece)
    sections.append("".join(section))
    if len(sections) == 1:
        return [f"{key}*={sections[0]}"]
    return [f"{key}*{place}*={section}" for place, section in enumerate(sections)]
