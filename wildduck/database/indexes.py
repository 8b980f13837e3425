"""
Every index, with the query that needs it.

WildDuck keeps 23 indexes on C{messages}; they cost ten times the CPU of a lean
set at 50,000 messages (anchors/performance.md §3.9).  So an index stands here
because of a query of ours, or, marked C{mixed}, because WildDuck's own queries
need it where both serve one database (setting C{mongo.mixed_cluster}).  One
with the same keys as an index of WildDuck has its name and options, so that
each takes the other's for its own (spec/schema.md §2).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

Keys = tuple[tuple[str, Any], ...]

#: Collections that are not in the main database (spec/schema.md §0).
HANDLES: dict[str, str] = {
    "users": "users",
    "deletedusers": "users",
    "addresses": "users",
    "domainaliases": "users",
    "domaincache": "users",
    "asps": "users",
    "authlog": "users",
    "attachments.files": "gridfs",
    "attachments.chunks": "gridfs",
    "storage.files": "gridfs",
    "storage.chunks": "gridfs",
    "audit.files": "gridfs",
    "audit.chunks": "gridfs",
}

#: Made with L{COMPRESSOR}; WildDuck makes them with zlib (spec/schema.md §2).
COMPRESSED = ("messages", "attachments.files", "attachments.chunks", "textsegments")
#: As small as zlib, for three quarters of its CPU time where mail is and a third where attachments are.
COMPRESSOR = "zstd"


@dataclass(frozen=True)
class Index:
    """
    One row of the table.

    @ivar collection: its name.
    @ivar name: of the index.
    @ivar keys: (field, direction or kind) in order.
    @ivar reason: what needs it.
    @ivar options: C{unique}, C{sparse}, C{expireAfterSeconds}, C{partialFilterExpression}.
    @ivar mixed: only WildDuck's queries need it.
    @ivar instead: name of another row of the collection, made where the
        server or the documents do not allow this one.
    """

    collection: str
    name: str
    keys: Keys
    reason: str
    options: Mapping[str, Any] = field(default_factory=dict)
    mixed: bool = False
    instead: str = ""

    def specification(self) -> dict[str, Any]:
        """One member of C{createIndexes}' C{indexes}."""
        return {"key": dict(self.keys), "name": self.name, **self.options}

    def fingerprint(self) -> object:
        """What tells it from others on the collection."""
        return fingerprint(self.specification())


def fingerprint(specification: Mapping[str, Any]) -> object:
    """Keys and the options that change what an index holds; a text index by its name."""
    keys = tuple(specification["key"].items())
    if any(kind == "text" for _, kind in keys):
        return ("text", specification["name"])
    partial = repr(dict(specification.get("partialFilterExpression") or {}))
    return (keys, partial, bool(specification.get("unique")), bool(specification.get("sparse")))


def replacement(refused: Index) -> Index | None:
    """The row to make where C{refused} can not be made."""
    for row in INDEXES:
        if refused.instead and (row.collection, row.name) == (refused.collection, refused.instead):
            return row
    return None


def by_collection(mixed_cluster: bool) -> dict[str, list[Index]]:
    """The rows to make, by collection, in the table's order."""
    rows: dict[str, list[Index]] = {}
    for row in INDEXES:
        if mixed_cluster or not row.mixed:
            rows.setdefault(row.collection, []).append(row)
    return rows


# --- the table --------------------------------------------------------------------

_UNIQUE = {"unique": True}
_SPARSE = {"sparse": True}
_EXPIRING = {"partialFilterExpression": {"exp": True}}
_SEARCHABLE = {"partialFilterExpression": {"searchable": True}}
_THREE_HOURS = 10_800
_HALF_A_YEAR = 15_552_000


def _keys(text: str) -> Keys:
    """C{"user -created hash:_id"}: ascending, descending, hashed."""
    keys: list[tuple[str, Any]] = []
    for word in text.split():
        if word.startswith("-"):
            keys.append((word[1:], -1))
        elif word.startswith("hash:"):
            keys.append((word[5:], "hashed"))
        elif word.startswith("text:"):
            keys.append((word[5:], "text"))
        else:
            keys.append((word, 1))
    return tuple(keys)


def _lean(collection: str, *rows: tuple[Any, ...]) -> Iterable[Index]:
    """Rows of (name, keys, reason[, options[, instead]]) that our queries need."""
    for name, keys, reason, *more in rows:
        yield Index(
            collection,
            name,
            _keys(keys),
            reason,
            more[0] if more else {},
            instead=more[1] if len(more) > 1 else "",
        )


def _mixed(collection: str, *rows: tuple[Any, ...]) -> Iterable[Index]:
    """Rows of (name, keys[, options]) that only WildDuck needs."""
    for name, keys, *options in rows:
        yield Index(collection, name, _keys(keys), "WildDuck's queries", options[0] if options else {}, True)


_ACCOUNTS = (
    *_lean(
        "users",
        ("users_dotless", "unameview", "sign-in; one account of a name", _UNIQUE),
    ),
    *_mixed(
        "users",
        ("users", "username"),
        ("show_new", "-created"),
        ("users_tags", "tagsview", _SPARSE),
    ),
    *_mixed("deletedusers", ("deletedusers_dotless", "unameview"), ("deletedusers_address", "address")),
    *_lean(
        "addresses",
        ("address_dotless", "addrview", "finding a recipient; one owner of an address", _UNIQUE),
        ("user", "user", "the addresses of an account: shown, changed and deleted with it"),
    ),
    *_mixed("addresses", ("address_tags", "tagsview", _SPARSE), ("address_paging", "addrview _id")),
    *_lean("domainaliases", ("domainalias", "alias", "finding a recipient by a domain alias", _UNIQUE)),
    *_mixed("domainaliases", ("domainlist", "domain")),
    *_lean("domaincache", ("by_domain", "domain", "one row for each domain", _UNIQUE)),
    *_lean(
        "asps",
        ("asps_user", "user", "deleted with the account"),
        ("entry_autoexpire", "expires", "passwords for a limited time", {"expireAfterSeconds": 0}),
    ),
    *_lean(
        "authlog",
        ("user", "user -_id", "the events of an account, latest first"),
        ("insert", "user created key", "counting an event with those like it"),
        ("entry_autoexpire", "expires", "kept for 30 days", {"expireAfterSeconds": 0}),
    ),
    *_mixed(
        "authlog",
        ("user_by_ip", "user ip -_id", {"partialFilterExpression": {"ip": True}}),
        ("by_ip", "ip", _SPARSE),
        ("user_hashed", "hash:user"),
    ),
    *_lean("filters", ("user", "user", "filters of a recipient")),
    *_mixed("filters", ("forward_target", "action.targets.value")),
    *_lean("autoreplies", ("autoreply", "user start end", "autoreply of a recipient")),
    *_lean("addressregister", ("by_address", "user addrview -updated", "deleted with the account")),
    *_mixed(
        "addressregister",
        ("by_user_disabled_partial", "user -updated", {"partialFilterExpression": {"disabled": False}}),
        ("by_user_disabled", "user disabled"),
    ),
    *_mixed("domainaccess", ("by_tag", "tagview action domain")),
)

_MAIL = (
    *_lean("mailboxes", ("user_path", "user path", "a user's mailboxes; one of a name", _UNIQUE)),
    *_lean("subscriptions", ("user_name", "user name", "subscribed names that no mailbox has", _UNIQUE)),
    *_mixed("mailboxes", ("user_subscribed", "user subscribed"), ("find_by_type", "user specialUse")),
    *_lean(
        "messages",
        (
            # Not WildDuck's mailbox_uid, which is not unique: after a failover
            # that took back an increment of uidNext this is what keeps two
            # messages from one UID.  COPY and MOVE allocate each UID by an
            # increment, WildDuck's too, so it refuses nothing that is right.
            "mailbox_uid_unique",
            "mailbox uid",
            "FETCH, STORE and EXPUNGE by UID; a UID is given once",
            _UNIQUE,
            "mailbox_uid",
        ),
        ("mailbox_modseq_uid", "mailbox modseq uid", "catching up with what changed (store.md §2)"),
        (
            "mailbox_unseen_uid",
            "mailbox unseen uid",
            "STATUS UNSEEN and the first unseen, of a mailbox that is not open; few messages are in it",
            {"partialFilterExpression": {"unseen": True}},
        ),
        (
            "mailbox_deleted",
            "mailbox uid size",
            "STATUS DELETED, EXPUNGE of a mailbox that is not open; few messages are in it",
            {"partialFilterExpression": {"flags": "\\Deleted"}},
        ),
        ("user_messages_by_thread", "user thread", "an account's messages: quota, deletion, threads"),
        ("retention_time", "exp rdate", "the collector's expired messages", _EXPIRING),
        (
            "by_idate_reverse_thread",
            "mailbox -idate -_id thread uid",
            "the API's pages of a mailbox by date, either way round, by message or by thread",
        ),
    ),
    *_mixed(
        "messages",
        ("mailbox_uid_shard", "_id mailbox uid"),
        ("mailbox_uid", "mailbox uid _id"),
        ("mailbox_uid_reverse", "mailbox -uid -_id"),
        ("mailbox_flags", "mailbox flags"),
        ("by_idate", "mailbox idate"),
        ("by_idate_reverse_uid", "mailbox -idate -_id"),
        ("by_hdate", "mailbox hdate msgid"),
        ("by_size", "mailbox size"),
        ("by_headers", "mailbox headers.key headers.value"),
        ("fulltext", "user text:headers.value text:text", _SEARCHABLE),
        ("mailbox_unseen_flag", "mailbox unseen"),
        ("user_unseen_flag", "user unseen", _SEARCHABLE),
        ("mailbox_undeleted_flag", "mailbox undeleted"),
        ("mailbox_flagged_flag", "mailbox flagged"),
        ("user_flagged_flag", "user flagged"),
        ("user_searchable_flag", "user searchable"),
        ("mailbox_draft_flag", "mailbox draft"),
        ("has_attachment", "mailbox ha"),
    ),
    *_lean(
        "archived",
        ("user_messages", "user _id", "an account's archived messages: restored, deleted with it"),
        ("retention_time", "exp rdate", "the collector's purge", _EXPIRING),
    ),
    *_mixed(
        "archived",
        ("user_messages_desc", "user -_id"),
        ("user_messages_by_thread", "user thread"),
        ("user_messages_archived", "user archived"),
    ),
    *_lean(
        "journal",
        ("mailbox_modseq", "mailbox modseq", "what was expunged since (store.md §2)"),
        ("journal_autoexpire", "created", "lives three hours", {"expireAfterSeconds": _THREE_HOURS}),
        ("user_limit_id", "user _id", "the API's stream of updates, either way round"),
    ),
    *_mixed("journal", ("user_limit_id_reverse", "user -_id")),
    *_lean(
        "threads",
        ("thread", "user ids", "the thread of an arriving message"),
        ("thread_autoexpire", "updated", "lives half a year", {"expireAfterSeconds": _HALF_A_YEAR}),
    ),
    *_mixed("threads", ("thread_shard", "hash:user")),
    *_lean(
        "textsegments",
        ("mailbox", "mailbox", "the words of a mailbox's messages"),
        ("checked", "checked", "segments that may have words of messages that are gone"),
    ),
)

_FILES = (
    *_lean(
        "attachments.files",
        (
            "related_attachments_cu",
            "metadata.c metadata.m metadata.cu",
            "the collector's orphans; WildDuck's hints it by this name",
        ),
    ),
    *_mixed("attachments.files", ("attachment_id_hashed", "hash:_id")),
    *_lean(
        "attachments.chunks",
        ("files_id_1_n_1", "files_id n", "reading an attachment; one chunk of a number", _UNIQUE),
    ),
    *_mixed("attachments.chunks", ("chunks_shard", "hash:files_id")),
    *_mixed("storage.files", ("storage_id_hashed", "hash:_id"), ("user_files", "metadata.user filename")),
    *_mixed("storage.chunks", ("chunks_shard", "hash:files_id")),
    *_mixed(
        "audit.files",
        ("audit_id_hashed", "hash:_id"),
        ("audit_files", "metadata.audit metadata.date"),
        ("audit_files_queue", "metadata.info.queueId"),
        ("audit_files_expire", "metadata.info.expires"),
        (
            "audit_files_addresses",
            "metadata.audit metadata.addresses.type metadata.addresses.name metadata.addresses.address",
        ),
        ("audit_files_subject", "metadata.subject"),
    ),
    *_mixed("audit.chunks", ("audit_shard", "hash:files_id")),
)

_OPERATION = (
    *_lean("settings", ("key_unique", "key enumerable", "one row for each setting", _UNIQUE)),
    *_mixed("settings", ("enumerable_key", "enumerable key")),
    *_mixed("dkim", ("dkim_paging", "domain _id"), ("dkim_primary", "domain", _UNIQUE)),
    *_mixed("tasks", ("task_data_user", "task data.user")),
    *_lean(
        "tasks",
        ("task", "locked lockedUntil", "the tasks that are free"),
        (
            "clear_folder_task",
            "task data.user data.mailbox",
            "a mailbox is cleared once",
            {"unique": True, "partialFilterExpression": {"task": "clear-folder"}},
        ),
    ),
    *_mixed(
        "certs",
        ("servername", "servername", _UNIQUE),
        ("servername_version", "servername v"),
        ("servername_alt", "altNames v"),
        ("renewal_check", "acme expires _acme.lastRenewalCheck"),
        ("garbage_check", "acme updated expires autogenerated"),
    ),
    *_mixed("audits", ("user_expire_time", "user expires"), ("expire_time", "expires deleted")),
    *_mixed("bimi", ("by_type", "type url", _UNIQUE)),
    *_mixed("webhooks", ("by_type", "type user"), ("by_user_type", "user type")),
)

INDEXES: tuple[Index, ...] = _ACCOUNTS + _MAIL + _FILES + _OPERATION
