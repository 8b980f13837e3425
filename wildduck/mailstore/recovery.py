"""
Making the row of an attachment anew from its chunks.

A database that crashed can have kept the chunks of an upload and a message that
refers to it, but not the row between them.  The name of an attachment is the
digest of its encoded bytes, so chunks that give that digest are it.
"""

from __future__ import annotations

import hashlib
from typing import Any

from wildduck.errors import ContentUnreadable, DuplicateKey
from wildduck.limits import CHUNK_BYTES
from wildduck.mailstore.attachments import FILES
from wildduck.mailstore.backend import Backend
from wildduck.mime.base64lines import Encoder

#: Lengths of base64 lines that are tried: nearly all mail has 76, or else one of these.
LINE_LENGTHS = (76, 72, 60, 64)


class _Form:
    """
    What the bytes would be if they had been stored in this form.

    @ivar line_length: of the base64 lines of the encoded form; 0 if the
        encoded form itself was stored.
    """

    def __init__(self, line_length: int) -> None:
        self.line_length = line_length
        self.length = 0
        self._encoder = Encoder(line_length) if line_length else None
        self._digest = hashlib.sha256()

    def feed(self, data: bytes) -> None:
        encoded = data if self._encoder is None else self._encoder.feed(data)
        self.length += len(encoded)
        self._digest.update(encoded)

    def digest(self) -> bytes:
        if self._encoder is not None:
            rest = self._encoder.finish()
            self.length += len(rest)
            self._digest.update(rest)
        return self._digest.digest()


async def restore_row(backend: Backend, digest: bytes, uses: int, magic: int) -> bool:
    """
    Make the missing row of an attachment.

    @param uses: references to it, C{magic}: the sum of their magic numbers.
    @return: whether there is a row now; C{False} when the chunks do not give
        the digest.
    """
    forms = [_Form(length) for length in (0, *LINE_LENGTHS)]
    stored = 0
    try:
        async for data in backend.gridfs.chunks(digest):
            stored += len(data)
            for form in forms:
                form.feed(data)
    except ContentUnreadable:
        return False
    right = next((form for form in forms if form.digest() == digest), None)
    if right is None:
        return False
    metadata: dict[str, Any] = {
        "m": magic,
        "c": uses,
        "cu": backend.now(),
        "esize": right.length,
        "transferEncoding": "base64" if right.line_length else "",
    }
    if right.line_length:
        metadata.update(decoded=True, lineLen=right.line_length)
    row = {
        "_id": digest,
        "length": stored,
        "chunkSize": CHUNK_BYTES,
        "uploadDate": backend.now(),
        "filename": None,
        "contentType": "application/octet-stream",
        "metadata": metadata,
    }
    try:
        await backend.databases.gridfs.insert_one(FILES, row, durable=True, shared_id=True)
    except DuplicateKey:
        pass  # a delivery has made it meanwhile
    return True
