"""
Address lists (RFC 5322 §3.4, §4.4): mailboxes and groups, from any text.

One tokenizer and one forgiving reader serve the stored form (WildDuck's
parsedHeader) and the IMAP ENVELOPE.  Both are iterative and look at every
character a bounded number of times; nesting of comments is counted, groups do
not nest.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from wildduck import limits
from wildduck.mime.parameters import skip_comment

_SPACE = re.compile(r"[ \t\r\n]+")
# Letters of an atom, and whatever else is not special (RFC 5322 §3.2.3).
_ATOM = re.compile(r'[^ \t\r\n()<>\[\]:;@\\,"]+')
_WORD = re.compile(r"=\?[^?\s]{1,75}\?[QqBb]\?[^?]*\?=")
_QUOTED = re.compile(r'[^"\\]+')
_LITERAL = re.compile(r"\[[^\[\]\r\n]*\]")
_LINE_BREAK = re.compile(r"[\r\n]+")
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
#: What a token may be that starts with one of these, if it is not an atom.
_ATOMS = {"=": _WORD, "[": _LITERAL}

#: Tokens looked at for each address that may be taken: junk between commas
#: costs time as addresses do.
_TOKENS_EACH = 16


@dataclass(slots=True)
class Mailbox:
    """
    One address.

    @ivar name: the display name, quotes and escapes resolved, encoded-words
        as they are.
    @ivar comment: what all comments say.
    @ivar following: the last comment after an address without angle brackets,
        where old programs write the name (RFC 5322 §3.4).
    @ivar local: the part before the last at sign, quoted where it was.
    @ivar mailbox: the same without quoting (RFC 3501 §9 addr-mailbox).
    @ivar domain: the part after it; C{None} where there is no at sign.
    @ivar route: the obsolete source route without its colon (RFC 5322 §4.4).
    @ivar angle: it was written in angle brackets.
    @ivar atom: the name is one atom.
    """

    name: str = ""
    comment: str = ""
    following: str = ""
    local: str = ""
    mailbox: str = ""
    domain: str | None = None
    route: str = ""
    angle: bool = False
    atom: bool = False

    @property
    def address(self) -> str:
        return self.local if self.domain is None else f"{self.local}@{self.domain}"


@dataclass(slots=True)
class Group:
    """A named list of mailboxes (RFC 5322 §3.4)."""

    name: str
    members: list[Mailbox] = field(default_factory=list)


_EntryT = TypeVar("_EntryT", Mailbox, "Mailbox | Group")


@dataclass(slots=True)
class _Token:
    """
    @ivar kind: a special character, or C{atom}, C{quoted}, C{comment}.
    @ivar text: as written, for comments and quoted strings the content.
    @ivar blanks: what stands before it; one blank for a comment.
    @ivar raw: as written.
    """

    kind: str
    text: str
    blanks: str
    raw: str


class _Tokenizer:
    """
    Cuts text into tokens.

    A quotation mark or a parenthesis that is never closed is left out; there
    is only one search for an end that does not exist, so time stays linear.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._position = 0
        self._comments_end = True

    def __iter__(self) -> Iterator[_Token]:
        text, blanks = self._text, ""
        while self._position < len(text):
            start = self._position
            match = _SPACE.match(text, start)
            if match is not None:
                self._position = match.end()
                blanks = blanks or match.group()
                continue
            kind, content = self._take(text[start])
            if kind:
                raw = text[start : self._position]
                yield _Token(kind, content, blanks, raw if kind == "atom" else _LINE_BREAK.sub("", raw))
                blanks = " " if kind == "comment" else ""

    def _take(self, character: str) -> tuple[str, str]:
        """Kind and content of the token here; moves on; no kind: nothing to see."""
        start = self._position
        if character == "(" and self._comments_end:
            end = skip_comment(self._text, start)
            self._comments_end = end > 0
            if end:
                self._position = end
                return "comment", _unescape(self._text[start + 1 : end - 1])
        if character == '"':
            return self._quoted()
        if character == "\\":
            self._position += 2
            return "atom", self._text[start + 1 : start + 2]
        match = _ATOMS.get(character, _ATOM).match(self._text, start) or _ATOM.match(self._text, start)
        if match is not None:
            self._position = match.end()
            return "atom", match.group()
        self._position += 1
        if character in "<>@,;:":
            return character, character
        return ("", "") if character in '()"' else ("atom", character)

    def _quoted(self) -> tuple[str, str]:
        text, position = self._text, self._position + 1
        collected = []
        while position < len(text):
            match = _QUOTED.match(text, position)
            if match is not None:
                collected.append(match.group())
                position = match.end()
            elif text[position] == '"':
                self._position = position + 1
                return "quoted", _LINE_BREAK.sub("", "".join(collected))
            else:
                collected.append(text[position + 1 : position + 2])
                position += 2
        self._position += 1
        return "", ""


def _unescape(text: str) -> str:
    return _ESCAPED.sub(r"\1", _LINE_BREAK.sub("", text))


class _Entry:
    """What stands between two commas."""

    def __init__(self) -> None:
        self.phrase: list[_Token] = []
        self.inner: list[_Token] | None = None
        self.comments: list[str] = []
        self.following = ""
        self.at_seen = False

    @property
    def empty(self) -> bool:
        return not self.phrase and self.inner is None

    def mailbox(self) -> Mailbox:
        words = self.phrase
        if self.inner is None:
            mailbox, words = _addr_spec(self.phrase)
        else:
            route, rest = _split_route(self.inner)
            mailbox, extra = _addr_spec(rest, whole=True)
            mailbox.route, mailbox.angle = route, True
            words = words + extra
        mailbox.name = _join_phrase(words)
        mailbox.comment = " ".join(filter(None, map(str.strip, self.comments)))
        mailbox.following = self.following
        mailbox.atom = len(words) == 1 and words[0].kind == "atom"
        return mailbox


def _split_route(inner: list[_Token]) -> tuple[str, list[_Token]]:
    """Cut C{@a,@b:} off (RFC 5322 §4.4 obs-route)."""
    if inner and inner[0].kind in "@,":
        for index, token in enumerate(inner):
            if token.kind == ":":
                return "".join(part.raw for part in inner[:index]), inner[index + 1 :]
    return "", inner


def _addr_spec(tokens: list[_Token], whole: bool = False) -> tuple[Mailbox, list[_Token]]:
    """
    Find the address among tokens.

    @param whole: they stand in angle brackets: without an at sign all of them
        are the local part.
    @return: the mailbox, and the tokens that do not belong to its address.
    """
    at = next((index for index, token in enumerate(tokens) if token.kind == "@"), None)
    if at is None:
        if whole:
            return _mailbox(tokens), []
        return Mailbox(), tokens
    start = at
    while start > 0 and (start == at or _joined(tokens[start - 1], tokens[start])):
        start -= 1
    end = at + 1
    while end < len(tokens) and (end == at + 1 or _joined(tokens[end - 1], tokens[end])):
        end += 1
    # A second at sign inside: the last one parts local part and domain.
    last = next(index for index in range(end - 1, start - 1, -1) if tokens[index].kind == "@")
    mailbox = _mailbox(tokens[start:last])
    mailbox.domain = "".join(token.raw for token in tokens[last + 1 : end])
    return mailbox, tokens[:start] + tokens[end:]


def _mailbox(local: list[_Token]) -> Mailbox:
    return Mailbox(
        local="".join(token.raw for token in local), mailbox="".join(token.text for token in local)
    )


def _joined(left: _Token, right: _Token) -> bool:
    """Two neighbours are one word: nothing between them, or blanks around a dot."""
    return not right.blanks or left.raw.endswith(".") or right.raw.startswith(".")


def _join_phrase(tokens: list[_Token]) -> str:
    """The words of a display name."""
    return "".join(token.blanks + token.text for token in tokens).strip(" \t\r\n")


def scan(value: str, limit: int = limits.ADDRESSES, keep_blanks: bool = False) -> list[Mailbox | Group]:
    """
    Read an address list.

    @param value: the field's body; folding is allowed.  Characters past
        L{limits.HEADER_BYTES} are not looked at.
    @param limit: at most so many mailboxes and groups are returned.
    @param keep_blanks: several blanks between the words of a name stay as
        they are; otherwise they are one.
    """
    return _Reader(limit, keep_blanks).read(value[: limits.HEADER_BYTES])


class _Reader:
    """The state between tokens: the entry and the group that are open."""

    def __init__(self, limit: int, keep_blanks: bool) -> None:
        self._left = limit
        self._keep_blanks = keep_blanks
        self._entry = _Entry()
        self._group: Group | None = None
        self._found: list[Mailbox | Group] = []
        self._in_angle = False
        self._after_angle = False
        self._in_route = False
        self._ended = False

    def read(self, value: str) -> list[Mailbox | Group]:
        tokens = _TOKENS_EACH * self._left
        for token in _Tokenizer(value):
            if self._left <= 0 or tokens <= 0:
                return self._found
            tokens -= 1
            if token.blanks and not self._keep_blanks:
                token.blanks = " "
            self._take(token)
        self._ended = True
        self._finish()
        return self._found

    def _only_comment(self, entry: _Entry) -> bool:
        """The whole field is one comment: it is all there is to show."""
        return self._ended and not self._found and any(map(str.strip, entry.comments))

    def _take(self, token: _Token) -> None:
        kind, entry = token.kind, self._entry
        if kind == "comment":
            entry.comments.append(token.text)
            if entry.at_seen and entry.inner is None:
                entry.following = token.text
        elif self._in_angle and entry.inner is not None:
            self._take_inner(token, entry.inner)
        elif kind == "<":
            if entry.inner is None:
                entry.inner = []
                self._in_angle = True
        elif kind == ",":
            self._finish()
        elif kind == ";":
            self._finish()
            self._group = None
        elif kind == ":":
            self._open_group()
        elif kind != ">":
            if self._after_angle and not token.blanks:
                token.blanks = " "
            entry.at_seen = entry.at_seen or kind == "@"
            entry.phrase.append(token)
        self._after_angle = kind == "<"

    def _take_inner(self, token: _Token, inner: list[_Token]) -> None:
        in_route, self._in_route = self._in_route, False
        if token.kind == ">":
            self._in_angle = False
            self._after_angle = True
        elif token.kind == ";" or (token.kind == "," and not in_route):
            # The bracket was never closed.
            self._in_angle = False
            self._take(token)
        elif token.kind != "<":
            # A source route begins with an at sign and ends with a colon.
            self._in_route = (in_route or (not inner and token.kind == "@")) and token.kind != ":"
            inner.append(token)

    def _open_group(self) -> None:
        name = _join_phrase(self._entry.phrase)
        self._entry = _Entry()
        if self._group is None:
            self._group = Group(name)
            self._found.append(self._group)
            self._left -= 1

    def _finish(self) -> None:
        entry, self._entry = self._entry, _Entry()
        self._in_angle = False
        if self._left <= 0 or (entry.empty and not self._only_comment(entry)):
            return
        self._left -= 1
        mailbox = entry.mailbox()
        if self._group is not None:
            self._group.members.append(mailbox)
        else:
            self._found.append(mailbox)


def parse(value: str, limit: int = limits.ADDRESSES) -> list[dict[str, Any]]:
    """
    An address list as WildDuck stores it in parsedHeader.

    @param value: the field's body as text; encoded-words are left as they are.
    @return: C{{"address", "name"}} for a mailbox, C{{"name", "group"}} for a
        group, at most C{limit} of them, members of groups counted.
    """
    return [
        {"name": entry.name, "group": list(map(_plain, _merge_names(entry.members)))}
        if isinstance(entry, Group)
        else _plain(entry)
        for entry in _merge_names(scan(value, limit, keep_blanks=True))
    ]


def _plain(mailbox: Mailbox) -> dict[str, Any]:
    address, name = mailbox.address, mailbox.name or mailbox.comment
    return {"address": address, "name": "" if name == address else name}


def _merge_names(found: Sequence[_EntryT]) -> list[_EntryT]:
    """
    Put C{Doe, John <j@example.com>} together again: a comma in a name that
    should have been quoted (WildDuck reads it so).
    """
    merged: list[_EntryT] = []
    for entry in found:
        if isinstance(entry, Mailbox) and entry.angle and entry.name:
            names: list[str] = []
            while merged and _is_name(merged[-1]):
                names.append(merged.pop().name)
            entry.name = ", ".join([*reversed(names), entry.name])
        merged.append(entry)
    return merged


def _is_name(entry: Mailbox | Group) -> bool:
    return isinstance(entry, Mailbox) and not entry.angle and not entry.address and bool(entry.name)
