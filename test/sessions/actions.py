"""What a session may do, as values that hypothesis draws; where to is decided when it is done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from hypothesis import strategies as st

from test.sessions.replay import Range, Replay

MAILBOXES = ("INBOX", "Other")

#: Small numbers that become sequence numbers or UIDs of messages that are there; C{None} is C{*}.
Picks: TypeAlias = "tuple[tuple[int | None, int | None], ...]"

_APPENDED = b"Subject: appended\r\n\r\nText.\r\n"
_FLAGS = ("\\Deleted", "\\Seen", "\\Flagged", "\\Draft", "one")


@dataclass(frozen=True)
class Silent:
    """A STORE that tells nothing."""

    mode: str
    flags: tuple[str, ...]


@dataclass(frozen=True)
class Command:
    """
    @ivar name: as it counts for the rules: C{"UID STORE"}.
    @ivar text: without tag and literals.
    @ivar more: literals, and the text between them.
    @ivar ranges: messages that it names.
    @ivar selected: needs a selected mailbox.
    @ivar writes: is refused in a mailbox opened by EXAMINE.
    @ivar mailbox: that it selects, or puts messages into.
    @ivar known: what a SELECT with QRESYNC goes on from.
    """

    name: str
    text: str
    more: tuple[bytes | str, ...] = ()
    ranges: tuple[Range, ...] = ()
    selected: bool = True
    writes: bool = False
    silent: Silent | None = None
    mailbox: str = ""
    known: dict[int, frozenset[str]] | None = None

    @property
    def by_seq(self) -> bool:
        return bool(self.ranges) and not self.name.startswith("UID ")


class Action(Protocol):
    """Something that a session may do."""

    def command(self, replay: Replay | None) -> Command:
        """@param replay: what the session knows of its mailbox."""


def _ranges(picks: Picks, by_uid: bool, replay: Replay | None) -> tuple[Range, ...]:
    """From picks to numbers; a UID may be of none."""

    def number(pick: int | None) -> int | None:
        if pick is None:
            return None
        if not by_uid:
            return 1 + pick % len(replay.messages) if replay and replay.messages else 1
        known = replay.uids if replay else []
        return known[pick % len(known)] if known else 1 + pick

    return tuple((number(first), number(last)) for first, last in picks)


def _text(ranges: Sequence[Range]) -> str:
    def one(number: int | None) -> str:
        return "*" if number is None else str(number)

    return ",".join(one(a) if a == b else f"{one(a)}:{one(b)}" for a, b in ranges)


def _on_messages(verb: str, rest: str, picks: Picks, by_uid: bool, replay: Replay | None) -> Command:
    """By UID where nothing has a sequence number, or it can not be used."""
    by_uid = by_uid or not replay or not replay.messages or replay.mode.by_uid
    ranges = _ranges(picks, by_uid, replay)
    name = f"UID {verb}" if by_uid else verb
    return Command(name, f"{name} {_text(ranges)} {rest}".rstrip(), ranges=ranges)


@dataclass(frozen=True)
class Fetch:
    picks: Picks
    by_uid: bool
    items: str

    def command(self, replay: Replay | None) -> Command:
        return _on_messages("FETCH", f"({self.items})", self.picks, self.by_uid, replay)


@dataclass(frozen=True)
class Store:
    picks: Picks
    by_uid: bool
    mode: str
    flags: tuple[str, ...]
    silent: bool
    unchanged: bool | None = None

    def command(self, replay: Replay | None) -> Command:
        if self.unchanged is not None:
            return self._conditional(replay)
        item = f"{self.mode.strip('=')}FLAGS{'.SILENT' if self.silent else ''} ({' '.join(self.flags)})"
        plain = _on_messages("STORE", item, self.picks, self.by_uid, replay)
        silent = Silent(self.mode, self.flags) if self.silent else None
        return Command(plain.name, plain.text, ranges=plain.ranges, writes=True, silent=silent)

    def _conditional(self, replay: Replay | None) -> Command:
        """Where nothing has changed since the client knew all, or never."""
        since = replay.modseq if self.unchanged and replay else 1
        item = f"(UNCHANGEDSINCE {since}) {self.mode.strip('=')}FLAGS ({' '.join(self.flags)})"
        plain = _on_messages("STORE", item, self.picks, self.by_uid, replay)
        return Command(plain.name, plain.text, ranges=plain.ranges, writes=True)


@dataclass(frozen=True)
class Transfer:
    verb: str
    picks: Picks
    by_uid: bool
    target: str

    def command(self, replay: Replay | None) -> Command:
        plain = _on_messages(self.verb, self.target, self.picks, self.by_uid, replay)
        writes = self.verb == "MOVE"
        return Command(plain.name, plain.text, ranges=plain.ranges, writes=writes, mailbox=self.target)


@dataclass(frozen=True)
class UidExpunge:
    picks: Picks

    def command(self, replay: Replay | None) -> Command:
        plain = _on_messages("EXPUNGE", "", self.picks, True, replay)
        return Command(plain.name, plain.text, ranges=plain.ranges, writes=True)


@dataclass(frozen=True)
class Append:
    mailbox: str
    flags: tuple[str, ...]
    several: bool = False

    def command(self, replay: Replay | None) -> Command:
        text = f"APPEND {self.mailbox} ({' '.join(self.flags)})"
        more = (_APPENDED, " (\\Seen)", _APPENDED, "", _APPENDED) if self.several else (_APPENDED,)
        return Command("APPEND", text, more, selected=False, mailbox=self.mailbox)


@dataclass(frozen=True)
class Replace:
    """Of one message, by one in any mailbox."""

    pick: int | None
    by_uid: bool
    mailbox: str
    flags: tuple[str, ...]

    def command(self, replay: Replay | None) -> Command:
        rest = f"{self.mailbox} ({' '.join(self.flags)})"
        plain = _on_messages("REPLACE", rest, ((self.pick, self.pick),), self.by_uid, replay)
        return Command(
            plain.name, plain.text, (_APPENDED,), ranges=plain.ranges, writes=True, mailbox=self.mailbox
        )


@dataclass(frozen=True)
class Saved:
    """A command on what the last search has found."""

    verb: str
    rest: str
    target: str = ""
    writes: bool = False

    def command(self, replay: Replay | None) -> Command:
        text = f"UID {self.verb} $ {self.rest}{self.target}".rstrip()
        return Command(f"UID {self.verb}", text, writes=self.writes, mailbox=self.target)


@dataclass(frozen=True)
class Select:
    verb: str
    mailbox: str

    def command(self, replay: Replay | None) -> Command:
        return Command(self.verb, f"{self.verb} {self.mailbox}", selected=False, mailbox=self.mailbox)


@dataclass(frozen=True)
class Plain:
    """A command that is always the same."""

    text: str
    selected: bool = True
    writes: bool = False

    def command(self, replay: Replay | None) -> Command:
        name = self.text if self.text.startswith("UID ") else self.text.split()[0]
        name = " ".join(name.split()[:2])
        return Command(name, self.text, selected=self.selected, writes=self.writes)


_number = st.one_of(st.integers(0, 2), st.integers(0, 7), st.none())
_range = st.one_of(st.tuples(_number, _number), _number.map(lambda number: (number, number)))
picks = st.one_of(
    st.lists(_range, min_size=1, max_size=3).map(tuple),
    st.just(((0, None),)),
)
_flags = st.lists(st.sampled_from(_FLAGS), max_size=2, unique=True).map(tuple)
_deleted = st.builds(Store, picks, st.booleans(), st.just("+"), st.just(("\\Deleted",)), st.booleans())
_expunge = st.one_of(st.just(Plain("EXPUNGE", writes=True)), st.builds(UidExpunge, picks))
_select = st.builds(Select, st.sampled_from(("SELECT", "SELECT", "EXAMINE")), st.sampled_from(MAILBOXES))
_fetch = st.builds(
    Fetch, picks, st.booleans(), st.sampled_from(("UID FLAGS", "FLAGS", "UID", "BODY[HEADER] UID"))
)
_look = st.just(Fetch(((0, None),), False, "UID FLAGS"))
stores = st.builds(Store, picks, st.booleans(), st.sampled_from("+-="), _flags, st.booleans())
_transfer = st.builds(
    Transfer, st.sampled_from(("COPY", "MOVE")), picks, st.booleans(), st.sampled_from(MAILBOXES)
)
_append = st.builds(Append, st.sampled_from(MAILBOXES), _flags, st.booleans())
_conditional = st.builds(
    Store, picks, st.booleans(), st.sampled_from("+-="), _flags, st.just(False), st.booleans()
)
_replace = st.builds(Replace, _number, st.booleans(), st.sampled_from(MAILBOXES), _flags)
_saved = st.sampled_from(
    (
        Plain("UID SEARCH RETURN (SAVE) DELETED"),
        Plain("UID SEARCH RETURN (SAVE) UNSEEN"),
        Saved("FETCH", "(UID FLAGS)"),
        Saved("STORE", "+FLAGS (one)", writes=True),
        Saved("COPY", "", "Other"),
        Saved("MOVE", "", "INBOX", writes=True),
        Saved("EXPUNGE", "", writes=True),
    )
)
_ask = st.sampled_from(
    (
        *(Plain("NOOP", selected=False), Plain("CHECK"), Plain("STATUS Other (MESSAGES)", selected=False)),
        *(Plain("SEARCH DELETED"), Plain("UID SEARCH ALL"), Plain("SEARCH UNSEEN 1:*")),
    )
)
_leave = st.sampled_from((Plain("CLOSE"), Plain("UNSELECT")))
#: Hypothesis takes each with the same probability, so what matters most is there more than once.
actions: st.SearchStrategy[Action] = st.one_of(
    *(_fetch, _look, stores, stores, stores, stores, _deleted, _expunge),
    *(_transfer, _transfer, _append, _append, _ask, _select, _leave),
    *(_conditional, _replace, _saved, _saved),
)
