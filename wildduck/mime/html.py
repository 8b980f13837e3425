"""
HTML in mail: as plain text for search and preview, and plain text as HTML.

The tokenizer is our own: one pass, no tree, no recursion, every character
looked at a bounded number of times, whatever is nested or never closed.  What
is made here is for reading; making HTML safe to show is up to who shows it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from html.entities import html5
from urllib.parse import unquote

from wildduck import limits

#: Columns of the text that HTML becomes.
_WIDTH = 80
#: Levels of quotes and lists that are indented; deeper ones stay at this one.
_LEVELS = 16
#: Attributes are looked for in so many characters of a tag.
_TAG_LENGTH = 16_384
#: Longest word that is kept in one piece.
_WORD_LENGTH = 4096

_ENTITY = re.compile(r"&(?:#(\d{1,7})|#[xX]([0-9a-fA-F]{1,6})|([A-Za-z][A-Za-z0-9]{1,31}));?")
_TAG_NAME = re.compile(r"</?([A-Za-z][A-Za-z0-9:-]{0,30})")
_TAG_PART = re.compile(r"[>\"']")
# The look-behind keeps a long name from being scanned from each character.
_ATTRIBUTE = re.compile(r"(?<![^\s\"'/])([A-Za-z-]+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'>]+))")
_BLANKS = re.compile(r"[ \t\r\n\f\u200b]+")


def unescape(text: str) -> str:
    """Resolve character references; what is none stays as it is."""
    return _ENTITY.sub(_character, text) if "&" in text else text


def _character(match: re.Match[str]) -> str:
    decimal, hexadecimal, name = match.groups()
    if name:
        return _named(match.group(), name)
    number = int(decimal) if decimal else int(hexadecimal, 16)
    if number == 0 or number > 0x10FFFF or 0xD800 <= number <= 0xDFFF:
        return "\ufffd"
    if 0x80 <= number <= 0x9F:
        return bytes((number,)).decode("cp1252", "replace")
    return chr(number)


def _named(written: str, name: str) -> str:
    if written.endswith(";"):
        return html5.get(f"{name};", written)
    # Some old names need no semicolon, and may be glued to what follows.
    for length in range(len(name), 1, -1):
        if name[:length] in html5:
            return html5[name[:length]] + name[length:]
    return written


# --- the tokenizer ---


class _Tags:
    """
    Iterates over (text, tag after it); the last tag is empty.

    Whatever is searched for is known to exist, or it is not searched for
    again: that keeps time linear when things are opened and never closed.
    """

    def __init__(self, source: str) -> None:
        self._source = source
        self._last = {mark: source.rfind(mark) for mark in ('"', "'", ">", "-->")}
        self._quotes_close = True

    def __iter__(self) -> Iterator[tuple[str, str]]:
        source = self._source
        start = position = 0
        while True:
            position = source.find("<", position)
            if position < 0:
                break
            end = self._end(position)
            if not end:
                position += 1
                continue
            yield source[start:position], source[position : min(end, position + _TAG_LENGTH)]
            name = _TAG_NAME.match(source, position)
            if name is not None and name[1].lower() in _RAW and source[position + 1] != "/":
                end = self._raw_end(end, name[1].lower())
            start = position = end
        yield source[start:], ""

    def _end(self, start: int) -> int:
        """Where the tag that begins at C{start} ends; 0 if none begins there."""
        source = self._source
        if source.startswith("<!--", start):
            return source.find("-->", start + 2) + 3 if self._last["-->"] >= start + 2 else len(source)
        if self._last[">"] < start or (source[start + 1] not in "!?" and not _TAG_NAME.match(source, start)):
            return 0
        return self._quoted_end(start + 1) or source.find(">", start) + 1

    def _quoted_end(self, position: int) -> int:
        """The end of a tag whose values may hold C{>} in quotes; 0 if that gives none."""
        source = self._source
        while self._quotes_close:
            match = _TAG_PART.search(source, position)
            if match is None:
                self._quotes_close = False
                break
            mark = match.group()
            position = match.end()
            if mark == ">":
                return position
            if self._last[mark] >= position and source[match.start() - 1] in "= \t\r\n\f":
                position = source.find(mark, position) + 1
        return 0

    def _raw_end(self, start: int, name: str) -> int:
        """The end of an element that holds no tags."""
        key = f"</{name}"
        if key not in self._last:
            self._last[key] = max((match.start() for match in _RAW[name].finditer(self._source)), default=-1)
        if self._last[key] < start:
            return len(self._source)
        match = _RAW[name].search(self._source, start)
        return match.start() if match is not None else len(self._source)


#: Elements whose content is neither looked at for tags nor shown.
_RAW = {name: re.compile(f"</{name}", re.IGNORECASE) for name in ("script", "style", "title")}


def _attributes(tag: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for match in _ATTRIBUTE.finditer(tag):
        value = match[2] if match[2] is not None else match[3] if match[3] is not None else match[4]
        found.setdefault(match[1].lower(), unescape(value).strip())
    return found


# --- lines ---


class _EnoughError(Exception):
    """The wanted length is reached."""


class _Lines:
    """Words put into lines; knows nothing of HTML."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lines: list[str] = []
        self._size = 0
        self._line: list[str] = []
        self._column = 0
        self._word: list[str] = []
        self._word_length = 0
        self._owed = 0
        self._prefixes: list[str] = []
        self._prefix = ""
        self._marker = ""

    def flow(self, text: str) -> None:
        """Text in which blanks only part words."""
        for index, piece in enumerate(_BLANKS.split(text)):
            if index:
                self._end_word()
            if piece:
                self._word.append(piece)
                self._word_length += len(piece)
                if self._word_length > _WORD_LENGTH:
                    self._end_word()

    def keep(self, text: str) -> None:
        """Text whose blanks and lines stay as they are."""
        for index, line in enumerate(text.replace("\r\n", "\n").replace("\r", "\n").split("\n")):
            if index:
                self.line_break()
            if line:
                self._pay()
                self._line.append(line)
                self._column += len(line)

    def line_break(self) -> None:
        """The line ends here, be it empty."""
        self._end_word()
        self._pay()
        self._end_line()

    def owe(self, breaks: int) -> None:
        """So many line breaks come before what follows, the end of this line counted."""
        self._end_word()
        self._owed = max(self._owed, breaks)

    def indent(self, prefix: str, marker: str = "") -> None:
        """
        What follows is a block of its own.

        @param prefix: for its lines.
        @param marker: in place of the prefix for the first of them.
        """
        self._end_word()
        if not self._lines and not self._line:
            self._owed = 0
        self._owed = max(self._owed, 1)
        self._pay()
        self._prefixes.append(prefix)
        self._prefix = "".join(self._prefixes)
        self._marker = "".join(self._prefixes[:-1]) + marker if marker else ""

    def dedent(self) -> None:
        self._end_word()
        if self._line:
            self._end_line()
        self._prefixes.pop()
        self._prefix = "".join(self._prefixes)
        self._marker = ""

    def _pay(self) -> None:
        """Write the line breaks that are owed."""
        owed, self._owed = self._owed, 0
        if owed and self._line:
            self._end_line()
        if self._lines:
            for _ in range(owed - 1):
                self._end_line()

    def _end_word(self) -> None:
        if not self._word:
            return
        word = "".join(self._word)
        self._word, self._word_length = [], 0
        self._pay()
        if self._line:
            if len(self._prefix) + self._column + 1 + len(word) > _WIDTH:
                self._end_line()
            else:
                self._line.append(" ")
                self._column += 1
        self._line.append(word)
        self._column += len(word)

    def _end_line(self) -> None:
        prefix = self._prefix
        if self._marker and self._line:
            prefix, self._marker = self._marker, ""
        line = prefix + "".join(self._line)
        self._lines.append(line)
        self._size += len(line) + 1
        self._line, self._column = [], 0
        if self._size > self._limit:
            raise _EnoughError

    def finish(self) -> None:
        """Nothing follows."""
        self._end_word()
        if self._line:
            self._end_line()

    def text(self) -> str:
        """The complete lines so far."""
        return "\n".join(self._lines)


# --- HTML to text ---

_BLOCKS = """
    address article aside body caption center dd details div dl dt fieldset figcaption figure footer form
    header legend main nav section summary table tr
"""
#: Line breaks before and after an element: 2 leave an empty line.
_BREAKS = {
    **dict.fromkeys(_BLOCKS.split(), (1, 1)),
    **dict.fromkeys(("p", "h4", "h5", "h6", "pre", "hr", "blockquote"), (2, 2)),
    **dict.fromkeys(("h1", "h2", "h3"), (3, 2)),
    **dict.fromkeys(("ul", "ol"), (1, 2)),
    "li": (1, 1),
}
_HEADINGS = frozenset(("h1", "h2", "h3", "h4", "h5", "h6"))
_LISTS = frozenset(("ul", "ol"))


class _Converter:
    """
    HTML to text; the state is what is open, not a tree.

    @ivar complete: whether the end was reached before the limit.
    """

    def __init__(self, limit: int) -> None:
        self.complete = True
        self._lines = _Lines(limit)
        # Open quotes, lists and list items; [name, number of the next item].
        self._open: list[list[str | int]] = []
        self._too_deep = 0
        self._heading = False
        self._preformatted = 0
        self._target = ""

    def convert(self, source: str) -> str:
        body = _BODY.search(source)
        try:
            for text, tag in _Tags(source[body.start() :] if body is not None else source):
                if text:
                    self._text(unescape(text))
                if tag:
                    self._tag(tag)
            self._lines.finish()
        except _EnoughError:
            self.complete = False
        return self._lines.text().strip()

    def _text(self, text: str) -> None:
        if self._preformatted:
            self._lines.keep(text)
        else:
            self._lines.flow(text.upper() if self._heading else text)

    def _tag(self, tag: str) -> None:
        match = _TAG_NAME.match(tag)
        if match is None:
            return
        name = match[1].lower()
        closing = tag[1] == "/"
        breaks = _BREAKS.get(name)
        if breaks is not None:
            self._lines.owe(breaks[closing])
            self._block(name, closing, tag)
        elif name == "br":
            self._lines.line_break()
        elif name == "a":
            self._link("" if closing else _attributes(tag).get("href", ""))
        elif name == "img":
            self._image(_attributes(tag))

    def _block(self, name: str, closing: bool, tag: str) -> None:
        if name in _HEADINGS:
            self._heading = not closing
        elif name == "pre":
            self._preformatted = not closing
        elif name == "hr":
            self._lines.flow("-" * _WIDTH)
            self._lines.owe(2)
        elif name in _LISTS or name in ("li", "blockquote"):
            if closing:
                self._close(name)
            else:
                self._open_block(name, tag)

    def _open_block(self, name: str, tag: str) -> None:
        if name == "li" and self._open and self._open[-1][0] == "li":
            self._close("li")
        if len(self._open) >= _LEVELS:
            self._too_deep += 1
            return
        start = _attributes(tag).get("start", "1") if name == "ol" else "1"
        if name == "blockquote":
            self._lines.indent("> ")
        elif name == "li":
            marker = self._marker()
            self._lines.indent(" " * len(marker), marker)
        self._open.append([name, int(start) if start.isdecimal() and len(start) < 9 else 1])

    def _marker(self) -> str:
        """What stands before the next item of the list that is open."""
        blank = "" if any(entry[0] == "li" for entry in self._open) else " "
        parent = self._open[-1] if self._open else None
        if parent is None or parent[0] != "ol":
            return f"{blank}* "
        number = int(parent[1])
        parent[1] = number + 1
        return f"{blank}{number}. "

    def _close(self, name: str) -> None:
        if self._too_deep:
            self._too_deep -= 1
            return
        if not any(entry[0] == name for entry in self._open):
            return
        while self._open:
            closed = self._open.pop()[0]
            if closed not in _LISTS:
                self._lines.dedent()
            if closed == name:
                break

    def _link(self, target: str) -> None:
        """A link begins or ends: where the one before leads to is written behind its text."""
        if self._target:
            self._lines.flow(f" [{self._target}]")
        target = target.removeprefix("mailto:")
        self._target = "" if target.startswith("#") else target[:_WORD_LENGTH]

    def _image(self, attributes: Mapping[str, str]) -> None:
        source = attributes.get("src", "")
        shown = [attributes.get("alt", "")]
        if source and source[:5].lower() != "data:":
            shown.append(f"[{source[:_WORD_LENGTH]}]")
        self._lines.flow(" ".join(filter(None, shown)))


_BODY = re.compile(r"<body\b", re.IGNORECASE)


def to_text(source: str, limit: int = limits.TEXT_KEPT) -> str:
    """
    What HTML says, as text in lines of 80 columns.

    Links and images are followed by where they point to in brackets.

    @param limit: the conversion ends when so many characters are there.
    """
    return _Converter(limit).convert(source)


def beginning(source: str, limit: int) -> tuple[str, bool]:
    """
    As L{to_text}.

    @return: the text, and whether that is all of it.
    """
    converter = _Converter(limit)
    text = converter.convert(source)
    return text, converter.complete


# --- text to HTML ---


def _names() -> dict[int, str]:
    """For each character the entity that WildDuck takes: the shortest, lower case first."""
    best: dict[int, str] = {}
    for name, character in html5.items():
        if name.endswith(";") and len(character) == 1 and (ord(character) > 126 or character in "\"&'<>`"):
            code = ord(character)
            if code not in best or (len(name), name.swapcase()) < (len(best[code]), best[code].swapcase()):
                best[code] = name
    return best


_NAMES = _names()
_ENCODED = re.compile("[^\n\r !#-%(-;=?-_a-~]")
_PARAGRAPHS = re.compile(r"\n(?:[ \t]*\n)+")


def encode(text: str) -> str:
    """Text with all but plain ASCII as character references."""
    return _ENCODED.sub(_reference, text)


def _reference(match: re.Match[str]) -> str:
    code = ord(match.group())
    name = _NAMES.get(code)
    return f"&{name}" if name else f"&#x{code:X};"


def from_text(text: str) -> str:
    """
    Plain text as HTML: paragraphs where empty lines are, else line breaks.

    @param text: lines end in LF.
    """
    paragraphs = _PARAGRAPHS.split(text.strip("\n"))
    lines = ("<br/>".join(encode(line.rstrip(" ")) for line in part.split("\n")) for part in paragraphs)
    return "".join(f"<p>{part}</p>" for part in lines)


# --- links to other parts ---

_CID = re.compile(r"\bcid:([^\s\"'<>]{1,998})")


def link_attachments(text: str, attachments: Mapping[str, str]) -> str:
    """
    Make C{cid:} links (RFC 2392) into WildDuck's C{attachment:} links.

    @param attachments: attachment ids (C{ATT00001}) by Content-ID without
        angle brackets.
    """
    if not attachments or "cid:" not in text:
        return text
    return _CID.sub(lambda match: _link_of(match, attachments), text)


def _link_of(match: re.Match[str], attachments: Mapping[str, str]) -> str:
    content_id = match[1]
    attachment = attachments.get(content_id) or attachments.get(unquote(content_id))
    return f"attachment:{attachment}" if attachment else match.group()
