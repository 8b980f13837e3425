"""Documents that npm's WildDuck wrote, with fields missing or of another type: served, never an exception."""

from __future__ import annotations

import copy
import datetime
import poplib
import random
from collections.abc import Iterator
from typing import Any

from bson import ObjectId

from test.interop.case import Failed, Setting, Skipped, expect
from test.interop.mixed.cluster import Cluster, cluster
from test.interop.wildduck_server import request
from test.support.blocking_imap import Imap
from test.support.corpus import folder, samples
from test.support.server_process import PASSWORD

_USER = "odd"
_SEED = 4
_ROUNDS = 6
#: Every so many messages of the corpus.
_STRIDE = 7

#: Without these a document is not found at all, or is another's.
_KEPT = {
    "messages": {("_id",), ("mailbox",), ("uid",), ("user",)},
    "mailboxes": {("_id",), ("user",), ("path",)},
    "users": {("_id",), ("username",), ("unameview",), ("password",)},
}
#: What this server keeps in a mailbox's document.
_OURS = "native"
_VALUES: tuple[Any, ...] = (
    None,
    "",
    "x",
    "\x00\r\n) {5}",
    0,
    -1,
    2**40,
    1.5,
    float("nan"),
    float("inf"),
    True,
    False,
    [],
    ["x"],
    [None, {"a": 1}],
    {},
    {"a": {"b": [1]}},
    b"\xff\x00",
    datetime.datetime(1, 1, 1),
    datetime.datetime(9999, 12, 31),
    ObjectId("0123456789abcdef01234567"),
)
_FETCHES = (
    "(FLAGS UID RFC822.SIZE INTERNALDATE)",
    "(ENVELOPE BODY BODYSTRUCTURE)",
    "BODY.PEEK[]",
    "(BODY.PEEK[HEADER] BODY.PEEK[TEXT] BODY.PEEK[1] BODY.PEEK[1.MIME] BODY.PEEK[2] BODY.PEEK[2.HEADER])",
    "(BODY.PEEK[HEADER.FIELDS (SUBJECT FROM)] BODY.PEEK[]<10.20> RFC822.HEADER)",
    "BODY[TEXT]",
)
_SEARCHES = (
    "SUBJECT x",
    "FROM a TO b CC c BCC d",
    "TEXT the",
    "BODY the",
    "HEADER Message-ID a",
    "SENTSINCE 1-Jan-2000 SENTBEFORE 1-Jan-2040",
    "SINCE 1-Jan-2000 BEFORE 1-Jan-2040",
    "LARGER 1 SMALLER 1000000",
    "UNSEEN KEYWORD $x NOT DELETED",
    "OR NOT SUBJECT y HEADER From z",
)
_MAILBOX_LINES = (
    'LIST "" "*"',
    'LSUB "" "*"',
    "STATUS Drafts (MESSAGES RECENT UIDNEXT UIDVALIDITY UNSEEN)",
    "SELECT Drafts",
    "UID FETCH 1:* FLAGS",
    "UNSUBSCRIBE Drafts",
    "CLOSE",
    "RENAME Drafts Sketches",
    "RENAME Sketches Drafts",
)
_LISTS = ("limit=250", "limit=250&order=asc&metaData=true&includeHeaders=true&threadCounters=true")
_FORMS = ("", "/message.eml", "/attachments/ATT00001", "?markAsSeen=true&replaceCidLinks=true")
#: Changed mailboxes, and changed accounts.
_DOCUMENTS = 30
#: What the log says of a message whose content can't be put together any more.
_UNREADABLE = "Message content can not be read"


def odd_documents(setting: Setting) -> str:
    """IMAP, POP3 and the API answer, whatever stands in a document."""
    corpus = samples()[::_STRIDE]
    if not corpus:
        raise Skipped(f"no corpus in {folder()} (WILDDUCK_CORPUS names another folder)")
    mixed = cluster(setting)
    user = mixed.account(_USER, there=True)
    with mixed.lmtp("theirs") as client:
        for sample in corpus:
            (reply,) = client.data(sample.complete, [f"{_USER}@example.com"])
            expect(reply.code == 250, f"{sample.name}: {reply}")
    mixed.ours.expected.append(_UNREADABLE)
    run = _Run(mixed, user, random.Random(_SEED))
    for _ in range(_ROUNDS):
        run.messages()
    run.mailboxes()
    run.users()
    if run.problems:
        raise Failed(f"{len(run.problems)} problems:\n" + "\n".join(run.problems[:60]))
    run.clean()
    expect(run.answered > run.count, f"the API answered only {run.answered} calls")
    return (
        f"{run.count} documents with a field missing or of another type were served by IMAP, POP3 and the API"
    )


class _Run:
    """
    @ivar problems: what must not be, with the change that it comes of.
    @ivar count: documents that were changed.
    @ivar answered: calls of the API that were answered with 200.
    """

    def __init__(self, mixed: Cluster, user: ObjectId, rng: random.Random) -> None:
        self._mixed = mixed
        self._user = user
        self._rng = rng
        self._inbox = mixed.mailbox(user, "INBOX")
        self._originals = list(mixed.database["messages"].find({"mailbox": self._inbox}))
        self._deaf = len(mixed.ours.errors())
        self.problems: list[str] = []
        self.count = 0
        self.answered = 0

    def _changed(self, collection: str, document: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        """What was changed, in words, and a copy with that change."""
        changed = copy.deepcopy(document)
        paths = [path for path in _paths(document) if path not in _KEPT[collection] and path[0] != _OURS]
        path = self._rng.choice(paths)
        place: Any = changed
        for key in path[:-1]:
            place = place[key]
        name = f"{collection} {'.'.join(map(str, path))}"
        self.count += 1
        if self._rng.random() < 0.4 and isinstance(place, dict):
            del place[path[-1]]
            return f"{name} missing", changed
        place[path[-1]] = value = self._rng.choice(_VALUES)
        return f"{name} = {value!r}", changed

    def _problem(self, change: str, where: str, what: object) -> None:
        self.problems.append(f"{change}: {where}: {what}")

    def _heard(self, changes: str) -> None:
        """Whether the server has logged an error."""
        errors = self._mixed.ours.errors()
        for line in errors[self._deaf :]:
            self._problem(changes, "log", line)
        self._deaf = len(errors)

    # --- messages --------------------------------------------------------------

    def messages(self) -> None:
        """As if WildDuck had stored each once more, and something had happened to it."""
        database = self._mixed.database
        database["messages"].delete_many({"mailbox": self._inbox})
        changes: dict[int, str] = {}
        for original in self._originals:
            change, document = self._changed("messages", original)
            counters = database["mailboxes"].find_one_and_update(
                {"_id": self._inbox}, {"$inc": {"uidNext": 1, "modifyIndex": 1}}
            )
            uid, modseq = counters["uidNext"], counters["modifyIndex"] + 1
            document |= {"_id": ObjectId(), "uid": uid}
            if document.get("modseq") == original["modseq"]:
                document["modseq"] = modseq
            database["messages"].insert_one(document)
            database["journal"].insert_one(
                {"command": "EXISTS", "uid": uid, "message": document["_id"], "mailbox": self._inbox}
                | {
                    "user": self._user,
                    "modseq": modseq,
                    "created": datetime.datetime.now(datetime.timezone.utc),
                }
            )
            changes[uid] = change
        self._imap(changes)
        self._pop3(changes)
        self._api(changes)
        self._moves(changes)
        self._heard(" | ".join(changes.values()))

    def _imap(self, changes: dict[int, str]) -> None:
        client = self._session()
        for uid, change in changes.items():
            lines = [f"UID FETCH {uid} {items}" for items in _FETCHES]
            lines += [f"UID SEARCH UID {uid} {key}" for key in _SEARCHES]
            lines += [f"UID STORE {uid} +FLAGS (\\Seen $x)", f"UID STORE {uid} FLAGS (\\Answered)"]
            lines += [f"UID COPY {uid} Drafts", f"UID FETCH {uid} (FLAGS)"]
            for line in lines:
                try:
                    answer = client.command(line, check=False)
                except Exception as error:
                    self._problem(change, line, f"{type(error).__name__}: {error}")
                    client.close()
                    client = self._session()
                else:
                    if answer.status not in ("OK", "NO") or b"SERVERBUG" in answer.text:
                        self._problem(change, line, f"{answer.status} {answer.text!r}")
        client.close()

    def _moves(self, changes: dict[int, str]) -> None:
        """All at once to Trash, and gone from there."""
        uids = ",".join(map(str, changes))
        everything = " | ".join(changes.values())
        with self._session() as client:
            self._line(client, f"UID MOVE {uids} Trash", everything)
            client.select("Trash")
            for line in ("UID STORE 1:* +FLAGS (\\Deleted)", "EXPUNGE", "NOOP"):
                self._line(client, line, everything)

    def _session(self) -> Imap:
        client = self._mixed.imap("ours", _USER)
        client.select("INBOX")
        return client

    def _pop3(self, changes: dict[int, str]) -> None:
        """Sign in, list, and read each."""
        client = poplib.POP3("127.0.0.1", self._mixed.ours.ports["pop3"], timeout=60)
        try:
            client.user(_USER)
            client.pass_(PASSWORD)
            client.stat()
            numbers = [int(line.split()[0]) for line in client.list()[1]]
            client.uidl()
            for number in numbers:
                for act in (client.top, client.retr):
                    self._pop3_reads(client, act, number, changes)
            client.quit()
        except Exception as error:
            self._problem(" | ".join(changes.values()), "POP3", f"{type(error).__name__}: {error}")
            client.close()

    def _pop3_reads(self, client: poplib.POP3, act: Any, number: int, changes: dict[int, str]) -> None:
        try:
            act(*((number, 3) if act == client.top else (number,)))
        except poplib.error_proto as error:
            if b"incident" in error.args[0]:
                self._problem(" | ".join(changes.values()), f"POP3 {act.__name__} {number}", error)

    def _api(self, changes: dict[int, str]) -> None:
        """The list, and each message in every form."""
        place = f"/users/{self._user}/mailboxes/{self._inbox}/messages"
        calls: list[tuple[str, str, Any, str]] = []
        everything = " | ".join(changes.values())
        calls += [("GET", f"{place}?{query}", None, everything) for query in _LISTS]
        for uid, change in changes.items():
            calls += [("GET", f"{place}/{uid}{form}", None, change) for form in _FORMS]
            calls.append(("PUT", f"{place}/{uid}", {"flagged": True}, change))
        self._call(calls)

    def _call(self, calls: list[tuple[str, str, Any, str]]) -> None:
        """Requests to our API: method, path, body, what was changed."""
        for method, path, body, change in calls:
            try:
                status, answer = request(self._mixed.ours.ports["api"], method, path, body)
            except Exception as error:
                if "/message.eml" in path or "/attachments/" in path:
                    continue  # It is cut off where the content ends.
                self._problem(change, f"{method} {path}", f"{type(error).__name__}: {error}")
                continue
            self.answered += status == 200
            if status >= 500 and not ("/message.eml" in path or "/attachments/" in path):
                self._problem(change, f"{method} {path}", f"{status} {answer}")

    def clean(self) -> None:
        """Leave nothing that the verifier would find."""
        for collection in ("messages", "archived"):
            self._mixed.database[collection].delete_many({"user": self._user})
        self._mixed.ours.command("verify", "--min-age", "0s", "--repair")
        # What WildDuck has stored in a form that loses bytes stays inexact until it is collected.
        unused = {"metadata.c": 0, "metadata.m": 0}
        files = self._mixed.database["attachments.files"]
        names = [row["_id"] for row in files.find(unused, {"_id": True})]
        files.delete_many({"_id": {"$in": names}})
        self._mixed.database["attachments.chunks"].delete_many({"files_id": {"$in": names}})
        left = self._mixed.verified()
        expect(not left, "verify after a repair:\n" + "\n".join(left))

    # --- mailboxes and accounts -----------------------------------------------------

    def mailboxes(self) -> None:
        """LIST, STATUS, SELECT, APPEND and the API's list."""
        collection = self._mixed.database["mailboxes"]
        original = collection.find_one({"user": self._user, "path": "Drafts"})
        place = f"/users/{self._user}/mailboxes"
        for _ in range(_DOCUMENTS):
            change, document = self._changed("mailboxes", original)
            collection.replace_one({"_id": original["_id"]}, document)
            with self._mixed.imap("ours", _USER) as client:
                for line in _MAILBOX_LINES:
                    self._line(client, line, change)
                answer = client.append("Drafts", b"Subject: x\r\n\r\ny\r\n", check=False)
                if b"SERVERBUG" in answer.text:
                    self._problem(change, "APPEND", answer)
            self._call([("GET", f"{place}?counters=true&sizes=true&showHidden=true", None, change)])
            self._call([("GET", f"{place}/{original['_id']}", None, change)])
            self._call([("GET", f"{place}/{original['_id']}/messages", None, change)])
            self._heard(change)
            # What was appended may stand under any UID.
            self._mixed.database["messages"].delete_many({"mailbox": original["_id"]})
        collection.replace_one({"_id": original["_id"]}, original)

    def _line(self, client: Imap, line: str, change: str) -> None:
        try:
            answer = client.command(line, check=False)
        except Exception as error:
            self._problem(change, line, f"{type(error).__name__}: {error}")
            return
        if answer.status not in ("OK", "NO") or b"SERVERBUG" in answer.text:
            self._problem(change, line, f"{answer.status} {answer.text!r}")

    def users(self) -> None:
        """Sign-in and the API's account."""
        collection = self._mixed.database["users"]
        original = collection.find_one({"_id": self._user})
        for _ in range(_DOCUMENTS):
            change, document = self._changed("users", original)
            collection.replace_one({"_id": self._user}, document)
            with self._mixed.ours.imap() as client:
                self._line(client, f'LOGIN {_USER} "{PASSWORD}"', change)
            self._call([("GET", f"/users/{self._user}", None, change)])
            self._call([("GET", f"/users/{self._user}/addresses", None, change)])
            self._call([("GET", "/users?limit=250&metaData=true&internalData=true", None, change)])
            body = {"username": _USER, "password": PASSWORD}
            self._call([("POST", "/authenticate", body, change)])
            with self._mixed.ours.lmtp() as lmtp:
                lmtp.command("MAIL FROM:<>")
                reply = lmtp.command(f"RCPT TO:<{_USER}@example.com>")
                if "incident" in reply.text:
                    self._problem(change, "RCPT", reply)
            self._heard(change)
        collection.replace_one({"_id": self._user}, original)


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every member of a document, however deep."""
    if isinstance(value, dict):
        items: Any = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    else:
        return
    for key, inner in items:
        yield (*path, key)
        yield from _paths(inner, (*path, key))
