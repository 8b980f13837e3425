"""A message on its way in: the sink that APPEND's literal streams into."""

from __future__ import annotations

from wildduck.config import Settings
from wildduck.mailstore.values import Mailbox
from wildduck.mime.message import Intake, Message


class Upload:
    """
    Takes a message's bytes as they come and never raises meanwhile.

    What goes wrong (the disk is full) is told when the message is asked for; the
    bytes that follow it are dropped.

    @ivar mailbox: where the message shall go.
    """

    def __init__(self, settings: Settings, mailbox: Mailbox) -> None:
        self.mailbox = mailbox
        self._intake = Intake(settings.spool, settings.limits.max_message_size)
        self._failure: Exception | None = None

    def write(self, data: bytes) -> None:
        if self._failure is None:
            try:
                self._intake.write(data)
            except Exception as error:
                self._failure = error
                self._intake.abort()

    def finish(self) -> Message:
        """
        The whole message, to be closed by the caller.

        @raise Unavailable: it could not be kept.
        """
        if self._failure is not None:
            raise self._failure
        return self._intake.finish()

    def abort(self) -> None:
        self._intake.abort()
