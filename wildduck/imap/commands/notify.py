"""NOTIFY (RFC 5465)."""

from __future__ import annotations

from wildduck.imap.grammar.notify import Notify
from wildduck.imap.grammar.responses import bad_event_code
from wildduck.imap.interests import TOLD, Interests, unknown
from wildduck.imap.session import Done, Session
from wildduck.imap.watching import Watch


async def notify(session: Session, command: Notify) -> Done:
    """
    §3.1: what was asked for before is replaced, and until the command has
    succeeded it stays; C{SET} also is a NOOP.

    @raise NotificationOverflow: there are too many mailboxes.
    """
    if unknown(command.groups):
        return Done("Some of these events can not be told", bad_event_code(TOLD), "NO")
    watch = Watch(session, Interests(command.groups))
    try:
        if command.groups and session.view is not None:
            await session.news.catch_up(may_expunge=True)
        await watch.begin(status=command.status)
        session.news.watch_with(watch)
    except BaseException:
        watch.stop()
        raise
    return Done("NOTIFY completed")
