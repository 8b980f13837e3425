"""The dialogues of C{test/pop3/dialogues}."""

from __future__ import annotations

import os

from twisted.trial.unittest import TestCase

from test.pop3.server import Pop3Client, Pop3Server
from test.support import dialogue
from test.support.databases import blocking_database


class Run(dialogue.Run):
    """A dialogue in POP3."""

    folder = os.path.join(os.path.dirname(__file__), "dialogues")

    async def start_server(self, test: TestCase, *sets: str) -> Pop3Server:
        return await Pop3Server.start(test, *sets)

    async def begin(self, client: Pop3Client, start: str, user: str) -> None:
        if start == "signed in":
            await client.login(user)

    async def _given_no_mailbox(self, path: str) -> None:
        blocking_database(self._server.settings).mailboxes.delete_one({"path": path})

    async def _direct_holds(self, path: str, subjects: str) -> None:
        """Subjects and flags in a mailbox, in its order."""
        database = blocking_database(self._server.settings)
        mailbox = database.mailboxes.find_one({"path": path})
        found = [
            " ".join([str(row["subject"]), *sorted(row["flags"])])
            for row in database.messages.find({"mailbox": mailbox and mailbox["_id"]}).sort("uid")
        ]
        assert ", ".join(found) == subjects, f"{path} holds {', '.join(found)!r}"

    given = (
        (r"no mailbox \"(.*)\"", _given_no_mailbox),
        (r"\"(.*)\" holds (.*)", _direct_holds),
        (r"\"(.*)\" is empty()", _direct_holds),
    )
