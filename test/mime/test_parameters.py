"""Tests for values with parameters."""

from __future__ import annotations

from hypothesis import given, strategies as st
from twisted.trial import unittest

from test.support.chance import by_chance
from wildduck import limits
from wildduck.mime import parameters


def decoded(raw: str) -> dict[str, str]:
    return parameters.decoded(parameters.parse(raw.encode("latin-1", "replace")))


class ParsingTests(unittest.TestCase):
    """The forgiving tokenizer."""

    def test_values(self) -> None:
        """Comments and blanks around a value do not belong to it."""
        for raw, value in (
            (b"text/plain", "text/plain"),
            (b" text/plain ; a=b", "text/plain"),
            (b"text/plain (a;b)", "text/plain"),
            (b"(c) text/plain (d (e)) ; a=b", "text/plain"),
            (b"attachment (never ends; a=b", "attachment"),
            (b"", ""),
            (b"; a=b", ""),
            (b"\r\n text/plain\r\n", "text/plain"),
        ):
            self.assertEqual(parameters.parse(raw).value, value)

    def test_parameters(self) -> None:
        """Quotes, escapes, comments, stray semicolons and blanks are understood."""
        for raw, expected in (
            (b"x; a=b; C=d", [("a", "b"), ("C", "d")]),
            (b'x; a="b;c"; d=e', [("a", "b;c"), ("d", "e")]),
            (b'x; a="b\\"c"', [("a", 'b"c')]),
            (b"x; a = b ; c\t=\r\n d", [("a", "b"), ("c", "d")]),
            (b"x; a=us-ascii (Plain text)", [("a", "us-ascii")]),
            (b"x; ; a=b;;", [("a", "b")]),
            (b"x; flag; a=b", [("flag", ""), ("a", "b")]),
            (b'x; a="b\r\n c"', [("a", "b c")]),
            (b'x; a=""', [("a", "")]),
            (b'x; a=""\r\n b="c"', [("a", ""), ("b", "c")]),
            (b'x; a="open; b=c', [("a", "open"), ("b", "c")]),
            (b"x; =y; a=b", [("a", "b")]),
        ):
            self.assertEqual(list(parameters.parse(raw).parameters), expected)

    def test_meant_or_written(self) -> None:
        """Names with blanks and Windows paths are read as they were meant, unless strictly."""
        for raw, meant, strictly in (
            (b"x; a=my file (1).txt", "my file (1).txt", "my"),
            (b'x; a="C:\\dir\\file"', "C:\\dir\\file", "C:dirfile"),
            (b'x; a="b" c; d=e', "b", "b"),
        ):
            self.assertEqual(parameters.parse(raw).parameters[0], ("a", meant))
            self.assertEqual(parameters.parse(raw, strict=True).parameters[0], ("a", strictly))

    def test_bounds(self) -> None:
        """No more than so many parameters are taken."""
        found = parameters.parse(b"x" + b"; name*0*=y" * 100_000)
        self.assertEqual(len(found.parameters), limits.PARAMETERS)

    def test_nested_comments(self) -> None:
        """Comments nest as deep as they like, and need not end."""
        self.assertEqual(parameters.parse(b"(" * 60_000).value, "")
        self.assertEqual(
            parameters.parse(b"x" + b"(" * 9_000 + b")" * 9_000 + b"; a=b").parameters, (("a", "b"),)
        )
        self.assertEqual(parameters.parse(b"x (\\").value, "x")
        self.assertEqual(parameters.parse(b"x (\\)) y").value, "x y")

    @by_chance(100)
    @given(
        st.lists(
            st.one_of(
                st.sampled_from([b";", b"=", b'"', b"(", b")", b"\\", b"*0*", b"*", b" ", b"\r\n ", b"''"]),
                st.binary(max_size=3),
            ),
            max_size=40,
        ).map(b"".join)
    )
    def test_any_bytes(self, raw: bytes) -> None:
        """Any bytes give values in every form."""
        for strict in (False, True):
            parsed = parameters.parse(raw, strict)
            parameters.decoded(parsed)
            for pair in parameters.merged(parsed):
                for text in pair:
                    text.encode("latin-1")
        parameters.stored(raw)


class ExtendedTests(unittest.TestCase):
    """RFC 2231, and encoded-words where they should not be."""

    def test_decoded(self) -> None:
        """Sections are sorted and joined, the charset is used, the extended form wins."""
        for raw, name in (
            ("x; name*=utf-8''%e2%82%ac%20rates", "€ rates"),
            ("x; name*=iso-8859-1'en'%E4", "ä"),
            ("x; name*0*=utf-8''%e2%82; name*1*=%ac; name*2=x", "€x"),
            ("x; name*1=b; name*10=d; name*2=c; name*0=a", "abcd"),
            ("x; name=plain; name*=utf-8''z", "z"),
            ("x; name*=utf-8''z; name=plain", "z"),
            ("x; name=a; name=b", "b"),
            ('x; name="=?utf-8?q?=C3=A4?="', "ä"),
            ("x; name*=no-quotes", "no-quotes"),
            ("x; name*=nonsense''%E4", "ä"),
            ("x; name*=utf-8''%zz%", "%zz%"),
            ("x; NAME=a", "a"),
            ("x; name=\xe4", "ä"),
        ):
            self.assertEqual(decoded(raw), {"name": name})

    def test_merged(self) -> None:
        """For IMAP sections are joined but not decoded; what does not count up from 0 stays."""
        for raw, expected in (
            (b"x; a=b; a=c", [("a", "b"), ("a", "c")]),
            (b"x; n*0=a; n*1=b; c=d", [("c", "d"), ("n", "ab")]),
            (b"x; n*0*=utf-8''%41; n*1=100%", [("n*", "utf-8''%41100%25")]),
            (b"x; n*=utf-8''%41", [("n*", "utf-8''%41")]),
            (b"x; n*0=a; n*2=b", [("n*0", "a"), ("n*2", "b")]),
        ):
            self.assertEqual(parameters.merged(parameters.parse(raw)), expected)


class StoredTests(unittest.TestCase):
    """WildDuck's form (spec/schema.md 'mimeTree node')."""

    def test_form(self) -> None:
        """Value as written, type in lower case, parameters by lower-case name."""
        self.assertEqual(
            parameters.stored(b"TEXT/Plain; CHARSET=US-ASCII"),
            {
                "value": "TEXT/Plain",
                "type": "text",
                "subtype": "Plain",
                "params": {"charset": "US-ASCII"},
                "hasParams": True,
            },
        )
        self.assertEqual(
            parameters.stored(b"attachment"),
            {"value": "attachment", "type": "attachment", "subtype": "", "params": {}},
        )

    def test_params(self) -> None:
        """RFC 2231 becomes an encoded-word; names that would be odd keys are left out."""
        for raw, params in (
            (b"x; n*=iso-2022-jp'ja'01%20Dij%8aat.mp3", {"n": "=?ISO-2022-JP?Q?01=20Dij=8aat.mp3?="}),
            (b"x; n*0=a; n*1=b", {"n": "=?UTF-8?Q?ab?="}),
            (b"x; n*0*=utf-8''a%20; n*1=\"b c_d\"", {"n": "=?UTF-8?Q?a=20b c=5Fd?="}),
            (b'x; n="=?utf-8?q?x?="', {"n": "=?utf-8?q?x?="}),
            (b"x; a.b=c; $x=d; __proto__=1; e f=g;", {}),
            (b"x; n=\xc3\xa4", {"n": "ä"}),
            (b"x; n=\xe4", {"n": "ä"}),
        ):
            self.assertEqual(parameters.stored(raw)["params"], params)
