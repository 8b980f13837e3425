"""From a file and C{--set} options to checked settings."""

from __future__ import annotations

import difflib
import functools
import os
import re
import sys
import typing
from collections.abc import Iterable, Mapping
from typing import Any, Literal

import msgspec
from msgspec import Meta

from wildduck.config.checks import check, one_line, shown
from wildduck.config.sections import BYTES, DEFAULT_DATA, SECTIONS, Port, Section, Settings
from wildduck.errors import ConfigurationError
from wildduck.limits import GIB, KIB, MIB

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

#: Sizes may also be written as C{"64 MiB"}.
_SIZE = re.compile(r"\s*(\d{1,12})\s*(B|KiB|MiB|GiB|TiB)?\s*\Z")
_UNITS = {None: 1, "B": 1, "KiB": KIB, "MiB": MIB, "GiB": GIB, "TiB": 1024 * GIB}


def load(path: str | None = None, data: str | None = None, sets: Iterable[str] = ()) -> Settings:
    """
    Read, override and check the settings.

    @param path: TOML file, or C{None} for defaults only.
    @param data: data folder; it need not exist.
    @param sets: C{SECTION.KEY=VALUE} overrides, later ones win.
    @raise ConfigurationError: with one line that names the file and the key.
    """
    sections = _read(path) if path is not None else {}
    for item in sets:
        _override(sections, item)
    values = {name: _section(name, content, path) for name, content in sections.items()}
    settings = Settings(data=os.path.abspath(data or DEFAULT_DATA), **values)
    check(settings)
    return settings


def _read(path: str) -> dict[str, dict[str, Any]]:
    """The sections of a file, their names known, their contents not yet looked at."""
    try:
        with open(path, "rb") as file:
            document: dict[str, dict[str, Any]] = tomllib.load(file)
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: {one_line(str(error))}") from None
    for name, content in document.items():
        if name not in SECTIONS:
            what = "section" if isinstance(content, Mapping) else "key"
            raise ConfigurationError(f"{path}: unknown {what} {name!r}{_suggestion(name, SECTIONS)}")
        if not isinstance(content, dict):
            raise ConfigurationError(f"{path}: {name} must be a section, as in [{name}]")
    return document


def _override(sections: dict[str, dict[str, Any]], item: str) -> None:
    """Apply one C{--set} option."""
    name, equals, text = item.partition("=")
    section, dot, key = name.strip().partition(".")
    if not equals or not dot or not section or not key:
        raise ConfigurationError(f"--set {shown(name)}: expected SECTION.KEY=VALUE")
    if section not in SECTIONS:
        raise ConfigurationError(f"--set {name}: unknown section {section!r}{_suggestion(section, SECTIONS)}")
    hints = _hints(SECTIONS[section])
    if key not in hints:
        raise ConfigurationError(f"--set {name}: unknown key {key!r}{_suggestion(key, hints)}")
    sections.setdefault(section, {})[key] = _value(text, hints[key])


def _value(text: str, hint: Any) -> Any:
    """The value of a C{--set} option: TOML where the key is not a string, else the text itself."""
    if hint is str or typing.get_origin(hint) is Literal:
        return text
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (tomllib.TOMLDecodeError, KeyError):
        return text


def _section(name: str, content: Mapping[str, Any], path: str | None) -> Any:
    """A checked section."""
    struct = SECTIONS[name]
    hints = _hints(struct)
    where = f"{path}: " if path else ""
    for key in content:
        if key not in hints:
            raise ConfigurationError(f"{where}unknown key {name}.{key}{_suggestion(key, hints)}")
    values = {key: _convert(f"{where}{name}.{key}", value, hints[key]) for key, value in content.items()}
    return struct(**values)


def _convert(where: str, value: Any, hint: Any) -> Any:
    """One value in its key's type."""
    if isinstance(value, str) and _is_size(hint):
        value = _size(where, value)
    try:
        return msgspec.convert(value, hint)
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"{where}: {_choices(hint) or _plain(str(error))}") from None


def _choices(hint: Any) -> str:
    """What a key with a few possible values, or a port, may be; empty for others."""
    if hint == Port:
        return "expected a port number up to 65535, 0 for off, or 'auto'"
    if typing.get_origin(hint) is Literal:
        return f"expected {' or '.join(repr(choice) for choice in typing.get_args(hint))}"
    return ""


@functools.cache
def _hints(struct: type[Section]) -> dict[str, Any]:
    """Key to type, in the order of declaration."""
    return typing.get_type_hints(struct, include_extras=True)


def _is_size(hint: Any) -> bool:
    """Whether the key counts bytes."""
    return any(isinstance(item, Meta) and item.extra == BYTES for item in typing.get_args(hint)[1:])


def parse_size(text: str) -> int | None:
    """Bytes of C{"64 MiB"} or C{"67108864"}; C{None} when it is neither."""
    match = _SIZE.match(text)
    return int(match.group(1)) * _UNITS[match.group(2)] if match else None


def _size(where: str, text: str) -> int:
    size = parse_size(text)
    if size is None:
        raise ConfigurationError(f"{where}: expected a number of bytes, or a size such as '64 MiB'")
    return size


def _plain(message: str) -> str:
    """msgspec's message without its path and markup: C{expected int >= 0}."""
    text = message.partition(" - at `")[0].replace("`", "")
    return one_line(text[:1].lower() + text[1:])


def _suggestion(name: str, known: Iterable[str]) -> str:
    """The closest known name, or the list of all."""
    names = list(known)
    close = difflib.get_close_matches(name, names, 1, 0.5)
    return f", did you mean {close[0]!r}?" if close else f" (known: {', '.join(names)})"
