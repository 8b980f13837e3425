"""
Tags, metaData and patterns as WildDuck's documents and queries hold them.

Source: spec/api.md §0 ('metaData/internalData', 'tag lists').
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from bson import ObjectId


def tag_fields(tags: Iterable[str]) -> dict[str, list[str]]:
    """
    C{tags} as they were given, in the order of letters and each once whatever its case, and C{tagsview}.

    @param tags: outer blanks are dropped, and what is empty then.
    """
    by_view: dict[str, str] = {}
    for tag in tags:
        tag = tag.strip()
        if tag:
            by_view.setdefault(tag.lower(), tag)
    return {"tags": [by_view[view] for view in sorted(by_view)], "tagsview": sorted(by_view)}


def stored_tags(value: Any) -> tuple[str, ...]:
    """The tags of a document; an odd value is none."""
    return tuple(tag for tag in value if isinstance(tag, str)) if isinstance(value, list) else ()


def meta_text(value: Mapping[str, Any]) -> str:
    """The JSON text in which C{metaData} and C{internalData} are stored."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def meta_value(stored: Any) -> dict[str, Any]:
    """What was stored as C{metaData} or C{internalData}; C{{}} for what is none."""
    if isinstance(stored, str) and stored:
        try:
            value = json.loads(stored)
        except (ValueError, RecursionError):
            return {}
        return value if isinstance(value, dict) else {}
    return {}


def containing(text: str, *, ignore_case: bool = False) -> dict[str, str]:
    """A query operator for strings that have this text somewhere; nothing of it is a pattern."""
    return _matching(_literal(text), ignore_case)


def beginning(text: str, *, ignore_case: bool = False) -> dict[str, str]:
    """A query operator for strings that begin with this text."""
    return _matching("^" + _literal(text), ignore_case)


def ending(text: str) -> dict[str, str]:
    """A query operator for strings that end with this text."""
    return _matching(_literal(text) + r"\z", False)


def _literal(text: str) -> str:
    # BSON ends a pattern at a NUL.
    return re.escape(text).replace("\x00", r"\x00")


def _matching(pattern: str, ignore_case: bool) -> dict[str, str]:
    return {"$regex": pattern, "$options": "i"} if ignore_case else {"$regex": pattern}


def object_id(value: str) -> ObjectId | None:
    """An id of 24 hexadecimal digits; C{None} for another string."""
    return ObjectId(value) if re.fullmatch(r"[0-9a-fA-F]{24}", value) else None


def stored_string(value: Any) -> str:
    """A string of a document; C{""} for a missing or odd one."""
    return value if isinstance(value, str) else ""
