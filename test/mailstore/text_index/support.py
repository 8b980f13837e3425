"""A mailbox with an index."""

from __future__ import annotations

from typing import Any

from test.mailstore.search.support import SearchCase
from test.mailstore.support import message
from wildduck.mailstore.search import fields, texts
from wildduck.mailstore.search.keys import Key
from wildduck.mailstore.text_index import asked, indexer, words
from wildduck.mailstore.text_index.segment import numbers
from wildduck.mailstore.values import Mailbox


class IndexCase(SearchCase):
    """
    The index is worth while for a single message already.

    @ivar looked_through: has an item for each message whose text or header was looked through.
    """

    def setUp(self) -> Any:
        for module in (asked, indexer):
            self.patch(module, "TEXT_INDEX_WORTH", 1)
        self.patch(indexer, "_LEAST", 1)
        self.looked_through: list[int] = []
        in_tree = texts._Looking.in_tree

        def counted(looking: texts._Looking, tree: dict[str, Any]) -> bool:
            self.looked_through.append(1)
            return in_tree(looking, tree)

        self.patch(texts._Looking, "in_tree", counted)
        look_in_tree = fields._Wanted.look_in_tree

        def counted_too(wanted: fields._Wanted, tree: dict[str, Any]) -> Any:
            self.looked_through.append(1)
            return look_in_tree(wanted, tree)

        self.patch(fields._Wanted, "look_in_tree", counted_too)
        return super().setUp()

    async def put_words(self, *bodies: str, mailbox: Mailbox | None = None) -> list[int]:
        """Messages with these texts; their UIDs."""
        return [
            (await self.add(message(n, f"{body}\r\n".encode()), mailbox=mailbox)).uid
            for n, body in enumerate(bodies)
        ]

    async def index(self, mailbox: Mailbox | None = None) -> None:
        """Write segments for what has none."""
        mailbox = mailbox or await self.inbox()
        self.assertFalse(await self.store._text_index.indexer.index(mailbox.id, thoroughly=True))

    async def unindexed(self, key: Key) -> list[int]:
        """What is found by reading all that is open."""
        patches = (
            self.patch(asked, "TEXT_INDEX_WORTH", 10**6),
            self.patch(fields, "_possible", lambda leaves: None),
        )
        try:
            return await self.found(key)
        finally:
            for patch in patches:
                patch.restore()

    async def without_reading(self, key: Key) -> list[int]:
        """What is found by the index alone."""
        self.looked_through.clear()
        found = await self.found(key)
        self.assertEqual(self.looked_through, [])
        return found

    def rows(self, mailbox: Mailbox | None = None) -> list[dict[str, Any]]:
        return list(self.db.textsegments.find({"mailbox": mailbox.id} if mailbox else {}))

    def all_words(self) -> bytes:
        """Whatever the collection holds of words."""
        return b"".join(row[table]["words"] for row in self.rows() for table in words.TABLES)

    def uids(self) -> list[list[int]]:
        return sorted(list(numbers("I", row["uids"])) for row in self.rows())
