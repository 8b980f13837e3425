"""
A small LMTP client (RFC 2033) that sends files as they are, in BDAT chunks (RFC 3030).

BDAT gives every byte through: bare line feeds, NUL, no final line break.
"""

from __future__ import annotations

import os
import smtplib
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import BinaryIO

#: One BDAT chunk.
CHUNK_BYTES = 256 * 1024
#: For one answer; a big message is taken apart before it is answered.
ANSWER_SECONDS = 300.0


class DeliveryFailed(Exception):
    """The server can't be reached or broke off; the text says how."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """
    The answer for one recipient.

    @ivar answer: reply code and text.
    """

    recipient: str
    accepted: bool
    answer: str


class LmtpClient:
    """One connection."""

    def __init__(self, host: str, port: int) -> None:
        """@raise DeliveryFailed: no server answers there."""
        try:
            self._connection = smtplib.LMTP(
                host, port, local_hostname=socket.gethostname(), timeout=ANSWER_SECONDS
            )
            self._connection.ehlo()
        except (OSError, smtplib.SMTPException) as error:
            raise DeliveryFailed(f"LMTP at {host}:{port}: {_said(error)}") from None
        if not self._connection.has_extn("chunking"):
            raise DeliveryFailed(f"LMTP at {host}:{port}: does not offer CHUNKING")

    def __enter__(self) -> LmtpClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._connection.quit()
        except (OSError, smtplib.SMTPException):
            self._connection.close()

    def deliver(self, path: str, sender: str, recipients: Sequence[str]) -> list[Delivery]:
        """
        Send one file to all recipients.

        @return: one answer for each, in their order.
        @raise DeliveryFailed: the file can't be read, or the connection broke.
        """
        try:
            with open(path, "rb") as file:
                return self._transaction(file, sender, recipients)
        except smtplib.SMTPException as error:
            raise DeliveryFailed(f"{path}: {_said(error)}") from None
        except OSError as error:
            raise DeliveryFailed(f"{path}: {error.strerror or error}") from None

    def _transaction(self, file: BinaryIO, sender: str, recipients: Sequence[str]) -> list[Delivery]:
        options = ["SMTPUTF8"] if not all(address.isascii() for address in (sender, *recipients)) else []
        if options:
            self._connection.command_encoding = "utf-8"
        code, text = self._connection.mail(sender, options)
        if code != 250:
            self._connection.rset()
            return [Delivery(recipient, False, _answer(code, text)) for recipient in recipients]
        answers: dict[int, Delivery] = {}
        for index, recipient in enumerate(recipients):
            code, text = self._connection.rcpt(recipient)
            if code not in (250, 251):
                answers[index] = Delivery(recipient, False, _answer(code, text))
        accepted = [index for index in range(len(recipients)) if index not in answers]
        if not accepted:
            self._connection.rset()
            return [answers[index] for index in range(len(recipients))]
        self._send(file)
        for index in accepted:
            code, text = self._connection.getreply()
            answers[index] = Delivery(recipients[index], code == 250, _answer(code, text))
        return [answers[index] for index in range(len(recipients))]

    def _send(self, file: BinaryIO) -> None:
        """All chunks; the answers to the last one are left to be read."""
        blocks = _blocks(file)
        block = next(blocks, b"")
        while True:
            following = next(blocks, None)
            last = " LAST" if following is None else ""
            self._connection.send(f"BDAT {len(block)}{last}\r\n".encode())
            self._connection.send(block)
            if following is None:
                return
            code, text = self._connection.getreply()
            if code != 250:
                raise smtplib.SMTPDataError(code, text)
            block = following


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    """The file's content, LF line ends changed to CRLF when it has no CRLF."""
    convert = not _has_crlf(file)
    file.seek(0, os.SEEK_SET)
    while block := file.read(CHUNK_BYTES):
        yield block.replace(b"\n", b"\r\n") if convert else block


def _has_crlf(file: BinaryIO) -> bool:
    before = b""
    while block := file.read(CHUNK_BYTES):
        if b"\r\n" in before + block:
            return True
        before = block[-1:]
    return False


def _answer(code: int, text: bytes) -> str:
    return f"{code} {text.decode('utf-8', 'replace')}".replace("\n", " ")


def _said(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        text = error.smtp_error
        return _answer(error.smtp_code, text if isinstance(text, bytes) else text.encode())
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
