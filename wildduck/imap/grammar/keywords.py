"""
Keywords both ways (RFC 3501 §9 'flag-keyword'), those beyond US-ASCII included.

Where UTF8=ACCEPT is enabled a keyword may have UTF-8 beyond US-ASCII, raw.  Such
a character is what a mailbox name may have there: Net-Unicode (RFC 5198 §2, NFC)
without controls and line separators (RFC 6855 §3).

Elsewhere an atom is US-ASCII (RFC 3501, and RFC 9051 too), and such a keyword is
written with the octets of its UTF-8 in hexadecimal: C{gr=C3=B6=C3=9Fe}; so it can
be given, too.  Modified UTF-7, as of mailbox names, would not do: case does not
count in keywords, and clients change it, but it does in base64.

An equals sign in a keyword that is written so is C{=3D}.  All other keywords stand
for themselves, C{a=3Db} as well; only one that looks as if it were written so has
each of its equals signs as C{=3D}.  So each keyword has one spelling and each atom
names one keyword.
"""

from __future__ import annotations

import re
from binascii import a2b_qp

from wildduck.imap.grammar.cursor import UNICODE_ATOM, Cursor
from wildduck.imap.grammar.modes import Modes
from wildduck.limits import KEYWORD_BYTES
from wildduck.mime.normal import normalized

#: C{ATOM-CHAR}, and others but controls, line separators and surrogates; a byte order mark not as the first.
_KEYWORD = re.compile(
    "(?!\ufeff)[!#$&'+,\\-./0-9:;<=>?@A-Z\\[^_`a-z|}~\xa0-\u2027\u202a-\ud7ff\ue000-\U0010ffff]+"
)
#: An equals sign that begins no octet; one that is not followed by that of an equals sign.
_NO_OCTET = re.compile(rb"=(?!3[Dd]|[89A-Fa-f][0-9A-Fa-f])")
_OUTERMOST = re.compile(rb"=(?!3[Dd])")
_LEVELS = re.compile(rb"=((?:3[Dd])*)")
_TO_ESCAPE = re.compile(rb"[=\x80-\xff]")


def keyword(cursor: Cursor, what: str) -> str:
    """
    The keyword that is named here, in NFC.

    @raise ProtocolError: there is none, it is not UTF-8, or it has a character that keywords do not have.
    """
    if not cursor.modes.utf8:
        atom = cursor.atom(what)
        return _composed(_unescaped(atom) or atom.decode("ascii"))
    match = cursor.match(UNICODE_ATOM)
    if match is None:
        raise cursor.error(f"expected {what}")
    try:
        name = _composed(match.group().decode("utf-8"))
    except UnicodeDecodeError:
        raise cursor.error(f"{what} is not UTF-8") from None
    if not _KEYWORD.fullmatch(name):
        raise cursor.error(f"{what} has a character that it can not have")
    return name


def compose_keyword(name: str, modes: Modes) -> bytes:
    """
    A stored keyword as a session writes it.

    @return: empty where it can not be written, or could not be given back:
        another program stored what is no keyword, or one that is too long.
    """
    if not _KEYWORD.fullmatch(name):
        return b""
    raw = name.encode("utf-8")
    if len(raw) > KEYWORD_BYTES:
        return b""
    if modes.utf8 or (name.isascii() and _unescaped(raw) is None):
        return raw
    return _TO_ESCAPE.sub(lambda match: b"=%02X" % match[0][0], raw)


def _composed(name: str) -> str:
    return name if name.isascii() else normalized("NFC", name)


def _unescaped(atom: bytes) -> str | None:
    """What an atom stands for; C{None}: for itself."""
    if b"=" not in atom:
        return None
    innermost, depth = atom, 0
    if not _OUTERMOST.search(atom):
        # Without so many "3D" behind each equals sign it begins an octet beyond US-ASCII somewhere.
        depth = min(map(len, _LEVELS.findall(atom))) // 2
        innermost = re.sub(rb"=(?:3[Dd]){%d}" % depth, b"=", atom)
    if _NO_OCTET.search(innermost):
        return None
    try:
        text = a2b_qp(innermost).decode("utf-8")
    except UnicodeDecodeError:
        return None
    if not _KEYWORD.fullmatch(text):
        return None
    return a2b_qp(atom).decode("ascii") if depth else text
