"""The dialogues of C{test/imap/dialogues}."""

from __future__ import annotations

import os
import re

from twisted.trial.unittest import TestCase

from test.imap.server import ImapServer, MemoryClient
from test.support import dialogue

FOLDER = os.path.join(os.path.dirname(__file__), "dialogues")


class Run(dialogue.Run):
    """A dialogue in IMAP."""

    folder = FOLDER

    async def start_server(self, test: TestCase, *sets: str) -> ImapServer:
        return await ImapServer.start(test, *sets)

    async def begin(self, client: MemoryClient, start: str) -> None:
        if start == "connected":
            return
        await client.login("fred")
        opened = re.fullmatch(r'"(.*)" (selected|examined)', start)
        if opened is not None:
            verb = b"SELECT" if opened.group(2) == "selected" else b"EXAMINE"
            answer = await client.command(verb + b' "%b"' % opened.group(1).encode())
            assert b"t OK" in answer, answer
