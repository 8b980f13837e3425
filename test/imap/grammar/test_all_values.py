"""No command and no response is forgotten: each has a strategy, and what is composed is read again."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from typing import Any

from hypothesis import Phase, given, settings, strategies as st
from twisted.trial.unittest import SynchronousTestCase

from test.imap.grammar import strategies
from test.imap.grammar.feeding import bytewise, events, whole
from test.imap.grammar.test_responses import RESPONSES
from test.support.chance import by_chance
from wildduck.imap import grammar
from wildduck.imap.grammar.modes import Modes
from wildduck.imap.grammar.reader import BEFORE_LOGIN, SIGNED_IN, Failure
from wildduck.imap.grammar.requests import PARSERS
from wildduck.imap.grammar.values import Command, Request

_SOME = settings(deadline=None, max_examples=30, derandomize=True, database=None, phases=[Phase.generate])


def modules() -> list[Any]:
    """All of the grammar."""
    names = [module.name for module in pkgutil.iter_modules(grammar.__path__)]
    return [importlib.import_module(f"{grammar.__name__}.{name}") for name in names]


def classes() -> Iterator[type]:
    """Those that can be made, each once."""
    for module in modules():
        for name, value in vars(module).items():
            if isinstance(value, type) and value.__module__ == module.__name__ and not name.startswith("_"):
                yield value


def drawn(strategy: st.SearchStrategy[Any]) -> list[Any]:
    """Some values, the same each time."""
    found: list[Any] = []

    @_SOME
    @given(strategy)
    def keep(value: Any) -> None:
        found.append(value)

    keep()
    return found


class AllValuesTests(SynchronousTestCase):
    def test_commands(self) -> None:
        """Each command that a parser knows comes out of a strategy, with UID and without."""
        kinds = {kind for kind in classes() if issubclass(kind, Command) and kind.verb}
        sources = [
            *strategies.COMMANDS,
            *(one.map(_command) for one in (strategies.append_requests, strategies.replace_requests)),
        ]
        commands = [command for source in sources for command in drawn(source)]
        self.assertEqual(kinds - set(map(type, commands)), set())
        self.assertEqual(set(PARSERS) - {command.name.encode() for command in commands}, set())

    def test_responses(self) -> None:
        """Each response that can be composed with the session's modes does so too."""
        kinds = {kind for kind in classes() if _is_response(kind)}
        self.assertGreater(len(kinds), 20)
        self.assertEqual(kinds - {type(value) for one in RESPONSES for value in drawn(one)}, set())


def _command(request: Request) -> Command:
    return request.command


def _is_response(kind: type) -> bool:
    compose = getattr(kind, "compose", None)
    names = getattr(getattr(compose, "__code__", None), "co_varnames", ())
    return "modes" in names[:2] and not getattr(kind, "_is_protocol", False)


class FeedingTests(SynchronousTestCase):
    """In what pieces bytes come changes nothing."""

    @by_chance(50)
    @given(st.lists(strategies.any_requests, min_size=1, max_size=3), st.data())
    def test_whole(self, requests: list[Request], data: st.DataObject) -> None:
        """Any commands, messages and URLs in them included."""
        stream = b"".join(request.compose() for request in requests)
        for bounds in (SIGNED_IN, BEFORE_LOGIN):
            found = whole(stream, bounds)
            self.assertEqual(bytewise(stream, bounds), found)
            cut = data.draw(st.integers(0, len(stream)))
            self.assertEqual(events([stream[:cut], stream[cut:]], bounds), found)

    @by_chance(50)
    @given(st.lists(strategies.any_requests, min_size=1, max_size=2), st.data())
    def test_mutated(self, requests: list[Request], data: st.DataObject) -> None:
        """Nor where they are no commands any more, and where each message is refused; no error comes out."""
        stream = bytearray(b"".join(request.compose() for request in requests))
        for _ in range(data.draw(st.integers(0, 3))):
            start = data.draw(st.integers(0, len(stream)))
            stream[start : start + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
        for refuse in (None, Failure(b"x", "no", "NO")):
            self.assertEqual(bytewise(bytes(stream), refuse=refuse), whole(bytes(stream), SIGNED_IN, refuse))
        utf8 = Modes(rev2=True, utf8=True)
        self.assertEqual(bytewise(bytes(stream), modes=utf8), whole(bytes(stream), modes=utf8))
