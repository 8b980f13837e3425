"""L{wildduck.imap.commands.documents}, L{wildduck.mime.narrow}: the less is read, the same is told."""

from __future__ import annotations

import copy
from datetime import datetime, timezone
from typing import Any

from bson import ObjectId
from twisted.trial.unittest import SynchronousTestCase

from test.mime.storing import Kept, keep_bytes, multipart
from test.support.corpus import samples
from test.support.messages import generated
from wildduck.imap.commands import documents
from wildduck.mime import narrow, native


def projected(document: dict[str, Any], fields: tuple[str, ...]) -> dict[str, Any]:
    """What MongoDB gives of a document for these fields."""
    found: dict[str, Any] = {}
    for path in documents.projection(set(fields)):
        source: Any = document
        target = found
        *parents, last = path.split(".")
        for name in parents:
            source = source.get(name) if isinstance(source, dict) else None
            target = target.setdefault(name, {})
        if isinstance(source, dict) and last in source:
            target[last] = source[last]
    return found


def header_as_sent(kept: Kept) -> bytes:
    rope = kept.rope()
    return kept.bytes_of(rope.slice(*(rope.section((), "HEADER") or (0, 0))))


ODD = [
    b"",
    b"\r\n",
    b"A: b",
    b"A: b\r\n",
    b"A: b\r\n\r\n",
    b"A: b\n\nbody\n",
    b"A: b\r\n\r\nbody",
    b"no header at all",
    b" folded first\r\nA: b\r\n\r\nx",
    b"A: b\x00c\r\n\r\nx",
    b"A: b\r\n\r\nx\x00y",
    b"Content-Transfer-Encoding: binary\r\nA: b\r\n\r\nx\x00y",
    b"A: " + b"x" * 400_000 + b"\r\n\r\nx\n",
    multipart(b"\r\none", b"Content-Type: image/gif\r\n\r\nx\x00y"),
]


class InternalDateTests(SynchronousTestCase):
    def test_odd(self) -> None:
        """A date that is none is that of the header, or when the document was made."""
        date, other = datetime(2026, 1, 2, 3, 4, 5), datetime(2020, 1, 1)
        id = ObjectId("5e0be100aaaaaaaaaaaaaaaa")
        for document, expected in (
            ({"idate": date, "hdate": other, "_id": id}, date),
            ({"idate": True, "hdate": other, "_id": id}, other),
            ({"hdate": other, "_id": id}, other),
            ({"idate": [], "hdate": "x", "_id": id}, datetime(2020, 1, 1, tzinfo=timezone.utc)),
            ({"_id": "own"}, datetime(1970, 1, 1, tzinfo=timezone.utc)),
        ):
            self.assertEqual(documents.internal_date(document), expected)


class DocumentTests(SynchronousTestCase):
    def messages(self) -> list[bytes]:
        given = [sample.raw for sample in samples()]
        return ODD + given + [generated(seed, 3000) for seed in range(20)]

    def test_root_header(self) -> None:
        """The header is found without the bodies, or known to need them, and is what is sent."""
        for content in self.messages():
            for blob in (False, True):
                kept = keep_bytes(content, blob=blob)
                part = projected(kept.document, narrow.HEADER_FIELDS)
                header = narrow.root_header(part)
                if header is not None:
                    self.assertEqual(header, header_as_sent(kept), content[:80])
                elif not blob:
                    self.assertIn(b"\0", content)

    def test_header_without_additions(self) -> None:
        """So it is of a document that WildDuck wrote."""
        for content in self.messages():
            kept = keep_bytes(content)
            del kept.document["mimeTree"][native.KEY]
            part = projected(kept.document, narrow.HEADER_FIELDS)
            self.assertEqual(narrow.root_header(part), header_as_sent(kept), content[:80])

    def test_ready(self) -> None:
        """What was made ready is taken as it is, and only while it counts."""
        kept = keep_bytes(b"Subject: a\r\n\r\nb")
        part = projected(kept.document, documents.ready_fields("envelope"))
        self.assertEqual(documents.envelope(part), kept.analysis.ready["envelope"])
        part["size"] += 1
        self.assertIsNone(documents.envelope(part))

    def test_not_ready(self) -> None:
        """What was not made ready is made of the header and the tree, and is the same."""
        for content in self.messages():
            kept = keep_bytes(content)
            ready = kept.analysis.ready
            document = copy.deepcopy(kept.document)
            for name in ready:
                del document["mimeTree"][native.KEY][name]
            for name, extended in (("body", False), ("bodystructure", True)):
                if name in ready:
                    self.assertEqual(documents.structure(document, extended), ready[name], content[:80])
            envelope = documents.envelope(projected(document, narrow.HEADER_FIELDS))
            if envelope is not None and "envelope" in ready:
                self.assertEqual(envelope, ready["envelope"], content[:80])

    def test_projection(self) -> None:
        """MongoDB refuses a field together with its parent."""
        self.assertEqual(
            documents.projection({"mimeTree", "mimeTree.header", "mimeTrees", "size"}),
            {"mimeTree": True, "mimeTrees": True, "size": True},
        )
