"""Commands of the session itself: CAPABILITY, ENABLE, COMPRESS, NOOP, LOGOUT and others."""

from __future__ import annotations

from twisted.logger import Logger

import wildduck
from wildduck.imap.enabling import EXTENSIONS, written
from wildduck.imap.grammar.responses import CapabilityData, Condition, EnabledData, IdData
from wildduck.imap.grammar.session import (
    Capability,
    Compress,
    Enable,
    Id,
    Logout,
    Noop,
    StartTls,
    Unauthenticate,
)
from wildduck.imap.session import Done, Session

_log = Logger()

#: What ID tells of us (RFC 2971 §3.3).
_SELF = (("name", "wildduck"), ("version", wildduck.__version__))


async def capability(session: Session, command: Capability) -> Done:
    session.respond(CapabilityData(session.capabilities()))
    return Done("CAPABILITY completed")


async def enable(session: Session, command: Enable) -> Done:
    """RFC 5161 §3.1: what is not known, or enabled already, is left out of the answer."""
    known = [name for name in command.extensions if name in EXTENSIONS]
    session.respond(EnabledData(tuple(written(name) for name in known if session.enable(name))))
    return Done("ENABLE completed")


async def compress(session: Session, command: Compress) -> Done:
    """RFC 4978 §3."""
    if session.line.compressed:
        return Done("Compression is active already", b"COMPRESSIONACTIVE", "BAD")
    return Done("DEFLATE active", then=session.line.start_deflate)


async def unauthenticate(session: Session, command: Unauthenticate) -> Done:
    """RFC 8437 §3: all is as after the greeting, but for TLS."""
    session.sign_out()
    return Done("Signed out", then=session.line.end_deflate)


async def noop(session: Session, command: Noop) -> Done:
    """Also CHECK: everything is always checkpointed.  What is new is told by the scheduler."""
    return Done("Completed")


async def logout(session: Session, command: Logout) -> Done:
    session.respond(Condition("BYE", "Logging out"))
    return Done("LOGOUT completed", then=session.close)


async def identify(session: Session, command: Id) -> Done:
    fields = dict(command.parameters or ())
    _log.debug(
        "client is {name} {version}",
        name=fields.get("name"),
        version=fields.get("version"),
        session=session.id,
    )
    session.respond(IdData(_SELF))
    return Done("ID completed")


async def start_tls(session: Session, command: StartTls) -> Done:
    """What came in plain text behind the command is thrown away (RFC 3501 §6.2.1)."""
    if not session.line.can_start_tls:
        return Done("TLS is not available here", status="BAD")
    return Done("Begin TLS negotiation now", then=session.line.start_tls)
