"""Documents of old versions, broken ones, and ones that somebody edited: served, or 404, never 500."""

from __future__ import annotations

import copy
import random
from datetime import datetime, timezone
from typing import Any

from bson import Binary, Int64, ObjectId

from test.api.messages.case import MessagesCase
from test.mailstore.support import with_attachment

#: What may stand in place of a member.
ODD: tuple[Any, ...] = (
    None,
    "",
    "text",
    "=?utf-8?q?=FF?= <a@xn--0.x>",
    0,
    -1,
    1.5,
    float("nan"),
    float("inf"),
    Int64(2**60),
    True,
    False,
    [],
    {},
    [None, 1, "x", {}, []],
    [[["deep"]]],
    {"name": 1, "address": []},
    [{"name": [], "address": {"a": 1}, "group": [None, {"address": 5}]}],
    {"a": {"b": [1]}},
    ObjectId("0" * 24),
    Binary(b"\xff\x00"),
    datetime(2026, 1, 1, tzinfo=timezone.utc),
    datetime(1, 1, 1, tzinfo=timezone.utc),
)

#: Members by which a message is found: one without them is not this message.
_KEYS = ("_id", "mailbox", "user", "uid")


def places(document: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all members, at every level."""
    found = [path] if path else []
    if isinstance(document, dict):
        for name, value in document.items():
            if path or name not in _KEYS:
                found += places(value, (*path, name))
    elif isinstance(document, list):
        for index, value in enumerate(document):
            found += places(value, (*path, index))
    return found


def spoil(document: dict[str, Any], rng: random.Random) -> list[str]:
    """Remove members or put odd values in their place; what was done, for the failure's text."""
    done = []
    for _ in range(rng.choice((1, 1, 1, 2, 4, 8))):
        path = rng.choice(places(document))
        holder: Any = document
        for step in path[:-1]:
            holder = holder[step]
        if rng.random() < 0.3:
            del holder[path[-1]]
            done.append(f"without {path}")
        else:
            holder[path[-1]] = rng.choice(ODD)
            done.append(f"{path} = {holder[path[-1]]!r}")
    return done


class OddDocumentTests(MessagesCase):
    """Random damage to a document that has everything."""

    async def document(self) -> dict[str, Any]:
        """A stored document with every member that can be shown."""
        data = with_attachment(1, b"aGVsbG8=").replace(
            b"Subject:",
            b"Cc: Group: a@b.example;, x@y.example\r\nReply-To: r@x.example\r\nReferences: <a> <b>\r\n"
            b"List-ID: <x.y>\r\nList-Unsubscribe: <mailto:a@b>\r\nSender: s@x.example\r\nSubject:",
        )
        await self.add(data)
        found: dict[str, Any] = self.db.messages.find_one({})
        bimi = ObjectId()
        self.db.bimi.insert_one({"_id": bimi, "type": "authority", "content": b"x", "vmc": {"type": "CMC"}})
        found["meta"].update(
            custom='{"a": 1}',
            files=[{"id": str(ObjectId()), "filename": "a", "contentType": "b", "size": 1, "cid": "c"}],
            reference={"mailbox": str(ObjectId()), "id": 1, "action": "reply"},
        )
        found.update(
            html=["<p>x</p>"],
            verificationResults={"tls": {"name": "a", "version": "b"}, "spf": "x", "dkim": "y", "bimi": bimi},
            forwardTargets=[{"type": "mail", "value": "a@b"}],
            outbound=["q"],
            exp=True,
            rdate=1.9e12,
        )
        found["verificationResults"].update(dmarc={"domain": "x", "policy": "none"}, arc=False)
        return found

    async def test_any_damage(self) -> None:
        """List, message, source and attachment answer, whatever is missing or odd."""
        original = await self.document()
        rng = random.Random(20261126)
        list_all = "?metaData=1&threadCounters=1&includeHasDrafts=1&includeHeaders="
        for turn in range(250):
            document = copy.deepcopy(original)
            done = spoil(document, rng)
            self.db.messages.replace_one({"_id": original["_id"]}, document)
            for end, allowed in (
                (list_all + str(turn % 2), {200}),
                ("?collapseThreads=1&limit=1", {200}),
                ("/1?replaceCidLinks=1", {200}),
                ("/1/attachments/ATT00001?sendAsString=1", {200, 404}),
            ):
                status, _, body = await self.bytes(self.messages + end)
                self.assertIn(status, allowed, f"{end}: {done}: {body[:500]!r}")
            status, _, body = await self.bytes(self.messages + "/1/message.eml")
            if status != 200:
                self.assertEqual(self.decoded(body)["code"], "ContentUnreadable", done)

    async def test_bare(self) -> None:
        """A document with nothing but its keys."""
        original = await self.document()
        self.db.messages.replace_one({}, {name: original[name] for name in _KEYS})
        (row,) = (await self.get(self.messages + "?includeHeaders=1&metaData=1"))["results"]
        self.assertEqual((row["id"], row["subject"], row["from"]), (1, "", {"name": "", "address": ""}))
        answer = await self.get(self.messages + "/1")
        self.assertEqual((answer["text"], answer["html"], answer["attachments"]), ("", [], []))
        self.assertEqual(
            (await self.get(self.messages + "/1/attachments/ATT00001", 404))["code"], "AttachmentNotFound"
        )
