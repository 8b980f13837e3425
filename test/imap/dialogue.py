"""The dialogues of C{test/imap/dialogues}."""

from __future__ import annotations

import os
import re
from dataclasses import replace

from twisted.trial.unittest import TestCase

from test.imap.server import ImapServer, MemoryClient
from test.support import dialogue
from test.support.databases import blocking_database
from wildduck.imap.grammar.modes import PLAIN

FOLDER = os.path.join(os.path.dirname(__file__), "dialogues")


class Run(dialogue.Run):
    """A dialogue in IMAP."""

    folder = FOLDER

    def __init__(self, dialogue: dialogue.Dialogue) -> None:
        super().__init__(dialogue)
        self._modes = PLAIN

    async def start_server(self, test: TestCase, *sets: str) -> ImapServer:
        return await ImapServer.start(test, *sets)

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

    given = (
        (r"the session has enabled ([a-z0-9 ]+)", _given_modes),
        (r"no mailbox but INBOX", _given_only_inbox),
        (r"mailbox \"(.*?)\" not subscribed", _given_unsubscribed),
        (r"\"(.*?)\" subscribed", _given_subscribed),
    )
