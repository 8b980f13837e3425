"""What differs in two answers, but for ids, times and words."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from test.interop.api.call import Call

_ID = re.compile(r"[0-9a-f]{24}\Z")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\Z")
_MAIL_TIME = re.compile(r"\w{3}, \d\d? \w{3} \d{4} \d\d:\d\d:\d\d [+-]\d{4}\Z")
_RANDOM = re.compile(
    r"<?[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[0-9a-f]{8}\.eml\Z|-*=?_(NmP-)?[0-9a-f]{16}"
)
#: The words of errors, and what is random or tells the time.
_WORDS = ("error", "details.*", "message")
_ANY_OF_ITS_TYPE = (
    "nextCursor",
    "previousCursor",
    "**.ttl",
    "ttl",
    "token",
    "password",
    "version",
)


@dataclass(frozen=True)
class Rule:
    """
    Something that differs for a reason.

    @ivar calls: which calls, a regular expression for the beginning of C{METHOD path body}.
    @ivar place: where in the answer: C{"status"}; or dotted, C{*} for one step, C{**} for any number.
    @ivar words: of the entry in docs/differences.rst.
    """

    calls: str
    place: str
    words: str

    def covers(self, call: str, place: str) -> bool:
        return bool(re.match(self.calls, call)) and _matches(place, self.place)


@dataclass(frozen=True)
class Answer:
    """
    @ivar status: of HTTP.
    @ivar body: decoded JSON, or bytes.
    @ivar kind: content type without parameters.
    """

    status: int
    body: Any
    kind: str


class Comparison:
    """
    Compares answers one after the other.

    @ivar problems: what differs and is not listed.
    @ivar used: rules by which something differed.
    """

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = rules
        #: WildDuck's id to ours, and back.
        self._ids: dict[str, str] = {}
        self._back: dict[str, str] = {}
        self.problems: list[str] = []
        self.used: set[Rule] = set()

    def compare(self, call: Call, ours: Answer, theirs: Answer) -> None:
        """Compare one answer."""
        for place, (our, their) in self._differences(ours, theirs):
            rules = [rule for rule in self._rules if rule.covers(str(call), place)]
            self.used.update(rules)
            if not rules:
                self.problems.append(f"{call}\n    {place}: ours {_short(our)}, WildDuck's {_short(their)}")

    def _differences(self, ours: Answer, theirs: Answer) -> Iterator[tuple[str, tuple[Any, Any]]]:
        if ours.status != theirs.status:
            yield "status", ((ours.status, ours.body), (theirs.status, theirs.body))
            return
        if ours.kind != theirs.kind:
            yield "content-type", (ours.kind, theirs.kind)
        yield from self._values("", ours.body, theirs.body)

    def _values(self, place: str, ours: Any, theirs: Any) -> Iterator[tuple[str, tuple[Any, Any]]]:
        if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
            for key in {**theirs, **ours}:
                inner = f"{place}.{key}" if place else key
                if key not in ours or key not in theirs:
                    yield inner, (ours.get(key, "(absent)"), theirs.get(key, "(absent)"))
                else:
                    yield from self._values(inner, ours[key], theirs[key])
        elif isinstance(ours, list) and isinstance(theirs, list):
            if len(ours) != len(theirs):
                yield place or "(list)", (ours, theirs)
                return
            for number, pair in enumerate(zip(ours, theirs, strict=True)):
                yield from self._values(f"{place}.{number}", *pair)
        elif not self._same(place, ours, theirs):
            yield place or "(body)", (ours, theirs)

    def _same(self, place: str, ours: Any, theirs: Any) -> bool:
        if type(ours) is not type(theirs) and not (_is_number(ours) and _is_number(theirs)):
            return any(_matches(place, pattern) for pattern in ("**.ttl", "ttl")) and _is_ttl(ours, theirs)
        if ours == theirs:
            return True
        if any(_matches(place, pattern) for pattern in (*_WORDS, *_ANY_OF_ITS_TYPE)):
            return True
        if isinstance(ours, str):
            if any(form.match(ours) and form.match(theirs) for form in (_TIME, _MAIL_TIME, _RANDOM)):
                return True
            if _ID.match(ours) and _ID.match(theirs):
                return self._same_id(ours, theirs)
        return False

    def _same_id(self, ours: str, theirs: str) -> bool:
        """Whether both stand for the same thing as before."""
        known = self._ids.setdefault(theirs, ours) == ours
        return known and self._back.setdefault(ours, theirs) == theirs


def _matches(place: str, pattern: str) -> bool:
    """C{*} is one step of the place, C{**} any number."""
    steps, wanted = place.split("."), pattern.split(".")
    if "**" in pattern:
        return fnmatch.fnmatchcase(place, pattern.replace("**", "*"))
    return len(steps) == len(wanted) and all(map(fnmatch.fnmatchcase, steps, wanted))


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_ttl(ours: Any, theirs: Any) -> bool:
    return all(value is False or _is_number(value) for value in (ours, theirs))


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 300 else f"{text[:300]}…"
