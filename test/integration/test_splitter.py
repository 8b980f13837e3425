"""The scanner and the plain splitter of the tests find the same parts."""

from __future__ import annotations

from typing import Any

from twisted.trial import unittest

from test.support.corpus import corpus
from test.support.messages import generated
from test.support.splitter import Entity, split
from wildduck.mime.message import scan
from wildduck.mime.part import Part


class SplitterTests(unittest.TestCase):
    """By offsets of headers, bodies and all that is below."""

    def test_corpus(self) -> None:
        """In the corpus, as CRLF text, as it is, and without a last line break."""
        for sample in corpus():
            for message in (sample.complete, sample.crlf, sample.raw):
                self._compare(sample.name, message)

    def test_generated(self) -> None:
        """In generated messages."""
        for seed in range(200):
            self._compare(f"seed {seed}", generated(seed, 20_000))

    def _compare(self, name: str, message: bytes) -> None:
        self.assertEqual(_of_part(scan(message).root), _of_entity(split(message)), name)


def _of_part(part: Part) -> Any:
    parts = None if part.boundary is None else [_of_part(child) for child in part.children]
    inner = None if part.message is None else _of_part(part.message)
    return part.header_start, part.body_start, part.body_end, parts, inner


def _of_entity(entity: Entity) -> Any:
    parts = None if entity.parts is None else [_of_entity(child) for child in entity.parts]
    inner = None if entity.message is None else _of_entity(entity.message)
    return entity.header, entity.body, entity.end, parts, inner
