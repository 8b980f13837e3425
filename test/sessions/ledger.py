"""What must hold over all sessions and all the time: UIDs, MODSEQs, who got C{\\Recent}."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from test.sessions.replay import Wrong

#: Mirror booleans of a message document, and the flag each tells of, or tells the absence of.
_MIRRORS = {
    "unseen": ("\\Seen", False),
    "flagged": ("\\Flagged", True),
    "undeleted": ("\\Deleted", False),
    "draft": ("\\Draft", True),
}


#: UID and flags of each message, ascending.
Truth: TypeAlias = "list[tuple[int, frozenset[str]]]"


class Ledger:
    """
    One mailbox.

    @ivar unclaimed: messages that may have been recent to a selection that ended
        before it asked which.
    """

    def __init__(self, name: str, user: Any, database: Any) -> None:
        """@param database: a blocking one; what is in it is the truth."""
        self.unclaimed = 0
        self._name = name
        self._database = database
        self._id = database.mailboxes.find_one({"user": user, "path": name})["_id"]
        #: Documents at the last look, by UID.
        self._known: dict[int, dict[str, Any]] = {}
        self._dead: set[int] = set()
        self._issued: set[int] = set()
        self._recent_to: dict[int, object] = {}
        self._counters: Counter[str] = Counter()

    def issue(self, uids: Sequence[int]) -> None:
        """Messages got these UIDs: APPENDUID, COPYUID."""
        again = self._issued.intersection(uids)
        if again or len(set(uids)) < len(uids):
            raise Wrong(f"{self._name}: UIDs given twice: {sorted(again or uids)}")
        self._issued.update(uids)

    def recent(self, uid: int, selection: object) -> None:
        """A message is C{\\Recent} to a selection (not by EXAMINE)."""
        first = self._recent_to.setdefault(uid, selection)
        if first is not selection:
            raise Wrong(f"{self._name}: UID {uid} is recent to two sessions")

    def check_recent(self) -> None:
        """Now that each message was told to a session, and those that are selected have asked."""
        without = set(self._known).difference(self._recent_to)
        if len(without) > self.unclaimed:
            raise Wrong(f"{self._name}: recent to nobody: {sorted(without)}, lost {self.unclaimed}")

    def truth(self) -> Truth:
        """
        UID and flags of each message as they are stored.

        @raise Wrong: a counter or MODSEQ has fallen, a UID is used again, a
            mirror does not fit its flag.
        """
        mailbox = self._database.mailboxes.find_one({"_id": self._id})
        rows = {row["uid"]: row for row in self._database.messages.find({"mailbox": self._id})}
        if len(rows) != self._database.messages.count_documents({"mailbox": self._id}):
            raise Wrong(f"{self._name}: a UID is there twice")
        self._check_counters(mailbox, rows)
        for uid, row in sorted(rows.items()):
            self._check_row(uid, row)
        self._dead.update(set(self._known).difference(rows))
        self._known = rows
        return [(uid, frozenset(row["flags"])) for uid, row in sorted(rows.items())]

    def _check_counters(self, mailbox: Mapping[str, Any], rows: Mapping[int, Mapping[str, Any]]) -> None:
        native = mailbox.get("native") or {}
        now = Counter({name: mailbox[name] for name in ("uidNext", "modifyIndex")})
        now.update({name: native.get(name, 0) for name in ("modseq", "uid", "recent")})
        fallen = {name: (before, now[name]) for name, before in self._counters.items() if now[name] < before}
        if fallen:
            raise Wrong(f"{self._name}: fallen: {fallen}")
        self._counters = now
        for uid, row in rows.items():
            if uid >= now["uidNext"] or row["modseq"] > now["modifyIndex"]:
                raise Wrong(f"{self._name}: UID {uid}, MODSEQ {row['modseq']} above {dict(now)}")

    def _check_row(self, uid: int, row: Mapping[str, Any]) -> None:
        if uid in self._dead:
            raise Wrong(f"{self._name}: UID {uid} is back")
        for field, (flag, value) in _MIRRORS.items():
            if row[field] != ((flag in row["flags"]) == value):
                raise Wrong(f"{self._name}: UID {uid}: {field} is {row[field]} with {row['flags']}")
        before = self._known.get(uid)
        if before is None:
            return
        if before["_id"] != row["_id"]:
            raise Wrong(f"{self._name}: UID {uid} is of another message")
        changed = set(before["flags"]) != set(row["flags"])
        if row["modseq"] < before["modseq"] or (changed and row["modseq"] == before["modseq"]):
            raise Wrong(
                f"{self._name}: UID {uid}: MODSEQ {before['modseq']}, then {row['modseq']}, {changed=}"
            )
