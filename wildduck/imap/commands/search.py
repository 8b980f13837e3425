"""SEARCH and UID SEARCH (RFC 3501 §6.4.4)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

from wildduck.imap.grammar import search as grammar
from wildduck.imap.grammar.responses import SearchData, bad_charset_code
from wildduck.imap.grammar.search import Search
from wildduck.imap.session import Done, Session
from wildduck.mailstore.search import keys
from wildduck.mailstore.view import View
from wildduck.mime.charsets import codec_name

#: What strings may be in, as clients are told; other names of these will do too.
CHARSETS = (
    *("US-ASCII", "UTF-8", "UTF-7"),
    *(f"ISO-8859-{part}" for part in (*range(1, 12), 13, 14, 15, 16)),
    *(f"windows-{page}" for page in (874, *range(1250, 1259))),
    *("KOI8-R", "KOI8-U", "IBM437", "IBM850", "IBM866", "macintosh"),
    *("Big5", "EUC-JP", "EUC-KR", "GB18030", "ISO-2022-JP", "ISO-2022-KR", "Shift_JIS"),
)
_CODECS = frozenset(map(codec_name, CHARSETS))
#: L{codec_name} gives none, for in mail it says nothing.
_ASCII = (b"US-ASCII", b"ASCII")

_ONE_DAY = timedelta(days=1)


async def search(session: Session, command: Search) -> Done:
    """
    Numbers that no message has match none, here also sequence numbers: what is
    asked for is what is there of them.

    The answer leaves out what another session has expunged, told or not.
    """
    try:
        key = keys.And(_Translation(session.selected, command.charset).all_of(command.keys))
    except _BadCharset as error:
        return Done(str(error), bad_charset_code(CHARSETS), "NO")
    found = await session.store.search(session.selected, key, session.breathe)
    session.respond(SearchData(found.uids if command.by_uid else found.seqs))
    return Done("SEARCH completed")


class _BadCharset(Exception):
    """The strings can not be read."""


class _Translation:
    """From what the client has written to what is asked of the messages it knows."""

    def __init__(self, view: View, charset: bytes | None) -> None:
        """@raise _BadCharset: it is none of L{CHARSETS}."""
        self._view = view
        self._codec = _codec(charset)

    def all_of(self, given: tuple[grammar.Key, ...]) -> tuple[keys.Key, ...]:
        """@raise _BadCharset: a string is not in the charset."""
        return tuple(map(self._key, given))

    def _key(self, given: grammar.Key) -> keys.Key:
        # The grammar has bounded how deep this goes.
        return _BY_TYPE[type(given)](self, given)

    def state(self, given: grammar.State) -> keys.Key:
        return _STATES[given.name]

    def keyword(self, given: grammar.Keyword) -> keys.Key:
        flag = keys.Flag(given.flag)
        return flag if given.name == "KEYWORD" else keys.Not(flag)

    def text(self, given: grammar.Text) -> keys.Key:
        value = self._decoded(given.value)
        if given.name == "TEXT":
            return keys.Text(value)
        return keys.Body(value) if given.name == "BODY" else keys.Field(given.name.encode("ascii"), value)

    def header(self, given: grammar.Header) -> keys.Key:
        return keys.Field(given.field, self._decoded(given.value))

    def day(self, given: grammar.Day) -> keys.Key:
        kind = keys.Sent if given.name.startswith("SENT") else keys.Arrived
        name = given.name.removeprefix("SENT")
        if name == "BEFORE":
            return kind(before=given.day)
        last = name == "SINCE" or given.day == date.max
        return kind(since=given.day, before=None if last else given.day + _ONE_DAY)

    def size(self, given: grammar.Size) -> keys.Key:
        return keys.Size(above=given.octets) if given.name == "LARGER" else keys.Size(below=given.octets)

    def numbers(self, given: grammar.Numbers) -> keys.Key:
        uids = self._view.uids
        if given.by_uid:
            return keys.Uids(tuple(given.numbers.resolve(uids[-1] if uids else 0)))
        count = len(uids)
        return keys.Uids(
            tuple(
                (uids[first - 1], uids[min(last, count) - 1])
                for first, last in given.numbers.resolve(count)
                if 1 <= first <= count
            )
        )

    def negated(self, given: grammar.Not) -> keys.Key:
        return keys.Not(self._key(given.key))

    def any_of(self, given: grammar.Or) -> keys.Key:
        return keys.Or(self.all_of(given.keys))

    def together(self, given: grammar.And) -> keys.Key:
        return keys.And(self.all_of(given.keys))

    def _decoded(self, value: bytes) -> str:
        try:
            return value.decode(self._codec)
        except UnicodeError:
            raise _BadCharset("A string is not in the charset") from None


def _codec(charset: bytes | None) -> str:
    """Without a charset strings are US-ASCII (RFC 3501 §6.4.4), and many clients mean UTF-8."""
    if charset is None:
        return "utf_8"
    if charset.upper() in _ASCII:
        return "ascii"
    codec = codec_name(charset.decode("latin-1"))
    if codec is None or codec not in _CODECS:
        raise _BadCharset("This charset is not known here")
    return codec


def _states() -> dict[str, keys.Key]:
    seen = keys.Flag("\\Seen")
    states: dict[str, keys.Key] = {
        "ALL": keys.And(),
        "RECENT": keys.Recent(),
        "OLD": keys.Not(keys.Recent()),
        "NEW": keys.And((keys.Recent(), keys.Not(seen))),
    }
    for name in ("ANSWERED", "DELETED", "DRAFT", "FLAGGED", "SEEN"):
        flag = keys.Flag("\\" + name.title())
        states[name] = flag
        states["UN" + name] = keys.Not(flag)
    return states


_STATES = _states()
_BY_TYPE: dict[type, Callable[[_Translation, Any], keys.Key]] = {
    grammar.State: _Translation.state,
    grammar.Keyword: _Translation.keyword,
    grammar.Text: _Translation.text,
    grammar.Header: _Translation.header,
    grammar.Day: _Translation.day,
    grammar.Size: _Translation.size,
    grammar.Numbers: _Translation.numbers,
    grammar.Not: _Translation.negated,
    grammar.Or: _Translation.any_of,
    grammar.And: _Translation.together,
}
