"""
Forms in which one password reaches a server.

A client may prepare what was typed before it sends it, by OpaqueString (RFC 8265
§4.2) or by SASLprep (RFC 4013), or send it as its keyboard gave it; RFC 4616 §2
compares what was prepared.  WildDuck hashes what it was given, and so do we: the
hash tells nothing of other forms.
"""

from __future__ import annotations

from stringprep import in_table_b1, in_table_c12

from wildduck.accounts.passwords import is_possible
from wildduck.mime.normal import normalized


def forms(password: str) -> tuple[str, ...]:
    """
    What to try, the most likely first: as it was given, and what differs from that.

    @param password: one that is possible (L{is_possible}).
    @return: three at most; one for what is in US-ASCII.
    """
    if password.isascii():
        return (password,)
    spaced = "".join(" " if in_table_c12(one) else one for one in password)
    opaque = normalized("NFC", spaced)
    prepared = normalized("NFKC", "".join(one for one in spaced if not in_table_b1(one)))
    others = (one for one in (opaque, prepared) if one != password and is_possible(one))
    return tuple(dict.fromkeys((password, *others)))
