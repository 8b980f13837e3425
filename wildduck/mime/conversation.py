"""
What decides to which conversation a message belongs (spec/schema.md §4).
"""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Any

#: Hashes taken of one message.
_IDS = 10
#: Characters of a header that are looked at for ids.
_LOOKED_AT = 64 * 1024
#: Characters of a Thread-Index that all messages of a conversation share.
_THREAD_INDEX = 22

_BLANKS = re.compile(r"\s+")
# What replies and lists put before a subject; a tag only if something follows it.
_PREFIX = re.compile(r"(?:\s*(?:(?:re|fwd?)\s*:|\[[^\]]*\](?=\s*\S)))*\s*", re.IGNORECASE)
_SUFFIX = "(fwd)"


def ids(parsed_header: dict[str, Any]) -> list[str]:
    """
    Hashes of the message's own id and of those it refers to.

    @param parsed_header: as of L{wildduck.mime.headers.parsed_header}.
    @return: SHA-1, base64 without padding, at most 10; empty if there is no id.
    """
    words = " ".join(
        (
            _last(parsed_header, "message-id"),
            _last(parsed_header, "in-reply-to"),
            _last(parsed_header, "thread-index")[:_THREAD_INDEX],
            _last(parsed_header, "references"),
        )
    )
    found: dict[str, None] = {}
    for word in words.split():
        value = word.removeprefix("<").removesuffix(">")
        if value:
            found[value] = None
            if len(found) == _IDS:
                break
    return [_hash(value) for value in found]


def subject(text: str) -> str:
    """
    A subject without what replies and lists put around it.

    @param text: the decoded subject.
    """
    text = _BLANKS.sub(" ", text).strip()
    match = _PREFIX.match(text)
    start = match.end() if match is not None else 0
    end = len(text)
    while end > start and text[max(start, end - len(_SUFFIX)) : end].lower() == _SUFFIX:
        end -= len(_SUFFIX)
        while end > start and text[end - 1] == " ":
            end -= 1
    return text[start:end]


def _last(parsed_header: dict[str, Any], name: str) -> str:
    value = parsed_header.get(name)
    if isinstance(value, list):
        value = value[-1] if value else ""
    return value[:_LOOKED_AT] if isinstance(value, str) else ""


def _hash(value: str) -> str:
    digest = hashlib.sha1(value.encode("utf-8", "replace"), usedforsecurity=False).digest()
    return base64.b64encode(digest).decode("ascii").rstrip("=")
