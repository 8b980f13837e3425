"""
Reads and runs dialogues: text files that show what clients and a server say to each other.

How they are written is told in the C{README.txt} beside them, for people who
know the protocol and no Python.
"""

from __future__ import annotations

import os
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from twisted.trial.unittest import TestCase

from test.support.databases import blocking_database
from test.support.mail_server import MailServer
from test.support.memory import Lost, MemoryClient
from wildduck.accounts import Account

_LINE = re.compile(r"([CS])([1-9]?)([:>]) ?(.*)\Z", re.DOTALL)
_PLACEHOLDER = re.compile(r"<\?([a-z]*)>|<!([0-9a-f ]+)>")


class BadDialogue(Exception):
    """A dialogue is written wrongly."""


@dataclass
class Step:
    """
    @ivar kind: C{"C"}, C{"S"} or the first word of a directive.
    @ivar client: which of the clients.
    @ivar text: the rest of the line.
    @ivar number: its line in the file.
    """

    kind: str
    client: str
    text: str
    number: int


@dataclass
class Dialogue:
    """
    @ivar title: says what it shows.
    @ivar given: what is there before it begins.
    """

    title: str
    file: str
    given: list[str] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)


def read(folder: str, name: str) -> list[Dialogue]:
    """The dialogues of a file."""
    found: list[Dialogue] = []
    with open(os.path.join(folder, name), encoding="utf-8", newline="\n") as file:
        for number, raw in enumerate(file.read().split("\n"), 1):
            if raw.startswith("== "):
                found.append(Dialogue(raw[3:].strip(), name))
            elif raw.startswith("Given: "):
                found[-1].given.append(raw[7:].strip())
            elif raw.startswith("-- "):
                found[-1].steps.append(Step("--", "", raw[3:].strip(), number))
            elif raw.strip() and not raw.startswith("#"):
                found[-1].steps.append(_step(name, number, raw))
    return found


def _step(name: str, number: int, raw: str) -> Step:
    match = _LINE.match(raw)
    if match is None:
        raise BadDialogue(f"{name}:{number}: {raw!r}")
    side, client, colon, text = match.groups()
    return Step(side if colon == ":" else side + ">", client or "1", text, number)


class Run:
    """
    One dialogue, on a server of its own; subclasses know the protocol.

    @cvar folder: where the dialogues are, with their messages in C{messages}.
    @cvar given: what else can be given: an expression, and the method that is
        called with its groups.
    """

    folder: str
    given: tuple[tuple[str, Callable[..., Awaitable[None]]], ...] = ()

    def __init__(self, dialogue: Dialogue) -> None:
        self._dialogue = dialogue
        self._server: Any
        self._account: Account
        self._clients: dict[str, MemoryClient] = {}
        self._users: dict[str, str] = {}
        self._bound: dict[str, bytes] = {}
        self._settings: list[str] = []
        self._peer = "127.0.0.1"
        self._start = "signed in"

    async def play(self, test: TestCase) -> None:
        """@raise AssertionError: the server says something else."""
        for given in self._dialogue.given:
            if given.startswith("setting "):
                self._settings.append(given.removeprefix("setting "))
        self._server = await self.start_server(test, *self._settings)
        self._account = await self._server.account("fred")
        for given in self._dialogue.given:
            await self._prepare(given)
        steps = self._dialogue.steps
        for index, step in enumerate(steps):
            try:
                await self._step(step, index)
            except (AssertionError, Lost) as error:
                where = f"{self._dialogue.file}:{step.number}: {step.kind}: {step.text}"
                test.fail(f"{where}\n  {type(error).__name__}: {error}")

    async def _prepare(self, given: str) -> None:
        for pattern, method in (*self._GIVEN, *self.given):
            match = re.fullmatch(pattern, given)
            if match is not None:
                await method(self, *match.groups())
                return
        raise BadDialogue(f"{self._dialogue.file}: Given: {given}")

    async def _given_setting(self, _setting: str) -> None:
        """Taken before the server was started."""

    async def _given_mailbox(self, path: str, special_use: str | None) -> None:
        await self._server.mailbox(self._account, path, special_use)

    async def _given_message(
        self, count: str | None, new: str | None, name: str, path: str, flags: str | None, date: str | None
    ) -> None:
        with open(os.path.join(self.folder, "messages", name + ".eml"), "rb") as file:
            content = file.read().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        moment = None if date is None else datetime.strptime(date, "%d-%b-%Y %H:%M:%S %z")
        for _ in range(int(count or 1)):
            await self._server.add(self._account, path, content, *(flags or "").split(), internal_date=moment)
        if new is None:
            await self._server.forget_recent(self._account, path)

    async def _given_header(
        self, count: str | None, new: str | None, header: str, path: str, flags: str | None, date: str | None
    ) -> None:
        lines = header.replace(" | ", "\r\n").encode() + b"\r\n"
        moment = None if date is None else datetime.strptime(date, "%d-%b-%Y %H:%M:%S %z")
        content, set_flags = lines + b"\r\nHello\r\n", (flags or "").split()
        for _ in range(int(count or 1)):
            await self._server.add(self._account, path, content, *set_flags, internal_date=moment)
        if new is None:
            await self._server.forget_recent(self._account, path)

    async def _given_user_field(self, field: str, value: str) -> None:
        values: dict[str, Any] = {"true": True, "false": False}
        parsed: Any = values.get(value, int(value) if value.isdigit() else [value])
        blocking_database(self._server.settings).users.update_one({}, {"$set": {field: parsed}})

    async def _given_address(self, address: str, password: str) -> None:
        accounts = self._server.domain.accounts
        await accounts.add_address(self._account, address)
        await accounts.set_password(self._account, password)

    async def _given_no_journal(self) -> None:
        blocking_database(self._server.settings).journal.delete_many({})

    async def _given_client(self, number: str, name: str) -> None:
        self._users[number] = name
        await self._server.account(name)

    async def _given_start(self, start: str) -> None:
        self._start = start

    async def _given_peer(self) -> None:
        self._peer = "198.51.100.7"

    _GIVEN: tuple[tuple[str, Callable[..., Awaitable[None]]], ...] = (
        (r"setting (.*)", _given_setting),
        (r"mailbox \"(.*?)\"(?: for (\\[A-Za-z]+))?", _given_mailbox),
        (
            r"(?:([0-9]+) )?(new )?messages? ([a-z0-9-]+) in \"(.*?)\"(?: with (.*?))?(?: of ([0-9].*))?",
            _given_message,
        ),
        (
            r"(?:([0-9]+) )?(new )?messages? \((.*)\) in \"(.*?)\"(?: with (.*?))?(?: of ([0-9].*))?",
            _given_header,
        ),
        (r"the account's ([A-Za-z0-9]+) is (.*)", _given_user_field),
        (r"fred has the address (\S+) and the password \"(.*)\"", _given_address),
        (r"(connected|signed in|\".*\" selected|\".*\" examined)", _given_start),
        (r"a client from far away", _given_peer),
        (r"client ([2-9]) is ([a-z]+)", _given_client),
        (r"the journal has expired", _given_no_journal),
    )

    # --- clients ------------------------------------------------------------------

    async def _client(self, number: str) -> MemoryClient:
        client = self._clients.get(number)
        if client is None:
            client = self._server.connect(self._peer)
            assert client is not None
            self._clients[number] = client
            await self.begin(client, self._start, self._users.get(number, "fred"))
        return client

    async def start_server(self, test: TestCase, *sets: str) -> MailServer:
        """The server of the protocol."""
        raise AssertionError

    async def begin(self, client: Any, start: str, user: str) -> None:
        """
        Do what is done before the dialogue begins.

        @param start: C{"connected"}, C{"signed in"}...
        @param user: whose client it is.
        """
        raise AssertionError

    # --- steps ----------------------------------------------------------------------

    async def _step(self, step: Step, index: int) -> None:
        if step.kind == "--":
            await self._direct(step.text)
            return
        client = await self._client(step.client)
        if step.kind == "S":
            await self._expect(client, step, index)
        elif not self._continues(index):
            client.send(self._segment(index))

    def _continues(self, index: int) -> bool:
        """Whether this line went out with the one before it."""
        steps = self._dialogue.steps
        return (
            index > 0
            and steps[index - 1].kind in ("C", "C>")
            and steps[index - 1].client == steps[index].client
        )

    def _segment(self, index: int) -> bytes:
        """The client's lines from here, which leave together."""
        steps = self._dialogue.steps
        data = b""
        for step in steps[index:]:
            if step.kind not in ("C", "C>") or step.client != steps[index].client:
                break
            data += self._fill(step.text) + (b"\r\n" if step.kind == "C" else b"")
        return data

    async def _expect(self, client: MemoryClient, step: Step, index: int) -> None:
        if step.text == "...":
            return
        pattern = self._pattern(step.text)
        line = await client.line()
        skipping = index > 0 and self._dialogue.steps[index - 1].text == "..."
        skipped = []
        while pattern.fullmatch(line) is None:
            assert skipping, f"the server said: {line.decode('latin-1')!r}"
            skipped.append(line)
            assert len(skipped) < 1000, "not among the last 1000 lines"
            line = await client.line()
        match = pattern.fullmatch(line)
        assert match is not None
        self._bound.update(match.groupdict())

    def _pattern(self, text: str) -> re.Pattern[bytes]:
        """A line of the server's as an expression; C{<?>} is any text, C{<?name>} a word."""
        expression = b""
        position = 0
        for match in _PLACEHOLDER.finditer(text):
            expression += re.escape(text[position : match.start()].encode())
            expression += self._placeholder(match, expression)
            position = match.end()
        return re.compile(expression + re.escape(text[position:].encode()), re.DOTALL)

    def _placeholder(self, match: re.Match[str], before: bytes) -> bytes:
        name, hexadecimal = match.groups()
        if hexadecimal:
            return re.escape(bytes.fromhex(hexadecimal))
        if not name:
            return b".*?"
        if name in self._bound:
            return re.escape(self._bound[name])
        group = b"(?P<%b>" % name.encode()
        return b"(?P=%b)" % name.encode() if group in before else group + rb"[^ ()\[\]]+)"

    def _fill(self, text: str) -> bytes:
        """A client's line with its placeholders replaced."""

        def replace(match: re.Match[str]) -> str:
            name, hexadecimal = match.groups()
            if hexadecimal:
                return bytes.fromhex(hexadecimal).decode("latin-1")
            if name not in self._bound:
                raise BadDialogue(f"{self._dialogue.file}: nothing is known of <?{name}>")
            return self._bound[name].decode("latin-1")

        raw = text.encode("utf-8").decode("latin-1")
        return _PLACEHOLDER.sub(replace, raw).encode("latin-1")

    async def _direct(self, text: str) -> None:
        """C{-- TLS}, C{-- closed}, C{-- message NAME in "PATH"}, C{-- nothing more}."""
        client = await self._client("1")
        if text == "TLS":
            client.finish_handshake()
        elif text == "closed":
            rest = await client.end()
            assert not rest, f"before the end the server said: {rest.decode('latin-1')!r}"
        elif text == "nothing more":
            assert not client.data, f"the server said: {client.data.decode('latin-1')!r}"
        else:
            # What comes now nobody was told of.
            await self._prepare("new " + text if text.startswith("message ") else text)


def methods_of(make: type[Run], file: str) -> dict[str, Any]:
    """A test method for each dialogue of a file, named by its title."""
    methods: dict[str, Any] = {}
    for dialogue in read(make.folder, file):
        name = "test_" + re.sub(r"\W+", "_", dialogue.title.lower()).strip("_")
        assert name not in methods, f"{file} has two dialogues with the title {dialogue.title!r}"
        methods[name] = _test(make, dialogue)
    return methods


def _test(make: type[Run], dialogue: Dialogue) -> Any:
    async def test(self: TestCase) -> None:
        await make(dialogue).play(self)

    test.__doc__ = dialogue.title
    return test


def cases_of(make: type[Run], module: str) -> dict[str, type[TestCase]]:
    """A test case for each file of dialogues, by its name: C{FetchDialogues} for C{fetch.txt}."""
    found: dict[str, type[TestCase]] = {}
    for file in sorted(os.listdir(make.folder)):
        if file.endswith(".txt") and file != "README.txt":
            words = re.split(r"\W+", file.removesuffix(".txt"))
            name = "".join(word.title() for word in words) + "Dialogues"
            namespace = {"__doc__": f"The dialogues of {file}.", "__module__": module}
            found[name] = type(name, (TestCase,), {**namespace, **methods_of(make, file)})
    return found
