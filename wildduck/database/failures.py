"""
What MongoDB's refusals become.

The server's text holds the whole command, and with it mail content (it is
never kept): a number is all that leaves this module, and of a duplicate key
the name of the index.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from wildduck.errors import DatabaseFailure, DuplicateKey, Unavailable

#: The server is not, or no longer, the primary, or shuts down (MongoDB's
#: "Server Discovery And Monitoring" specification, 'Not Writable Primary' and
#: 'Node Is Recovering').
NOT_PRIMARY = frozenset({91, 189, 10058, 10107, 11600, 11602, 13435, 13436})

#: With these a command may be sent once more ("Retryable Writes" specification).
RETRYABLE = NOT_PRIMARY | frozenset({6, 7, 89, 134, 262, 9001})

#: The server gave up for lack of time or of a lock, or its majority did.
BUSY = frozenset({24, 43, 50, 64, 112, 136, 237, 290})

DUPLICATE = frozenset({11000, 11001, 12582})

#: BSONObjectTooLarge.
TOO_LARGE = 10334

_INDEX = re.compile(r" index: (\S{1,128}?)(?: dup key|$)")


class Interrupted(Unavailable):
    """
    The connection was lost or the server stopped being primary meanwhile.

    The command may have been carried out.
    """


class TimedOut(Unavailable):
    """No answer within the deadline; the command may have been carried out, or may still be."""


class CursorLost(Unavailable):
    """The server has forgotten the cursor (code 43): it idled for ten minutes, or the primary changed."""


def check(reply: Mapping[str, Any]) -> None:
    """
    Raise what a reply says.

    @raise Interrupted: the command may be repeated.
    @raise Unavailable: the server had no time; it may not be repeated.
    @raise DuplicateKey: code 11000.
    @raise DatabaseFailure: any other refusal.
    """
    if not reply.get("ok"):
        raise _failure(reply, reply)
    errors = reply.get("writeErrors")
    if errors:
        raise _failure(errors[-1], reply)
    concern = reply.get("writeConcernError")
    if concern:
        failure = _failure(concern, reply)
        # It was written; only whether for good can not be told.
        raise failure if isinstance(failure, Unavailable) else Unavailable()


def _failure(error: Mapping[str, Any], reply: Mapping[str, Any]) -> Exception:
    code = error.get("code")
    if code in DUPLICATE:
        return DuplicateKey(_index(error))
    if code in RETRYABLE or "RetryableWriteError" in reply.get("errorLabels", ()):
        return Interrupted()
    if code == 43:
        return CursorLost()
    if code in BUSY:
        return Unavailable()
    return DatabaseFailure(code if isinstance(code, int) else None)


def _index(error: Mapping[str, Any]) -> str:
    """The name of the index, the only thing taken from a server's text."""
    match = _INDEX.search(str(error.get("errmsg", "")))
    return match.group(1) if match else ""


def is_not_primary(reply: Mapping[str, Any]) -> bool:
    """Whether the connection that gave this reply no longer leads to the primary."""
    if not reply.get("ok"):
        return reply.get("code") in NOT_PRIMARY
    concern = reply.get("writeConcernError") or {}
    return concern.get("code") in NOT_PRIMARY


def already_inserted(reply: Mapping[str, Any]) -> bool:
    """Whether all that is wrong with an insert is that documents of these ids are there already."""
    errors = reply.get("writeErrors") or ()
    return (
        bool(reply.get("ok") and errors)
        and not reply.get("writeConcernError")
        and all(error.get("code") in DUPLICATE and _index(error) == "_id_" for error in errors)
    )
