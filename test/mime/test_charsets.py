"""Tests for charsets, declared rightly, wrongly or not at all."""

from __future__ import annotations

from hypothesis import given, strategies as st
from twisted.trial import unittest

from test.support.chance import by_chance
from wildduck.mime import charsets


class NameTests(unittest.TestCase):
    """Labels as they stand in mail."""

    def test_known(self) -> None:
        """Any case, quotes, a language, and the names of old programs are understood."""
        for label, codec in (
            ("utf-8", "utf_8"),
            ("UTF8", "utf_8"),
            ('"utf-8"', "utf_8"),
            ("utf-8*en", "utf_8"),
            ("iso-8859-1", "cp1252"),
            ("ISO_8859-15", "iso8859_15"),
            ("windows-1251", "cp1251"),
            ("cp-850", "cp850"),
            ("ks_c_5601-1987", "cp949"),
            ("GB2312", "gb18030"),
            ("Shift_JIS", "cp932"),
            ("koi8-r", "koi8_r"),
            ("x-sjis", "cp932"),
        ):
            self.assertEqual(charsets.codec_name(label), codec)

    def test_unknown(self) -> None:
        """What is no charset, and codecs that mail may not choose, are unknown."""
        for label in (
            None,
            "",
            "us-ascii",
            "foo",
            "x" * 1000,
            "punycode",
            "idna",
            "unicode_escape",
            "raw_unicode_escape",
            "zlib",
            "base64",
            "hex",
            "rot13",
            "mbcs",
            "undefined",
            "../../os",
            "utf-8\0",
        ):
            self.assertIsNone(charsets.codec_name(label))

    def test_every_codec_exists(self) -> None:
        """The table names only codecs that this Python has."""
        for name in charsets._NAMES.values():
            self.assertIsInstance(b"abcd".decode(name, "replace"), str)


class DecodingTests(unittest.TestCase):
    """Bytes to text."""

    def test_declared(self) -> None:
        """The charset that is named is used."""
        for data, charset, text in (
            (b"caf\xe9", "iso-8859-1", "café"),
            (b"\x80", "iso-8859-1", "€"),
            (b"\x81", "windows-1252", "\x81"),
            (b"caf\xc3\xa9", "utf-8", "café"),
            (b"\xef\xbb\xbfx", "utf-8", "x"),
            (b"\xcf\xf0\xe8", "windows-1251", "При"),
            ("こんにちは".encode("iso2022_jp"), "iso-2022-jp", "こんにちは"),
            ("你好".encode("gbk"), "gb2312", "你好"),
            (b"+AGE-b", "utf-7", "ab"),
            ("häh".encode("utf-16-le"), "utf-16le", "häh"),
        ):
            self.assertEqual(charsets.decode(data, charset), text)

    def test_undeclared(self) -> None:
        """Without a usable charset it is UTF-8 if that is valid, else windows-1252."""
        for charset in (None, "", "us-ascii", "nonsense"):
            self.assertEqual(charsets.decode(b"caf\xc3\xa9", charset), "café")
            self.assertEqual(charsets.decode(b"caf\xe9 \x80", charset), "café €")

    def test_broken(self) -> None:
        """Cut and wrong sequences give replacement characters."""
        for data, charset in (
            (b"caf\xc3", "utf-8"),
            (b"\xed\xa0\x80", "utf-8"),
            (b"+2AA-", "utf-7"),
            (b"+////", "utf-7"),
            (b"\x00\xd8", "utf-16le"),
            (b"x", "utf-16"),
            (b"\x1b$B", "iso-2022-jp"),
            (b"~{", "hz"),
            (b"\xff\xff\xff\xff", "utf-32"),
        ):
            charsets.decode(data, charset).encode("utf-8")

    @by_chance(170)
    @given(st.binary(max_size=60), st.sampled_from(sorted(charsets._ALLOWED)))
    def test_any_bytes(self, data: bytes, charset: str) -> None:
        """Any bytes in any charset give text that can be stored."""
        charsets.decode(data, charset).encode("utf-8")

    @by_chance(50)
    @given(st.text(max_size=40))
    def test_any_name(self, charset: str) -> None:
        """Any charset name is known or not."""
        charsets.decode(b"caf\xe9", charset).encode("utf-8")
