"""GETQUOTA, GETQUOTAROOT, SETQUOTA (RFC 9208 §4.1)."""

from __future__ import annotations

from dataclasses import dataclass

from wildduck.imap.grammar.cursor import MAX_NUMBER64, Cursor
from wildduck.imap.grammar.mailboxes import compose_mailbox, mailbox
from wildduck.imap.grammar.strings import Reading, astring, compose_astring, text
from wildduck.imap.grammar.values import Command

#: Resources of one SETQUOTA: more than there are.
_RESOURCES = 100


@dataclass(frozen=True, slots=True)
class GetQuota(Command):
    """
    @ivar root: name of a quota root.
    """

    verb = "GETQUOTA"
    root: str

    def arguments(self) -> list[bytes]:
        return [compose_astring(self.root.encode(), False)]


@dataclass(frozen=True, slots=True)
class GetQuotaRoot(Command):
    """
    @ivar mailbox: decoded; it need not be there.
    """

    verb = "GETQUOTAROOT"
    mailbox: str

    def arguments(self) -> list[bytes]:
        return [compose_mailbox(self.mailbox, False)]


@dataclass(frozen=True, slots=True)
class SetQuota(Command):
    """
    @ivar root: name of a quota root.
    @ivar limits: resources, in upper case, and their limits in the order given.
    """

    verb = "SETQUOTA"
    root: str
    limits: tuple[tuple[str, int], ...]

    def arguments(self) -> list[bytes]:
        limits = " ".join(f"{name} {limit}" for name, limit in self.limits)
        return [compose_astring(self.root.encode(), False), b"(%b)" % limits.encode("ascii")]


def parse_get_quota(cursor: Cursor) -> Reading[GetQuota]:
    cursor.space()
    return GetQuota((yield from _root(cursor)))


def parse_get_quota_root(cursor: Cursor) -> Reading[GetQuotaRoot]:
    cursor.space()
    return GetQuotaRoot((yield from mailbox(cursor)))


def parse_set_quota(cursor: Cursor) -> Reading[SetQuota]:
    cursor.space()
    root = yield from _root(cursor)
    cursor.space()
    cursor.expect(b"(", "a list of resources")
    limits: list[tuple[str, int]] = []
    while not cursor.take(b")"):
        if limits:
            cursor.space()
        if len(limits) == _RESOURCES:
            raise cursor.error("too many resources")
        name = cursor.atom("a resource").decode("ascii").upper()
        cursor.space()
        limits.append((name, cursor.number("a limit", MAX_NUMBER64)))
    return SetQuota(root, tuple(limits))


def _root(cursor: Cursor) -> Reading[str]:
    return text((yield from astring(cursor, "a quota root")), "a quota root")
