"""A client that only follows ADDTO and REMOVEFROM knows what a new search would find (RFC 5267 §4.3)."""

from __future__ import annotations

import random
import re

from twisted.trial.unittest import TestCase

from test.imap.server import ImapServer, MemoryClient

SEARCHES = {
    b"A": b"UID SEARCH RETURN (%b) UNSEEN",
    b"B": b"SEARCH RETURN (%b) OR FLAGGED SUBJECT b",
    b"C": b"UID SORT RETURN (%b) (SUBJECT REVERSE ARRIVAL) UTF-8 FLAGGED",
    b"D": b"SORT RETURN (%b) (REVERSE SUBJECT) UTF-8 UNDELETED",
}
IS_SORTED = (b"C", b"D")
_DATA = re.compile(rb'\* ESEARCH \(TAG "(.)"\)(?: UID)?(.*)')
_UPDATE = re.compile(rb" (ADDTO|REMOVEFROM) \(([^()]*)\)")


def numbers(data: bytes) -> list[int]:
    """A set in its order."""
    found: list[int] = []
    for piece in data.split(b","):
        first, _, last = piece.partition(b":")
        found += range(int(first), int(last or first) + 1)
    return found


class Follower:
    """
    What a client makes of the updates.

    @ivar lists: results by tag, as the client has them.
    """

    def __init__(self) -> None:
        self.lists: dict[bytes, list[int]] = {tag: [] for tag in SEARCHES}

    def hear(self, answer: bytes) -> None:
        for line in answer.split(b"\r\n"):
            expunged = re.fullmatch(rb"\* ([0-9]+) EXPUNGE", line)
            if expunged is not None:
                self._renumber(int(expunged.group(1)))
            data = _DATA.fullmatch(line)
            if data is not None:
                for name, pairs in _UPDATE.findall(data.group(2)):
                    words = pairs.split(b" ")
                    for position, found in zip(words[::2], words[1::2], strict=True):
                        self._update(data.group(1), name, int(position), numbers(found))

    def _renumber(self, gone: int) -> None:
        for tag in (b"B", b"D"):
            assert gone not in self.lists[tag], "told after EXPUNGE"
            self.lists[tag] = [number - (number > gone) for number in self.lists[tag]]

    def _update(self, tag: bytes, name: bytes, position: int, found: list[int]) -> None:
        results = self.lists[tag]
        if name == b"ADDTO":
            assert not set(found) & set(results), "added twice"
            place = position - 1 if position else len(results)
            results[place:place] = found
        elif position:
            assert results[position - 1 : position - 1 + len(found)] == found, "not there"
            del results[position - 1 : position - 1 + len(found)]
        else:
            assert set(found) <= set(results), "removed twice"
            results[:] = [number for number in results if number not in found]
        if tag not in IS_SORTED:
            results.sort()


class ContextTests(TestCase):
    async def test_random(self) -> None:
        """Whatever two sessions do, at each moment that is told the results are those of a new search."""
        server = await ImapServer.start(self)
        account = await server.account("fred")
        for subject in b"abcab":
            await server.add(account, "INBOX", b"Subject: %c\r\n\r\nx\r\n" % subject)
        one, two = await self.session(server), await self.session(server)
        follower = Follower()
        for tag, text in SEARCHES.items():
            await one.command(text % b"UPDATE", tag)
            follower.lists[tag] = await self.found(one, text)
        choice = random.Random(5267)
        for _ in range(60):
            await self.change(server, account, choice, choice.choice((one, two)), one, follower)
            if choice.random() < 0.5:
                follower.hear(await one.command(b"NOOP"))
                for tag, text in SEARCHES.items():
                    self.assertEqual(follower.lists[tag], await self.found(one, text), tag)

    async def session(self, server: ImapServer) -> MemoryClient:
        client = server.connect()
        await client.login("fred")
        await client.command(b"SELECT INBOX")
        return client

    async def found(self, client: MemoryClient, text: bytes) -> list[int]:
        answer = await client.command(text % b"ALL")
        match = re.search(rb"ALL ([0-9:,]+)", answer)
        return numbers(match.group(1)) if match is not None else []

    async def change(
        self,
        server: ImapServer,
        account: object,
        choice: random.Random,
        client: MemoryClient,
        one: MemoryClient,
        follower: Follower,
    ) -> None:
        """Something happens in the mailbox; who follows hears what is said."""
        flags = choice.choice([b"\\Seen", b"\\Flagged", b"\\Deleted", b"\\Seen \\Flagged"])
        count = choice.randrange(3)
        command = choice.choice(
            [
                b"STORE %d:* %bFLAGS.SILENT (%b)" % (count + 1, choice.choice([b"+", b"-", b""]), flags),
                b"UID STORE %d:%d +FLAGS (%b)" % (choice.randrange(1, 9), choice.randrange(1, 30), flags),
                b"EXPUNGE",
                b"UID EXPUNGE %d:*" % choice.randrange(1, 20),
                b"COPY * INBOX",
                b"",
            ]
        )
        if not command:
            for _ in range(count):
                content = b"Subject: %c\r\n\r\nx\r\n" % choice.choice(b"abcd")
                await server.add(account, "INBOX", content)  # type: ignore[arg-type]
            return
        answer = await client.command(command)
        if client is one:
            follower.hear(answer)
