"""What a client knows that has enabled UIDONLY (RFC 9586): messages have no numbers but their UIDs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from test.sessions.replay import Message, Range, Replay


class UidReplay(Replay):
    """@ivar messages: those with a known UID, ascending, then the others."""

    def differences(self, truth: Sequence[tuple[int, frozenset[str]]]) -> list[str]:
        if len(self.messages) != len(truth):
            return [f"{len(self.messages)} messages, {self.uids}, instead of {[uid for uid, _ in truth]}"]
        there = dict(truth)
        return [
            f"UID {message.uid} has {message.flags} instead of {there.get(message.uid)}"
            for message in self.messages
            if message.uid and (message.uid not in there or message.flags not in (None, there[message.uid]))
        ]

    def store(self, mode: str, flags: Iterable[str], ranges: Sequence[Range], by_uid: bool) -> None:
        if all(message.uid for message in self.messages):
            super().store(mode, flags, ranges, by_uid)
        else:
            for message in self.messages:
                message.flags = None  # what C{*} is, is not known

    def untagged(self, response: Sequence[Any], running: str) -> None:
        if isinstance(response[0], int):
            name = bytes(response[1])
            self._check(name not in (b"FETCH", b"EXPUNGE"), f"{name!r} in a session of UIDs only")
            if name == b"UIDFETCH":
                self._uid_fetch(response[0], response[2])
                return
        super().untagged(response, running)

    def _uid_fetch(self, uid: int, items: Sequence[Any]) -> None:
        message = next((one for one in self.messages if one.uid == uid), None)
        if message is None:
            message = next((one for one in self.messages if not one.uid), None)
            self._check(message is not None, f"UIDFETCH {uid} of {self.uids}")
            assert message is not None
            message.uid = uid
            self._sort()
        self._learn(f"UID {uid}", message, items)

    def _go_on(self, uids: Sequence[int], left: Mapping[int, frozenset[str]]) -> None:
        told = self.uids
        unknown = [message for message in self.messages if not message.uid]
        for message, uid in zip(unknown, (uid for uid in uids if uid not in told), strict=False):
            message.uid, message.flags = uid, left[uid]
        self._sort()

    def _sort(self) -> None:
        self.messages.sort(key=lambda one: one.uid or 1 << 32)

    def _candidates(self, uid: int) -> list[Message]:
        return [message for message in self.messages if not message.uid]
