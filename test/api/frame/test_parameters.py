"""Where parameters come from: query, forms, JSON, files."""

from __future__ import annotations

import io
import time
from typing import Any
from urllib.parse import quote

from hypothesis import given, strategies
from twisted.trial.unittest import SynchronousTestCase

from test.api.frame.steps import value_of
from test.support.chance import by_chance
from wildduck.api.frame import parameters
from wildduck.api.frame.multipart import Upload
from wildduck.errors import BadInput

JSON = b"application/json"


def merged(query: str = "", content_type: bytes | None = JSON, body: bytes = b"", **path: str) -> Any:
    return value_of(parameters.merged(path, query.encode(), content_type, io.BytesIO(body)))


class QueryTests(SynchronousTestCase):
    def test_nesting(self) -> None:
        """Dots and brackets nest, a name that comes twice and small indexes make lists."""
        for query, expected in (
            ("a=1&b=", {"a": "1", "b": ""}),
            ("or.from=x&or.to=y", {"or": {"from": "x", "to": "y"}}),
            ("or[from]=x&or.to=y", {"or": {"from": "x", "to": "y"}}),
            ("a=1&a=2&a=3", {"a": ["1", "2", "3"]}),
            ("a[]=1", {"a": ["1"]}),
            ("a[]=1&a[]=2", {"a": ["1", "2"]}),
            ("a[1]=y&a[0]=x", {"a": ["x", "y"]}),
            ("a[20]=x", {"a": ["x"]}),
            ("a[21]=x", {"a": {"21": "x"}}),
            ("to[0].name=x&to[0].address=y", {"to": [{"name": "x", "address": "y"}]}),
            ("a.b=1&a.b=2", {"a": {"b": ["1", "2"]}}),
            ("a=1&a.b=2", {"a": {"b": "2"}}),
            ("a..b=1", {"a..b": "1"}),
            (".a=1", {"a": "1"}),
            ("a.b.c.d.e.f.g.h=1", {"a.b.c.d.e.f.g.h": "1"}),
            ("a%5Bb%5D=%E2%82%AC+x", {"a": {"b": "€ x"}}),
            ("=1", {"": "1"}),
        ):
            self.assertEqual(merged(query), expected, query)

    def test_token_is_none(self) -> None:
        """The token in a query is not one of the parameters."""
        self.assertEqual(merged("accessToken=x&a=1"), {"a": "1"})

    @by_chance(50)
    @given(
        strategies.lists(strategies.tuples(strategies.text("ab.[]0129$_", max_size=12), strategies.text()))
    )
    def test_any(self, pairs: list[tuple[str, str]]) -> None:
        """Any names give parameters."""
        query = "&".join(f"{quote(name)}={quote(value, errors='replace')}" for name, value in pairs)
        self.assertIsInstance(merged(query), dict)

    @by_chance(50)
    @given(strategies.binary(max_size=100), strategies.sampled_from(["", JSON, b"multipart/form-data"]))
    def test_any_bytes(self, content: bytes, kind: bytes) -> None:
        """Any bytes give parameters or a refusal."""
        for query, body in ((content, b""), (b"", content)):
            try:
                value_of(parameters.merged({}, query, kind, io.BytesIO(body)))
            except BadInput:
                continue


class MergeTests(SynchronousTestCase):
    def test_order(self) -> None:
        """Path, query, body: a later source replaces what is empty only."""
        self.assertEqual(
            merged("a=q&b=", JSON, b'{"a": "b", "b": 1, "c": 2}', c="p"), {"a": "q", "b": 1, "c": "p"}
        )

    def test_form(self) -> None:
        """In a form nothing nests."""
        form = b"application/x-www-form-urlencoded; charset=utf-8"
        self.assertEqual(merged("", form, b"a.b=1&c=2&c=3"), {"a.b": "1", "c": ["2", "3"]})

    def test_refused(self) -> None:
        """What is not what it says is refused with words."""
        for kind, body in (
            (JSON, b"[1]"),
            (JSON, b"{"),
            (JSON, b'{"a": \xff}'),
            (b"text/plain", b"a=1"),
            (b"multipart/form-data", b"--x\r\n"),
            (b"multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form-data\r\n\r\n\r\n--x--"),
            (b"multipart/form-data; boundary=x", b"--x\r\n\r\n"),
            (b"application/x-www-form-urlencoded", b"a=" + b"%41" * (4 * 1024 * 1024 // 3)),
        ):
            self.assertRaises(BadInput, merged, "", kind, body)
        self.assertEqual(merged("", b"text/plain", b" \r\n"), {})

    def test_unescaped(self) -> None:
        """UTF-8 may stand in a form as it is, as C{curl -d} sends it."""
        form = b"application/x-www-form-urlencoded"
        self.assertEqual(merged("", form, "name=Zoë&é=ü%20".encode()), {"name": "Zoë", "é": "ü "})

    def test_named(self) -> None:
        """What is wrong is named: the parameter, or the body as a whole."""
        form, parts = b"application/x-www-form-urlencoded", b"multipart/form-data; boundary=x"
        part = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n\xff\r\n'
        for query, kind, body, names in (
            ("a=%ff&b=1&c%fe=2", JSON, b"", {"a", "c?"}),
            ("&".join(["a=1"] * 1001), JSON, b"", {"query"}),
            ("", form, b"a=\xff&b=%C3%A9&c=%ED%A0%80", {"a", "c"}),
            ("", b"text/plain", b"a=1", {"Content-Type"}),
            ("", parts, part + b"--x--\r\n", {"a"}),
            ("", parts, part * 1001 + b"--x--\r\n", {"body"}),
        ):
            failed = self.assertRaises(BadInput, merged, query, kind, body)
            self.assertEqual(set(failed.fields), names, (query[:20], kind, body[:20]))


class MultipartTests(SynchronousTestCase):
    BODY = (
        b'preamble\r\n--b\r\nContent-Disposition: form-data; name="text"\r\n\r\nh\xc3\xa9\r\nllo\r\n'
        b'--b\r\ncontent-disposition: form-data; name=content; filename="\xc3\xa9 x.bin"\r\n'
        b"Content-Type: image/png\r\n\r\n\x00\xff\r\n\r\n--b--\r\nepilogue"
    )

    def test_parts(self) -> None:
        """Fields are text, files keep name, type and every byte."""
        values = merged("", b'Multipart/Form-Data; boundary="b"', self.BODY)
        self.assertEqual(values["text"], "hé\r\nllo")
        upload = values["content"]
        self.assertIsInstance(upload, Upload)
        self.assertEqual(
            (bytes(upload), upload.filename, upload.content_type), (b"\x00\xff\r\n", "é x.bin", "image/png")
        )

    def test_blanks(self) -> None:
        """A header of blanks or semicolons takes no longer than another of its length."""
        for filling in (b" " * 8000 + b"x", b"\t x" * 2600, b";" * 8000, b'"' + b";" * 8000, b';"' * 4000):
            head = b"Content-Disposition: form-data; name=text" + b"; x=" + filling + b"\r\nX: a" + filling
            part = b"--b\r\n" + head[:8000] + b"\r\n\r\ncontent\r\n"
            begun = time.process_time()
            try:
                merged("", b"multipart/form-data; boundary=b", part * 50 + b"--b--")
            except BadInput:
                pass
            self.assertLess(time.process_time() - begun, 2.5, filling[:3])

    def test_charsets(self) -> None:
        """A name in whatever charset is a name; the codecs of some raise whatever they are told."""
        for charset in ("idna", "undefined", "punycode", "utf-8\0", "hex", "nonsense", ""):
            disposition = (
                f"Content-Disposition: form-data; name*={charset}''n%61%ff; filename*={charset}''%ff"
            )
            body = f"--b\r\n{disposition}\r\n\r\nx\r\n--b--\r\n".encode()
            found = merged("", b"multipart/form-data; boundary=b", body)
            self.assertEqual(found, {"na\ufffd": b"x"}, charset)

    def test_cut_off(self) -> None:
        """A body that was cut anywhere before its last delimiter is refused."""
        end = self.BODY.index(b"--b--") + 4
        for length in range(1, end):
            self.assertRaises(BadInput, merged, "", b"multipart/form-data; boundary=b", self.BODY[:length])
