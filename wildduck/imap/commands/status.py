"""STATUS, and what LIST tells likewise (RFC 3501 §6.3.10, 5819, 7162 §3.1.2.1, 7889, 8438, 8474, 9208)."""

from __future__ import annotations

from bson import ObjectId

from wildduck.imap.grammar.mailbox_responses import StatusData
from wildduck.imap.grammar.status import Status
from wildduck.imap.session import Done, Session
from wildduck.mailstore.statuses import Fact
from wildduck.mailstore.values import Status as Known

#: What has to be found out for an item; for others nothing.
_FACTS = {
    "MESSAGES": Fact.MESSAGES,
    "RECENT": Fact.RECENT,
    "UIDNEXT": Fact.UID_NEXT,
    "UNSEEN": Fact.UNSEEN,
    "HIGHESTMODSEQ": Fact.HIGHEST_MODSEQ,
    "SIZE": Fact.SIZE,
    "DELETED": Fact.DELETED,
    "DELETED-STORAGE": Fact.DELETED_SIZE,
}


async def status(session: Session, command: Status) -> Done:
    enable(session, command.items)
    mailbox, known = await session.store.statuses.get(session.user.id, command.mailbox, facts(command.items))
    session.respond(response(session, mailbox.path, mailbox.id, known, command.items))
    return Done("STATUS completed")


def enable(session: Session, items: tuple[str, ...]) -> None:
    """Who asks for HIGHESTMODSEQ is told of MODSEQs from then on (RFC 7162 §3.1)."""
    if "HIGHESTMODSEQ" in items:
        session.enable("CONDSTORE")


def facts(items: tuple[str, ...]) -> frozenset[Fact]:
    return frozenset(_FACTS[item] for item in items if item in _FACTS)


def response(session: Session, path: str, id: ObjectId, known: Known, items: tuple[str, ...]) -> StatusData:
    values: dict[str, int | str] = {
        "MESSAGES": known.messages,
        "RECENT": _recent(session, id, known.recent),
        "UIDNEXT": known.uid_next,
        "UIDVALIDITY": known.uid_validity,
        "UNSEEN": known.unseen,
        "HIGHESTMODSEQ": known.highest_modseq,
        "APPENDLIMIT": session.services.settings.limits.max_message_size,
        "SIZE": known.size or 0,
        "MAILBOXID": str(id),
        "DELETED": known.deleted,
        "DELETED-STORAGE": known.deleted_size,
    }
    return StatusData(path, tuple((item, values[item]) for item in items))


def _recent(session: Session, id: ObjectId, unclaimed: int) -> int:
    """Messages of a mailbox with C{\\Recent}, in the selected one also those that are the session's own."""
    view = session.view
    return unclaimed if view is None or view.mailbox.id != id else view.all_recent(unclaimed)
