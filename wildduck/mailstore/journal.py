"""
Journal entries, in WildDuck's form (spec/schema.md §5).

Entries live three hours.  What a reader may believe of them is in store.md §2.
"""

from __future__ import annotations

import datetime
from typing import Any

from bson import ObjectId

#: Of an entry for numbers that nobody will use; WildDuck ignores it.
UNUSED = "UNUSED"


def _entry(
    command: str, fields: dict[str, Any], mailbox: ObjectId, user: ObjectId, created: datetime.datetime
) -> dict[str, Any]:
    return {
        "_id": ObjectId(),
        "command": command,
        **fields,
        "created": created,
        "mailbox": mailbox,
        "user": user,
    }


def exists_entry(
    document: dict[str, Any],
    session: str | None,
    created: datetime.datetime,
    junk: int | None = None,
    *,
    ham: bool = False,
) -> dict[str, Any]:
    """
    A message has come.

    @param document: C{_id}, C{user}, C{mailbox}, C{uid}, C{modseq}, C{unseen},
        C{idate} and C{thread} of the message as stored.
    @param session: id of the session that did it and needs no telling.
    @param junk: 1 when it has become junk by coming here, -1 when it has ceased
        to be, 0 for neither; if not given, a message with C{junk} has become it.
    @param ham: whoever moved it has said that it was no spam.
    """
    fields = {
        "uid": document["uid"],
        "ignore": session or None,
        "message": document["_id"],
        "modseq": document["modseq"],
        "unseen": document["unseen"],
        "idate": document.get("idate"),
        "thread": document.get("thread"),
    }
    if junk is None:
        junk = 1 if document.get("junk") else 0
    if junk:
        fields["junk"] = junk
    if ham:
        fields["markHam"] = True
    return _entry("EXISTS", fields, document["mailbox"], document["user"], created)


def expunge_entry(
    row: dict[str, Any], modseq: int, session: str | None, created: datetime.datetime
) -> dict[str, Any]:
    """
    A message has gone.

    @param row: C{_id}, C{user}, C{mailbox}, C{uid}, C{thread}, C{unseen} of the message.
    """
    fields = {
        "ignore": session or None,
        "uid": row["uid"],
        "message": row["_id"],
        "unseen": bool(row.get("unseen")),
        "thread": row.get("thread"),
        "modseq": modseq,
    }
    return _entry("EXPUNGE", fields, row["mailbox"], row["user"], created)


def flags_entry(
    row: dict[str, Any],
    flags: tuple[str, ...],
    modseq: int,
    unseen_change: bool,
    session: str | None,
    created: datetime.datetime,
) -> dict[str, Any]:
    """
    The flags of a message have changed.

    @param row: C{_id}, C{user}, C{mailbox}, C{uid} and C{thread} of the message.
    @param unseen_change: whether C{\\Seen} did.
    """
    fields = {
        "ignore": session or None,
        "uid": row["uid"],
        "flags": list(flags),
        "thread": row.get("thread"),
        "message": row["_id"],
        "modseq": modseq,
        "unseenChange": unseen_change,
    }
    return _entry("FETCH", fields, row["mailbox"], row["user"], created)


def mailbox_entry(
    command: str,
    user: ObjectId,
    mailbox: ObjectId,
    path: str | None,
    modseq: int,
    created: datetime.datetime,
) -> dict[str, Any]:
    """
    A mailbox was made, renamed or deleted.

    @param command: C{CREATE}, C{RENAME} or C{DELETE}.
    @param path: its name, for the first two.
    """
    fields: dict[str, Any] = {"path": path} if path is not None else {}
    fields["modseq"] = modseq
    return _entry(command, fields, mailbox, user, created)


def unused_entry(
    user: ObjectId, mailbox: ObjectId, modseq: int, uid: int, created: datetime.datetime
) -> dict[str, Any]:
    """
    Numbers that were taken and are used for nothing (store.md §2).

    @param uid: 0 for none.
    """
    fields: dict[str, Any] = {"modseq": modseq}
    if uid:
        fields["uid"] = uid
    return _entry(UNUSED, fields, mailbox, user, created)
