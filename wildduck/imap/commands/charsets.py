"""The charsets that the strings of a search may be in (RFC 3501 and 9051 §6.4.4)."""

from __future__ import annotations

from wildduck.errors import DomainError
from wildduck.imap.grammar.responses import bad_charset_code
from wildduck.mime.charsets import codec_name

#: As clients are told; other names of these will do too.
CHARSETS = (
    *("US-ASCII", "UTF-8", "UTF-7"),
    *(f"ISO-8859-{part}" for part in (*range(1, 12), 13, 14, 15, 16)),
    *(f"windows-{page}" for page in (874, *range(1250, 1259))),
    *("KOI8-R", "KOI8-U", "IBM437", "IBM850", "IBM866", "macintosh"),
    *("Big5", "EUC-JP", "EUC-KR", "GB18030", "ISO-2022-JP", "ISO-2022-KR", "Shift_JIS"),
)
_CODECS = frozenset(map(codec_name, CHARSETS))
#: L{codec_name} gives none, for in mail it says nothing.
_ASCII = (b"US-ASCII", b"ASCII")


class BadCharset(DomainError):
    """The strings of a search can not be read."""

    imap_code = bad_charset_code(CHARSETS).decode("ascii")
    text = "This charset is not known here"


def codec_of(charset: bytes | None) -> str:
    """
    Without a charset strings are US-ASCII (RFC 3501 §6.4.4), and many clients
    mean UTF-8, as RFC 9051 has it.

    @return: a name that Python knows.
    @raise BadCharset: it is none of L{CHARSETS}.
    """
    if charset is None:
        return "utf_8"
    if charset.upper() in _ASCII:
        return "ascii"
    codec = codec_name(charset.decode("latin-1"))
    if codec is None or codec not in _CODECS:
        raise BadCharset()
    return codec
