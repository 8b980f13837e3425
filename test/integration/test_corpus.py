"""Real and broken mail comes back as it came, byte for byte, by every way in."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from test.support.blocking_imap import Imap, digest_of
from test.support.corpus import corpus
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
                self.assertEqual(row["RFC822.SIZE"], len(body), (user, name))
                if b"\0" in message:
                    continue  # test_nul.py
                if added:
                    match = _ADDED.match(body)
                    assert match, (user, name, body[:200])
                    body = body[match.end() :]
                self.assertEqual(digest_of(body), digest_of(message), (user, name))

    def test_every_way(self) -> None:
        """
        What came in is read, and is read again after a restart of the server.

        By DATA with a last line end; by BDAT without one; by APPEND in CRLF
        text; by APPEND with LITERAL+ as it lies in the file, with bare LF and
        bare CR.  Of appended messages each section is what a plain splitter finds.
        """
        samples = corpus()
        server = self.server()
        forms = {"data": "complete", "bdat": "crlf", "append": "complete", "unconverted": "raw"}
        sent = {
            way: [(sample.name, getattr(sample, form)) for sample in samples] for way, form in forms.items()
        }
        for way, messages in sent.items():
            server.account(way)
            send: Callable[[ServerProcess, list[tuple[str, bytes]]], None] = getattr(self, f"_send_by_{way}")
            send(server, messages)
        for restart in (False, True):
            if restart:
                server.stop()
                server.start()
            for way, messages in sent.items():
                self._check(way, messages, way in ("data", "bdat"), server)
        for way in ("append", "unconverted"):
            self._check_sections(server, way, sent[way])

    def _send_by_data(self, server: ServerProcess, messages: list[tuple[str, bytes]]) -> None:
        with server.lmtp() as client:
            for name, message in messages:
                (reply,) = client.data(message, ["data@example.com"])
                self.assertEqual(reply.code, 250, (name, reply))

    def _send_by_bdat(self, server: ServerProcess, messages: list[tuple[str, bytes]]) -> None:
        with server.lmtp() as client:
            for name, message in messages:
                (reply,) = client.bdat(message, ["bdat@example.com"])
                self.assertEqual(reply.code, 250, (name, reply))

    def _send_by_append(self, server: ServerProcess, messages: list[tuple[str, bytes]]) -> None:
        with server.imap("append") as client:
            for _, message in messages:
                client.append("INBOX", message, synchronizing=True)

    def _send_by_unconverted(self, server: ServerProcess, messages: list[tuple[str, bytes]]) -> None:
        with server.imap("unconverted") as client:
            for _, message in messages:
                client.append("INBOX", message)

    def _check_sections(self, server: ServerProcess, user: str, sent: list[tuple[str, bytes]]) -> None:
        with server.imap(user) as client:
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
