"""
Values with parameters: Content-Type, Content-Disposition (RFC 2045 §5.1,
RFC 2183), and their extended form (RFC 2231).

One forgiving tokenizer serves all uses.  It is iterative and looks at every
character once; whatever it is given, it answers with some value and at most
L{limits.PARAMETERS} parameters.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from wildduck import limits
from wildduck.mime import charsets, words

#: Bytes of a field that are looked at: more than L{limits.PARAMETERS} need.
_LOOKED_AT = 64 * limits.KIB

_SPACE = " \t\r\n"
_PLAIN_RUN = re.compile(r"[^;(]+")
_QUOTED_RUN = re.compile(r'[^"\\]+')
_COMMENT_RUN = re.compile(r"[^()\\]+")
_SKIPPED_RUN = re.compile(r'[^;="( \t\r\n]+')
_SECTION = re.compile(r"([^*]*)(?:\*(\d{1,5}))?(\*)?")
# What ends a token (RFC 2045 §5.1), of the tspecials those that do not occur
# in boundaries and names that should have been quoted, but were not.
_WORD = re.compile(r'[ \t()<>,;\\"]')
_PERCENT = re.compile(rb"%([0-9A-Fa-f]{2})")
_LINE_BREAK = re.compile(r"[\r\n]+")
_BLANKS = re.compile(r"[ \t\r\n]+")


@dataclass(frozen=True, slots=True)
class Field:
    """
    A parsed value with its parameters.

    @ivar value: what stands before the first semicolon, comments and outer
        blanks removed; each character is one byte of the header (latin-1).
    @ivar parameters: (name, value) in order of appearance, quotes and
        escapes resolved, names as written.
    """

    value: str = ""
    parameters: tuple[tuple[str, str], ...] = ()


def parse(raw: bytes | str, strict: bool = False) -> Field:
    """
    Split a field body into its value and parameters.

    Bytes past L{_LOOKED_AT} are not looked at.

    @param raw: the field body, folded or not; a string holds one byte per
        character (latin-1) or decoded text.
    @param strict: take values by the letter of RFC 2045 §5.1: an unquoted one
        ends with its token, every backslash in a quoted one escapes.
        Otherwise C{name=my file.txt} and C{name="C:\\file"} are read as
        they were meant.
    """
    text = raw[:_LOOKED_AT]
    if isinstance(text, bytes):
        text = text.decode("latin-1")
    return _remembered(text, strict) if len(text) <= _REMEMBERED_LENGTH else _parsed(text, strict)


def _parsed(text: str, strict: bool) -> Field:
    leading, position = _plain_value(text, 0)
    found: list[tuple[str, str]] = []
    while position < len(text) and len(found) < limits.PARAMETERS:
        name, position = _parameter_name(text, position)
        if position < len(text) and text[position] == "=":
            value, position = _parameter_value(text, position + 1, strict)
        else:
            value = ""
        if name:
            found.append((name, value))
    return Field(leading, tuple(found))


#: A field is read for the structure, for WildDuck's form and for IMAP's, and most
#: mail says the same few things; longer fields are read each time.
_REMEMBERED_LENGTH = 256
_remembered = lru_cache(maxsize=1024)(_parsed)


def _plain_value(text: str, position: int) -> tuple[str, int]:
    """The leading value, without comments; the position after its semicolon."""
    collected = []
    while position < len(text):
        match = _PLAIN_RUN.match(text, position)
        if match is not None:
            collected.append(match.group())
            position = match.end()
        elif text[position] == ";":
            break
        else:
            position = skip_comment(text, position) or len(text)
            collected.append(" ")
    return _BLANKS.sub(" ", "".join(collected)).strip(), position


def without_comments(text: str) -> str:
    """A structured value with one blank for each comment (RFC 5322 §3.2.2)."""
    collected = []
    position = 0
    while position < len(text):
        opening = text.find("(", position)
        if opening < 0:
            collected.append(text[position:])
            break
        collected.append(text[position:opening])
        position = skip_comment(text, opening) or len(text)
    return " ".join(collected)


def skip_comment(text: str, position: int) -> int:
    """
    The position after the comment that opens at C{position} (RFC 5322 §3.2.2).

    Comments nest and are counted, not recursed into.

    @return: 0 if the comment never ends.
    """
    depth = 0
    while position < len(text):
        match = _COMMENT_RUN.match(text, position)
        if match is not None:
            position = match.end()
            continue
        character = text[position]
        position += 1
        if character == "(":
            depth += 1
        elif character == "\\":
            position += 1
        else:
            depth -= 1
            if depth <= 0:
                return position
    return 0


def _parameter_name(text: str, position: int) -> tuple[str, int]:
    """The next name, and the position of its C{=} or of what ended it."""
    collected: list[str] = []
    while position < len(text):
        match = _SKIPPED_RUN.match(text, position)
        if match is not None:
            collected.append(match.group())
            position = match.end()
            continue
        character = text[position]
        if character == "=":
            break
        if character == "(":
            position = skip_comment(text, position) or len(text)
        elif character == ";":
            position += 1
            if collected:
                # A name without a value; the next one starts here.
                return "".join(collected).strip(_SPACE), position
        else:
            if collected or character not in _SPACE:
                collected.append(character)
            position += 1
    return "".join(collected).strip(_SPACE), position


def _parameter_value(text: str, position: int, strict: bool) -> tuple[str, int]:
    """The value after C{=}, and the position where the next name may start."""
    while position < len(text) and text[position] in _SPACE:
        position += 1
    if position < len(text) and text[position] == '"':
        quoted = _quoted_string(text, position + 1, strict)
        if quoted is not None:
            value, position = quoted
            return value, (_next_semicolon(text, position) if strict else position)
        # It never ends: what is left has no quote, take it up to a semicolon.
        position += 1
    end = _next_semicolon(text, position)
    value = _BLANKS.sub(" ", text[position:end]).strip()
    return (_WORD.split(value, maxsplit=1)[0] if strict else _without_final_comment(value)), end


def _next_semicolon(text: str, position: int) -> int:
    end = text.find(";", position)
    return len(text) if end < 0 else end


def _quoted_string(text: str, position: int, strict: bool) -> tuple[str, int] | None:
    """The content up to the closing quote, unfolded; None where there is none."""
    collected = []
    while position < len(text):
        match = _QUOTED_RUN.match(text, position)
        if match is not None:
            collected.append(match.group())
            position = match.end()
            continue
        character = text[position]
        position += 1
        if character == '"':
            return _LINE_BREAK.sub("", "".join(collected)), position
        if position < len(text):
            following = text[position]
            # Windows paths are written without escaping their backslashes:
            # only a quote or a backslash counts as escaped.
            collected.append(following if strict or following in '"\\' else character + following)
            position += 1
    return None


def _without_final_comment(value: str) -> str:
    """
    Drop a comment at the end of an unquoted value (RFC 2045 §5.1's own example
    C{charset=us-ascii (Plain text)}); C{copy (1).txt} keeps its parentheses.
    """
    if not value.endswith(")"):
        return value
    start = value.find(" (")
    if start > 0 and skip_comment(value, start + 1) == len(value):
        return value[:start]
    return value


def sections(parsed: Field) -> dict[str, list[tuple[int, str, bool]]]:
    """
    RFC 2231's parts of each parameter.

    @return: for each lower-case name its (index, value, is extended) triples,
        sorted by index; a name without an index has index -1.
    """
    collected: dict[str, list[tuple[int, str, bool]]] = {}
    for name, value in parsed.parameters:
        name = name.lower()
        match = _SECTION.fullmatch(name)
        index, extended = -1, False
        if match is not None and (match.group(2) or match.group(3)):
            name = match.group(1)
            index = int(match.group(2)) if match.group(2) else -1
            extended = match.group(3) is not None
        collected.setdefault(name, []).append((index, value, extended))
    for parts in collected.values():
        parts.sort(key=lambda part: part[0])
    return collected


def merged(parsed: Field) -> list[tuple[str, str]]:
    """
    The parameters as they are written, the sections of RFC 2231 §3 put together.

    @return: (name, value) with each character one byte; a value in the
        extended form (RFC 2231 §4) keeps it, under its name with an asterisk.
        Sections that do not count up from 0 stay as they are.
    """
    plain = []
    sectioned: dict[str, list[tuple[int, str, bool]]] = {}
    for name, value in parsed.parameters:
        match = _SECTION.fullmatch(name)
        if match is None or not match.group(2):
            plain.append((name, value))
        else:
            section = (int(match.group(2)), value, match.group(3) is not None)
            sectioned.setdefault(match.group(1), []).append(section)
    for name, parts in sectioned.items():
        parts.sort(key=lambda part: part[0])
        if [index for index, _, _ in parts] != list(range(len(parts))):
            plain += [(f"{name}*{index}{'*' * extended}", value) for index, value, extended in parts]
        elif any(extended for _, _, extended in parts):
            pieces = (value if extended else value.replace("%", "%25") for _, value, extended in parts)
            plain.append((f"{name}*", "".join(pieces)))
        else:
            plain.append((name, "".join(value for _, value, _ in parts)))
    return plain


def decoded(parsed: Field) -> dict[str, str]:
    """
    Every parameter as text, by lower-case name (RFC 2231, RFC 2047, RFC 6532).

    The extended form wins over the plain one of the same name (RFC 6266
    §4.3), else the last of several.
    """
    return {name: _decode_sections(parts) for name, parts in sections(parsed).items()}


def _decode_sections(parts: list[tuple[int, str, bool]]) -> str:
    if all(index < 0 and not extended for index, _, extended in parts):
        return words.decode(_bytes(parts[-1][1]))
    charset, data = _joined_sections(parts)
    return charsets.decode(data, charset)


def _joined_sections(parts: list[tuple[int, str, bool]]) -> tuple[str, bytes]:
    """The charset (C{""} for none or an unknown one) and the bytes of an RFC 2231 value."""
    charset, pieces = _value_sections(parts)
    data = b"".join(percent_decode(_bytes(text)) if extended else _bytes(text) for text, extended in pieces)
    return charset, data


def _value_sections(parts: list[tuple[int, str, bool]]) -> tuple[str, list[tuple[str, bool]]]:
    """The charset and the sections that make up the value, each with whether it is extended."""
    extended_whole = [part for part in parts if part[0] < 0 and part[2]]
    numbered = [part for part in parts if part[0] >= 0]
    charset = ""
    pieces = []
    for position, (_, value, extended) in enumerate(extended_whole[-1:] or numbered):
        if extended and position == 0 and value.count("'") >= 2:
            charset, _, value = value.split("'", 2)
        pieces.append((value, extended))
    return (charset if charsets.codec_name(charset) else ""), pieces


def percent_decode(value: bytes) -> bytes:
    """Resolve C{%XX} (RFC 2231 §4); other percent signs stay."""
    return _PERCENT.sub(lambda match: bytes((int(match.group(1), 16),)), value)


def _bytes(text: str) -> bytes:
    """The bytes of a value whose characters are bytes, else its UTF-8."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace")


# Names that WildDuck keeps; others would be odd keys in MongoDB.
_KEY = re.compile(r"[a-z0-9*\-]{1,99}")
# What would change the meaning of an encoded-word: "=", "?", "_" and what is not
# printable ASCII.
_NOT_IN_Q_WORD = re.compile(r"[^ -<>@-^`-~]")
_PERCENT_OR_SPECIAL = re.compile(rf"%([0-9A-Fa-f]{{2}})|{_NOT_IN_Q_WORD.pattern}")


def stored(raw: bytes) -> dict[str, Any]:
    """
    WildDuck's parsed content-type or content-disposition.

    @param raw: the field body.
    @return: C{value}, C{type}, C{subtype}, C{params}, and C{hasParams} where
        there are any.  A parameter in RFC 2231's form is written as one
        encoded-word, as WildDuck does.
    """
    parsed = parse(raw)
    value = charsets.sniff(parsed.value.encode("latin-1"))
    major, _, minor = value.partition("/")
    result: dict[str, Any] = {"value": value, "type": major.strip().lower(), "subtype": minor.strip()}
    params = {name: _stored_value(parts) for name, parts in sections(parsed).items() if _KEY.fullmatch(name)}
    result["params"] = params
    if params:
        result["hasParams"] = True
    return result


def _stored_value(parts: list[tuple[int, str, bool]]) -> str:
    if all(index < 0 and not extended for index, _, extended in parts):
        return charsets.sniff(_bytes(parts[-1][1]))
    charset, pieces = _value_sections(parts)
    encoded = "".join(_q_word(text, extended) for text, extended in pieces)
    return f"=?{charset.upper() or 'UTF-8'}?Q?{encoded}?="


def _q_word(text: str, extended: bool) -> str:
    """Text for an encoded-word, the hexadecimal digits of C{%XX} as they are."""
    if not extended:
        return _NOT_IN_Q_WORD.sub(_equals_hex, text)
    return _PERCENT_OR_SPECIAL.sub(lambda match: f"={match[1]}" if match[1] else _equals_hex(match), text)


def _equals_hex(match: re.Match[str]) -> str:
    return "".join(f"={byte:02X}" for byte in _bytes(match[0]))
