"""Tests for messages on their way in."""

from __future__ import annotations

import os
import stat
from typing import Any

from twisted.trial import unittest

from wildduck import errors
from wildduck.mime.message import Intake, Message, Spool, scan


class IntakeTests(unittest.TestCase):
    """Taking, keeping, dropping."""

    def setUp(self) -> None:
        self.directory = self.mktemp()
        os.mkdir(self.directory)

    def intake(self, max_size: int = 10_000_000, spool_at: int = 1000) -> Intake:
        intake = Intake(self.directory, max_size, spool_at)
        self.addCleanup(intake.abort)
        return intake

    def finished(self, intake: Intake) -> Message:
        message = intake.finish()
        self.addCleanup(message.close)
        return message

    def open_files(self) -> list[str]:
        """What this process has open in the directory, named or not."""
        place = os.path.realpath(self.directory)
        links = []
        for number in os.listdir("/proc/self/fd"):
            try:
                links.append(os.readlink(f"/proc/self/fd/{number}"))
            except OSError:
                continue
        return [link for link in links if link.startswith(place)]

    def test_in_memory(self) -> None:
        """A short message is kept in memory."""
        intake = self.intake()
        intake.write(b"Subject: x\r\n")
        intake.write(b"\r\nbody")
        self.assertEqual(intake.length, 18)
        message = self.finished(intake)
        self.assertEqual((message.length, message.read(0, 100)), (18, b"Subject: x\r\n\r\nbody"))
        self.assertEqual(message.root.body_start, 14)
        self.assertEqual(self.open_files(), [])

    def test_spooled(self) -> None:
        """A longer one goes to a file without a name that only we can read, and is read from there."""
        intake = self.intake()
        data = b"Subject: x\r\n\r\n" + bytes(range(256)) * 4000
        for start in range(0, len(data), 777):
            intake.write(data[start : start + 777])
        self.assertEqual(len(self.open_files()), 1)
        self.assertEqual(os.listdir(self.directory), [])
        message = self.finished(intake)
        self.assertEqual(b"".join(message.blocks(0, message.length, 1000)), data)
        self.assertEqual(message.read(100, 300), data[100:300])
        self.assertEqual(message.read(len(data) - 3, len(data) + 50), data[-3:])
        message.close()
        self.assertEqual(self.open_files(), [])

    def test_file_mode(self) -> None:
        """The spool file has mode 0600 from the beginning."""
        modes: list[int] = []
        real = os.open

        def recorded(path: Any, flags: int, *args: Any, **kwargs: Any) -> int:
            descriptor = real(path, flags, *args, **kwargs)
            modes.append(stat.S_IMODE(os.fstat(descriptor).st_mode))
            return descriptor

        old = os.umask(0)
        self.addCleanup(os.umask, old)
        self.patch(os, "open", recorded)
        self.intake().write(b"x" * 2000)
        self.assertEqual(modes, [0o600])

    def test_too_big(self) -> None:
        """A message beyond the bound is refused, what was held is dropped, and it stays refused."""
        intake = self.intake(max_size=5000)
        intake.write(b"x" * 4000)
        self.assertEqual(len(self.open_files()), 1)
        self.assertRaises(errors.MessageTooBig, intake.write, b"x" * 1001)
        self.assertEqual(self.open_files(), [])
        self.assertRaises(errors.MessageTooBig, intake.write, b"x")
        intake.abort()

    def test_exactly_the_bound(self) -> None:
        """A message of exactly the bound is taken."""
        intake = self.intake(max_size=5000)
        intake.write(b"x" * 5000)
        self.assertEqual(self.finished(intake).length, 5000)

    def test_no_directory(self) -> None:
        """When the spool can not be written the sender is asked to try again."""
        intake = Intake(os.path.join(self.directory, "none"), 10_000, 10)
        self.assertRaises(errors.Unavailable, intake.write, b"x" * 100)

    def test_abort(self) -> None:
        """Aborting frees the file, and may be done again."""
        intake = self.intake()
        intake.write(b"x" * 2000)
        intake.abort()
        intake.abort()
        self.assertEqual(self.open_files(), [])

    def test_shared_spool(self) -> None:
        """Messages that come one after the other share the memory and one file, and each has its bytes."""
        spool = Spool(self.directory, 5000)
        contents = [bytes([65 + n]) * size for n, size in enumerate((3000, 3000, 1000, 9000, 1500, 0))]
        messages = []
        for content in contents:
            intake = Intake(self.directory, 10_000, spool=spool)
            intake.write(content)
            messages.append(intake.finish())
        broken = Intake(self.directory, 10_000, spool=spool)
        broken.write(b"x" * 6000)
        broken.abort()
        self.assertEqual(spool.length, 3000 + 9000 + 1500 + 6000)
        spool.release()
        self.assertEqual(len(self.open_files()), 1)
        for message, content in zip(messages, contents, strict=True):
            self.assertEqual(message.read(0, message.length), content)
            message.close()
        self.assertEqual(self.open_files(), [])


class MessageTests(unittest.TestCase):
    """Sharing the content among recipients."""

    def test_prefix(self) -> None:
        """A prefix counts in the length, and comes before one that is there already."""
        message = scan(b"Subject: x\r\n\r\n").with_prefix(b"B: 2\r\n").with_prefix(b"A: 1\r\n")
        self.assertEqual((message.prefix, message.length), (b"A: 1\r\nB: 2\r\n", 26))
        self.assertEqual(message.read(0, 7), b"Subject")

    def test_shared(self) -> None:
        """The content lives until the last copy is closed, and closing twice counts once."""
        first = scan(b"Subject: x\r\n\r\n")
        second = first.with_prefix(b"A: 1\r\n")
        first.close()
        first.close()
        self.assertEqual(second.read(0, 7), b"Subject")
        self.assertRaises(ValueError, first.read, 0, 7)
        self.assertRaises(ValueError, first.with_prefix, b"")
        second.close()
        self.assertRaises(ValueError, second.read, 0, 7)
