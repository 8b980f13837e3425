"""L{wildduck.imap.commands.parts}: a part that is read alone is the part of the whole message."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import bson

from test.imap.commands.test_documents import ODD
from test.mailstore.support import StoreCase, message
from test.mime.storing import multipart
from test.support.corpus import samples
from test.support.messages import generated
from wildduck.imap.commands import documents, parts
from wildduck.imap.commands.parts import Piece
from wildduck.mailstore.content import Content
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


_WHAT = {Piece.BODY: "", Piece.MIME: "MIME", Piece.HEADER: "HEADER", Piece.TEXT: "TEXT"}


_TEXT = b"Content-Type: text/plain\r\n\r\ntext"
#: Which WildDuck's tree gives back.
_EXACT = (
    multipart(
        _TEXT,
        _INNER + multipart(_TEXT, _TEXT).replace(b"--b", b"--c").replace(b"=b", b"=c"),
    )
    .replace(b"--b", b"--a")
    .replace(b"=b", b"=a")
)


class PartTests(StoreCase):
    async def test_as_in_the_whole(self) -> None:
        """Read alone a section is as in the whole message, also of WildDuck's documents."""
        given = [sample.raw for sample in samples()[::12]]
        given += [generated(seed, 2000) for seed in range(20)]
        header = multipart(_TEXT, _INNER + b"Subject: only a header\r\n", _TEXT)
        for raw in [multipart(_TEXT, _EXACT, _TEXT), _EXACT, header, *_NESTED, *ODD, *given]:
            if raw:
                await self.add(raw)
        alone = dict.fromkeys(_WHAT, 0)
        for ours in (True, False):
            if not ours:
                self.db.messages.update_many({}, {"$unset": {"mimeTree.native": True}})
            contents = {}
            paths: dict[tuple[int, ...], None] = {}
            for document in self.db.messages.find():
                content = contents[document["uid"]] = await self.store.content(document)
                paths.update(dict.fromkeys(_paths(content.rope.root)))
            for path in paths:
                for piece in _WHAT:
                    alone[piece] += await self._compare(contents, piece, path)
        for piece, count in alone.items():
            self.assertGreater(count, 8, piece)

    async def _compare(self, contents: dict[int, Content], piece: Piece, path: tuple[int, ...]) -> int:
        """@return: messages whose section could be read alone."""
        found = 0
        for row in await self._rows(piece, path):
            content = contents[row["uid"]]
            place = content.rope.section(path, _WHAT[piece])
            alone = parts.alone(row, piece, path)
            if alone is None:
                continue
            found += 1
            part = await self.store.content(alone.document)
            assert place is not None, (piece, path, row["uid"])
            expected = await content.read(*place)
            self.assertEqual(await part.read(*alone.place(part.rope)), expected, (piece, path, row["uid"]))
        return found

    async def _rows(self, piece: Piece, path: tuple[int, ...]) -> list[dict[str, Any]]:
        mailbox = await self.inbox()
        uids = [row["uid"] for row in self.db.messages.find({}, {"uid": True}).sort("uid")]
        fields = documents.projection(set(parts.fields(piece, path)))
        return [row async for batch in self.store.rows(mailbox, uids, fields) for row in batch]

    async def test_what_is_read_alone(self) -> None:
        """All of what a tree gives back, at any depth; not what has NULs, nor what is not there."""
        nul = b"Content-Type: image/gif\r\nContent-Transfer-Encoding: binary\r\n\r\nx\x00y"
        await self.add(multipart(_TEXT, _TEXT, _EXACT))
        await self.add(multipart(b"\r\none", nul))
        await self.add(message(1, b"x" * 10))
        for piece, path, expected in (
            (Piece.BODY, (1,), [1, 3]),
            (Piece.BODY, (3,), [1]),
            (Piece.BODY, (3, 2), [1]),
            (Piece.BODY, (3, 1), [1]),
            (Piece.BODY, (3, 2, 1), [1]),
            (Piece.BODY, (3, 2, 3), []),
            (Piece.BODY, (1, 1), []),
            (Piece.DATA, (1,), [1, 3]),
            (Piece.DATA, (3,), []),
            (Piece.DATA, (3, 2), []),
            (Piece.MIME, (1,), [1, 3]),
            (Piece.MIME, (3,), [1]),
            (Piece.MIME, (3, 2), [1]),
            (Piece.MIME, (5,), []),
            (Piece.HEADER, (1,), []),
            (Piece.HEADER, (3, 2), [1]),
            (Piece.TEXT, (3, 2), [1]),
            (Piece.TEXT, (3,), []),
        ):
            rows = await self._rows(piece, path)
            found = [row["uid"] for row in rows if parts.alone(row, piece, path)]
            self.assertEqual(found, expected, (piece, path))

    async def test_no_more_than_needed(self) -> None:
        """The header of a part comes without any body, a part without its neighbours."""
        big = b"\r\n" + b"x" * 5000
        await self.add(multipart(big, _INNER + multipart(big, b"\r\nsmall"), big))
        for piece, path, most in (
            (Piece.MIME, (1,), 0),
            (Piece.HEADER, (2,), 0),
            (Piece.BODY, (2, 2), 0),
            (Piece.BODY, (1,), 1),
            (Piece.DATA, (3,), 1),
        ):
            (row,) = await self._rows(piece, path)
            self.assertIn(len(bson.encode(row)) // 5000, range(most, most + 1), (piece, path))

    async def test_odd_documents(self) -> None:
        """Where a tree is none, or not ours, it is no error, and nothing is made up."""
        changes: list[dict[str, Any]] = [
            {"$unset": {"mimeTree": True}},
            {"$set": {"mimeTree": "x"}},
            {"$set": {"mimeTree.childNodes": "x"}},
            {"$set": {"mimeTree.childNodes": [5, None, {"message": 5}]}},
            {"$set": {"mimeTree.childNodes.0": {"childNodes": {"a": 1}, "message": [1]}}},
            {"$set": {"mimeTree.native.layout": b"x"}},
            {"$set": {"mimeTree.childNodes.0": {"size": "x", "header": 5, "attachmentId": [1]}}},
        ]
        for uid, change in enumerate(changes, 1):
            await self.add(multipart(b"\r\none", b"\r\ntwo"))
            self.db.messages.update_one({"uid": uid}, change)
        for path in ((1,), (1, 1), (3, 1), (1, 1, 1)):
            for piece in Piece:
                for row in await self._rows(piece, path):
                    self.assertIsNone(parts.alone(row, piece, path), (path, row))
