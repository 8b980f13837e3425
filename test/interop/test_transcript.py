"""What L{test.interop.transcript} finds in conversations and logs."""

from __future__ import annotations

import socket
import zlib

from twisted.trial import unittest

from test.interop import transcript
from test.interop.recorder import Conversation, Recorder
from test.interop.transcript import Refusal


def _talk(listener: str, *pieces: bytes) -> Conversation:
    """A conversation that the server begins, by turns."""
    return Conversation(listener, [(number % 2 == 0, piece) for number, piece in enumerate(pieces)])


class RefusalsTests(unittest.SynchronousTestCase):
    """Which lines are refusals, and of what."""

    def test_imap_names_the_request(self) -> None:
        """By its tag, also when commands are pipelined."""
        talk = _talk(
            "imap", b"* OK hi\r\n", b"a NOOP\r\nb XYZZY\r\nc NOOP\r\n", b"a OK\r\nb BAD what\r\nc OK\r\n"
        )
        self.assertEqual(transcript.refusals(talk), [Refusal(b"b XYZZY", b"b BAD what")])

    def test_imap_no(self) -> None:
        """A NO is one, too."""
        talk = _talk("imap", b"* OK hi\r\n", b"a SELECT x\r\n", b"a NO [NONEXISTENT] none\r\n")
        self.assertEqual(transcript.refusals(talk), [Refusal(b"a SELECT x", b"a NO [NONEXISTENT] none")])

    def test_imap_untagged(self) -> None:
        """An untagged BAD is one."""
        talk = _talk("imap", b"* OK hi\r\n", b"\x00\r\n", b"* BAD line\r\n")
        self.assertEqual(transcript.refusals(talk), [Refusal(b"", b"* BAD line")])

    def test_imap_literals_are_skipped(self) -> None:
        """Text of messages is not looked at."""
        body = b"a BAD mood\r\n"
        fetched = b"* 1 FETCH (BODY[] {%d}\r\n%s FLAGS ())\r\na OK\r\n" % (len(body), body)
        talk = _talk("imap", b"* OK hi\r\n", b"a FETCH 1 (FLAGS BODY[])\r\n", fetched)
        self.assertEqual(transcript.refusals(talk), [])

    def test_imap_ends_at_starttls(self) -> None:
        """What follows is not IMAP any more."""
        talk = _talk("imap", b"* OK hi\r\n", b"a STARTTLS\r\n", b"a OK go\r\n\x16\x03\r\nb BAD \r\n")
        self.assertEqual(transcript.refusals(talk), [])

    def test_imap_in_clear_after_compress(self) -> None:
        """What follows the OK of COMPRESS is looked at as it was before it was compressed."""
        ends = [zlib.compressobj(wbits=-zlib.MAX_WBITS) for _ in range(2)]

        def deflated(end: int, data: bytes) -> bytes:
            return ends[end].compress(data) + ends[end].flush(zlib.Z_SYNC_FLUSH)

        talk = _talk(
            "imap",
            b"* OK hi\r\n",
            b"a COMPRESS DEFLATE\r\n",
            b"a OK go\r\n" + deflated(0, b"* OK news\r\n"),
            deflated(1, b"b NOOP\r\n"),
            deflated(0, b"b OK\r\n"),
            deflated(1, b"c XYZZY\r\n"),
            deflated(0, b"c BAD what\r\n"),
        )
        self.assertEqual(talk.said(False), b"a COMPRESS DEFLATE\r\nb NOOP\r\nc XYZZY\r\n")
        self.assertEqual(talk.said(True), b"* OK hi\r\na OK go\r\n* OK news\r\nb OK\r\nc BAD what\r\n")
        self.assertEqual(transcript.refusals(talk), [Refusal(b"c XYZZY", b"c BAD what")])

    def test_imap_without_compression(self) -> None:
        """A COMPRESS that was refused changes nothing."""
        talk = _talk("imap", b"* OK hi\r\n", b"a COMPRESS DEFLATE\r\n", b"a NO\r\n", b"b X\r\n", b"b BAD\r\n")
        refused = [Refusal(b"a COMPRESS DEFLATE", b"a NO"), Refusal(b"b X", b"b BAD")]
        self.assertEqual(transcript.refusals(talk), refused)

    def test_pop3_names_the_request(self) -> None:
        """By its order, past the lines of other answers."""
        talk = _talk(
            "pop3",
            b"+OK hi\r\n",
            b"AUTH PLAIN\r\n",
            b"+ \r\n",
            b"AGEAYg==\r\n",
            b"+OK\r\n",
            b"LIST\r\nRETR 1\r\nLIST 1\r\nTOP 9 0\r\n",
            b"+OK\r\n1 20\r\n.\r\n+OK\r\n-ERR in a message\r\n..\r\n.\r\n+OK 1 20\r\n-ERR no message\r\n",
        )
        self.assertEqual(transcript.refusals(talk), [Refusal(b"TOP 9 0", b"-ERR no message")])

    def test_logs(self) -> None:
        """The formats of the clients that are used."""
        lines = (
            "< A002 BAD what",
            "fetchmail: POP3< -ERR what",
            "<-- -ERR what",
            "  58:12.09 < b'ABCD1 BAD what'",
            "S: 12 BAD what",
            "S: 12 NO [CANNOT] what",
            "-ERR what",
            "[2026-11-25 21:50:36]<M> imap_cmd_step() IMAP command failed: a0007 BAD what",
        )
        for line in lines:
            self.assertEqual(len(transcript.judge_log("", f"one\n{line}\n* OK\n")), 1, line)

    def test_deserved(self) -> None:
        """A row of the table covers a refusal of its cases, request and response only."""
        row = transcript.Deserved(("one",), r"\S+ XYZZY", r"\S+ BAD", "a reason")
        refusal = Refusal(b"b XYZZY", b"b BAD what")
        self.assertTrue(row.covers("one", refusal))
        self.assertFalse(row.covers("two", refusal))
        self.assertFalse(row.covers("one", Refusal(b"b NOOP", b"b BAD what")))


class RecorderTests(unittest.SynchronousTestCase):
    """The relay keeps both directions and cuts on request."""

    def setUp(self) -> None:
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(self.listening.close)
        self.recorder = Recorder()
        self.addCleanup(self.recorder.close)
        port = self.recorder.forward("pop3", self.listening.getsockname()[1])
        self.client = socket.create_connection(("127.0.0.1", port), 10)
        self.addCleanup(self.client.close)
        self.server = self.listening.accept()[0]
        self.server.settimeout(10)
        self.addCleanup(self.server.close)

    def test_keeps(self) -> None:
        """What passes is kept once."""
        self.server.sendall(b"+OK\r\n")
        self.assertEqual(self.client.recv(99), b"+OK\r\n")
        self.client.sendall(b"QUIT\r\n")
        self.assertEqual(self.server.recv(99), b"QUIT\r\n")
        (talk,) = self.recorder.take()
        self.assertEqual((talk.listener, talk.pieces), ("pop3", [(True, b"+OK\r\n"), (False, b"QUIT\r\n")]))
        self.assertEqual(self.recorder.take(), [])

    def test_cuts(self) -> None:
        """The answer that the cut waits for does not reach the client, and both sides end."""
        self.recorder.cut = lambda talk: b"+OK 2" in talk.said(True)
        self.server.sendall(b"+OK 1\r\n")
        self.assertEqual(self.client.recv(99), b"+OK 1\r\n")
        self.server.sendall(b"+OK 2\r\n")
        self.assertEqual(self.client.recv(99), b"")
        self.assertEqual(self.server.recv(99), b"")
