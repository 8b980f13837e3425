"""
LIST, XLIST, LSUB, NAMESPACE, STATUS, QUOTA and QUOTAROOT: what is told of mailboxes
(RFC 3501 §7.2, 2342 §5, 5258 §6, 9208 §4.2).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from wildduck.imap.grammar.mailboxes import DELIMITER, compose_mailbox
from wildduck.imap.grammar.modes import PLAIN, Modes
from wildduck.imap.grammar.strings import compose_astring


@dataclass(frozen=True, slots=True)
class _Listed:
    """
    @ivar attributes: with their backslash.
    @ivar name: decoded.
    """

    kind: ClassVar[bytes]
    attributes: tuple[str, ...]
    name: str

    def compose(self, modes: Modes = PLAIN) -> bytes:
        return self.line(modes) + b"\r\n"

    def line(self, modes: Modes) -> bytes:
        return b'* %b (%b) "%b" %b' % (
            self.kind,
            " ".join(self.attributes).encode("ascii"),
            DELIMITER.encode("ascii"),
            compose_mailbox(self.name, modes=modes),
        )


@dataclass(frozen=True, slots=True)
class ListData(_Listed):
    """
    C{LIST}, with extended data items where there are some (RFC 5258 §3).

    @ivar child_info: selection options that something under this name meets (CHILDINFO).
    @ivar old_name: decoded; what the client has called it, or what it was called
        before (OLDNAME, RFC 9051 §6.3.9.7); C{None} for nothing of the kind.
    """

    kind = b"LIST"
    child_info: tuple[str, ...] = ()
    old_name: str | None = None

    def compose(self, modes: Modes = PLAIN) -> bytes:
        items = []
        if self.child_info:
            met = " ".join(f'"{option}"' for option in self.child_info)
            items.append(b'"CHILDINFO" (%b)' % met.encode("ascii"))
        if self.old_name is not None:
            items.append(b'"OLDNAME" (%b)' % compose_mailbox(self.old_name, modes=modes))
        extended = b" (" + b" ".join(items) + b")" if items else b""
        return self.line(modes) + extended + b"\r\n"


@dataclass(frozen=True, slots=True)
class XlistData(_Listed):
    """C{XLIST}, Gmail's LIST with special uses from before there was RFC 6154."""

    kind = b"XLIST"


@dataclass(frozen=True, slots=True)
class LsubData(_Listed):
    """C{LSUB} (RFC 3501 §7.2.3)."""

    kind = b"LSUB"


@dataclass(frozen=True, slots=True)
class NamespaceData:
    """C{NAMESPACE} (RFC 2342 §5): one personal namespace without a prefix, no others."""

    def compose(self, modes: Modes = PLAIN) -> bytes:
        return b'* NAMESPACE (("" "%b")) NIL NIL\r\n' % DELIMITER.encode("ascii")


@dataclass(frozen=True, slots=True)
class StatusData:
    """
    @ivar items: (name, number) in the order asked; an object's id (RFC 8474 §4.3) is a string.
    """

    mailbox: str
    items: tuple[tuple[str, int | str], ...]

    def compose(self, modes: Modes = PLAIN) -> bytes:
        items = " ".join(
            f"{name} {value}" if isinstance(value, int) else f"{name} ({value})" for name, value in self.items
        )
        return b"* STATUS %b (%b)\r\n" % (
            compose_mailbox(self.mailbox, modes=modes),
            items.encode("ascii"),
        )


@dataclass(frozen=True, slots=True)
class QuotaData:
    """
    C{QUOTA} (RFC 9208 §4.2.1).

    @ivar root: name of the quota root.
    @ivar resources: name, usage and limit of each resource that is limited.
    """

    root: str
    resources: tuple[tuple[str, int, int], ...]

    def compose(self, modes: Modes = PLAIN) -> bytes:
        resources = " ".join(f"{name} {usage} {limit}" for name, usage, limit in self.resources)
        return b"* QUOTA %b (%b)\r\n" % (compose_astring(self.root.encode()), resources.encode("ascii"))


@dataclass(frozen=True, slots=True)
class QuotaRootData:
    """
    C{QUOTAROOT} (RFC 9208 §4.2.2).

    @ivar mailbox: decoded.
    @ivar roots: names of the quota roots that it has.
    """

    mailbox: str
    roots: tuple[str, ...]

    def compose(self, modes: Modes = PLAIN) -> bytes:
        roots = (compose_astring(root.encode()) for root in self.roots)
        return b" ".join((b"* QUOTAROOT", compose_mailbox(self.mailbox, modes=modes), *roots)) + b"\r\n"


def mailbox_id_code(id: str) -> bytes:
    """C{MAILBOXID} (RFC 8474 §4.1, §4.2)."""
    return b"MAILBOXID (%b)" % id.encode("ascii")
