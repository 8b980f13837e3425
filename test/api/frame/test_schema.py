"""Parameters of the API: every failed field is named."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from wildduck.api.frame.schema import Boolean, Integer, Schema, String
from wildduck.errors import BadInput

SCHEMA = Schema(
    {
        "name": String(required=True, longest=5),
        "size": Integer(default=7, most=1000),
        "main": Boolean(default=False),
    }
)


class SchemaTests(SynchronousTestCase):
    def test_values(self) -> None:
        """Numbers and booleans may come as text, an empty string counts as absent."""
        for given, expected in (
            ({"name": "a"}, ("a", 7, False)),
            ({"name": "a", "size": " 1e2 ", "main": "Yes"}, ("a", 100, True)),
            ({"name": "a", "size": 12.0, "main": 1}, ("a", 12, True)),
            ({"name": "a", "size": "", "main": "", "sess": "x", "ip": "::1"}, ("a", 7, False)),
        ):
            values = SCHEMA.parse(given)
            self.assertEqual((values["name"], values["size"], values["main"]), expected)

    def test_every_failed_field(self) -> None:
        """All failures are collected, unknown parameters among them."""
        error = self.assertRaises(BadInput, SCHEMA.parse, {"size": "0x10", "main": 3, "$where": "1"})
        self.assertEqual(set(error.fields), {"name", "size", "main", "$where"})

    def test_named(self) -> None:
        """A field that must be there may be empty; its absence is told with all other failures."""
        schema = Schema({"name": String(required=True), "password": String(named=True)})
        read = schema.read({"name": "a", "password": ""})
        self.assertEqual((read.values["password"], read.emptied), (None, frozenset(("password",))))
        self.assertEqual(set(self.assertRaises(BadInput, schema.read, {}).fields), {"name", "password"})

    def test_refused_values(self) -> None:
        """No scalar becomes a string, no object passes, no number leaves its bounds."""
        bad: tuple[dict[str, Any], ...] = (
            {"name": 5},
            {"name": {"$ne": None}},
            {"name": ["a"]},
            {"name": "\ud800"},
            {"name": "abcdef"},
            {"name": "\U0001f600" * 3},
            {"name": "a", "size": "Infinity"},
            {"name": "a", "size": 1.5},
            {"name": "a", "size": True},
            {"name": "a", "size": float("nan")},
            {"name": "a", "size": -1},
            {"name": "a", "size": 1001},
            {"name": "a", "size": 1e300},
            {"name": "a", "size": "1" * 400},
        )
        for parameters in bad:
            self.assertRaises(BadInput, SCHEMA.parse, parameters)
