"""Lists in pages: every row once, forwards and back, whatever cursor comes."""

from __future__ import annotations

import base64
from typing import Any

from bson import ObjectId, json_util
from hypothesis import given, strategies
from twisted.trial.unittest import SynchronousTestCase, TestCase

from test.support.chance import by_chance
from test.support.databases import blocking_database
from test.support.parts import connected
from wildduck.api.frame.paging import PAGE_FIELDS, Cursor, CursorField, Rows, encode_cursor, find_page
from wildduck.api.frame.schema import Schema
from wildduck.errors import BadInput
from wildduck.limits import LISTED_BYTES

SCHEMA = Schema(PAGE_FIELDS)


def text(value: Any) -> str:
    return base64.urlsafe_b64encode(json_util.dumps(value).encode()).decode().rstrip("=")


def raw(json: str) -> str:
    return base64.urlsafe_b64encode(json.encode()).decode().rstrip("=")


def paged(value: Any, page: Any) -> str:
    """As WildDuck writes it: the inner cursor is text within the outer one."""
    return text([json_util.dumps(value), page])


class CursorTests(SynchronousTestCase):
    def test_forms(self) -> None:
        """WildDuck's form with a page, and its older one without."""
        one = ObjectId()
        for cursor, expected in (
            (paged(one, 3), Cursor((one,), 3)),
            (text(one), Cursor((one,), 1)),
            (paged(["a@b", str(one)], 2), Cursor(("a@b", one), 2)),
            (paged(["a@b", one], 2), Cursor(("a@b", one), 2)),
            (text(["a@b", one]), Cursor(("a@b", one), 1)),
            (paged(one, -7), Cursor((one,), 1)),
            (encode_cursor(one, 4), Cursor((one,), 4)),
        ):
            self.assertEqual(CursorField().parse(cursor), expected)

    def test_refused(self) -> None:
        """What is no cursor, or would be an operator or an expression, is refused."""
        one = ObjectId()
        for value in (
            "x", "!", "e30", text({"$gt": ""}), paged({"$regex": "x", "$options": ""}, 1),
            text([1, 2, 3]),
            text([[one], one]), text({"a": 1}), "a" * 1025, text({"$oid": "x"}), text({"$date": "x"}), 5, "é",
            base64.urlsafe_b64encode(b'{"$regularExpression": {"pattern": "x", "options": ""}}').decode(),
            base64.urlsafe_b64encode(b'{"$code": "x"}').decode(),
            text(["a", "b"]), text(["a", 1.5, one]),
            # What BSON can not hold would be an error of the database.
            text(2**63), paged(2**63, 1), paged(["a" * 9, 1], 1),
            raw('"\\ud800"'), raw('["\\"\\\\ud800\\"",1]'),
            # Each of these is another exception of the decoder.
            raw('{"$numberDecimal": "x"}'), raw('{"$numberDecimal": "1e99999"}'),
            raw('{"$binary": {}}'), raw('{"$binary": null, "$type": "0"}'),
        ):  # fmt: skip
            with self.assertRaises(BadInput, msg=value):
                SCHEMA.read({"next": value})

    @by_chance(50)
    @given(strategies.binary(max_size=60))
    def test_any(self, raw: bytes) -> None:
        """Any text is a cursor or refused."""
        for value in (raw.decode("latin-1"), base64.urlsafe_b64encode(raw).decode().rstrip("=")):
            try:
                SCHEMA.read({"next": value})
            except BadInput:
                continue


class PageTests(TestCase):
    async def setUp(self) -> None:  # type: ignore[override]
        self.settings, self.databases, _ = await connected(self)
        self.raw = blocking_database(self.settings)
        self.ids = [ObjectId() for _ in range(7)]
        self.raw.things.insert_many(
            [{"_id": one, "name": f"n{index // 3}"} for index, one in enumerate(self.ids)]
        )

    async def page(self, sort: str = "_id", ascending: bool = True, **given: Any) -> Rows:
        values = SCHEMA.parse({"limit": 3, **given})
        return await find_page(
            self.databases.main, "things", {"name": {"$gte": ""}}, values, sort=sort, ascending=ascending
        )

    async def test_walk(self) -> None:
        """Forwards and back, by a unique field and by one that is not, up and down."""
        for sort in ("_id", "name"):
            for ascending in (True, False):
                expected = self.ids if ascending else self.ids[::-1]
                first = await self.page(sort, ascending)
                second = await self.page(sort, ascending, next=first.next)
                third = await self.page(sort, ascending, next=second.next, previous=second.previous)
                pages = [first, second, third]
                found = [[row["_id"] for row in page.documents] for page in pages]
                self.assertEqual(found, [expected[:3], expected[3:6], expected[6:]])
                self.assertEqual([page.page for page in pages], [1, 2, 3])
                self.assertEqual((first.previous, third.next), (False, False))
                back = await self.page(sort, ascending, previous=third.previous)
                self.assertEqual((back.documents, back.page, back.next), (second.documents, 2, back.next))
                again = await self.page(sort, ascending, previous=back.previous)
                self.assertEqual((again.documents, again.page, again.previous), (first.documents, 1, False))
                self.assertEqual(
                    (await self.page(sort, ascending, next=again.next)).documents, second.documents
                )

    async def test_long(self) -> None:
        """A page of much that is long ends early, and no row is left out, forwards and back."""
        half = "x" * (LISTED_BYTES // 2 - 100)
        ids, things = self.ids, self.raw.things
        things.update_many({"_id": {"$in": ids[1:4]}}, {"$set": {"long": half}})
        things.update_one({"_id": ids[5]}, {"$set": {"other": half * 4}})
        found: list[list[ObjectId]] = []
        given: dict[str, Any] = {}
        while True:
            rows = await self.long_page(**given)
            found.append([row["_id"] for row in rows.documents])
            self.assertEqual(rows.page, len(found))
            if not rows.next:
                break
            given = {"next": rows.next}
        self.assertEqual(found, [ids[:3], ids[3:5], ids[5:6], ids[6:]])
        rows = await self.long_page(previous=rows.previous)
        self.assertEqual([row["_id"] for row in rows.documents], ids[5:6])

    async def long_page(self, **given: Any) -> Rows:
        values = SCHEMA.parse({"limit": 7, **given})
        return await find_page(self.databases.main, "things", {}, values, long=["long", "other"])

    async def test_foreign_types(self) -> None:
        """A cursor of another kind of list finds nothing wrong and nothing that is not asked for."""
        for value in (1, "x", None, ["x", ObjectId()]):
            rows = await self.page("name", next=paged(value, 1))
            self.assertLessEqual(len(rows.documents), 3)

    async def test_empty(self) -> None:
        """No rows: page 1 without cursors."""
        rows = await find_page(self.databases.main, "nothing", {}, SCHEMA.parse({}))
        self.assertEqual(
            rows.members(0), {"total": 0, "page": 1, "previousCursor": False, "nextCursor": False}
        )
