"""Tests of L{wildduck.mailstore.search}: what is found, and what is read for it."""

from __future__ import annotations

import base64
import email
import quopri
import random
import re
from datetime import date, datetime, timedelta, timezone
from typing import Any

from twisted.logger import globalLogPublisher

from test.mailstore.search.support import Sample, SearchCase, matches, nothing
from test.mailstore.support import message
from test.support.chance import seed, tries
from test.support.corpus import corpus
from wildduck.database.database import Database
from wildduck.limits import KIB
from wildduck.mailstore.search import fields as fields_step, texts
from wildduck.mailstore.search.keys import (
    And,
    Arrived,
    Body,
    Field,
    Flag,
    Key,
    Not,
    Or,
    Recent,
    Sent,
    Size,
    Text,
    Uids,
)
from wildduck.mailstore.search.reading import Reading, Turn

DAY = datetime(2024, 2, 28, 23, 30, tzinfo=timezone.utc)
SEEN = Flag("\\Seen")
_POSSIBLE = fields_step._possible
#: However a From field may be written, and what may be looked for in it.
ODD_FIELDS = (
    "From: harbour <a@example.org>",
    'fRoM \t: "Har\\bour" (at the Har bour) <a@example.org>',
    "From: very long =?utf-8?q?h=61rbour?= and more",
    "From: Har\r\n\tbour <b@example.org>",
    "From: the  old \r\n  \r\n harbour*.[x]",
    "From: \uff48\uff41\uff52\uff42\uff4f\uff55\uff52 =1?2",
    "X-From: harbour",
    "Subject: From: harbour",
    "From: a=b?= $ne",
    "From:",
    "From: " + "har" * 2000 + "bour",
    "From: harbour" + "=" * 600_000,
    "From: " + "a " * 300_000 + "=?utf-8?q?h=61rbour?=" + "=" * 300_000,
    "To: x",
)
ODD_WORDS = (
    "harbour|HARBOUR|har bour|old  harbour|old|b=|a=b?|=?|$ne|*.[x]|\uff48|acute \u00e9||   | h|1?2|harhar"
)
#: The same for addresses as ENVELOPE shows them.
ODD_ADDRESSES = (
    "From: ann (c)@ (c) example.org",
    "From: Ann <ann (c)@\r\n\t(c) example.org>, ann @ example.net",
    'From: "Ann B" (x) <"ann b"@example.org>',
    'From: "An\\n" "B" <ann . b@example.org>',
    "From: Club (of us): ann@example . org, <@one (x), @two:ann@example.org>;",
    'From: ="?utf-8?q?harb=6Fur?=" <a@b>',
    "From: b@c (=?utf-8?q?harb=6Fur?=) , Harbour(x)er <a@b>",
)
ADDRESS_WORDS = (
    "ann@example.org|N@EXAMPLE|ann b|ann b@e|ann.b@|harbour|harbour er|@two|club :|club of us||ann@x"
)


def mixed(*parts: bytes) -> bytes:
    """A multipart/mixed message."""
    head = (
        b"From: =?utf-8?q?J=C3=BCrgen?= <jg@example.org>\r\nTo: all@example.com\r\n"
        b'Subject: parts\r\nContent-Type: multipart/mixed; boundary="b"\r\n\r\nA preamble\r\n'
    )
    return head + b"".join(b"--b\r\n" + part + b"\r\n" for part in parts) + b"--b--\r\nAn epilogue\r\n"


def part(kind: bytes, body: bytes, encoding: bytes = b"7bit", name: bytes = b"") -> bytes:
    disposition = b"Content-Disposition: attachment; filename=%b\r\n" % name if name else b""
    return b"Content-Type: %b\r\nContent-Transfer-Encoding: %b\r\n%b\r\n%b" % (
        kind,
        encoding,
        disposition,
        body,
    )


INNER = (
    b"From: inner@example.org\r\nSubject: =?iso-8859-1?q?Gr=FC=DFe?=\r\n\r\nThe innermost word is walrus.\r\n"
)
SAMPLES = [
    message(1, b"The quick brown fox\r\n"),
    message(2, b"jumps over the lazy dog\r\n", "Walrus"),
    b"Subject: =?utf-8?b?R3LDvMOfZSBhdXM=?=\r\n =?utf-8?b?IEvDtmxu?=\r\n"
    b"Date: Thu, 29 Feb 2024 01:00:00 +1300\r\n"
    b"Content-Type: text/plain; charset=iso-8859-1\r\n\r\nStra\xdfe ohne Ende\r\n",
    b"From: a@example.org\r\nX-Empty:\r\nDate: no date at all\r\n\r\nfox\r\n",
    mixed(
        part(
            b"text/plain; charset=utf-8",
            base64.encodebytes("Fuchs, Gänse".encode()).replace(b"\n", b"\r\n"),
            b"base64",
        ),
        part(
            b"text/html; charset=utf-8",
            quopri.encodestring("<p>gänse <b>dog</b></p>".encode()),
            b"quoted-printable",
        ),
        part(b"image/png", base64.b64encode(b"fox" * 30), b"base64", b"fox.png"),
    ),
    mixed(
        part(b"text/plain", b"outer words"),
        b"Content-Type: message/rfc822\r\n\r\n" + INNER,
        part(b"text/x-notes", b"attached fox", b"7bit", b"notes.txt"),
    ),
]
WORDS = [
    "fox",
    "DOG",
    "gänse",
    "GRÜSSE",
    "walrus",
    "straße",
    "example",
    "text/",
    "fox.png",
    "",
    "no such thing",
]


def leaf(rng: random.Random) -> Key:
    day = date(2024, 2, 26) + timedelta(days=rng.randrange(6))
    bounds = rng.choice(((day, None), (None, day), (day, day + timedelta(days=1))))
    size = rng.choice([len(raw) for raw in SAMPLES])
    name = rng.choice([b"subject", b"From", b"TO", b"x-empty", b"date", b"X-None"])
    word = rng.choice(WORDS)
    return rng.choice(
        [
            Flag(rng.choice(["\\Seen", "\\flagged", "$work", "$none"])),
            Uids(((rng.randrange(8), rng.randrange(8)),)),
            Arrived(*bounds),
            Sent(*bounds),
            rng.choice((Size(above=size), Size(below=size))),
            Field(name, word),
            Body(word),
            Text(word),
        ]
    )


def tree(rng: random.Random, depth: int = 3) -> Key:
    if depth == 0 or rng.random() < 0.3:
        return leaf(rng)
    if rng.random() < 0.3:
        return Not(tree(rng, depth - 1))
    some = tuple(tree(rng, depth - 1) for _ in range(rng.randrange(1, 4)))
    return rng.choice((And, Or))(some)


class FoundTests(SearchCase):
    async def test_random_trees(self) -> None:
        """Whatever is asked, a look at each message finds the same, of WildDuck's documents too."""
        rng = random.Random(seed(3501))
        samples = [
            Sample(
                raw,
                DAY + timedelta(days=number % 3),
                tuple(rng.sample(["\\Seen", "\\Flagged", "$Work"], number % 4)),
            )
            for number, raw in enumerate(SAMPLES)
        ]
        await self.put(*samples)
        view = await self.store.open(self.account.id, "INBOX")
        for round in range(2):
            for _ in range(tries(50)):
                key = tree(rng)
                found = await self.store.search(view, key, nothing)
                expected = [sample.uid for sample in samples if matches(key, sample)]
                self.assertEqual(list(found.uids), expected, (round, key))
                self.assertEqual(list(found.seqs), expected)
            self.db.messages.update_many({}, {"$unset": {"mimeTree.native": True}})

    async def test_left_out_by_the_database(self) -> None:
        """However a field is written, what the raw lines are asked first changes nothing of what is found."""
        for number, field in enumerate(ODD_FIELDS):
            raw = f"{field}\r\nMessage-ID: <{number}@example.org>\r\n\r\nbody\r\n".encode()
            await self.put(Sample(raw, DAY))
        for changes in ({}, {"$unset": {"mimeTree.native": True}}, {"$unset": {"mimeTree.header": True}}):
            if changes:
                self.db.messages.update_many({"uid": {"$lt": 5 if "native" in str(changes) else 3}}, changes)
            view = await self.store.open(self.account.id, "INBOX")
            for word in ODD_WORDS.split("|"):
                for key in (Field(b"from", word), Not(Field(b"FROM", word)), Field(b"x-from", word)):
                    found = list((await self.store.search(view, key, nothing)).uids)
                    self.patch(fields_step, "_possible", lambda leaves: None)
                    self.assertEqual(found, list((await self.store.search(view, key, nothing)).uids), key)
                    self.patch(fields_step, "_possible", _POSSIBLE)
            view.close()

    async def test_addresses_left_out_by_the_database(self) -> None:
        """However an address is written, the database leaves none out that is shown so."""
        for field in ODD_ADDRESSES:
            await self.put(Sample(f"{field}\r\n\r\nbody\r\n".encode(), DAY))
        for word in ADDRESS_WORDS.split("|"):
            for key in (Field(b"from", word, True), Not(Field(b"From", word, True))):
                found = await self.found(key)
                patched = self.patch(fields_step, "_possible", lambda leaves: None)
                self.assertEqual(found, await self.found(key), key)
                patched.restore()

    async def test_few_are_read_for_a_field(self) -> None:
        """The database sends those that may match, not all."""
        await self.put(*(Sample(message(number, b"x\r\n", f"word{number}"), DAY) for number in range(20)))
        view = await self.store.open(self.account.id, "INBOX")
        read: list[Any] = []
        look = fields_step._Wanted.look_in_tree

        def count(wanted: Any, tree: Any) -> Any:
            read.append(tree)
            return look(wanted, tree)

        self.patch(fields_step._Wanted, "look_in_tree", count)
        found = await self.store.search(view, Field(b"subject", "word7"), nothing)
        self.assertEqual((list(found.uids), len(read)), ([8], 1))

    async def test_shown(self) -> None:
        """What ENVELOPE shows of addresses is found where that is asked for, not in the field's text."""
        await self.put(
            Sample(b"From: user (c)@ (c) domain.example\r\n\r\nx\r\n", DAY),
            Sample(b"From: Ann (=?utf-8?q?=C3=A0?=) <user (c)@ (c) domain.example>\r\n\r\nx\r\n", DAY),
            Sample(b"From: user@domain.example (not ann@domain.example)\r\n\r\nx\r\n", DAY),
            Sample(b"To: user@domain.example\r\n\r\nx\r\n", DAY),
        )
        for text, shown, written in (
            ("USER@domain", [1, 2, 3], [3]),
            ("ann@domain.example", [3], [3]),
            ("(c)", [1, 2], [1, 2]),
            ("ann (\u00e0) <", [2], [2]),
            ("user@other", [], []),
            ("", [1, 2, 3], [1, 2, 3]),
        ):
            self.assertEqual(await self.found(Field(b"from", text, True)), shown, text)
            self.assertEqual(await self.found(Field(b"from", text)), written, text)

    async def test_mongod_gives_up(self) -> None:
        """Its regular expressions read the longest lines that they are given, or are not asked."""
        values = (
            "plain@example.net, " * 900 + "ann@ example.org",
            "(" * 15_000 + " ann @example.net" + ")" * 4_000,
            '"' + "=a" * 9_000 + '" <ann @example.org>',
            '"' + "=?u?q?a?=" * 2_000 + '" <ann @example.org>',
            "a " * 9_500 + "<ann @example.org>",
            "a\r\n " * 4_000 + "<ann @example.org>",
            ":" * 19_900 + "ann @example.org",
            "a@b, " * 5_000 + "ann@ example.org",
        )
        for value in values:
            await self.put(Sample(f"From: {value}\r\n\r\nx\r\n".encode(), DAY))
        self.assertEqual(await self.found(Field(b"from", "ann@example", True)), [1, 2, 3, 4, 5, 6, 7, 8])
        self.assertEqual(await self.found(Field(b"from", "bob@example", True)), [])

    async def test_long_fields_in_a_thread(self) -> None:
        """Long lists of addresses, which take long to read, do not hold others up."""
        await self.put(
            Sample(b"To: " + b"a (b)@c, " * 300 + b"\r\n\r\nx\r\n", DAY),
            Sample(b"To: a (b)@c\r\n\r\nx\r\n", DAY),
        )
        pool = self.store._backend.mime_pool
        run, threads = pool.run, []

        def recorded(work: Any, *args: Any) -> Any:
            threads.append(work)
            return run(work, *args)

        self.patch(pool, "run", recorded)
        self.assertEqual(await self.found(Field(b"to", "a@c")), [])
        self.assertEqual(threads, [])
        self.assertEqual(await self.found(Field(b"to", "a@c", True)), [1, 2])
        self.assertEqual(len(threads), 1)

    async def test_spilled_keywords(self) -> None:
        """Keywords beyond those that have bits are found too, in any case."""
        names = [f"word{number}" for number in range(80)]
        await self.put(Sample(message(1), DAY, tuple(names[:70])), Sample(message(2), DAY, tuple(names[70:])))
        for name in names:
            self.assertEqual(await self.found(Flag(name.upper())), [1 if name in names[:70] else 2])

    async def test_big_texts(self) -> None:
        """Texts that are stored elsewhere are looked through from the first byte to the last."""
        filler = "Lorem ipsum dölor sit amet.\r\n" * 24_000
        latin = (filler[:-40] + "Käsekuchen" + filler + "letztes Wört").encode("latin-1")
        utf8 = ("Erstes Wört " + filler + "Käsekuchen").encode()
        encoded = base64.encodebytes(latin).replace(b"\n", b"\r\n")
        bodies = [
            part(b"text/plain; charset=iso-8859-1", encoded, b"base64"),
            part(
                b"text/plain; charset=utf-8",
                quopri.encodestring(utf8.replace(b"\r", b"")).replace(b"\n", b"\r\n"),
                b"quoted-printable",
            ),
            part(b"text/plain", latin, b"8bit"),
            part(b"text/csv", utf8, b"8bit", b"table.csv"),
            part(b"application/octet-stream", utf8, b"8bit", b"table.bin"),
        ]
        await self.put(*(Sample(mixed(body), DAY) for body in bodies))
        await self.put(Sample(mixed(b"Content-Type: message/rfc822\r\n\r\n" + mixed(bodies[1])), DAY))
        self.assertEqual(self.db["attachments.files"].count_documents({}) > 3, True)
        await self._check_big_texts()
        # As WildDuck's documents are, whose inner messages are not in the bytes of the outer one.
        self.db.messages.update_many({}, {"$unset": {"mimeTree.native": True}})
        await self._check_big_texts()

    async def _check_big_texts(self) -> None:
        for word, expected in (
            ("KÄSEkuchen", [1, 2, 3, 4, 6]),
            ("letztes wört", [1, 3]),
            ("erstes wört", [2, 4, 6]),
            ("amet.\r\nlorem", [1, 2, 3, 4, 6]),
            ("amet.\r\nlorem x", []),
            ("kÃ¤se", []),
        ):
            self.assertEqual(await self.found(Body(word)), expected, word)
            self.assertEqual(
                await self.found(Not(Text(word))), [uid for uid in range(1, 7) if uid not in expected]
            )

    async def test_inexact_trees(self) -> None:
        """Messages that the tree gives back inexactly: bare line feeds, NULs, a header too long for it."""
        long = b"".join(b"X-%d: %b\r\n" % (number, b"v" * 900) for number in range(1500))
        await self.put(
            Sample(b"Subject: bare\n\nthe needle\nin it\n", DAY),
            Sample(b"Subject: nul\r\nContent-Type: text/plain\r\n\r\n\0the needle\0\r\n", DAY),
            Sample(b"Subject: long\r\n" + long + b"X-Last: the needle\r\n\r\nbody\r\n", DAY),
        )
        self.assertEqual(await self.found(Text("the needle")), [1, 2, 3])
        self.assertEqual(await self.found(Body("the needle")), [1, 2])
        self.assertEqual(await self.found(Field(b"x-last", "needle")), [3])
        self.assertEqual(await self.found(Not(Field(b"subject", "long"))), [1, 2])

    async def test_corpus(self) -> None:
        """Words of real and broken mail are found where Python's mail package finds them."""
        rng = random.Random(seed(1))
        samples = [one for one in corpus() if len(one.raw) < 300 * KIB]
        words: dict[int, str] = {}
        for sample in rng.sample(samples, min(tries(25), len(samples))):
            uid = (await self.add(sample.crlf)).uid
            candidates = [word for text in _texts(sample.crlf) for word in re.findall(r"[^\W\d_]{7,}", text)]
            if candidates:
                words[uid] = candidates[-1 - len(candidates) // 5]
        self.assertGreater(len(words), 8)
        for uid, word in words.items():
            self.assertIn(uid, await self.found(Body(word)), word)
            self.assertEqual(await self.found(And((Text(word), Not(Body(word)), Uids(((uid, uid),))))), [])

    async def test_streamed(self) -> None:
        """Streaming a message finds what looking into its tree finds."""
        rng = random.Random(seed(2))
        for sample in rng.sample(corpus(), min(tries(15), len(corpus()))):
            appended = await self.add(sample.crlf)
            document = self.db.messages.find_one({"_id": appended.message_id})
            words = rng.sample(sample.crlf.decode("latin-1").split() or ["x"], 1)
            words += [word for text in _texts(sample.crlf) for word in rng.sample(text.split() or ["x"], 1)][
                :5
            ]
            wanted = texts._Wanted([kind(word) for word in words for kind in (Body, Text)])
            in_tree = texts._Looking(wanted)
            if not in_tree.in_tree(document["mimeTree"]):
                continue
            streamed = texts._Looking(wanted)
            known: Any = None
            reading = Reading(self.store._backend, await self.inbox(), known, _NoTurn())
            await texts._Stream(reading, await self.store.content(document, exact=True), streamed).run()
            self.assertEqual(_said(streamed), _said(in_tree), sample.name)


class _NoTurn(Turn):
    """Gives no way."""

    def __init__(self) -> None:
        pass

    async def pause(self) -> None:
        pass


def _said(looking: texts._Looking) -> dict[Any, bool]:
    said: dict[Any, bool] = {}

    class Answers:
        def say(self, uid: int, leaf: Any, matches: bool) -> None:
            said[leaf] = matches

    answers: Any = Answers()
    looking.say(answers, 1, True)
    return said


def _texts(raw: bytes) -> list[str]:
    """The decoded text parts, as far as Python can read them."""
    found = []
    for part in email.message_from_bytes(raw).walk():
        payload = part.get_payload(decode=True)
        # What is no good base64 it gives as it stands; this server decodes what it can.
        if part.get_content_maintype() == "text" and isinstance(payload, bytes) and not part.defects:
            try:
                found.append(payload.decode(part.get_content_charset("ascii")))
            except (LookupError, UnicodeDecodeError, ValueError):
                continue
    return found


class ReadingTests(SearchCase):
    """What is read for an answer."""

    async def _reads(self, key: Key) -> tuple[list[int], list[dict[str, Any]]]:
        """What was found, and the projections that were asked for, of the messages with these UIDs."""
        view = await self.store.open(self.account.id, "INBOX")
        asked: list[dict[str, Any]] = []
        batches = Database.batches

        def recording(database: Database, collection: str, filter: Any, **options: Any) -> Any:
            asked.append({"uid": filter["uid"], "fields": set(options["projection"]) - {"_id", "uid"}})
            return batches(database, collection, filter, **options)

        patched = self.patch(Database, "batches", recording)
        try:
            return list((await self.store.search(view, key, nothing)).uids), asked
        finally:
            patched.restore()

    async def test_nothing_is_read(self) -> None:
        """Flags, UIDs and the day of arrival are known, and so is what they alone decide."""
        late = DAY + timedelta(days=1)
        await self.put(Sample(message(1), DAY, ("\\Seen",)), Sample(message(2), late))
        for key, expected in (
            (Arrived(since=DAY.date()), [1, 2]),
            (Arrived(since=late.date()), [2]),
            (Arrived(before=late.date()), [1]),
            (And((Arrived(since=DAY.date()), Arrived(before=late.date()), SEEN)), [1]),
            (Not(Arrived(DAY.date(), late.date())), [2]),
            (Not(SEEN), [2]),
            (Uids(((1, 1),)), [1]),
            (And((SEEN, Not(SEEN), Text("x"))), []),
            (Or((SEEN, Not(SEEN), Text("x"))), [1, 2]),
            (Not(And((Flag("$none"), Body("x")))), [1, 2]),
        ):
            self.assertEqual(await self._reads(key), (expected, []))

    async def test_only_what_is_open(self) -> None:
        """Texts are read of those messages only that all else leaves open, in NOT and OR too."""
        await self.put(*(Sample(message(n), DAY, ("\\Seen",) if n % 2 else ()) for n in range(1, 7)))
        for key in (
            And((Text("hello"), SEEN, Field(b"subject", "message 3"))),
            Not(Or((Not(Text("hello")), Not(Field(b"subject", "message 3")), Not(SEEN)))),
        ):
            found, asked = await self._reads(key)
            self.assertEqual(found, [3])
            self.assertEqual(asked[0]["fields"], {"mimeTree.header", "mimeTree.native.layout"})
            self.assertEqual(asked[-1]["uid"], {"$gte": 3, "$lte": 3})

    async def test_narrow(self) -> None:
        """The day it was sent is in one field, beside the day that stands for it and its zone."""
        await self.put(Sample(message(1), DAY))
        found, asked = await self._reads(Sent(since=date(1990, 1, 1)))
        fields = {"idate", "native.zone", "mimeTree.parsedHeader.date"}
        self.assertEqual((found, [one["fields"] for one in asked]), ([1], [fields]))

    async def test_days_of_what_comes_and_goes(self) -> None:
        """The day of arrival stays with its message whatever happens around it."""
        days = [DAY + timedelta(days=n) for n in range(4)]
        await self.put(*(Sample(message(n), day) for n, day in enumerate(days[:3], 1)))
        view = await self.store.open(self.account.id, "INBOX")
        other = await self.store.open(self.account.id, "INBOX")
        await self.put(Sample(message(4), days[3]))
        await self.store.store_flags(view, [2], "+", ("\\Deleted",))
        await self.store.expunge(view)
        await view.refresh(may_expunge=True)
        # The other session was told of nothing: it has message 2 and not message 4.
        for session, there in ((view, {1, 3, 4}), (other, {1, 3})):
            for uid, day in enumerate(days, 1):
                on = Arrived(day.date(), day.date() + timedelta(days=1))
                found = await self.store.search(session, on, nothing)
                self.assertEqual(list(found.uids), [uid] if uid in there else [])


class OddTests(SearchCase):
    async def test_unreadable(self) -> None:
        """A text that can not be read matches nothing that depends on it; it is logged once."""
        big = part(b"text/plain", b"word " * 200_000)
        await self.put(
            Sample(mixed(big), DAY, ("\\Seen",)), Sample(mixed(big, b""), DAY), Sample(message(1), DAY)
        )
        self.db["attachments.files"].delete_many({})
        logged: list[Any] = []
        globalLogPublisher.addObserver(logged.append)
        self.addCleanup(globalLogPublisher.removeObserver, logged.append)
        for key, expected in (
            (Body("word"), []),
            (Not(Or((Body("other"), Text("others")))), [3]),
            (Or((Body("word"), SEEN)), [1]),
            (Or((Body("other"), Text("parts"))), [1, 2]),
        ):
            logged.clear()
            self.assertEqual(await self.found(key), expected, key)
            said = [event["uid"] for event in logged if "can not be searched" in event["log_format"]]
            self.assertEqual(said, [2] if expected == [1] else [1, 2], key)

    async def test_gone_meanwhile(self) -> None:
        """A message that goes while the search runs is left out, also by NOT."""
        await self.put(Sample(message(1), DAY), Sample(message(2), DAY), Sample(message(3), DAY))
        view = await self.store.open(self.account.id, "INBOX")
        self.db.messages.delete_one({"uid": 2})
        for key in (Not(Text("x y z")), Not(Size(above=100_000)), Not(Field(b"cc", ""))):
            self.assertEqual(list((await self.store.search(view, key, nothing)).uids), [1, 3])

    async def test_odd_documents(self) -> None:
        """Documents that lack anything, or have it in another form, are searched like others."""
        changes: list[dict[str, Any]] = [
            {"$unset": {"mimeTree": True}},
            {"$set": {"mimeTree": "x"}},
            {"$set": {"mimeTree.header": "x", "mimeTree.parsedHeader": 1, "mimeTree.body": 7}},
            {
                "$set": {
                    "mimeTree.header": [1, None, "Subject: ü\u20ac"],
                    "mimeTree.parsedHeader.date": [None],
                }
            },
            {"$set": {"mimeTree.parsedHeader": {"content-type": 5, "content-transfer-encoding": []}}},
            {"$set": {"mimeTree.parsedHeader.content-type": {"value": 5, "params": {"charset": 5}}}},
            {"$set": {"mimeTree.childNodes": [None, 5, {"header": None}], "mimeTree.message": 5}},
            {"$set": {"mimeTree.attachmentId": "ATT00009", "mimeTree.attachmentMap": None}},
            {"$set": {"mimeTree.size": "many", "size": "x", "idate": "today", "hdate": None}},
            {"$set": {"mimeTree.native": 5, "idate": None}, "$unset": {"size": True}},
            {"$set": {"mimeTree.native.layout": b"x", "mimeTree.native.size": 5}},
        ]
        await self.put(*(Sample(message(n), DAY) for n in range(1, len(changes) + 1)))
        for uid, change in enumerate(changes, 1):
            self.db.messages.update_one({"uid": uid}, change)
        for leaf in (
            Text("message"),
            Body("hello"),
            Field(b"subject", ""),
            Arrived(since=date(2000, 1, 1)),
            Sent(since=date(2000, 1, 1)),
            Size(above=10),
        ):
            yes, no = set(await self.found(leaf)), set(await self.found(Not(leaf)))
            self.assertFalse(yes & no)
            self.assertGreater(len(yes | no), 6, leaf)

    async def test_nobody_waits(self) -> None:
        """A client that has gone away ends its search."""
        await self.put(Sample(message(1), DAY))
        view = await self.store.open(self.account.id, "INBOX")

        async def gone() -> None:
            raise ConnectionError()

        await self.fails(ConnectionError, self.store.search(view, Text("x"), gone))

    async def test_recent(self) -> None:
        """Recent is what the session says it is; what it says of others does not matter."""
        await self.put(Sample(message(1), DAY), Sample(message(2), DAY))
        view = await self.store.open(self.account.id, "INBOX")
        view.recent.update((2, 9))
        self.assertEqual(list((await self.store.search(view, Recent(), nothing)).uids), [2])
        self.assertEqual(list((await self.store.search(view, Not(Recent()), nothing)).uids), [1])
