"""Real and broken mail comes back as it came, byte for byte, by every way in."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from test.support.blocking_imap import Imap, digest_of
from test.support.corpus import Sample, corpus
from test.support.server_process import ServerProcess, ServerTestCase
from test.support.splitter import sections

#: What delivery puts before a message (RFC 5321 §4.4 and the recipient).
_ADDED = re.compile(rb"(?:Return-Path: <sender@example\.net>\r\n|Delivered-To: [a-z]+@example\.com\r\n){2}")
#: Sections asked for in one FETCH.
_SECTIONS = 50


class ExactTests(ServerTestCase):
    """Every message of the corpus."""

    def _check(
        self, user: str, sent: Iterable[tuple[str, bytes]], added: bool, server: ServerProcess
    ) -> None:
        """INBOX holds these messages, in this order."""
        with server.imap(user) as client:
            client.select()
            uids = client.uids()
            sent = list(sent)
            self.assertEqual(len(uids), len(sent))
            for uid, (name, message) in zip(uids, sent, strict=True):
                row = client.fetch(uid, "(RFC822.SIZE BODY.PEEK[])")
                body = row["BODY[]"]
                self.assertEqual(row["RFC822.SIZE"], len(body), name)
                if b"\0" in message:
                    continue  # test_nul.py
                if added:
                    match = _ADDED.match(body)
                    assert match, (name, body[:200])
                    body = body[match.end() :]
                self.assertEqual(digest_of(body), digest_of(message), name)

    def _round_trip(
        self, send: Callable[[ServerProcess, list[Sample]], None], form: str, added: bool
    ) -> ServerProcess:
        """Send the corpus, read it, restart the server, read it again."""
        samples = corpus()
        server = self.server()
        server.account("corpus")
        send(server, samples)
        sent = [(sample.name, getattr(sample, form)) for sample in samples]
        self._check("corpus", sent, added, server)
        server.stop()
        server.start()
        self._check("corpus", sent, added, server)
        return server

    def test_data(self) -> None:
        """A message that came by DATA is read after the lines of the delivery, also after a restart."""

        def send(server: ServerProcess, samples: list[Sample]) -> None:
            with server.lmtp() as client:
                for sample in samples:
                    (reply,) = client.data(sample.complete, ["corpus@example.com"])
                    self.assertEqual(reply.code, 250, (sample.name, reply))

        self._round_trip(send, "complete", added=True)

    def test_bdat(self) -> None:
        """A message that came by BDAT, a last line without its end included, likewise."""

        def send(server: ServerProcess, samples: list[Sample]) -> None:
            with server.lmtp() as client:
                for sample in samples:
                    (reply,) = client.bdat(sample.crlf, ["corpus@example.com"])
                    self.assertEqual(reply.code, 250, (sample.name, reply))

        self._round_trip(send, "crlf", added=True)

    def test_append(self) -> None:
        """An appended message is read as it was, and each section is what a plain splitter finds."""

        def send(server: ServerProcess, samples: list[Sample]) -> None:
            with server.imap("corpus") as client:
                for sample in samples:
                    client.append("INBOX", sample.complete, synchronizing=True)

        server = self._round_trip(send, "complete", added=False)
        self._check_sections(server, [(sample.name, sample.complete) for sample in corpus()])

    def test_unconverted(self) -> None:
        """Bare LF, bare CR and a missing last line break are kept by APPEND with LITERAL+."""

        def send(server: ServerProcess, samples: list[Sample]) -> None:
            with server.imap("corpus") as client:
                for sample in samples:
                    client.append("INBOX", sample.raw)

        server = self._round_trip(send, "raw", added=False)
        self._check_sections(server, [(sample.name, sample.raw) for sample in corpus()])

    def _check_sections(self, server: ServerProcess, sent: list[tuple[str, bytes]]) -> None:
        with server.imap("corpus") as client:
            client.select()
            for uid, (name, message) in zip(client.uids(), sent, strict=True):
                self._check_message(client, uid, name, message)

    def _check_message(self, client: Imap, uid: int, name: str, message: bytes) -> None:
        if b"\0" in message:
            return  # test_nul.py
        wanted = list(sections(message).items())
        for at in range(0, len(wanted), _SECTIONS):
            some = dict(wanted[at : at + _SECTIONS])
            row = client.fetch(uid, "(" + " ".join(f"BODY.PEEK[{section}]" for section in some) + ")")
            for section, slice_ in some.items():
                self.assertEqual(row[f"BODY[{section}]"], slice_, f"{name} [{section}]")
