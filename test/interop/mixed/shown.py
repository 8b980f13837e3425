"""What the two servers show of a mailbox, side by side."""

from __future__ import annotations

from dataclasses import dataclass, fields

from test.interop.case import expect
from test.interop.mixed.cluster import Cluster


@dataclass(frozen=True)
class Shown:
    """
    A message as a server shows it by IMAP.

    @ivar flags: without C{\\Recent}.
    """

    uid: int
    flags: frozenset[bytes]
    internal_date: bytes
    size: int
    body: bytes


def shown(mixed: Cluster, server: str, user: str, mailbox: str) -> list[Shown]:
    """Everything in a mailbox, by ascending UID; nothing is marked as seen."""
    with mixed.imap(server, user) as client:
        client.select(mailbox)
        if not client.exists:
            return []
        rows = client.command("FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[])").rows()
    expect(len(rows) == client.exists, f"{server}: {len(rows)} of {client.exists} messages were fetched")
    return [
        Shown(
            row["UID"],
            frozenset(row["FLAGS"]) - {b"\\Recent"},
            row["INTERNALDATE"],
            row["RFC822.SIZE"],
            row["BODY[]"],
        )
        for row in rows.values()
    ]


def same(mixed: Cluster, user: str, mailbox: str) -> list[Shown]:
    """
    Both show the same messages; what they show.

    @raise Failed: they don't, with the first message that differs.
    """
    ours, theirs = (shown(mixed, server, user, mailbox) for server in ("ours", "theirs"))
    uids = [[message.uid for message in messages] for messages in (ours, theirs)]
    expect(uids[0] == uids[1], f"{mailbox}: UIDs {uids[0]} here, {uids[1]} there")
    for our, their in zip(ours, theirs, strict=True):
        for field in fields(Shown):
            here, there = (getattr(message, field.name) for message in (our, their))
            expect(here == there, f"{mailbox}, UID {our.uid}, {field.name}: {here!r} here, {there!r} there")
    return ours
