"""What the mail store hands out: frozen values, and what it asks of the settings."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from bson import ObjectId

from wildduck.mime.message import Message

#: Fields of a mailbox document that L{Mailbox.from_document} reads.
MAILBOX_FIELDS = dict.fromkeys(
    (
        "user",
        "path",
        "specialUse",
        "uidValidity",
        "uidNext",
        "modifyIndex",
        "subscribed",
        "hidden",
        "flags",
        "retention",
        "encryptMessages",
        "native",
    ),
    True,
)

#: Is told now and then how many messages a long call has dealt with, and of how many.
Progress: TypeAlias = Callable[[int, int], None]


def unnoted(done: int, goal: int) -> None:
    """For a L{Progress} that nobody wants to know."""


def number(value: Any) -> int:
    """A stored number as an int: WildDuck writes doubles, old documents lack fields."""
    if isinstance(value, (int, float)) and value == value and abs(value) < 2**63:
        return int(value)
    return 0


def text(value: Any) -> str:
    """A stored string; C{""} for a missing or odd one."""
    return value if isinstance(value, str) else ""


@dataclass(frozen=True, slots=True)
class Mailbox:
    """
    A mailbox document (spec/schema.md 'mailboxes').

    C{uid_next} and C{modify_index} are the writers' counters as they were when
    the document was read.  What clients are told comes from a L{View
    <wildduck.mailstore.view.View>} or a L{Status}, never from here (store.md §2).

    @ivar special_use: C{"\\Sent"}, C{"\\Trash"}, C{"\\Junk"}, C{"\\Drafts"}, C{""} for none.
    @ivar uid_validity: seconds since 1970, never repeated for a name.
    @ivar keywords: custom flags seen in this mailbox.
    @ivar retention: milliseconds that messages are kept, 0 for ever.
    @ivar encrypted: messages are encrypted when they are added or copied here.
    @ivar remembered: it was read a while ago (L{wildduck.mailstore.remembered}), and
        may have been renamed or deleted since.
    """

    id: ObjectId
    user: ObjectId
    path: str
    special_use: str = ""
    uid_validity: int = 0
    uid_next: int = 1
    modify_index: int = 1
    subscribed: bool = True
    hidden: bool = False
    keywords: tuple[str, ...] = ()
    retention: int = 0
    encrypted: bool = False
    remembered: bool = False

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Mailbox:
        """@param document: with at least C{_id}, C{user} and C{path}."""
        return cls(
            id=document["_id"],
            user=document["user"],
            path=str(document["path"]),
            special_use=str(document.get("specialUse") or ""),
            uid_validity=number(document.get("uidValidity")),
            uid_next=max(1, number(document.get("uidNext"))),
            modify_index=max(1, number(document.get("modifyIndex"))),
            subscribed=bool(document.get("subscribed")),
            hidden=bool(document.get("hidden")),
            keywords=_texts(document.get("flags")),
            retention=max(0, number(document.get("retention"))),
            encrypted=bool(document.get("encryptMessages")),
        )


def _texts(value: Any) -> tuple[str, ...]:
    """A list of strings, whatever else stands in its place."""
    return tuple(str(item) for item in value) if isinstance(value, list) else ()


@dataclass(frozen=True, slots=True)
class Listed:
    """
    What LIST and LSUB tell of a mailbox.

    @ivar special_use: as of L{Mailbox}.
    """

    id: ObjectId
    path: str
    special_use: str
    subscribed: bool


@dataclass(frozen=True, slots=True)
class Status:
    """
    What IMAP STATUS tells (RFC 3501 §6.3.10, RFC 7162 §3.1.2.1, RFC 8438, RFC 9208 §4.1.4).

    What was not asked for (L{Fact <wildduck.mailstore.statuses.Fact>}) is 0, or C{None}.

    @ivar recent: messages that no session was told of.
    @ivar deleted: messages with C{\\Deleted}.
    @ivar size: bytes as our faces send them, summed.
    @ivar deleted_size: bytes that the account gets back for those with C{\\Deleted}.
    """

    messages: int
    unseen: int
    uid_next: int
    uid_validity: int
    highest_modseq: int
    recent: int = 0
    deleted: int = 0
    size: int | None = None
    deleted_size: int = 0


@dataclass(frozen=True, slots=True)
class NewMessage:
    """
    A message that is to be added.

    @ivar message: stays the caller's to close.
    @ivar flags: without C{\\Recent}; system flags in any case.
    @ivar internal_date: C{None}: now.
    @ivar meta: WildDuck's C{meta} (spec/schema.md).
    """

    message: Message
    flags: tuple[str, ...]
    internal_date: datetime.datetime | None
    meta: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Appended:
    """
    A message that is stored for good.

    @ivar message_id: ObjectId of the message document (not the Message-ID header).
    @ivar length: bytes that our faces send for it (RFC822.SIZE).
    """

    mailbox_id: ObjectId
    uid_validity: int
    uid: int
    modseq: int
    message_id: ObjectId
    length: int


@dataclass(frozen=True, slots=True)
class Copied:
    """
    What came of a COPY or a MOVE: of each message that was there, its UID before and after.

    @ivar uid_validity: of the target.
    @ivar source: UIDs in the mailbox that they came from, ascending.
    @ivar target: UIDs of the same messages in the same order where they are
        now, ascending unless a part had to be done again.
    """

    uid_validity: int
    source: tuple[int, ...]
    target: tuple[int, ...]

    @classmethod
    def of(cls, uid_validity: int, source: Sequence[int], target: Sequence[int]) -> Copied:
        """@param source: UIDs before, ascending."""
        return cls(uid_validity, tuple(source), tuple(target))


@dataclass(frozen=True, slots=True)
class Row:
    """Flags of one message as they are stored."""

    id: ObjectId
    uid: int
    modseq: int
    flags: tuple[str, ...]


#: Flags and MODSEQ of messages, by UID.
FlagsByUid = dict[int, tuple[tuple[str, ...], int]]


@dataclass(frozen=True, slots=True)
class Stored:
    """
    What came of a STORE.

    @ivar changed: for each message that passed the test, its flags and MODSEQ
        afterwards, whether or not they had to change.
    @ivar modified: UIDs that failed UNCHANGEDSINCE (RFC 7162 §3.1.3), ascending.
    @ivar missing: UIDs that no longer exist, ascending.
    """

    changed: FlagsByUid
    modified: list[int]
    missing: list[int]


# --- what a session is told about its mailbox -----------------------------------


@dataclass(frozen=True, slots=True)
class Exists:
    """There are C{count} messages now (RFC 3501 §7.3.1)."""

    count: int


@dataclass(frozen=True, slots=True)
class Recent:
    """So many of them are C{\\Recent} to this session (RFC 3501 §7.3.2)."""

    count: int


@dataclass(frozen=True, slots=True)
class Expunged:
    """
    A message is gone (RFC 3501 §7.4.1).

    @ivar seq: its sequence number at the moment when this is reported, after
        the changes reported before it.
    """

    seq: int
    uid: int


@dataclass(frozen=True, slots=True)
class Flags:
    """The flags of a message are these now."""

    seq: int
    uid: int
    flags: tuple[str, ...]
    modseq: int


Change = Exists | Recent | Expunged | Flags


# --- what the verifier finds -----------------------------------------------------


@dataclass(frozen=True, slots=True)
class Finding:
    """
    One difference between what is stored and what should be.

    @ivar kind: a word of L{wildduck.mailstore.verifier.KINDS}.
    @ivar subject: what it is about: base64 of an attachment's hash, or the id
        of a user, mailbox or message.
    @ivar detail: the difference in numbers, for people.
    @ivar repaired: it has been put right in this run.
    """

    kind: str
    subject: str
    detail: str
    repaired: bool = False

    def __str__(self) -> str:
        return f"{self.kind} {self.subject}: {self.detail}{' (repaired)' if self.repaired else ''}"
