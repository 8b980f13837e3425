"""From the keys that a client has written to what is asked of the messages it knows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import date, timedelta
from typing import Any

from wildduck.errors import UidRequired
from wildduck.imap.commands.charsets import BadCharset, codec_of
from wildduck.imap.grammar import search_keys as grammar
from wildduck.imap.grammar.sequence import STAR, SequenceSet, from_numbers
from wildduck.limits import MAX_UID
from wildduck.mailstore.search import keys
from wildduck.mailstore.view import View

_ONE_DAY = timedelta(days=1)
#: What is looked for in the envelope structure (RFC 3501 §6.4.4); SUBJECT stands there as in its field.
_SHOWN = frozenset(("BCC", "CC", "FROM", "TO"))


def translated(given: tuple[grammar.Key, ...], view: View, charset: bytes | None) -> keys.Key:
    """
    Numbers that no message has match none, here also sequence numbers: what is
    asked for is what is there of them.

    @param given: a message must match all of them.
    @param charset: of their strings.
    @raise BadCharset: it is not known, or a string is not in it.
    """
    return keys.And(_Translation(view, charset).all_of(given))


def every(given: Iterable[grammar.Key]) -> Iterator[grammar.Key]:
    """All keys, those within others included."""
    pending = list(given)
    while pending:
        key = pending.pop()
        yield key
        if isinstance(key, grammar.Not):
            pending.append(key.key)
        elif isinstance(key, (grammar.And, grammar.Or)):
            pending.extend(key.keys)


def asks_modseq(given: Iterable[grammar.Key]) -> bool:
    """Whether the answer tells the highest MODSEQ (RFC 7162 §3.1.6)."""
    return any(isinstance(key, grammar.Modseq) for key in every(given))


class _Translation:
    """Sequence numbers and C{$} stand for the messages that have them now."""

    def __init__(self, view: View, charset: bytes | None) -> None:
        """@raise BadCharset: it is none that is known."""
        self._view = view
        self._codec = codec_of(charset)

    def all_of(self, given: tuple[grammar.Key, ...]) -> tuple[keys.Key, ...]:
        """@raise BadCharset: a string is not in the charset."""
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
        if given.name == "BODY":
            return keys.Body(value)
        return keys.Field(given.name.encode("ascii"), value, given.name in _SHOWN)

    def header(self, given: grammar.Header) -> keys.Key:
        return keys.Field(given.field, self._decoded(given.value))

    def day(self, given: grammar.Day) -> keys.Key:
        kind, name = _dated(given.name)
        if name == "BEFORE":
            return kind(None, given.day)
        last = name == "SINCE" or given.day == date.max
        return kind(given.day, None if last else given.day + _ONE_DAY)

    def size(self, given: grammar.Size) -> keys.Key:
        return keys.Size(above=given.octets) if given.name == "LARGER" else keys.Size(below=given.octets)

    def age(self, given: grammar.Age) -> keys.Key:
        return keys.Age(least=given.seconds) if given.name == "OLDER" else keys.Age(most=given.seconds)

    def id(self, given: grammar.Id) -> keys.Key:
        return keys.EmailId(given.value) if given.name == "EMAILID" else keys.ThreadId(given.value)

    def modseq(self, given: grammar.Modseq) -> keys.Key:
        # A message has one MODSEQ, so the entry's name and type say nothing (RFC 7162 §3.1.5).
        return keys.Changed(given.least)

    def numbers(self, given: grammar.Numbers) -> keys.Key:
        if given.numbers.saved:
            return keys.Uids(from_numbers(self._view.saved_uids()).ranges)
        uids = self._view.uids
        if given.by_uid:
            return keys.Uids(_uid_ranges(given.numbers, uids[-1] if uids else 0))
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
            raise BadCharset("A string is not in the charset") from None


def _dated(name: str) -> tuple[Callable[[date | None, date | None], keys.Key], str]:
    """What looks at the day that a key names, and C{BEFORE}, C{ON} or C{SINCE}."""
    if name.startswith("SENT"):
        return keys.Sent, name.removeprefix("SENT")
    if name.startswith("SAVED"):
        return keys.Saved, name.removeprefix("SAVED")
    return keys.Arrived, name


def _uid_ranges(numbers: SequenceSet, largest: int) -> tuple[tuple[int, int], ...]:
    """
    What comes later belongs to C{7:*} too, for a search that is kept up to date.

    @param largest: UID in the mailbox, 0 when that is empty.
    """
    ranges = numbers.resolve(largest)
    if any(STAR in pair and pair != (STAR, STAR) for pair in numbers.ranges):
        open_end = next(first for first, last in ranges if first <= largest <= last)
        ranges = [pair for pair in ranges if pair[1] < largest]
        ranges.append((open_end, MAX_UID))
    return tuple(ranges)


def refuse_sequence_numbers(given: Iterable[grammar.Key]) -> None:
    """
    For a session that has none (RFC 9586 §3); C{$} is none.

    @raise UidRequired: a key is a set of sequence numbers.
    """
    for key in every(given):
        if isinstance(key, grammar.Numbers) and not key.by_uid and not key.numbers.saved:
            raise UidRequired("Messages have no sequence numbers here")


def _states() -> dict[str, keys.Key]:
    seen = keys.Flag("\\Seen")
    states: dict[str, keys.Key] = {
        "ALL": keys.And(),
        "RECENT": keys.Recent(),
        "OLD": keys.Not(keys.Recent()),
        "NEW": keys.And((keys.Recent(), keys.Not(seen))),
        # Every mailbox knows when its messages were saved (RFC 8514 §4.3).
        "SAVEDATESUPPORTED": keys.And(),
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
    grammar.Age: _Translation.age,
    grammar.Id: _Translation.id,
    grammar.Modseq: _Translation.modseq,
    grammar.Numbers: _Translation.numbers,
    grammar.Not: _Translation.negated,
    grammar.Or: _Translation.any_of,
    grammar.And: _Translation.together,
}
