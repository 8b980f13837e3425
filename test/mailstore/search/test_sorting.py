"""Tests of L{wildduck.mailstore.search.sorting} and C{threading} on stored messages."""

from __future__ import annotations

import email.utils
import random
from datetime import datetime, timedelta, timezone
from typing import Any

from test.mailstore.search.support import Sample, SearchCase, nothing
from test.support.databases import blocking_database
from wildduck.mailstore.search import keys, ordering, sorting
from wildduck.mailstore.search.sorting import CRITERIA, Criterion

START = datetime(2024, 2, 28, 23, 30, tzinfo=timezone.utc)
SUBJECTS = ("b", "Re: a", "A", "[x] c (fwd)", "C", "", "_", "fwd: B")
PEOPLE = ("zoe@a.example", "Anna <b@a.example>", "anna <C@a.example>", '"q r"@b.example')


def samples(choice: random.Random, count: int) -> list[Sample]:
    found = []
    for _ in range(count):
        lines = [b"Subject: " + choice.choice(SUBJECTS).encode()]
        lines += [
            b"%b: %b" % (name, choice.choice(PEOPLE).encode())
            for name in (b"From", b"To", b"Cc")
            if choice.random() < 0.8
        ]
        if choice.random() < 0.7:
            moment = START + timedelta(hours=choice.randrange(4))
            lines.append(b"Date: " + email.utils.format_datetime(moment).encode())
        body = b"x" * choice.randrange(3)
        arrived = START + timedelta(hours=choice.randrange(4))
        found.append(Sample(b"\r\n".join(lines) + b"\r\n\r\n" + body + b"\r\n", arrived))
    return found


def naive(name: str, sample: Sample) -> Any:
    """A value to sort by, told by Python's own mail package."""
    headers = sample.parsed
    if name == "arrival":
        return sample.arrived
    if name == "date":
        return email.utils.parsedate_to_datetime(headers["Date"]) if "Date" in headers else sample.arrived
    if name == "size":
        return len(sample.raw)
    if name == "subject":
        subject = headers["Subject"].upper()
        for piece in ("RE:", "FWD:", "[X]", "(FWD)"):
            subject = subject.replace(piece, "")
        return subject.strip()
    shown, address = email.utils.parseaddr(headers.get(name.removeprefix("display"), ""))
    if name.startswith("display"):
        return (shown or address.replace('"', "")).upper()
    return address.rpartition("@")[0].replace('"', "").upper()


def numbers(trees: Any) -> list[int]:
    """Of all messages in trees, which are not deep."""
    found = [number for number, _ in trees if number is not None]
    return found + [number for _, children in trees for number in numbers(children)]


class SortTests(SearchCase):
    async def sorted(self, *criteria: Criterion, key: keys.Key | None = None) -> list[int]:
        view = await self.store.open(self.account.id, "INBOX")
        try:
            return list((await self.store.sort(view, key or keys.And(), criteria, nothing)).found.uids)
        finally:
            view.close()

    async def threads(self, algorithm: str) -> Any:
        view = await self.store.open(self.account.id, "INBOX")
        try:
            return (await self.store.thread(view, keys.And(), algorithm, nothing)).trees
        finally:
            view.close()

    async def test_as_naively(self) -> None:
        """Each key, and many together, in few messages and in so many that a thread sorts them."""
        choice = random.Random(5256)
        mailbox = samples(choice, 40)
        await self.put(*mailbox)
        self.patch(sorting, "_FEW", 20)
        self.patch(ordering, "_AT_ONCE", 8)
        programs = [[Criterion(name, reverse)] for name in CRITERIA for reverse in (False, True)]
        programs += [
            [Criterion(choice.choice(CRITERIA), choice.random() < 0.5) for _ in range(3)] for _ in range(10)
        ]
        for program in programs:
            expected = list(mailbox)
            for one in reversed(program):
                expected.sort(key=lambda sample, name=one.name: naive(name, sample), reverse=one.reverse)
            self.assertEqual(await self.sorted(*program), [one.uid for one in expected], program)

    async def test_of_what_was_found(self) -> None:
        """Only what matches is sorted."""
        mailbox = samples(random.Random(1), 6)
        await self.put(*mailbox)
        found = await self.sorted(Criterion("arrival", True), key=keys.Uids(((2, 4),)))
        expected = sorted(mailbox[1:4], key=lambda one: (one.arrived, -one.uid), reverse=True)
        self.assertEqual(found, [one.uid for one in expected])

    async def test_odd_documents(self) -> None:
        """What another program stored in another form has its place, and stops nothing."""
        await self.put(*samples(random.Random(2), 4))
        messages = blocking_database(self.settings).messages
        odd: list[Any] = [
            None,
            7,
            {"parsedHeader": []},
            {"parsedHeader": {"from": 7, "subject": {}, "date": []}},
        ]
        for uid, tree in enumerate(odd, 1):
            messages.update_one({"uid": uid}, {"$set": {"mimeTree": tree, "idate": None, "size": "x"}})
        for name in CRITERIA:
            self.assertEqual(await self.sorted(Criterion(name)), [1, 2, 3, 4], name)
        for algorithm in ("references", "orderedsubject"):
            self.assertEqual(sorted(numbers(await self.threads(algorithm))), [0, 1, 2, 3])

    async def test_gone(self) -> None:
        """What is gone since the mailbox was looked at is left out."""
        await self.put(*samples(random.Random(3), 4))
        view = await self.store.open(self.account.id, "INBOX")
        self.addCleanup(view.close)
        blocking_database(self.settings).messages.delete_one({"uid": 2})
        ordered = await self.store.sort(view, keys.And(), [Criterion("subject"), Criterion("size")], nothing)
        self.assertEqual(sorted(ordered.found.uids), [1, 3, 4])
        threads = await self.store.thread(view, keys.And(), "orderedsubject", nothing)
        self.assertNotIn(1, [number for number, _ in threads.trees])
