"""Tests of the index with a database: with it, searches say what reading says."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable
from datetime import datetime, timezone
from typing import Any, NamedTuple

from test.mailstore.search.test_search import (
    ADDRESS_WORDS,
    ODD_ADDRESSES,
    ODD_FIELDS,
    ODD_WORDS,
    SAMPLES,
    WORDS,
    leaf,
)
from test.mailstore.text_index.support import IndexCase
from test.support.chance import seed, tries
from test.support.corpus import corpus
from wildduck.mailstore.search import fields
from wildduck.mailstore.search.keys import And, Body, Field, Flag, Key, Not, Or, Text
from wildduck.mailstore.text_index import indexer
from wildduck.mailstore.text_index.segment import numbers

DAY = datetime(2024, 2, 28, tzinfo=timezone.utc)

#: Of what random headers are made, and what is looked for in them.
_NAMES = b"From|from|FROM \t|To|Cc|BCC|Subject|X-From|X_o.1|Message-ID| x".split(b"|")
_PIECES = (
    b'fox|Fox | |\r\n |\r\n\t \r\n |\r|\0|@|.|<|>, "|From:|=?|?=|=?utf-8?q?f=6Fx?=|=?utf-8?q?=0A=C3=A9?='
    b"|\xe9|_|-|=?iso-8859-1?b?6fY=?=|=?utf-8?b?w?=|=?x?q?f?=|(|)|(o)|\\|;|:|f@o|a (x)@ o"
).split(b"|") + ["\u00e9e\u0301\ufb01\u0130".encode(), "\u4e2d".encode(), b"a" * 90]
_TEXTS = ("fox", "o", "FOX ", " fox", "\u00e9", "e", "fi", "f", "\u4e2d", "@", "", " ", "\n", "x.f", "from:")


#: Fields with addresses.
_SHOWN = frozenset((b"from", b"to", b"cc", b"bcc"))

#: What may stand between the parts of an address, and comments after it.
_BETWEEN = (
    "",
    "",
    "",
    " ",
    "\t",
    "\r\n ",
    " (c) ",
    "(a (b) c)",
    "(\\))",
    "\r\n\t(x@y)\r\n ",
    "(=?utf-8?q?=C3=A9?=)",
)
_LOCALS = ("ann", "joe", '"ann smith"', '"a\\"b"', '"x@y"', "o'neil")
_DOMAINS = (("example", "org"), ("b",), ("mail", "example", "net"))


class _Address(NamedTuple):
    """
    @ivar written: in a field.
    @ivar shown: what ENVELOPE has of it.
    """

    written: str
    shown: str


def _address(rng: random.Random) -> _Address:
    """One with anything that may stand within it (RFC 5322 §3.4, §4.4)."""

    def between() -> str:
        return rng.choice(_BETWEEN)

    local, domain = rng.choice(_LOCALS), rng.choice(_DOMAINS)
    written = f"{local}{between()}@{between()}" + f"{between()}.{between()}".join(domain)
    bare = re.sub(r"\\(.)", r"\1", local[1:-1]) if local.startswith('"') else local
    shown = f"{bare}@{'.'.join(domain)}"
    if rng.random() < 0.5:
        route = rng.choice(("", "", "", "@one:", f"@one{between()},{between()}@two:"))
        name = rng.choice(("", "Ann ", '"Ann, B" ', f"Ann {between()} B ", "=?utf-8?q?J=C3=BCrgen?= "))
        written = f"{name}<{route}{between()}{written}{between()}>"
    return _Address(written + rng.choice(("", "", " (at home)")), shown)


def _addresses(rng: random.Random) -> list[_Address]:
    return [_address(rng) for _ in range(rng.randrange(1, 4))]


def _list(rng: random.Random, some: list[_Address]) -> str:
    listed = rng.choice((",", ", ", ",\r\n\t")).join(one.written for one in some)
    return rng.choice((listed, listed, f"Club{rng.choice(_BETWEEN)}: {listed};"))


def _value(rng: random.Random) -> bytes:
    return b"".join(rng.choices(_PIECES, k=rng.randrange(6)))


class ExactTests(IndexCase):
    """With the index as without it."""

    async def _same(self, keys: Iterable[Key]) -> None:
        for key in keys:
            self.assertEqual(await self.found(key), await self.unindexed(key), key)

    async def test_samples(self) -> None:
        """Trees of keys over messages of several parts and charsets, half of them indexed."""
        for n in range(3 * len(SAMPLES)):
            await self.add(SAMPLES[n % len(SAMPLES)], flags=["\\Seen"] if n % 2 else [], internal_date=DAY)
            if n % 7 == 6:
                await self.index()
        self.assertGreater(len(self.rows()), 1)
        rng = random.Random(seed(5))

        def tree(depth: int) -> Key:
            if depth == 0:
                kind = rng.choice((Text, Body, Text, Body, None))
                return leaf(rng) if kind is None else kind(rng.choice(WORDS))
            some = tuple(tree(depth - 1) for _ in range(2))
            return rng.choice((And(some), Or(some), Not(some[0])))

        await self._same(tree(rng.randrange(3)) for _ in range(tries(50)))

    async def test_corpus(self) -> None:
        """What stands in messages from everywhere, cut out anywhere."""
        rng = random.Random(seed(7))
        for raw in rng.sample(corpus(), min(tries(30), len(corpus()))):
            await self.add(raw.crlf)
        await self.index()
        keys: list[Key] = []
        for document in self.db.messages.find({}, {"text": True}):
            text = str(document.get("text") or "")
            for _ in range(2):
                start = rng.randrange(len(text) + 1)
                keys.append(rng.choice((Body, Text))(text[start : start + rng.randrange(1, 12)]))
        await self._same(keys)

    async def test_odd_fields(self) -> None:
        """Fields in any form, known to the index as values, as words or not at all."""
        # Nothing is indexed before it has its form.
        self.patch(indexer, "_LOOK", 1e6)
        for number, field in enumerate(ODD_FIELDS):
            await self.add(f"{field}\r\nMessage-ID: <{number}@example.org>\r\n\r\nbody\r\n".encode())
        self.db.messages.update_many({"uid": {"$lt": 7}}, {"$unset": {"mimeTree.native": True}})
        self.db.messages.update_many({"uid": 3}, {"$unset": {"mimeTree.header": True}})
        await self.index()
        self.assertGreater(len(self.uids()[0]), 8)
        for word in ODD_WORDS.split("|"):
            names = (b"from", b"x-from", b"Subject", b"From ", b"")
            await self._same(key for name in names for key in (Field(name, word), Not(Field(name, word))))

    async def test_odd_addresses(self) -> None:
        """Addresses in any form, as they are written and as they are shown."""
        for field in ODD_ADDRESSES:
            await self.add(f"{field}\r\n\r\nbody\r\n".encode())
        await self.index()
        for word in ADDRESS_WORDS.split("|"):
            await self._same(
                (Field(b"From", word, True), Not(Field(b"from", word, True)), Field(b"from", word))
            )

    async def test_random_fields(self) -> None:
        """Trees of keys over random headers, cut out of them anywhere; half of the messages are indexed."""
        self.patch(indexer, "_LOOK", 1e6)
        rng = random.Random(seed(11))
        for n in range(60):
            lines = [(rng.choice(_NAMES), _value(rng)) for _ in range(rng.randrange(6))]
            header = b"".join(b"%b:%b\r\n" % line for line in lines)
            await self.add(header + b"\r\n" + rng.choice(_PIECES), flags=["\\Seen"] if n % 2 else [])
            if n % 3 == 0:
                self.db.messages.update_one({"uid": n + 1}, {"$unset": {"mimeTree.native": True}})
            if n in (20, 40):
                await self.index()
        await self.add(b"From: any\r\n\r\n")
        self.assertGreater(len(self.rows()), 1)

        def one() -> Key:
            name = rng.choice(_NAMES).strip() or b"From"
            raw = _value(rng).decode("utf-8", "replace")
            start = rng.randrange(len(raw) + 1)
            text = rng.choice((raw[start : start + rng.randrange(6)], rng.choice(_TEXTS)))
            shown = Field(name, text, True) if name.lower() in _SHOWN else Field(name, text)
            return rng.choice((Field(name, text), shown, shown, Text(text), Body(text), Flag("\\Seen")))

        def tree(depth: int) -> Key:
            if depth == 0:
                return one()
            some = tuple(tree(depth - 1) for _ in range(2))
            return rng.choice((And(some), Or(some), Not(some[0])))

        await self._same(tree(rng.randrange(4)) for _ in range(tries(80)))

    async def test_fields_of_corpus(self) -> None:
        """What stands in the headers of messages from everywhere, cut out anywhere."""
        rng = random.Random(seed(13))
        for raw in rng.sample(corpus(), min(tries(30), len(corpus()))):
            await self.add(raw.crlf)
        await self.index()
        keys: list[Key] = []
        for document in self.db.messages.find({}, {"headers": True, "envelope": True}):
            for header in rng.sample(document["headers"], min(3, len(document["headers"]))):
                start = rng.randrange(len(header["value"]) + 1)
                text = header["value"][start : start + rng.randrange(1, 12)]
                keys.append(Field(header["key"].encode(), text))
                keys.append(Not(Field(rng.choice((b"from", b"to", b"received")), text)))
        self.assertGreater(len(keys), 100)
        await self._same(keys)

    async def test_fields_need_no_reading(self) -> None:
        """Any part of the five fields that have keys of their own is found without any message."""
        for name in ("Ann Smith <ann@example.org>", "=?utf-8?q?J=C3=BCrgen?= <jg@example.org>", "ann"):
            await self.add(
                f"From: {name}\r\nTo: all@example.com\r\nCc: b@example.com\r\nBcc: hidden\r\n"
                f"Subject: Re: [list] {name.split()[0]}'s\r\n  idea\r\n\r\nfrom whom\r\n".encode()
            )
        await self.index()
        for key, expected in (
            (Field(b"From", "ANN"), [1, 3]),
            (Field(b"from", "n@example.org>"), [1]),
            (Field(b"from", "n Sm"), [1]),
            (Field(b"from", "JÜRGEN <"), [2]),
            (Field(b"from", "whom"), []),
            (Field(b"from", "@"), [1, 2]),
            (Field(b"TO", "all@"), [1, 2, 3]),
            (Field(b"cc", "all@"), []),
            (Field(b"bcc", "hid"), [1, 2, 3]),
            (Field(b"subject", "] ann's idea"), [1, 3]),
            (Not(Field(b"subject", "ann")), [2]),
            (Or((Field(b"from", "jg@"), Field(b"from", "smith"))), [1, 2]),
            (And((Field(b"from", "ann"), Not(Field(b"from", "smith")))), [3]),
        ):
            self.assertEqual(await self.without_reading(key), expected, key)

    async def test_random_addresses(self) -> None:
        """Whatever stands within an address it is found as it is shown, with the index and without."""
        self.patch(indexer, "_LOOK", 1e6)
        rng = random.Random(seed(17))
        shown: dict[int, tuple[bytes, list[_Address]]] = {}
        for n in range(1, 31):
            name, some = rng.choice((b"From", b"To", b"CC", b"bcc")), _addresses(rng)
            header = b"%b: %b\r\nSubject: none\r\n" % (name, _list(rng, some).encode())
            self.assertEqual((await self.add(header + b"\r\nx\r\n")).uid, n)
            shown[n] = (name.lower(), some)
        for name in sorted(_SHOWN):
            for text in sorted({one.shown for _, some in shown.values() for one in some}):
                key = Field(name, text, True)
                expected = {
                    uid
                    for uid, (field, some) in shown.items()
                    if field == name and any(text in one.shown for one in some)
                }
                # Without the index; a text may stand in a comment, too.
                found = await self.unindexed(key)
                self.assertLessEqual(expected, set(found), key)
                self.assertEqual(await self.found(key), found)
        await self.index()
        keys = [
            Field(name, one.shown[rng.randrange(3) : len(one.shown) - rng.randrange(3)], is_shown)
            for name, some in shown.values()
            for one in some
            for is_shown in (True, False)
        ]
        for key in rng.choices(keys, k=tries(50)):
            found = await self.unindexed(key)
            self.assertEqual(await self.without_reading(key), found, key)

    async def test_shown_apart(self) -> None:
        """What is shown is found by FROM and its like, not in the field's text."""
        for value in ("user (c)@ (c) dom.example", "Ann <user (c)@ (c) dom.example>", "user@dom.example"):
            await self.add(f"From: {value}\r\nTo: (x) {value}\r\nCc: none\r\n\r\nx\r\n".encode())
        await self.index()
        for name, expected in ((b"from", [1, 2, 3]), (b"to", [1, 2, 3]), (b"cc", []), (b"bcc", [])):
            self.assertEqual(await self.without_reading(Field(name, "User@dom", True)), expected)
        for name, expected in ((b"from", [3]), (b"to", [3]), (b"cc", [])):
            self.assertEqual(await self.without_reading(Field(name, "User@dom")), expected)
        both = And((Field(b"from", "user@", True), Not(Field(b"from", "user@"))))
        self.assertEqual(await self.without_reading(both), [1, 2])

    async def test_line_feed_in_a_value(self) -> None:
        """One that was encoded is a character like others, and ends no value."""
        await self.add(b"From: =?utf-8?q?one=0Atwo?=\r\n\r\nbody\r\n")
        await self.add(b"From: one\r\nFrom: two\r\nFrom: \xff\r\n\r\nbody\r\n")
        await self.index()
        self.assertEqual(await self.without_reading(Field(b"from", "e\nt")), [1])
        self.assertEqual(await self.without_reading(Field(b"from", "two")), [1, 2])
        self.assertEqual(await self.without_reading(Field(b"from", "\xff")), [2])

    async def test_other_fields(self) -> None:
        """Of other fields those messages are read that have its name and all words in their headers."""
        for n in range(10):
            extra = f"X-Rare: {n}th\r\n" if n < 4 else ""
            await self.add(f"Subject: note\r\nX-Mailer: fox{n}\r\n{extra}\r\nrare body\r\n".encode())
        await self.index()
        for key, expected, read in (
            (Field(b"X-Mailer", "FOX7"), [8], 1),
            (Field(b"subject", ""), list(range(1, 11)), 10),
            (Field(b"x-rare", ""), [1, 2, 3, 4], 4),
            (Field(b"x-rare", "2th"), [3], 1),
            (Field(b"x-rare", "fox3"), [], 1),
            (Field(b"x-none", "fox3"), [], 0),
            (Not(Field(b"x-rare", "-")), list(range(1, 11)), 4),
        ):
            self.looked_through.clear()
            self.assertEqual(await self.found(key), expected, key)
            self.assertEqual(len(self.looked_through), read, key)

    async def test_where_most_may_match(self) -> None:
        """If words leave most messages open the database looks at their lines, and sends few."""
        for n in range(10):
            await self.add(f"Subject: fox\r\nX-Animal: {'fox' if n == 3 else 'dog'}\r\n\r\nx\r\n".encode())
        await self.index()
        asked: list[Any] = []
        possible = fields._possible

        def recorded(leaves: Any) -> Any:
            asked.append(leaves)
            return possible(leaves)

        self.patch(fields, "_possible", recorded)
        self.looked_through.clear()
        self.assertEqual(await self.found(Field(b"x-animal", "fox")), [4])
        self.assertEqual(await self.found(Field(b"x-animal", "d")), [1, 2, 3, 5, 6, 7, 8, 9, 10])
        self.assertEqual((len(asked), len(self.looked_through)), (2, 1 + 9))
        # Some of the open ones are gone: then nobody can say why the database left them out.
        self.db.messages.delete_one({"uid": 5})
        self.assertEqual(await self.found(Not(Field(b"x-animal", "fox"))), [1, 2, 3, 6, 7, 8, 9, 10])
        self.assertEqual(len(asked), 2)

    async def test_words_need_no_reading(self) -> None:
        """Part of a word is found, or not found, without any message."""
        await self.put_words("quick brown fox", "Foxes", "lazy dog")
        await self.index()
        for key, expected in (
            (Body("FOX"), [1, 2]),
            (Body("uic"), [1]),
            (Body("sender"), []),
            (Text("sender"), [1, 2, 3]),
            (Not(Text("fox")), [3]),
            (Or((Body("brown"), Body("lazy"))), [1, 3]),
            (And((Text("nowhere"), Body("brown fox"))), []),
        ):
            self.assertEqual(await self.without_reading(key), expected, key)

    async def test_phrases(self) -> None:
        """Only messages that have all words of a phrase are read."""
        await self.put_words("quick brown fox", "brown quick fox", "brown", "a quick-brown cow")
        await self.index()
        self.assertEqual(await self.found(Body("quick brown f")), [1])
        self.assertEqual(len(self.looked_through), 2)
        self.looked_through.clear()
        self.assertEqual(await self.found(Body("-brown ")), [4])
        self.assertEqual(len(self.looked_through), 4)
        self.assertEqual(await self.without_reading(Body("uic brown")), [])

    async def test_new_messages(self) -> None:
        """What no segment speaks of is read."""
        await self.put_words("old fox", "old dog")
        await self.index()
        await self.put_words("new fox", "new dog")
        self.assertEqual(await self.found(Body("fox")), [1, 3])
        self.assertEqual(len(self.looked_through), 2)

    async def test_charsets_and_encodings(self) -> None:
        """Words of decoded text, also where it is stored outside the tree and where the header is."""
        long = b"Content-Type: text/plain; charset=iso-8859-1\r\n\r\nStra\xdfe " + b"filler \r\n" * 40_000
        odd = b"Subject: =?utf-8?q?Gr=C3=B6=C3=9Fe?=\r\nX-Odd: " + b"y" * 1_100_000 + b"\r\n\r\nsmall\r\n"
        await self.add(long)
        await self.add(odd)
        self.assertTrue(self.db.messages.find_one({"uid": 2})["mimeTree"]["native"]["layout"])
        await self.index()
        (row,) = self.rows()
        self.assertEqual(list(numbers("I", row["uids"])), [1])
        # So long a header is not indexed.
        self.assertEqual(list(numbers("I", row["unread"])), [2])
        self.assertEqual(await self.found(Text("STRASSE")), [1])
        self.assertEqual(await self.found(Text("grösse")), [2])
        self.assertEqual(await self.found(Body("small")), [2])
        await self._same([Text("filler"), Body("y"), Not(Text("x-odd"))])

    async def test_stored_apart(self) -> None:
        """Text in an attachment's row is read for the index too."""
        text = ("needle " + "hay " * 100_000).encode()
        await self.add(
            b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nshort'
            b"\r\n--b\r\nContent-Type: text/csv\r\nContent-Disposition: attachment\r\n\r\n"
            + text
            + b"\r\n--b--\r\n"
        )
        self.assertTrue(self.db.messages.find_one({})["mimeTree"]["attachmentMap"])
        await self.index()
        self.assertEqual(self.uids(), [[1]])
        self.assertEqual(await self.without_reading(Body("needl")), [1])
        self.assertEqual(await self.without_reading(Body("needles")), [])

    async def test_unreadable(self) -> None:
        """A message that can not be read is in no segment's words, and is tried again by each search."""
        await self.put_words("fox", "dog")
        await self.add(b"Content-Type: text/csv\r\n\r\n" + b"fox " * 100_000)
        self.db["attachments.files"].delete_many({})
        await self.index()
        self.assertEqual(self.uids(), [[1, 2]])
        self.assertEqual(await self.found(Not(Body("fox"))), [2])

    async def test_flags_first(self) -> None:
        """Messages that a flag decides are not asked of the index."""
        await self.put_words("fox", "fox")
        await self.index()
        view_key = And((Flag("\\Flagged"), Body("fox")))
        self.assertEqual(await self.without_reading(view_key), [])

    async def test_encoded_phrase_over_parts(self) -> None:
        """A phrase whose words stand in different parts is not found."""
        await self.add(
            b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n'
            b"--b\r\n\r\nquick\r\n--b\r\n\r\nbrown\r\n--b--\r\n"
        )
        await self.index()
        self.assertEqual(await self.found(Body("quick brown")), [])
        self.assertEqual(await self.found(Body("quick")), [1])
