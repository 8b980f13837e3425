"""What a search should find, told by Python's own mail package and plain loops."""

from __future__ import annotations

import email
import email.header
import email.message
import email.utils
from dataclasses import dataclass, field
from datetime import date, datetime

from test.mailstore.support import StoreCase
from wildduck.mailstore.search.keys import (
    And,
    Arrived,
    Body,
    Field,
    Flag,
    Key,
    Not,
    Or,
    Sent,
    Size,
    Text,
    Uids,
)


@dataclass
class Sample:
    """A message as it was put into the mailbox."""

    raw: bytes
    arrived: datetime
    flags: tuple[str, ...] = ()
    uid: int = 0
    parsed: email.message.Message = field(init=False)

    def __post_init__(self) -> None:
        self.parsed = email.message_from_bytes(self.raw)

    def texts(self, of_header: bool) -> list[str]:
        found = []
        for part in self.parsed.walk():
            is_message = part.get_content_type() == "message/rfc822"
            if of_header:
                found += [f"{name}: {readable(str(value))}" for name, value in part.items()]
            if is_message:
                (inner,) = part.get_payload()
                found += [f"{name}: {readable(str(value))}" for name, value in inner.items()]
            if part.get_content_maintype() == "text":
                charset = part.get_content_charset() or "utf-8"
                found.append(part.get_payload(decode=True).decode(charset, "replace"))  # type: ignore[union-attr]
        return [text.casefold() for text in found]


def readable(value: str) -> str:
    value = value.replace("\r\n", "").replace("\t", " ")
    return str(email.header.make_header(email.header.decode_header(value)))


def matches(key: Key, sample: Sample) -> bool:
    if isinstance(key, Not):
        return not matches(key.key, sample)
    if isinstance(key, And):
        return all(matches(one, sample) for one in key.keys)
    if isinstance(key, Or):
        return any(matches(one, sample) for one in key.keys)
    if isinstance(key, Flag):
        return key.name.lower() in [flag.lower() for flag in sample.flags]
    if isinstance(key, Uids):
        return any(first <= sample.uid <= last for first, last in key.ranges)
    if isinstance(key, Arrived):
        return _within(sample.arrived.date(), key.since, key.before)
    if isinstance(key, Sent):
        return _within(_sent(sample), key.since, key.before)
    if isinstance(key, Size):
        size = len(sample.raw)
        return (key.above is None or size > key.above) and (key.below is None or size < key.below)
    if isinstance(key, Field):
        values = [readable(str(value)) for value in sample.parsed.get_all(key.name.decode(), [])]
        return any(key.text.casefold() in value.casefold() for value in values)
    assert isinstance(key, (Body, Text))
    texts = sample.texts(isinstance(key, Text))
    return not key.text or any(key.text.casefold() in text for text in texts)


def _sent(sample: Sample) -> date:
    try:
        return email.utils.parsedate_to_datetime(str(sample.parsed["Date"])).date()
    except (TypeError, ValueError):
        return sample.arrived.date()


def _within(day: date, since: date | None, before: date | None) -> bool:
    return (since is None or day >= since) and (before is None or day < before)


class SearchCase(StoreCase):
    """A mailbox to be searched."""

    async def put(self, *samples: Sample) -> None:
        """Store messages; each learns its UID."""
        for sample in samples:
            sample.uid = (await self.add(sample.raw, flags=sample.flags, internal_date=sample.arrived)).uid

    async def found(self, key: Key) -> list[int]:
        """UIDs of the messages of INBOX that match."""
        view = await self.store.open(self.account.id, "INBOX")
        try:
            return list((await self.store.search(view, key, nothing)).uids)
        finally:
            view.close()


async def nothing() -> None:
    """Nobody waits for a turn."""
