"""The dialogues of C{test/imap/dialogues}."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase

from test.imap.server import ImapServer, MemoryClient
from test.support import dialogue
from test.support.databases import blocking_database
from wildduck.imap.commands import table
from wildduck.imap.grammar.modes import PLAIN

FOLDER = os.path.join(os.path.dirname(__file__), "dialogues")


class Time(Clock):
    """Stands still between the steps of a dialogue; what waits for no more than its turn has it at once."""

    def callLater(self, delay: float, call: Callable[..., Any], *args: Any, **named: Any) -> Any:
        from twisted.internet import reactor

        later: Any = super() if delay else reactor
        return later.callLater(delay, call, *args, **named)


class Run(dialogue.Run):
    """A dialogue in IMAP."""

    folder = FOLDER

    def __init__(self, dialogue: dialogue.Dialogue) -> None:
        super().__init__(dialogue)
        self._modes = PLAIN
        self._time: Time | None = None
        self._held: Deferred[None] = Deferred()
        self._test: TestCase

    async def start_server(self, test: TestCase, *sets: str) -> ImapServer:
        self._test = test
        if "time stands still" in self._dialogue.given:
            self._time = Time()
        return await ImapServer.start(test, *sets, clock=self._time)

    async def begin(self, client: MemoryClient, start: str, user: str) -> None:
        if start == "connected":
            return
        await client.login(user)
        session = client.connection._session
        session.modes = self._modes
        session.line.set_modes(self._modes)
        opened = re.fullmatch(r'"(.*)" (selected|examined)', start)
        if opened is not None:
            verb = b"SELECT" if opened.group(2) == "selected" else b"EXAMINE"
            answer = await client.command(verb + b' "%b"' % opened.group(1).encode())
            assert b"t OK" in answer, answer

    async def _given_modes(self, names: str) -> None:
        self._modes = replace(self._modes, **dict.fromkeys(names.split(), True))

    async def _given_only_inbox(self) -> None:
        blocking_database(self._server.settings).mailboxes.delete_many({"path": {"$ne": "INBOX"}})

    async def _given_unsubscribed(self, path: str) -> None:
        await self._server.mailbox(self._account, path)
        await self._server.domain.store.mailboxes.subscribe(self._account.id, path, False)

    async def _given_subscribed(self, path: str) -> None:
        await self._server.domain.store.mailboxes.subscribe(self._account.id, path, True)

    async def _given_time(self) -> None:
        """The server was started so."""

    async def _time_passes(self, count: str, unit: str) -> None:
        assert self._time is not None, "time does not stand still"
        for _ in range(int(count)):
            self._time.advance(60 if unit == "minute" else 1)

    async def _given_held(self, name: str) -> None:
        row = table.TABLE[name]
        handler: Any = row.handler

        async def held(session: Any, command: Any) -> Any:
            await self._held
            return await handler(session, command)

        self._test.patch(table, "TABLE", {**table.TABLE, name: replace(row, handler=held)})

    async def _let_go(self) -> None:
        self._held.callback(None)

    given = (
        (r"time stands still", _given_time),
        (r"([0-9]+) (second|minute)s? pass(?:es)?", _time_passes),
        (r"([A-Z]+) takes long", _given_held),
        (r"it is done", _let_go),
        (r"the session has enabled ([a-z0-9 ]+)", _given_modes),
        (r"no mailbox but INBOX", _given_only_inbox),
        (r"mailbox \"(.*?)\" not subscribed", _given_unsubscribed),
        (r"\"(.*?)\" subscribed", _given_subscribed),
    )
