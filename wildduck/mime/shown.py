"""
What ENVELOPE shows of an address field, as text: IMAP's FROM, TO, CC and BCC look
for it (RFC 3501 §6.4.4), however the field is written.

Blanks and comments may stand within an address, quotation marks and backslashes
within a name (RFC 5322 §3.2, §3.4).  Mostly there is nothing of this, and each text
stands in the field as L{wildduck.mime.searched.values} has it: L{is_plain} sees that
much faster than the addresses are read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from wildduck.mime import addresses, charsets, envelope, words


def _of_plain(possessive: str) -> str:
    """
    The regular expression of L{PLAIN}.

    It reads each character a few times at most, whether it matches or not: parts that
    follow one another begin with different characters.

    @param possessive: stands after a quantifier of which nothing is ever taken back.
    """
    many, any = f"+{possessive}", f"*{possessive}"
    blanks = rf"[ \t\r\n]{any}"
    encoded_word = r"=\?[!#->@-\[\]-~]{1,75}\?[QqBb]\?[!#->@-\[\]-~]*\?="
    special = r'\x00-\x20()<>\[\]:;@\\,"='
    atom = rf"[^{special}]{many}(?:=(?!\?)[^{special}]{any}){any}"
    quoted = rf'"[^"\\\r\n=]{any}(?:(?:{encoded_word}|=(?!\?))[^"\\\r\n=]{any}){any}"'
    word = rf"(?:{atom}|{encoded_word})"
    between = r"(?:[ \t]*\r?\n[ \t]+| )"
    phrase = rf"(?:{quoted}|{word}(?:{between}{word}){any})"
    address = f"{atom}@{atom}"
    entry = f"(?:{address}|{phrase}(?:{blanks}<{address}>)?|<{address}>)"
    entries = f"{blanks}(?:{entry}{blanks})?"
    return f"{entries}(?:[,:;]{entries}){any}"


#: For mongod, whose regular expressions give up where much might be taken back.
PLAIN = _of_plain("+")
_PLAIN = re.compile(_of_plain("").encode("ascii"))


def is_plain(value: bytes) -> bool:
    """
    Whether each of L{texts} stands in the field as it is searched.

    @param value: of an address field, folded or not.
    @return: C{False} also where that can't be told so fast.
    """
    return _PLAIN.fullmatch(value) is not None


def texts(value: bytes) -> Iterator[str]:
    """
    Names, addresses with and without their quotation marks, and source routes,
    with encoded-words decoded.

    @param value: of an address field, folded or not.
    """
    for entry in addresses.scan(charsets.sniff(words.unfold(value))):
        if isinstance(entry, addresses.Group):
            found = {entry.name}.union(*map(_of_mailbox, entry.members))
        else:
            found = _of_mailbox(entry)
        yield from filter(None, map(words.decode, found))


def _of_mailbox(mailbox: addresses.Mailbox) -> set[str]:
    name, route, local, domain = envelope.shown(mailbox)
    at = f"@{domain}" if domain else ""
    return {name, route, local + at, mailbox.local + at}
