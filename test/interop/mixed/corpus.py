"""The corpus, delivered here and served by npm's WildDuck."""

from __future__ import annotations

import os
import poplib
from dataclasses import dataclass
from typing import Any

from test.interop.case import Failed, Setting, Skipped, expect
from test.interop.mixed.cluster import Cluster, cluster
from test.interop.mixed.corpus_differences import ROWS
from test.interop.wildduck_server import VERSION
from test.support.corpus import folder, samples
from test.support.server_process import PASSWORD

_PAGE = 250


@dataclass(frozen=True)
class _Row:
    """A message as one server has it."""

    flags: frozenset[bytes]
    size: int
    body: bytes


def served_there(setting: Setting) -> str:
    """An account made here signs in there, and finds every message of the corpus."""
    corpus = samples()
    if not corpus:
        raise Skipped(f"no corpus in {folder()} (WILDDUCK_CORPUS names another folder)")
    mixed = cluster(setting)
    user = mixed.account("corpus")
    with mixed.ours.lmtp() as client:
        for sample in corpus:
            (reply,) = client.data(sample.complete, ["corpus@example.com"])
            expect(reply.code == 250, f"{sample.name}: {reply.code} {reply.text}")
    with mixed.ours.imap("corpus") as client:
        client.select()
        client.command("STORE 1:20 +FLAGS (\\Flagged)")
        client.command("STORE 11:30 +FLAGS (\\Seen $Label1)")
    ours, theirs = (_rows(mixed, server) for server in ("ours", "theirs"))
    expect(list(ours) == list(theirs), "other UIDs there")
    problems = []
    inexact = {row.message: row for row in ROWS}
    for (uid, our), sample in zip(ours.items(), corpus, strict=True):
        their = theirs[uid]
        if our.flags != their.flags:
            problems.append(f"{sample.name}: flags {our.flags} here, {their.flags} there")
        same = (their.size, their.body) == (our.size, our.body)
        if same and sample.name in inexact:
            problems.append(f"{sample.name}: listed as inexact, but does not differ")
        if not same and (sample.name not in inexact or inexact[sample.name].size != their.size):
            problems.append(f"{sample.name}: {_difference(our, their)}")
    problems += [f"{row.message}: listed, but not in the corpus" for row in _gone(corpus)]
    problems += _pop3(mixed, len(corpus))
    problems += _api(mixed, user, len(corpus))
    if problems:
        raise Failed("\n".join(problems))
    return (
        f"{len(corpus)} messages by IMAP, POP3 and the API of WildDuck {VERSION}: "
        f"{len(corpus) - len(inexact)} byte by byte, {len(inexact)} as its trees can say"
    )


def _rows(mixed: Cluster, server: str) -> dict[int, _Row]:
    """Everything in INBOX by UID."""
    with mixed.imap(server, "corpus") as client:
        client.select()
        rows = client.command("FETCH 1:* (UID FLAGS RFC822.SIZE BODY.PEEK[])").rows()
    expect(len(rows) == client.exists, f"{server}: {len(rows)} of {client.exists} messages were fetched")
    return {
        row["UID"]: _Row(frozenset(row["FLAGS"]) - {b"\\Recent"}, row["RFC822.SIZE"], row["BODY[]"])
        for row in rows.values()
    }


def _difference(our: _Row, their: _Row) -> str:
    at = len(os.path.commonprefix([our.body, their.body]))
    near = slice(max(0, at - 30), at + 30)
    return (
        f"size {our.size} here, {their.size} there; bytes {len(our.body)} and {len(their.body)}; "
        f"from {at}: {our.body[near]!r} here, {their.body[near]!r} there"
    )


def _gone(corpus: list[Any]) -> list[Any]:
    names = {sample.name for sample in corpus}
    return [row for row in ROWS if row.message not in names]


def _pop3(mixed: Cluster, count: int) -> list[str]:
    """WildDuck's POP3 shows them by the same ids as ours, and gives each."""
    ids, problems = [], []
    for port in (mixed.ours.ports["pop3"], mixed.theirs.ports["pop3"]):
        client = poplib.POP3("127.0.0.1", port, timeout=60)
        client.user("corpus")
        client.pass_(PASSWORD)
        ids.append([line.split()[1] for line in client.uidl()[1]])
        shown, _ = client.stat()
        if shown != min(count, _PAGE):
            problems.append(f"POP3 STAT shows {shown} of {count} messages")
        client.quit()
    if ids[0] != ids[1]:
        problems.append(f"POP3 UIDL: {ids[0][:3]}… here, {ids[1][:3]}… there")
    client = poplib.POP3("127.0.0.1", mixed.theirs.ports["pop3"], timeout=60)
    client.user("corpus")
    client.pass_(PASSWORD)
    for number in range(1, len(ids[1]) + 1):
        client.retr(number)
    client.rset()
    client.close()
    return problems


def _api(mixed: Cluster, user: Any, count: int) -> list[str]:
    """WildDuck's API lists them and parses each."""
    found = mixed.api("theirs", "GET", "/users/resolve/corpus")
    expect(found["id"] == str(user), f"resolve: {found}")
    body = {"username": "corpus", "password": PASSWORD}
    signed_in = mixed.api("theirs", "POST", "/authenticate", body)
    expect(signed_in["id"] == str(user), f"authenticate: {signed_in}")
    mailbox = mixed.mailbox(user, "INBOX")
    place = f"/users/{user}/mailboxes/{mailbox}/messages"
    listed = mixed.api("theirs", "GET", f"{place}?limit={_PAGE}&order=asc")
    problems = []
    if (listed["total"], len(listed["results"])) != (count, min(count, _PAGE)):
        problems.append(f"the API lists {len(listed['results'])} of {listed['total']}")
    for row in listed["results"]:
        message = mixed.api("theirs", "GET", f"{place}/{row['id']}")
        if message["id"] != row["id"]:
            problems.append(f"message {row['id']} is shown as {message['id']}")
        for attachment in message.get("attachments") or ():
            mixed.api("theirs", "GET", f"{place}/{row['id']}/attachments/{attachment['id']}")
        mixed.api("theirs", "GET", f"{place}/{row['id']}/message.eml")
    return problems
