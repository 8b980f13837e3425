"""The kinds of parameters: what each takes, and in which words it refuses."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from bson import ObjectId
from hypothesis import given, strategies
from twisted.trial.unittest import SynchronousTestCase

from test.support.chance import by_chance
from wildduck.api.frame.fields import (
    Boolean,
    Choice,
    Date,
    Field,
    Id,
    Integer,
    ListOf,
    Number,
    Object,
    String,
)
from wildduck.api.frame.mail_fields import (
    MailAddress,
    MailboxPath,
    MessageRange,
    MetaData,
    TagQuery,
    Tags,
    Target,
    Url,
    Username,
    address_object,
)
from wildduck.api.frame.paging import CursorField
from wildduck.api.frame.schema import EXTRA, Schema
from wildduck.errors import BadInput

JSON = strategies.recursive(
    strategies.none()
    | strategies.booleans()
    | strategies.integers()
    | strategies.floats()
    | strategies.text(),
    lambda inner: (
        strategies.lists(inner, max_size=4) | strategies.dictionaries(strategies.text(), inner, max_size=4)
    ),
    max_leaves=8,
)

ALL: dict[str, Field] = {
    "string": String(),
    "pattern": String(pattern="[a-z]+", lower=True, trim=True),
    "number": Number(),
    "integer": Integer(),
    "boolean": Boolean(nullable=True),
    "date": Date(or_false=True),
    "id": Id(),
    "choice": Choice(values=("a", "b"), lower=True),
    "list": ListOf(item=Object(fields={"x": Integer(required=True)}), unique=True),
    "object": Object(fields={"a": String(), "b": Boolean(default=True), "c": Id(required=True)}),
    "metaData": MetaData(),
    "tags": Tags(),
    "tagQuery": TagQuery(),
    "username": Username(),
    "address": MailAddress(),
    "wildcard": MailAddress(wildcard=True),
    "target": Target(),
    "path": MailboxPath(),
    "range": MessageRange(),
    "url": Url(),
    "to": ListOf(item=address_object(), single=True),
    "next": CursorField(),
}


class AnyValueTests(SynchronousTestCase):
    @by_chance(130)
    @given(
        strategies.fixed_dictionaries({}, optional=dict.fromkeys((*ALL, *EXTRA), JSON)),
        strategies.booleans(),
    )
    def test_parsed_or_refused(self, parameters: dict[str, Any], loose: bool) -> None:
        """Any JSON gives values or names what is wrong, each failure under a parameter's name."""
        try:
            parsed = Schema(ALL, loose=loose).read(parameters)
        except BadInput as error:
            self.assertTrue(error.fields)
            for path, text in error.fields.items():
                self.assertIn(path.partition(",")[0], parameters)
                self.assertTrue(text.startswith(f'"{path.partition(",")[0]}'), text)
            str(error).encode()
        else:
            self.assertLessEqual(set(ALL), set(parsed.values))
            self.assertEqual(parsed.given | parsed.emptied, set(parameters) & set(ALL))


class ValueTests(SynchronousTestCase):
    def check(self, field: Field, *pairs: tuple[Any, Any]) -> None:
        for value, expected in pairs:
            got = field.read(value)
            self.assertEqual((got, type(got)), (expected, type(expected)), repr(value))

    def refuse(self, field: Field, *values: Any) -> None:
        for value in values:
            self.assertRaises(ValueError, field.read, value)

    def test_dates(self) -> None:
        """ISO 8601, milliseconds, these as text; a zone is reckoned in."""
        time = datetime(2026, 1, 2, 3, 4, 5, 678000, timezone.utc)
        self.check(
            Date(or_false=True),
            ("2026-01-02T03:04:05.678Z", time),
            ("2026-01-02T05:04:05.678+02:00", time),
            ("2026-01-01 23:34:05,678-0330", time),
            (1767323045678, time),
            ("1767323045678", time),
            ("2026-01-02", datetime(2026, 1, 2, tzinfo=timezone.utc)),
            ("2026", datetime(2026, 1, 1, tzinfo=timezone.utc)),
            (0, datetime(1970, 1, 1, tzinfo=timezone.utc)),
            (-1, datetime(1969, 12, 31, 23, 59, 59, 999000, timezone.utc)),
            ("2016-12-31T23:59:60Z", datetime(2017, 1, 1, tzinfo=timezone.utc)),
            (False, False),
            ("False", False),
        )
        self.refuse(
            Date(), False, True, None, "x", [], {}, "2026-13-01", "2026-02-30", "2026-01-02T25:00", 1e300
        )
        self.refuse(
            Date(), "99999-01-01", "0000-01-01", "0001-01-01T00:00+14:00", 253402300800000, "2026-1-1", "0x10"
        )

    def test_numbers(self) -> None:
        """Decimal and scientific; no hex, no infinity, nothing that JavaScript can't hold."""
        self.check(Number(), ("1.5", 1.5), (" 1e2 ", 100), (-3, -3), ("+.5", 0.5), (2.0, 2))
        self.refuse(Number(), "0x10", "Infinity", "", "1 2", True, None, 2**53, "9" * 30, float("nan"), "١")
        self.refuse(Integer(), 1.5, -1, "1.5")

    def test_booleans(self) -> None:
        """The words that WildDuck knows."""
        self.check(Boolean(), (True, True), ("Y", True), ("ON", True), (1, True), ("no", False), (0, False))
        self.refuse(Boolean(), None, 2, "x", 1.0, [], {})
        self.check(Boolean(nullable=True), (None, None), ("off", False))

    def test_ids(self) -> None:
        """24 hexadecimal digits in any case."""
        self.check(Id(), ("0123456789ABCDEF01234567", ObjectId("0123456789abcdef01234567")))
        self.refuse(Id(), "0123456789abcdef0123456", "0123456789abcdef0123456g", 5, {"$ne": 1}, None)

    def test_strings(self) -> None:
        """Lengths count UTF-16 units."""
        self.check(String(longest=4), ("😀😀", "😀😀"), (b"\xc3\xa9", "é"))
        self.refuse(String(longest=4), "😀😀a", 5, None, [], b"\xff", "\ud800")

    def test_metadata(self) -> None:
        """An object, or its text; operators in it are data."""
        self.check(MetaData(), ({"$where": 1}, {"$where": 1}), ('{"a.b": null}', {"a.b": None}))
        self.refuse(
            MetaData(), None, [], "[]", "x", 1, {"a": "x" * 1024 * 1024}, "[" * 100_000, {"a": "\ud800"}
        )

    def test_tags(self) -> None:
        """Trimmed, none twice, sorted without regard to case; in a query lower-cased."""
        self.check(Tags(), ([" b ", "A", "a"], ["A", "b"]))
        self.check(TagQuery(), ("B, a ,,b", ["b", "a"]))
        self.refuse(Tags(), "a", ["x" * 129], [5], {})

    def test_addresses(self) -> None:
        """Any address that has a domain; wildcards where they may stand."""
        self.check(
            MailAddress(),
            (" User+x@Example.com ", "User+x@Example.com"),
            ("jõgeva@mäger.ee", "jõgeva@mäger.ee"),
            ('"a b"@example.com', '"a b"@example.com'),
        )
        self.refuse(MailAddress(), "a", "a@b", "@b.c", "a b@c.d", "a@b..c", "a@-b.c", "a.@b.c", "a@b.c\n.d")
        self.check(MailAddress(wildcard=True), ("*@b.c", "*@b.c"), ("a@*", "a@*"))

    def test_targets(self) -> None:
        """Told by their form."""
        self.check(
            Target(),
            ("a@b.cd", {"type": "mail", "value": "a@b.cd"}),
            ("smtps://u:p@h:25", {"type": "relay", "value": "smtps://u:p@h:25"}),
            ("HTTP://h/x?y", {"type": "http", "value": "HTTP://h/x?y"}),
        )
        self.refuse(Target(), "x", "ftp://h", "http://", "http://h:99999", "http://h/ x", 5)

    def test_ranges(self) -> None:
        """One, several, from to."""
        self.check(MessageRange(), ("5", "5"), (5, "5"), ("1,2,3", "1,2,3"), ("3:15", "3:15"), ("3:*", "3:*"))
        self.refuse(MessageRange(), "0", "*", "1,", "1:2,3", "-1", True, 0, 2**40, "1:0")

    def test_paths(self) -> None:
        """Levels and lengths are bounded."""
        self.check(MailboxPath(), ("INBOX/a", "INBOX/a"))
        self.refuse(MailboxPath(), "a//b", "a/", "a/" * 200 + "a", "a" * 513)

    def test_objects(self) -> None:
        """What was emptied is there as None, what was not given is not there."""
        field = Object(fields={"a": String(), "b": String(), "c": Boolean(default=False)})
        self.check(field, ({"a": ""}, {"a": None, "c": False}), ({"b": "x", "c": 1}, {"b": "x", "c": True}))

    def test_nested_failures(self) -> None:
        """Each is named with its place: levels joined by commas."""
        schema = Schema({"to": ListOf(item=address_object()), "or": Object(fields={"from": String()})})
        error = self.assertRaises(
            BadInput, schema.read, {"to": [{"address": "a@b.cd"}, {"name": 5}], "or": {"from": {}, "$x": 1}}
        )
        self.assertEqual(
            error.fields,
            {
                "to,1,name": '"to[1].name" must be a string',
                "to,1,address": '"to[1].address" is required',
                "or,from": '"or.from" must be a string',
                "or,$x": '"or.$x" is not allowed',
            },
        )


class LooseTests(SynchronousTestCase):
    def test_unknown(self) -> None:
        """A loose schema ignores what it does not know, a strict one refuses it."""
        self.assertEqual(Schema({"a": String()}, loose=True).parse({"a": "x", "$where": "1"}), {"a": "x"})
        self.assertRaises(BadInput, Schema({"a": String()}).parse, {"__proto__": 1})
        self.assertRaises(BadInput, Schema({}, extras=False).parse, {"sess": "x"})

    def test_given(self) -> None:
        """What was given, what was emptied, what was not there."""
        parsed = Schema({"a": String(), "b": String(default="z"), "c": Integer()}).read({"a": "x", "b": ""})
        self.assertEqual((parsed.given, parsed.emptied), ({"a"}, {"b"}))
        self.assertEqual(parsed.values, {"a": "x", "b": "z", "c": None})
