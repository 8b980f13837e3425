"""
What an IMAP client knows of its mailbox, from nothing but the untagged responses it got.

Each response is held against the rules of RFC 3501 as it comes: sequence
numbers are of messages that are there, EXPUNGE comes when it may, the number of
messages shrinks by EXPUNGE only, a UID belongs to one message for ever and they
ascend, C{\\Recent} stays as it was.  Of IMAP4rev2 (RFC 9051): nothing is recent,
a search is answered by ESEARCH, what nobody has asked for has its UID.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from test.sessions.modes import Mode

#: Commands during which EXPUNGE may not be sent, and no command at all (RFC 3501 §7.4.1).
_NO_EXPUNGE = frozenset({"FETCH", "STORE", "SEARCH", ""})
_RECENT = "\\Recent"

#: Numbers from one to another, C{None} for C{*}.
Range = tuple["int | None", "int | None"]


class Wrong(AssertionError):
    """The server has broken a rule."""


@dataclass
class Message:
    """
    @ivar floor: its UID is higher than this.
    @ivar uid: 0 until it was told.
    @ivar flags: without C{\\Recent}; C{None} until they were told.
    @ivar recent: likewise.
    @ivar modseq: the highest that was told with it.
    """

    floor: int
    uid: int = 0
    flags: frozenset[str] | None = None
    recent: bool | None = None
    modseq: int = 0


class Replay:
    """
    One selection of a mailbox.

    @ivar messages: by sequence number less one.
    @ivar applicable: the flags of the last C{FLAGS} response.
    @ivar recents: the last RECENT, less those messages that went and were known to be recent.
    @ivar doubtful: how many went of which that was not known.
    @ivar announced: EXISTS has come.
    @ivar opened_with: what the first EXISTS said.
    @ivar validity: the mailbox's UIDVALIDITY.
    @ivar modseq: up to which the client knows everything (RFC 7162 §6): of the last
        C{HIGHESTMODSEQ} or of what was told since, if higher.
    @ivar earlier: UIDs of which C{VANISHED (EARLIER)} has come.
    @ivar mode: what the session has enabled.
    """

    def __init__(self, mode: Mode, on_recent: Callable[[int], None] = lambda uid: None) -> None:
        """@param on_recent: called with the UID of a message that is recent to this session."""
        self.mode = mode
        self.messages: list[Message] = []
        self.applicable: frozenset[str] = frozenset()
        self.recents = 0
        self.doubtful = 0
        self.announced = False
        self.opened_with = 0
        self.validity = 0
        self.modseq = 0
        self.earlier: set[int] = set()
        self._on_recent = on_recent
        self._highest = 0

    # --- what the client knows ------------------------------------------------------

    @property
    def uids(self) -> list[int]:
        """Those that are known, ascending."""
        return [message.uid for message in self.messages if message.uid]

    def places(self, ranges: Iterable[Range]) -> list[int] | None:
        """Indexes of the messages with these sequence numbers, C{None} if there is no such number."""
        exists = len(self.messages)
        found: set[int] = set()
        for pair in ranges:
            first, last = sorted(exists if number is None else number for number in pair)
            if not 1 <= first <= last <= exists:
                return None
            found.update(range(first - 1, last))
        return sorted(found)

    def differences(self, truth: Sequence[tuple[int, frozenset[str]]]) -> list[str]:
        """
        How what is known differs from what is true; what is not known does not.

        @param truth: UID and flags of all messages, ascending.
        """
        if len(self.messages) != len(truth):
            return [f"{len(self.messages)} messages, {self.uids}, instead of {[uid for uid, _ in truth]}"]
        wrong = []
        for seq, (message, (uid, flags)) in enumerate(zip(self.messages, truth, strict=True), 1):
            if message.uid not in (0, uid) or uid <= message.floor:
                wrong.append(f"{seq} has UID {message.uid or f'over {message.floor}'} instead of {uid}")
            elif message.flags is not None and message.flags != flags:
                wrong.append(f"{seq} (UID {uid}) has {sorted(message.flags)} instead of {sorted(flags)}")
        return wrong

    def complete(self) -> dict[int, frozenset[str]] | None:
        """UIDs and flags of all messages, C{None} if some are not known."""
        found = {one.uid: one.flags for one in self.messages if one.uid and one.flags is not None}
        return found if len(found) == len(self.messages) else None

    def resume(self, known: Mapping[int, frozenset[str]]) -> None:
        """
        SELECT with QRESYNC has told what became of what was known before (RFC 7162 §3.2.5);
        of what has come since it may have told only that it is there.

        @raise Wrong: that can't be, with the number of messages that there are.
        """
        left = {uid: flags for uid, flags in known.items() if uid not in self.earlier}
        told = {message.uid for message in self.messages if message.uid}
        self._check(not told & self.earlier, f"both there and gone: {sorted(told & self.earlier)}")
        uids = sorted(told.union(left))
        self._check(
            self.opened_with <= len(uids) <= len(self.messages),
            f"{self.opened_with} messages, known {uids}, gone {self.earlier}",
        )
        self._go_on(uids, left)
        self._highest = max([self._highest, *uids])

    def _go_on(self, uids: Sequence[int], left: Mapping[int, frozenset[str]]) -> None:
        """
        @param uids: of the first messages.
        @param left: of these, what was known before.
        """
        for seq, (message, uid) in enumerate(zip(self.messages, uids, strict=False), 1):
            self._check(message.uid in (0, uid), f"{seq} has UID {message.uid} instead of {uid}")
            if not message.uid:
                message.uid, message.flags = uid, left[uid]

    # --- what the client does -------------------------------------------------------

    def store(self, mode: str, flags: Iterable[str], ranges: Sequence[Range], by_uid: bool) -> None:
        """What a STORE does whose result is not told."""
        places = self._places_by_uid(ranges) if by_uid else self.places(ranges)
        for place in places or ():
            message = self.messages[place]
            if by_uid and not message.uid:
                message.flags = None  # whether it was meant is not known
            elif mode == "=":
                message.flags = frozenset(flags)
            elif message.flags is not None:
                message.flags = message.flags.union(flags) if mode == "+" else message.flags.difference(flags)

    def _places_by_uid(self, ranges: Iterable[Range]) -> list[int]:
        """Those that are meant or may be: all without a known UID."""
        found = {place for place, message in enumerate(self.messages) if not message.uid}
        for first, last in ranges:
            if first is None or last is None:
                found.update(range(len(self.messages))[-1:])
            low = min(number for number in (first, last, 1 << 32) if number is not None)
            high = (1 << 32) if first is None or last is None else max(first, last)
            found.update(
                place
                for place, message in enumerate(self.messages)
                if message.uid and low <= message.uid <= high
            )
        return sorted(found)

    # --- what the server says ---------------------------------------------------------

    def untagged(self, response: Sequence[Any], running: str) -> None:
        """
        Take an untagged response in.

        @param running: name of the command in progress.
        @raise Wrong: it breaks a rule.
        """
        if response[0] == b"FLAGS":
            self.applicable = frozenset(flag.decode() for flag in response[1])
        elif response[0] in (b"SEARCH", b"ESEARCH"):
            self._found(response, running)
        elif response[0] == b"VANISHED":
            self._vanished(response, running)
        elif isinstance(response[0], int):
            number, name = response[0], bytes(response[1])
            if name == b"EXISTS":
                self._exists(number)
            elif name == b"RECENT":
                self._check(not self.mode.rev2, "RECENT in IMAP4rev2")
                self._check(number <= len(self.messages), f"RECENT {number} of {len(self.messages)} messages")
                self.recents, self.doubtful = number, 0
            elif name == b"EXPUNGE":
                self._expunge(number, running)
            elif name == b"FETCH":
                self._check(
                    1 <= number <= len(self.messages), f"FETCH {number} of {len(self.messages)} messages"
                )
                self._check_named(number, response[2], running)
                self._learn(str(number), self.messages[number - 1], response[2])

    def _check_named(self, number: int, pairs: Sequence[Any], running: str) -> None:
        """What nobody has asked for, and may be no answer to a command that names no UIDs, comes with one."""
        if self.mode.names_news and running not in ("FETCH", "STORE"):
            named = b"UID" in [bytes(name).upper() for name in pairs[::2]]
            self._check(named, f"FETCH {number} during {running or 'no command'} without UID")

    def _found(self, response: Sequence[Any], running: str) -> None:
        """SEARCH and ESEARCH, of a search of all messages (RFC 9051 §7.3.4)."""
        kind = bytes(response[0]).decode()
        self._check(
            running.endswith("SEARCH") and (kind == "ESEARCH") == self.mode.rev2,
            f"{kind} during {running or 'no command'}",
        )
        if kind == "SEARCH":
            found = list(response[1:])
        else:
            rest = list(response[2:])
            by_uid = rest[:1] == [b"UID"]
            self._check(by_uid == running.startswith("UID "), f"{running} finds {rest}")
            del rest[:by_uid]
            self._check(rest == [] or (len(rest) == 2 and rest[0] == b"ALL"), f"{running} finds {rest}")
            found = numbers(rest[1]) if rest else []
        if running == "SEARCH":
            most = max(found, default=0)
            self._check(most <= len(self.messages), f"{kind} finds {most} of {len(self.messages)} messages")
        else:
            strange = [uid for uid in found if uid not in self.uids and not self._candidates(uid)]
            self._check(not strange, f"{kind} finds {strange} of {self.uids}")

    def _exists(self, count: int) -> None:
        self._check(count >= len(self.messages), f"EXISTS {count} after {len(self.messages)}")
        if not self.announced:
            self.announced, self.opened_with = True, count
        while len(self.messages) < count:
            self.messages.append(Message(self._highest))

    def _expunge(self, seq: int, running: str) -> None:
        self._check(running not in _NO_EXPUNGE, f"EXPUNGE during {running or 'no command'}")
        self._check(1 <= seq <= len(self.messages), f"EXPUNGE {seq} of {len(self.messages)} messages")
        self._gone(self.messages.pop(seq - 1))

    def _gone(self, message: Message) -> None:
        if message.recent is None:
            self.doubtful += 1
        else:
            self.recents -= message.recent

    def _vanished(self, response: Sequence[Any], running: str) -> None:
        uids = numbers(response[-1])
        if len(response) == 3:
            self._check(response[1] == [b"EARLIER"], f"VANISHED {response[1]}")
            self.earlier.update(uids)
            return
        self._check(
            self.mode.notify or running not in _NO_EXPUNGE, f"VANISHED during {running or 'no command'}"
        )
        for uid in uids:
            gone = next((message for message in self.messages if message.uid == uid), None)
            if gone is None:
                candidates = self._candidates(uid)
                self._check(bool(candidates), f"VANISHED {uid} of {self.uids}")
                gone = candidates[-1]
                # Or another of them: what was told of these may be of their neighbours.
                for message in candidates:
                    message.flags = message.recent = None
                    message.modseq = 0
            self.messages = [message for message in self.messages if message is not gone]
            self._gone(gone)

    def _candidates(self, uid: int) -> list[Message]:
        """Messages whose UID this may be, none of which is known."""
        found = []
        before = 0
        for place, message in enumerate(self.messages):
            before = message.uid or before
            after = next((other.uid for other in self.messages[place:] if other.uid), 1 << 32)
            if not message.uid and max(message.floor, before) < uid < after:
                found.append(message)
        return found

    def _learn(self, which: str, message: Message, pairs: Sequence[Any]) -> None:
        items = dict(zip(map(_name, pairs[::2]), pairs[1::2], strict=True))
        if "UID" in items:
            self._name(which, message, items["UID"])
        if "FLAGS" in items:
            self._flags(which, message, frozenset(flag.decode() for flag in items["FLAGS"]))
        if "MODSEQ" in items:
            (modseq,) = items["MODSEQ"]
            self._check(modseq >= message.modseq, f"{which}: MODSEQ {modseq} after {message.modseq}")
            message.modseq = modseq
            self.modseq = max(self.modseq, modseq)
        if message.uid and message.recent:
            self._on_recent(message.uid)

    def _name(self, which: str, message: Message, uid: int) -> None:
        if message.uid:
            self._check(message.uid == uid, f"{which} has UID {uid}, and had {message.uid}")
            return
        self._check(uid > message.floor, f"{which} has UID {uid}, after {message.floor} was there")
        place = next(place for place, other in enumerate(self.messages) if other is message)
        before = [other.uid for other in self.messages[:place]]
        after = [other.uid for other in self.messages[place:] if other.uid]
        ascends = max(before, default=0) < uid < min(after, default=1 << 32)
        self._check(ascends, f"{which} has UID {uid}, among {before} and {after}")
        message.uid = uid
        self._highest = max(self._highest, uid)

    def _flags(self, which: str, message: Message, flags: frozenset[str]) -> None:
        self._check(
            flags <= self.applicable | {_RECENT}, f"{which} has {sorted(flags)} of {sorted(self.applicable)}"
        )
        recent = _RECENT in flags
        self._check(not (recent and self.mode.rev2), f"{which} is recent in IMAP4rev2")
        self._check(
            message.recent in (None, recent), f"{which} becomes {'recent' if recent else 'not recent'}"
        )
        message.flags, message.recent = flags - {_RECENT}, recent

    def _check(self, holds: bool, text: str) -> None:
        if not holds:
            raise Wrong(text)


def numbers(text: bytes | int) -> list[int]:
    """Those of a sequence set, which may be one number."""
    if isinstance(text, int):
        return [text]
    found: list[int] = []
    for part in text.split(b","):
        first, _, last = part.partition(b":")
        found.extend(range(int(first), int(last or first) + 1))
    return found


def _name(item: bytes) -> str:
    return item.decode().upper()
