"""What a client and a server say after COMPRESS (RFC 4978), in clear."""

from __future__ import annotations

import re
import zlib

_ASKED = re.compile(rb"(?mi)^(\S+) COMPRESS DEFLATE\r\n")


def in_clear(client: bytes, server: bytes) -> tuple[bytes, bytes]:
    """
    Both directions of an IMAP connection, with what was compressed inflated.

    Compression begins with what follows the tagged OK in the one direction, and the command in
    the other.

    @return: what came in, where nothing was compressed.
    """
    for asked in _ASKED.finditer(client):
        given = re.search(rb"(?m)^" + re.escape(asked[1]) + rb" OK[^\r\n]*\r\n", server)
        if given:
            return _inflated(client, asked.end()), _inflated(server, given.end())
    return client, server


def _inflated(data: bytes, start: int) -> bytes:
    """
    One direction, inflated from where it begins.

    @raise zlib.error: it is no such stream.
    """
    return data[:start] + zlib.decompressobj(-zlib.MAX_WBITS).decompress(data[start:])
