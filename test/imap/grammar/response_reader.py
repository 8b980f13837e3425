"""
Reads responses back into the values that made them, as a client would: for round trips.

Written from RFC 3501 §9 apart from the server's own grammar; it accepts only
what a server may send and raises ValueError at anything else.
"""

from __future__ import annotations

import re
from typing import Any

from wildduck.imap.grammar.cursor import Cursor
from wildduck.imap.grammar.keywords import keyword
from wildduck.imap.grammar.mailbox_responses import (
    ListData,
    LsubData,
    NamespaceData,
    QuotaData,
    QuotaRootData,
    StatusData,
    XlistData,
)
from wildduck.imap.grammar.modes import Modes
from wildduck.imap.grammar.responses import (
    CapabilityData,
    Condition,
    Continuation,
    EnabledData,
    ExistsData,
    ExpungeData,
    FetchData,
    FlagsData,
    IdData,
    RecentData,
    VanishedData,
)
from wildduck.imap.grammar.search_responses import EsearchData, SearchData, SortData, ThreadData
from wildduck.imap.grammar.sequence import SequenceSet
from wildduck.imap.grammar.strings import compose_nstring
from wildduck.imap.grammar.urlauth import GenUrlAuthData, UrlFetchData
from wildduck.imap.grammar.utf7 import decode

_TOKEN = re.compile(
    rb'[ ()]|"(?:[^"\\\r\n\x00\x80-\xff]|\\["\\])*"|~?\{[0-9]+\}\r\n|[^ ()"{\x00-\x1f\x7f-\xff]+'
)
#: RFC 6855 §3, RFC 9051 §9 QUOTED-CHAR; keywords are UTF-8, too.  That is checked when they are decoded.
_UNICODE_TOKEN = re.compile(rb'[ ()]|"(?:[^"\\\r\n\x00]|\\["\\])*"|~?\{[0-9]+\}\r\n|[^ ()"{\x00-\x1f\x7f]+')
_CONDITION = re.compile(rb"([^ ]+) (OK|NO|BAD|BYE|PREAUTH) (?:\[([^\]\r\n]+)\] )?([\x20-\x7e]+)\r\n")
_NUMBERED = re.compile(rb"\* ([0-9]+) (EXISTS|RECENT|EXPUNGE)\r\n")
_FETCH = re.compile(rb"\* ([1-9][0-9]*) FETCH \(")


def read(data: bytes, *, unicode: bool = False) -> Any:
    """
    @param unicode: the session's names are UTF-8, which quoted strings may hold.
    @raise ValueError: this is no single response.
    """
    if data.startswith(b"+ "):
        return Continuation(_line(data[2:]))
    condition = _CONDITION.fullmatch(data)
    if condition is not None and b"\x00" not in data:
        tag, status, code, text = condition.groups()
        return Condition(status.decode(), text.decode(), code, None if tag == b"*" else tag)
    numbered = _NUMBERED.fullmatch(data)
    if numbered is not None:
        kinds = {b"EXISTS": ExistsData, b"RECENT": RecentData, b"EXPUNGE": ExpungeData}
        return kinds[numbered.group(2)](int(numbered.group(1)))
    fetch = _FETCH.match(data)
    if fetch is not None:
        return FetchData(int(fetch.group(1)), _fetch_items(data[fetch.end() :], unicode))
    return _other(data, unicode)


def split(data: bytes) -> list[bytes]:
    """The single responses of a stream: a line that announces a literal is continued behind it."""
    found = []
    start = position = 0
    while position < len(data):
        end = data.index(b"\r\n", position) + 2
        literal = re.search(rb"\{([0-9]+)\}\r\n\Z", data[position:end])
        position = end + (int(literal.group(1)) if literal is not None else 0)
        if literal is None:
            found.append(data[start:position])
            start = position
    return found


def _flag(word: bytes, utf8: bool) -> str:
    """A system flag or a keyword; one beyond US-ASCII is raw or has its octets in hexadecimal."""
    return word.decode() if word[:1] == b"\\" else keyword(Cursor(word, modes=Modes(utf8=utf8)), "a flag")


def _line(data: bytes) -> str:
    if not data.endswith(b"\r\n") or re.search(rb"[^\x20-\x7e]", data[:-2]):
        raise ValueError(data)
    return data[:-2].decode()


def _other(data: bytes, unicode: bool) -> Any:
    words = _Words(data, unicode)
    words.expect(b"*", b" ")
    kind = words.next()
    if kind == b"CAPABILITY":
        return CapabilityData(tuple(_line(data).split(" ")[2:]))
    if kind == b"ENABLED":
        return EnabledData(tuple(_line(data).split(" ")[2:]))
    if kind in (b"SEARCH", b"SORT", b"ESEARCH"):
        return _search(data)
    if kind == b"VANISHED":
        return _vanished(data)
    if kind == b"THREAD":
        return _thread(data)
    words.expect(b" ")
    if kind == b"FLAGS":
        return FlagsData(tuple(_flag(word, unicode) for word in words.list()))
    if kind in (b"LIST", b"LSUB", b"XLIST"):
        attributes = tuple(word.decode() for word in words.list())
        words.expect(b" ", b'"/"', b" ")
        name = words.name()
        if kind == b"LIST":
            return ListData(attributes, name, *_extended(words))
        return (XlistData if kind == b"XLIST" else LsubData)(attributes, name)
    if kind == b"NAMESPACE":
        words.expect(b"(", b"(", b'""', b" ", b'"/"', b")", b")", b" ", b"NIL", b" ", b"NIL")
        return NamespaceData()
    if kind == b"STATUS":
        name = words.name()
        words.expect(b" ")
        return StatusData(name, _status_items(words))
    if kind == b"QUOTA":
        root = words.string().decode()
        words.expect(b" ")
        items = words.list()
        triples = zip(items[::3], items[1::3], items[2::3], strict=True)
        return QuotaData(root, tuple((name.decode(), int(used), int(most)) for name, used, most in triples))
    if kind == b"QUOTAROOT":
        name = words.name()
        roots = []
        while words.left:
            words.expect(b" ")
            roots.append(words.string().decode())
        return QuotaRootData(name, tuple(roots))
    if kind == b"ID":
        return IdData(_id(words))
    if kind == b"GENURLAUTH":
        urls = [words.string()]
        while words.left:
            words.expect(b" ")
            urls.append(words.string())
        return GenUrlAuthData(tuple(urls))
    if kind == b"URLFETCH":
        return _url_fetch(words)
    raise ValueError(data)


def _url_fetch(words: _Words) -> UrlFetchData:
    url = words.string()
    values = []
    while words.left:
        words.expect(b" ")
        name = b""
        if words.peek() == b"(":
            words.expect(b"(")
            name = words.next()
            words.expect(b" ")
        values.append((name, compose_nstring(words.nstring())))
        if name:
            words.expect(b")")
    return UrlFetchData(url, tuple(values))


_FOUND = re.compile(rb"\* (SEARCH|SORT)((?: [1-9][0-9]*)*)(?: \(MODSEQ ([0-9]+)\))?\r\n")
_EXTENDED = re.compile(rb'\* ESEARCH \(TAG "([^"\\]+)"\)( UID)?((?: [A-Z]+ (?:\([^()]+\)|[0-9*:,]+))*)\r\n')
_DATUM = re.compile(rb" ([A-Z]+) (\([^()]+\)|[0-9*:,]+)")


def _search(data: bytes) -> Any:
    found = _FOUND.fullmatch(data)
    if found is not None:
        kind, numbers, modseq = found.groups()
        make = SearchData if kind == b"SEARCH" else SortData
        return make(tuple(map(int, numbers.split())), None if modseq is None else int(modseq))
    extended = _EXTENDED.fullmatch(data)
    if extended is None:
        raise ValueError(data)
    tag, uid, items = extended.groups()
    pairs = tuple((item[1], item[2]) for item in _DATUM.finditer(items))
    return EsearchData(tag, uid is not None, pairs)


def _vanished(data: bytes) -> VanishedData:
    match = re.fullmatch(rb"\* VANISHED (\(EARLIER\) )?([0-9:,]+)\r\n", data)
    if match is None:
        raise ValueError(data)
    ranges = []
    for piece in match.group(2).split(b","):
        first, colon, last = piece.partition(b":")
        ranges.append((int(first), int(last if colon else first)))
    return VanishedData(SequenceSet(tuple(ranges)), match.group(1) is not None)


def _thread(data: bytes) -> ThreadData:
    """C{thread-data} (RFC 5256 §5), one list within another by recursion."""
    match = re.fullmatch(rb"\* THREAD(?: ((?:\([0-9() ]+\))+))?\r\n", data)
    if match is None:
        raise ValueError(data)
    text = (match.group(1) or b"").decode()
    trees, rest = _thread_lists(text)
    if rest:
        raise ValueError(data)
    return ThreadData(trees)


def _thread_lists(text: str) -> tuple[list[Any], str]:
    """C{*thread-list}; @return: trees, and what follows them."""
    trees = []
    while text.startswith("("):
        members = re.match(r"[1-9][0-9]*(?: [1-9][0-9]*)*", text[1:])
        text = text[1 + (members.end() if members is not None else 0) :]
        if members is not None and text.startswith(" "):
            text = text[1:]
            if not text.startswith("("):
                raise ValueError(text)
        children, text = _thread_lists(text)
        if not text.startswith(")") or len(children) == 1 or (members is None and not children):
            raise ValueError(text)
        text = text[1:]
        numbers = [] if members is None else list(map(int, members.group().split(" ")))
        tree = (numbers.pop() if numbers else None, children)
        while numbers:
            tree = (numbers.pop(), [tree])
        trees.append(tree)
    return trees, text


def _extended(words: _Words) -> tuple[tuple[str, ...], str | None]:
    """C{[SP mbox-list-extended]} (RFC 5258 §6): CHILDINFO and OLDNAME."""
    child_info: tuple[str, ...] = ()
    old_name = None
    if not words.left:
        return child_info, old_name
    words.expect(b" ", b"(")
    while True:
        tag = words.string()
        words.expect(b" ")
        if tag == b"CHILDINFO":
            child_info = tuple(word.decode().strip('"') for word in words.list())
        elif tag == b"OLDNAME":
            words.expect(b"(")
            old_name = words.name()
            words.expect(b")")
        else:
            raise ValueError(tag)
        if words.next() == b")":
            return child_info, old_name


def _status_items(words: _Words) -> tuple[tuple[str, int | str], ...]:
    words.expect(b"(")
    items: list[tuple[str, int | str]] = []
    while words.peek() != b")":
        if items:
            words.expect(b" ")
        name = words.next().decode()
        words.expect(b" ")
        items.append((name, words.list()[0].decode() if words.peek() == b"(" else int(words.next())))
    return tuple(items)


def _id(words: _Words) -> Any:
    if words.peek() == b"NIL":
        return None
    words.expect(b"(")
    pairs: list[tuple[str, str | None]] = []
    while words.peek() != b")":
        if pairs:
            words.expect(b" ")
        name = words.string()
        words.expect(b" ")
        value = words.nstring()
        pairs.append((name.decode(), None if value is None else value.decode()))
    return tuple(pairs)


def _fetch_items(data: bytes, unicode: bool) -> tuple[tuple[bytes, bytes], ...]:
    """Labels and raw values: a label may hold a list in brackets, a value a list or a string."""
    items = []
    position = 0
    while True:
        end = _end_of_label(data, position)
        label = data[position:end]
        if data[end : end + 1] != b" ":
            raise ValueError(data)
        start = end + 1
        position = _end_of_value(data, start, unicode)
        items.append((label, data[start:position]))
        if data[position:] == b")\r\n":
            return tuple(items)
        if data[position : position + 1] != b" ":
            raise ValueError(data)
        position += 1


def _end_of_label(data: bytes, position: int) -> int:
    depth = 0
    while position < len(data):
        byte = data[position : position + 1]
        if byte == b'"':
            token = _TOKEN.match(data, position)
            assert token is not None
            position = token.end() - 1
        depth += (byte == b"[") - (byte == b"]")
        if byte == b" " and depth == 0:
            return position
        position += 1
    raise ValueError(data)


def _end_of_value(data: bytes, position: int, unicode: bool) -> int:
    depth = 0
    while True:
        token = (_UNICODE_TOKEN if unicode else _TOKEN).match(data, position)
        if token is None:
            raise ValueError(data[position:])
        position = _after(data, token)
        depth += (token.group() == b"(") - (token.group() == b")")
        if depth == 0:
            return position


def _after(data: bytes, token: re.Match[bytes]) -> int:
    """The end of a token, a literal's bytes included."""
    size = re.fullmatch(rb"~?\{([0-9]+)\}\r\n", token.group())
    end = token.end() + (int(size.group(1)) if size is not None else 0)
    if end > len(data):
        raise ValueError(data)
    return end


class _Words:
    """Tokens of a response, one after the other; the last must be followed by CRLF."""

    def __init__(self, data: bytes, unicode: bool) -> None:
        self._words: list[bytes] = []
        self._unicode = unicode
        position = 0
        while data[position:] != b"\r\n":
            token = (_UNICODE_TOKEN if unicode else _TOKEN).match(data, position)
            if token is None:
                raise ValueError(data[position:])
            end = _after(data, token)
            word = token.group()
            self._words.append(b"{" + data[token.end() : end] if word.endswith(b"}\r\n") else word)
            position = end

    @property
    def left(self) -> bool:
        return bool(self._words)

    def peek(self) -> bytes:
        return self._words[0]

    def next(self) -> bytes:
        return self._words.pop(0)

    def expect(self, *words: bytes) -> None:
        for word in words:
            if self.next() != word:
                raise ValueError(word)

    def list(self) -> list[bytes]:
        self.expect(b"(")
        found = []
        while (word := self.next()) != b")":
            if word != b" ":
                found.append(word)
        return found

    def nstring(self) -> bytes | None:
        if self.peek() == b"NIL":
            self.next()
            return None
        return self.string()

    def name(self) -> str:
        """A mailbox name."""
        return self.string().decode("utf-8") if self._unicode else decode(self.string())

    def string(self) -> bytes:
        word = self.next()
        if word.startswith(b"{"):
            return word[1:]
        if word.startswith(b'"'):
            return re.sub(rb'\\(["\\])', rb"\1", word[1:-1])
        return word
