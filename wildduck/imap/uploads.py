"""Messages on their way in: the sinks that the literals of APPEND stream into."""

from __future__ import annotations

from types import TracebackType

from bson import ObjectId

from wildduck import limits
from wildduck.config import Settings
from wildduck.errors import MessageTooBig
from wildduck.imap.commands.enclosed import Enclosed
from wildduck.imap.grammar.append import Options
from wildduck.mailstore.values import Mailbox
from wildduck.mime.message import Intake, Message, Spool


class Upload:
    """
    Takes the bytes of one message as they come and never raises meanwhile.

    What goes wrong (the disk is full) is told when the message is asked for; the
    bytes that follow it are dropped.

    @ivar options: flags and date that it is to have.
    @ivar expected: bytes that have come or are announced.
    """

    def __init__(self, settings: Settings, options: Options, spool: Spool) -> None:
        self.options = options
        self.expected = 0
        self._intake = Intake(settings.spool, settings.limits.max_message_size, spool=spool)
        self._message: Message | None = None
        self._failure: Exception | None = None

    def write(self, data: bytes) -> None:
        if self._failure is None:
            try:
                self._intake.write(data)
            except Exception as error:
                self._failure = error
                self._intake.abort()

    def complete(self) -> None:
        """No more bytes come: let the spool know what it has to hold."""
        if self._failure is None and self._message is None:
            try:
                self._message = self._intake.finish()
            except Exception as error:
                self._failure = error

    def finish(self) -> Message:
        """
        The whole message, to be closed by the caller.

        @raise Unavailable: it could not be kept.
        """
        self.complete()
        if self._failure is not None:
            raise self._failure
        message, self._message = self._message, None
        assert message is not None, "taken already"
        return message

    def abort(self) -> None:
        """Drop what nobody has taken."""
        self._intake.abort()
        message, self._message = self._message, None
        if message is not None:
            message.close()


class Uploads:
    """
    The messages of one command; they share one spool.

    To be closed, as a context manager, when the messages that were made of
    them are.

    @ivar mailbox: where they shall go.
    @ivar messages: in the order in which they come.
    @ivar last_read: the message that a URL has named last, by mailbox and UID.
    """

    def __init__(self, settings: Settings, mailbox: Mailbox) -> None:
        self.mailbox = mailbox
        self.messages: list[Upload] = []
        self.last_read: tuple[ObjectId, int, Enclosed] | None = None
        self._settings = settings
        self._spool = Spool(settings.spool)

    @property
    def expected(self) -> int:
        """Bytes that have come or are announced, of all messages together."""
        return sum(upload.expected for upload in self.messages)

    def begin(self, options: Options) -> None:
        """Another message comes; those before it share what may be held in memory."""
        if self.messages:
            self.messages[-1].complete()
        self.messages.append(Upload(self._settings, options, self._spool))

    def expect(self, size: int) -> Upload:
        """
        More bytes of the last message come.

        @return: what takes them.
        @raise MessageTooBig: it, or all of them together, would be too much.
        """
        upload = self.messages[-1]
        most = self._settings.limits.max_message_size
        if upload.expected + size > most or self.expected + size > max(most, limits.IMAP_APPEND_BYTES):
            raise MessageTooBig()
        upload.expected += size
        return upload

    def __enter__(self) -> Uploads:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Drop what was not made a message; to be called once."""
        for upload in self.messages:
            upload.abort()
        self._spool.release()
