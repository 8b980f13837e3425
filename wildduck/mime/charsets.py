"""
Bytes of any declared charset as text, whatever the declaration is worth.

The names come from a closed table: Python's own C{codecs.lookup} would import
modules by names taken from mail, remember every unknown one for ever, and
offers codecs (punycode, unicode_escape, idna) that no mail may choose.
"""

from __future__ import annotations

import codecs
import re
from encodings.aliases import aliases
from functools import lru_cache

_LABEL = re.compile(r"[A-Za-z0-9_.:+\-]{1,40}")
_SURROGATE = re.compile("[\ud800-\udfff]")
_SEPARATORS = str.maketrans("", "", "-_.: ")

# Codecs that mail may choose: all of Python's that map bytes to characters.
_CODECS = """
    ascii big5 big5hkscs cp037 cp1026 cp1125 cp1140 cp1250 cp1251 cp1252 cp1253 cp1254 cp1255 cp1256 cp1257
    cp1258 cp273 cp424 cp437 cp500 cp720 cp737 cp775 cp850 cp852 cp855 cp856 cp857 cp858 cp860 cp861 cp862
    cp863 cp864 cp865 cp866 cp869 cp874 cp932 cp949 cp950 euc_jis_2004 euc_jisx0213 euc_jp euc_kr gb18030
    gb2312 gbk hp_roman8 hz iso2022_jp iso2022_jp_1 iso2022_jp_2 iso2022_jp_2004 iso2022_jp_3 iso2022_jp_ext
    iso2022_kr iso8859_1 iso8859_2 iso8859_3 iso8859_4 iso8859_5 iso8859_6 iso8859_7 iso8859_8 iso8859_9
    iso8859_10 iso8859_11 iso8859_13 iso8859_14 iso8859_15 iso8859_16 johab koi8_r koi8_t koi8_u kz1048
    latin_1 mac_cyrillic mac_greek mac_iceland mac_latin2 mac_roman mac_turkish ptcp154 shift_jis
    shift_jis_2004 shift_jisx0213 tis_620 utf_16 utf_16_be utf_16_le utf_32 utf_32_be utf_32_le utf_7 utf_8
    utf_8_sig
"""
_ALLOWED = frozenset(_CODECS.split())

#: Names seen in mail that Python does not know, or reads too narrowly: the
#: label means the larger set that contains it (as the WHATWG's encoding list
#: has it), because senders mix them up.
_OVERRIDES = {
    "iso88591": "cp1252",
    "latin1": "cp1252",
    "l1": "cp1252",
    "iso8859": "cp1252",
    "iso88591windows30latin1": "cp1252",
    "windows1252http": "cp1252",
    "ansi": "cp1252",
    "iso88599": "cp1254",
    "latin5": "cp1254",
    "iso885911": "cp874",
    "tis620": "cp874",
    "iso88598i": "iso8859_8",
    "iso88598e": "iso8859_8",
    "iso88596i": "iso8859_6",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "euccn": "gb18030",
    "xgbk": "gb18030",
    "csgb2312": "gb18030",
    "hzgb2312": "hz",
    "ksc56011987": "cp949",
    "ksc5601": "cp949",
    "euckr": "cp949",
    "cseuckr": "cp949",
    "xwindows949": "cp949",
    "shiftjis": "cp932",
    "sjis": "cp932",
    "xsjis": "cp932",
    "csshiftjis": "cp932",
    "windows31j": "cp932",
    "xeucjp": "euc_jp",
    "big5": "big5hkscs",
    "xxbig5": "big5hkscs",
    "csbig5": "big5hkscs",
    "iso2022jp": "iso2022_jp_ext",
    "csiso2022jp": "iso2022_jp_ext",
    "cp50220": "iso2022_jp_ext",
    "cp50221": "iso2022_jp_ext",
    "unicode11utf8": "utf_8",
    "unicode11utf7": "utf_7",
    "xunicode20utf8": "utf_8",
    "utf8mb4": "utf_8",
    "unicode": "utf_16",
    "ucs2": "utf_16",
    "iso10646ucs2": "utf_16",
    "xmacroman": "mac_roman",
    "macintosh": "mac_roman",
    "xmaccyrillic": "mac_cyrillic",
    "koi8": "koi8_r",
    "koi8ru": "koi8_u",
    "cp866": "cp866",
    "dos874": "cp874",
}

#: Declarations that say nothing about the bytes above 127.
_UNDECLARED = "ascii usascii ansix341968 7bit 8bit binary unknown8bit unknown xunknown default"
_MEANINGLESS = frozenset(("", *_UNDECLARED.split()))


def _table() -> dict[str, str]:
    names = {codec.translate(_SEPARATORS): codec for codec in _ALLOWED}
    for alias, codec in aliases.items():
        if codec in _ALLOWED:
            names.setdefault(alias.translate(_SEPARATORS), codec)
    for page in ("1250", "1251", "1252", "1253", "1254", "1255", "1256", "1257", "1258", "874"):
        for prefix in ("windows", "xcp", "win", "cp", "ibm", "mswindows"):
            names.setdefault(prefix + page, f"cp{page}")
    names.update(_OVERRIDES)
    return names


_NAMES = _table()


def codec_name(charset: str | None) -> str | None:
    """
    Python's codec for a charset label.

    @param charset: as found in mail: any case, quoted, with RFC 2231's
        language suffix (C{utf-8*en}).
    @return: C{None} where it is missing, unknown or meaningless (us-ascii
        says nothing of 8-bit bytes).
    """
    return _codec((charset or "")[:80])


@lru_cache(maxsize=512)
def _codec(charset: str) -> str | None:
    label = charset.strip(" \t\r\n\"'").partition("*")[0]
    if not _LABEL.fullmatch(label):
        return None
    key = label.lower().translate(_SEPARATORS)
    return None if key in _MEANINGLESS else _NAMES.get(key)


def decode(data: bytes, charset: str | None) -> str:
    """
    Bytes to text; any bytes, any charset, never an exception.

    Without a usable charset the bytes are UTF-8 if they are valid as such,
    else windows-1252.  Bytes that the charset does not have become U+FFFD.

    @return: text without lone surrogates, so that it can be encoded again.
    """
    codec = codec_name(charset)
    if codec is None:
        return sniff(data)
    if codec == "utf_8":
        return data.decode("utf-8", "replace").removeprefix("\ufeff")
    if codec == "cp1252":
        return _windows_1252(data)
    try:
        text = data.decode(codec, "replace")
    except (UnicodeError, LookupError, ValueError):
        # A codec that breaks off in spite of "replace", as utf_16 may.
        return sniff(data)
    return _SURROGATE.sub("\ufffd", text) if codec.startswith("utf_") else text


def sniff(data: bytes) -> str:
    """Text of undeclared charset: UTF-8 if valid, else windows-1252."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return _windows_1252(data)


def _windows_1252(data: bytes) -> str:
    try:
        return data.decode("cp1252")
    except UnicodeDecodeError:
        # The five bytes that windows-1252 leaves out are C1 controls.
        return data.decode("cp1252", "wildduck.latin1")


def _as_latin1(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return error.object[error.start : error.end].decode("latin-1"), error.end


codecs.register_error("wildduck.latin1", _as_latin1)
