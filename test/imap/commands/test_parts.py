"""L{wildduck.imap.commands.parts}: a part that is read alone is the part of the whole message."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from test.imap.commands.test_documents import ODD
from test.mailstore.support import StoreCase, message
from test.mime.storing import multipart
from test.support.corpus import samples
from test.support.messages import generated
from wildduck.imap.commands import documents, parts
from wildduck.mime.rebuild import Node

_INNER = b"Content-Type: message/rfc822\r\n\r\n"
_NESTED = [
    multipart(b"\r\none", _INNER + multipart(b"\r\ninner one", b"\r\ninner two"), b"\r\n"),
    multipart(_INNER + message(1), _INNER + _INNER + message(2), b"Content-Type: image/gif\r\n\r\nGIF"),
    _INNER + message(3),
    _INNER + multipart(b"\r\none"),
    multipart(),
    message(4),
]


def _paths(node: Node, path: tuple[int, ...] = (), depth: int = 0) -> Iterator[tuple[int, ...]]:
    """Paths that name a part, and some that do not."""
    if depth < 5:
        for number, child in enumerate(node.children[:6], 1):
            yield (*path, number)
            yield from _paths(child, (*path, number), depth + 1)
        for number in (1, len(node.children) + 1):
            yield (*path, number)
        if node.message is not None and path:
            yield from _paths(node.message, path, depth + 1)


class PartTests(StoreCase):
    async def test_as_in_the_whole(self) -> None:
        """Read alone it has the bytes that it has in the whole message."""
        given = [sample.raw for sample in samples()[::12]]
        given += [generated(seed, 2000) for seed in range(20)]
        for raw in _NESTED + ODD + given:
            if raw:
                await self.add(raw)
        contents = {}
        paths: dict[tuple[int, ...], None] = {}
        for document in self.db.messages.find():
            content = contents[document["uid"]] = await self.store.content(document)
            paths.update(dict.fromkeys(_paths(content.rope.root)))
        alone = 0
        for path in paths:
            for document in await self._rows(path):
                content = contents[document["uid"]]
                place = content.rope.section(path, "")
                narrowed = parts.alone(document, path)
                if narrowed is None:
                    continue
                alone += 1
                part = await self.store.content(narrowed)
                found = part.rope.section((1,), "")
                assert found is not None and place is not None, (path, document["uid"])
                self.assertEqual(await part.read(*found), await content.read(*place), path)
        self.assertGreater(alone, len(contents))

    async def _rows(self, path: tuple[int, ...]) -> list[dict[str, Any]]:
        mailbox = await self.inbox()
        uids = [row["uid"] for row in self.db.messages.find({}, {"uid": True}).sort("uid")]
        fields = documents.projection(set(parts.fields(path)))
        return [row async for batch in self.store.rows(mailbox, uids, fields) for row in batch]

    async def test_what_is_read_alone(self) -> None:
        """Texts, attachments and messages at any depth; not parts that have parts, nor what has NULs."""
        texts = multipart(b"\r\none", _INNER + multipart(b"\r\ninner one", b"\r\ninner two"))
        nul = b"Content-Type: image/gif\r\nContent-Transfer-Encoding: binary\r\n\r\nx\x00y"
        await self.add(multipart(b"\r\none", multipart(b"\r\nx").partition(b"\r\n\r\n")[0], texts))
        await self.add(multipart(b"\r\none", nul))
        await self.add(message(1, b"x" * 10))
        for path, expected in (
            ((1,), [1, 3]),
            ((3,), []),
            ((3, 1), [1]),
            ((3, 2), [1]),
            ((3, 2, 1), [1]),
            ((3, 2, 2), [1]),
            ((3, 2, 3), []),
            ((1, 1), []),
        ):
            rows = await self._rows(path)
            self.assertEqual([row["uid"] for row in rows if parts.alone(row, path)], expected, path)

    async def test_odd_documents(self) -> None:
        """Where a tree is none, or not ours, the whole is asked for."""
        changes: list[dict[str, Any]] = [
            {"$unset": {"mimeTree": True}},
            {"$set": {"mimeTree": "x"}},
            {"$set": {"mimeTree.childNodes": "x"}},
            {"$set": {"mimeTree.childNodes": [5, None, {"message": 5}]}},
            {"$set": {"mimeTree.childNodes.0": {"childNodes": {"a": 1}, "message": [1]}}},
            {"$unset": {"mimeTree.native": True}},
            {"$set": {"mimeTree.native.layout": b"x"}},
            {"$set": {"magic": 5}},
        ]
        for uid, change in enumerate(changes, 1):
            await self.add(multipart(b"\r\none", b"\r\ntwo"))
            self.db.messages.update_one({"uid": uid}, change)
        for path in ((1,), (1, 1), (3, 1), (1, 1, 1)):
            for row in await self._rows(path):
                self.assertIsNone(parts.alone(row, path), (path, row))
