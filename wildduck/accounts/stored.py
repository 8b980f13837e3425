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

from wildduck.limits import META_LEVELS


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
    """
    What was stored as C{metaData} or C{internalData}; C{{}} for what is none.

    WildDuck takes what JSON can not say in UTF-8, and any depth: a lone surrogate is
    C{?}, and levels beyond L{META_LEVELS} are C{None}.
    """
    if isinstance(stored, str) and stored:
        try:
            value = json.loads(stored)
        except (ValueError, RecursionError):
            return {}
        if "\\u" in stored or _brackets(stored) > META_LEVELS:
            value = _sayable(value, META_LEVELS)
        return value if isinstance(value, dict) else {}
    return {}


def _sayable(value: Any, levels: int) -> Any:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, dict):
        if levels > 0:
            return {_text(name): _sayable(one, levels - 1) for name, one in value.items()}
        return None
    if isinstance(value, list):
        return [_sayable(one, levels - 1) for one in value] if levels > 0 else None
    return value


def _text(value: str) -> str:
    return value.encode("utf-8", "replace").decode("utf-8")


def is_deeper(value: Any, levels: int) -> bool:
    """Whether objects and lists lie in each other over more levels than these."""
    if not isinstance(value, (dict, list)):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return levels <= 0 or any(is_deeper(one, levels - 1) for one in inner)


def _brackets(text: str) -> int:
    return text.count("[") + text.count("{")


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
