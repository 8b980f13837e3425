"""Conversations among what a search found (RFC 5256 §3 THREAD)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from wildduck import limits
from wildduck.mailstore.search import headers
from wildduck.mailstore.search.reading import Reading
from wildduck.mailstore.search.references import by_references
from wildduck.mailstore.search.trees import Message, Tree, by_subject
from wildduck.mime.message_ids import first_message_id, message_ids

_BATCH = 300
#: More messages are put together in a thread.
_FEW = 1000
#: Longer Message-IDs are kept as hashes.
_LONG_ID = 200

#: By name: the algorithm, and the fields that it needs.
ALGORITHMS: dict[str, tuple[Callable[[Sequence[Message]], list[Tree]], tuple[str, ...]]] = {
    "orderedsubject": (by_subject, ("date", "subject")),
    "references": (by_references, ("date", "subject", "message-id", "references", "in-reply-to")),
}


async def thread(reading: Reading, found: int, algorithm: str) -> list[Tree]:
    """
    What is gone is left out.

    @param found: the set of messages.
    @param algorithm: of L{ALGORITHMS}.
    @return: numbers are places in L{Known.uids <wildduck.mailstore.search.known.Known.uids>}.
    @raise Overloaded: too much other work waits for a thread already.
    """
    combine, fields = ALGORITHMS[algorithm]
    projection = {f"mimeTree.parsedHeader.{field}": True for field in fields}
    referring = _Referring() if "references" in fields else None
    messages: list[Message] = []
    async for batch in reading.documents(found, projection, _BATCH):
        for place, document in batch:
            messages.append(_message(place, document, reading.known.arrival(place), referring))
            await reading.turn.pause()
    if len(messages) <= _FEW:
        return combine(messages)
    return await reading.backend.mime_pool.run(combine, messages)


def _message(place: int, document: Mapping[str, Any], arrival: int, referring: _Referring | None) -> Message:
    sent = headers.sent_seconds(document)
    subject, answers = headers.subject(document)
    id, references = (None, ()) if referring is None else referring.of(headers.parsed_header(document))
    return Message(place, subject, answers, arrival if sent is None else sent, id, references)


class _Referring:
    """Message-IDs, of which not too many are held."""

    def __init__(self) -> None:
        self._left = limits.THREAD_REFERENCES

    def of(self, parsed: Mapping[str, Any]) -> tuple[str | None, Sequence[str]]:
        """The id of a message and those of what it follows."""
        own = first_message_id(headers.last(parsed.get("message-id")))
        return None if own is None else _short(own), self._references(parsed)

    def _references(self, parsed: Mapping[str, Any]) -> Sequence[str]:
        value = parsed.get("references")
        if isinstance(value, list):
            value = " ".join(one for one in value if isinstance(one, str))
        found = list(message_ids(value)) if isinstance(value, str) else []
        if not found:
            answered = first_message_id(headers.last(parsed.get("in-reply-to")))
            return () if answered is None else (_short(answered),)
        # The nearest matter most: older ones are mostly told by the messages between.
        most = limits.THREAD_REFERENCES_EACH if self._left > 0 else 1
        self._left -= min(len(found), most)
        return tuple(map(_short, found[-most:]))


def _short(id: str) -> str:
    if len(id) <= _LONG_ID:
        return id
    return hashlib.sha256(id.encode("utf-8", "replace")).hexdigest()
