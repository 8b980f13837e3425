"""What WildDuck's API has written to C{settings} counts for this server too."""

from __future__ import annotations

import datetime
import math
from typing import Any

from bson import ObjectId
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import LogEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from wildduck import errors
from wildduck.database.shared_settings import (
    ARCHIVE_TIME,
    FRESH_SECONDS,
    MAX_FORWARDS,
    MAX_MAILBOXES,
    MAX_STORAGE,
    SETTINGS,
    SharedSettings,
)


def row(key: str, value: Any) -> dict[str, Any]:
    """A document as npm's WildDuck 1.51 writes it for C{POST /settings/:key}."""
    created = datetime.datetime(2026, 11, 26, 2, 5, 33, 179000)
    return {
        "_id": ObjectId("6b0793edb6aabc708d9f53d2"),
        "key": key,
        "created": created,
        "encrypted": False,
        "enumerable": True,
        "value": value,
    }


class Main:
    """
    A database with C{settings}.

    @ivar answer: rows, an error, or a Deferred.
    """

    def __init__(self) -> None:
        self.answer: Any = []
        self.asked = 0

    async def find(self, collection: str, query: dict[str, Any], **options: Any) -> Any:
        assert collection == "settings"
        self.asked += 1
        answer = self.answer
        if isinstance(answer, Deferred):
            answer = await answer
        if isinstance(answer, Exception):
            raise answer
        return [row for row in answer if row["key"] in query["key"]["$in"]]


class SharedSettingsTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.main = Main()
        self.settings = SharedSettings(self.main, self.clock.seconds)  # type: ignore[arg-type]
        self.logged: list[LogEvent] = []
        globalLogPublisher.addObserver(self.observe)
        self.addCleanup(globalLogPublisher.removeObserver, self.observe)

    def observe(self, event: LogEvent) -> None:
        if event.get("log_namespace", "").startswith("wildduck."):
            self.logged.append(event)

    def read(self, *rows: dict[str, Any]) -> None:
        self.main.answer = list(rows)
        self.successResultOf(Deferred.fromCoroutine(self.settings.read()))

    def test_values(self) -> None:
        """Values are JSON text; what is not there is this server's own."""
        self.read(row("const:max:storage", "1099511627776"), row("const:archive:time", "0"))
        self.assertEqual(2**40, self.settings.value(MAX_STORAGE, 7))
        self.assertEqual(0, self.settings.value(ARCHIVE_TIME, 7))
        self.assertEqual(7, self.settings.value(MAX_FORWARDS, 7))
        self.read(row("const:max:storage", "1.5"), row("const:max:mailboxes", "1000000"))
        self.assertEqual(1, self.settings.value(MAX_STORAGE, 7))
        self.assertEqual(15_000, self.settings.value(MAX_MAILBOXES, 7))
        self.assertEqual(7, self.settings.value(ARCHIVE_TIME, 7))

    def test_odd(self) -> None:
        """What is no number is as if it were not there, and is said once."""
        odd: list[Any] = ["{", '"x"', "null", "true", "[]", "-1", "1e400", "NaN", "[" * 100_000]
        odd += [None, {}, math.inf, 2**70]
        for value in odd:
            self.logged.clear()
            for _ in range(2):
                self.read(row("const:max:forwards", value), row("const:max:storage", "5"))
            self.assertEqual(7, self.settings.value(MAX_FORWARDS, 7), value)
            self.assertEqual(5, self.settings.value(MAX_STORAGE, 7))
            self.assertEqual(1, len(self.logged), value)
        self.read(row("const:max:storage", "0"), {"key": "const:max:forwards"})
        self.assertEqual([7, 7], [self.settings.value(which, 7) for which in (MAX_STORAGE, MAX_FORWARDS)])

    def test_once_a_minute(self) -> None:
        """Whoever asks gets what is known; what is older than a minute is read again behind that."""
        self.read(row("const:max:forwards", "5"))
        self.clock.advance(FRESH_SECONDS - 1)
        self.assertEqual(5, self.settings.value(MAX_FORWARDS, 7))
        self.assertEqual(1, self.main.asked)
        self.clock.advance(1)
        self.main.answer = slow = Deferred()
        self.assertEqual([5, 5], [self.settings.value(MAX_FORWARDS, 7) for _ in range(2)])
        self.assertEqual(2, self.main.asked)
        slow.callback([row("const:max:forwards", "6")])
        self.assertEqual(6, self.settings.value(MAX_FORWARDS, 7))

    def test_without_the_database(self) -> None:
        """What was known goes on to count, and it is said once."""
        self.read(row("const:max:forwards", "5"))
        self.main.answer = errors.Unavailable()
        for _ in range(3):
            self.clock.advance(FRESH_SECONDS)
            self.assertEqual(5, self.settings.value(MAX_FORWARDS, 7))
        self.assertEqual((4, 1), (self.main.asked, len(self.logged)))
        self.main.answer = []
        self.clock.advance(FRESH_SECONDS)
        self.assertEqual(7, self.settings.value(MAX_FORWARDS, 7))

    def test_fault(self) -> None:
        """An error that nobody foresaw fails nobody's request."""
        self.main.answer = ZeroDivisionError()
        self.assertEqual(7, self.settings.value(MAX_FORWARDS, 7))
        self.assertEqual(1, len(self.flushLoggedErrors(ZeroDivisionError)))

    def test_keys(self) -> None:
        """No two have one key."""
        self.assertEqual(len(SETTINGS), len({setting.key for setting in SETTINGS}))
