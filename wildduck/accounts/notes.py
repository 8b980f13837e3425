"""What is noted of an administrator's or a user's doings (spec/behaviour.md §6 'authlog actions')."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bson import ObjectId
from twisted.logger import Logger

from wildduck.accounts.authlog import AuthLog
from wildduck.errors import DomainError


@dataclass(frozen=True, slots=True)
class Origin:
    """
    Where a request came from.

    @ivar ip: the client's address as text, C{""} for unknown.
    @ivar session: id of the client's session, C{""} for none.
    @ivar protocol: by which it came, in the words of the log, C{""} where that is not noted.
    """

    ip: str = ""
    session: str = ""
    protocol: str = ""


class Notes:
    """
    Entries of C{authlog} that help people to understand.

    Nothing depends on them: that one can't be written is logged, and that is all.
    """

    _log = Logger()

    def __init__(self, authlog: AuthLog, now: Callable[[], datetime]) -> None:
        self._authlog = authlog
        self._now = now

    async def add(
        self, user: ObjectId, action: str, origin: Origin, result: str | None = "success", **more: Any
    ) -> None:
        """
        Note what was done.

        @param result: C{None} where WildDuck notes none.
        """
        event = {"protocol": origin.protocol or None, **more, "action": action, "result": result}
        event.update(sess=origin.session or None, ip=origin.ip or None)
        try:
            await self._authlog.write(user, event, self._now())
        except DomainError as error:
            self._log.warn("{action} was not noted: {error}", action=action, error=type(error).__name__)
