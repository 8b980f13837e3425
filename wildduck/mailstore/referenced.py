"""A stored message that a new one answers or forwards."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bson import ObjectId

from wildduck.mailstore.backend import Backend
from wildduck.mailstore.content import CONTENT_FIELDS
from wildduck.mime import conversation, words
from wildduck.mime.compose import Address
from wildduck.mime.compose.fields import ids_in, is_address
from wildduck.mime.envelope import last

#: Message-IDs in References of an answer (spec/api.md).
REFERENCES = 50
#: Addresses that an answer takes over.
_RECIPIENTS = 1000

_FIELDS = {**CONTENT_FIELDS, "attachments": True, "thread": True, "subject": True}
_PREFIXED = re.compile(r"\w+: ")


@dataclass(frozen=True, slots=True)
class Follows:
    """
    The conversation that a new message is part of if its subject is the same.

    @ivar subject: normalised, see L{conversation.subject}.
    """

    thread: ObjectId
    subject: str


class Referenced:
    """
    What a new message takes of the one it refers to.

    @ivar document: with what L{wildduck.mailstore.content.Content} needs, and C{attachments}.
    """

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.document = document
        header = (document.get("mimeTree") or {}).get("parsedHeader")
        self._header: Mapping[str, Any] = header if isinstance(header, dict) else {}

    @property
    def subject(self) -> str:
        """Decoded, without what an answer puts before it."""
        return words.decode(last(self._header.get("subject"))).strip()

    def subject_for(self, action: str) -> str:
        """
        The subject of an answer: one that has a prefix already keeps it.

        @param action: C{reply}, C{replyAll} or C{forward}.
        """
        subject = self.subject
        if _PREFIXED.match(subject):
            return subject
        return f"{'Fwd' if action == 'forward' else 'Re'}: {subject}".strip()

    @property
    def message_ids(self) -> tuple[str, ...]:
        """Its own Message-ID, if it has one."""
        return tuple(ids_in(last(self._header.get("message-id")))[:1])

    @property
    def references(self) -> tuple[str, ...]:
        """
        For References (RFC 5322 §3.6.4): those it has, or what it answers, then its own id.

        Of too many the first and the latest stay, as RFC 5537 §3.4.4 demands.
        """
        known = ids_in(last(self._header.get("references"))) or ids_in(last(self._header.get("in-reply-to")))
        ids = list(dict.fromkeys(id for id in known if id not in self.message_ids))
        ids += self.message_ids
        return tuple(ids if len(ids) <= REFERENCES else [ids[0], *ids[1 - REFERENCES :]])

    @property
    def follows(self) -> Follows | None:
        """Its conversation."""
        thread = self.document.get("thread")
        if not isinstance(thread, ObjectId):
            return None
        return Follows(thread, conversation.subject(words.decode(last(self._header.get("subject")))))

    def recipients(
        self, action: str, own: frozenset[str], view: Any
    ) -> tuple[tuple[Address, ...], tuple[Address, ...]]:
        """
        Who gets the answer.

        The answer to a message of one's own goes to those that it went to.

        @param action: C{reply} or C{replyAll}.
        @param own: the account's addresses, as C{view} gives them.
        @param view: a function that makes equal addresses equal.
        @return: To and Cc, none twice and none that is one's own.
        """
        seen = set(own)
        sender = self._addresses("reply-to") or self._addresses("from") or self._addresses("sender")
        to = _new(sender, seen, view)
        if action == "replyAll" or not to:
            to += _new(self._addresses("to"), seen, view)
        cc = _new(self._addresses("cc"), seen, view) if action == "replyAll" else []
        return tuple(to), tuple(cc)

    def _addresses(self, name: str) -> list[Address]:
        return list(_flat(self._header.get(name)))[:_RECIPIENTS]


def _flat(entries: Any) -> Iterator[Address]:
    """The addresses of a stored header, those in groups too."""
    for entry in entries if isinstance(entries, list) else [entries]:
        if not isinstance(entry, dict):
            continue
        address = entry.get("address")
        if isinstance(address, str) and is_address(address):
            yield Address(words.decode(last(entry.get("name"))).strip(), address)
        if isinstance(entry.get("group"), list):
            # Groups do not nest.
            yield from _flat([one for one in entry["group"] if isinstance(one, dict) and "group" not in one])


def _new(found: list[Address], seen: set[str], view: Any) -> list[Address]:
    fresh = []
    for one in found:
        key = view(one.address)
        if key not in seen:
            seen.add(key)
            fresh.append(one)
    return fresh


async def find(backend: Backend, user: ObjectId, mailbox: ObjectId, uid: int) -> Referenced | None:
    """@return: C{None} where the account has no such message."""
    document = await backend.main.find_one(
        "messages", {"mailbox": mailbox, "uid": uid, "user": user}, projection=_FIELDS
    )
    return Referenced(document) if document is not None else None
