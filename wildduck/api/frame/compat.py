"""
C{api.compat_status = true}: where WildDuck's HTTP status is another than ours.

One table: the code of an error, or a route with it, to WildDuck's status; and
one of the codes that WildDuck has another word for.
Clients that were written for WildDuck can expect them; all others are better
served by statuses that mean something (spec/differences.md G).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: Routes on which WildDuck answers every error of its user layer with 500
#: (spec/api.md 'E500').
ALWAYS_500 = frozenset(
    (
        "POST /users",
        "PUT /users/<user>",
        "POST /users/<user>/password/reset",
        "POST /users/<user>/restore",
    )
)

#: Codes that come before the user layer is asked, or carry a status of their own.
_BEFORE = frozenset(
    (
        "InputValidationError",
        "InvalidToken",
        "MissingPrivileges",
        "InsecurePasswordError",
        "RequestTooBig",
        "UnsupportedMediaType",
    )
)

_MESSAGES = "/users/<user>/mailboxes/<mailbox>/messages"

#: (route, code), or ("", code) for every route, to WildDuck's status.  200 is
#: C{success: false} with C{error} and C{code}.
STATUSES: Mapping[tuple[str, str], int] = {
    ("GET /settings/<key>", "SettingNotFound"): 200,
    ("PUT /users/<user>/addressregister/<id>", "AddressNotFound"): 200,
    ("DELETE /users/<user>/outbound/<queueId>", "NoSuchQueueEntry"): 200,
    ("", "NothingChanged"): 500,
    ("", "MailboxInUse"): 500,
    ("PUT /users/<user>/logout", "UserNotFound"): 500,
    # Each error of its message layer; a message that is not there it finds itself.
    (f"PUT {_MESSAGES}", "NoSuchMailbox"): 500,
    (f"PUT {_MESSAGES}/<message>", "NoSuchMailbox"): 500,
}

#: Codes that are others in WildDuck.
_CODES = {"MailboxInUse": "LockFail"}

#: Codes of errors that WildDuck's framework answers itself: C{message} in place of C{error}.
_FRAMEWORK = frozenset(("InvalidToken", "ResourceNotFound", "MethodNotAllowed"))


def status_of(route: str, code: str, status: int) -> int:
    """WildDuck's status for an error of a route."""
    if route in ALWAYS_500 and code not in _BEFORE:
        return 500
    return STATUSES.get((route, code), STATUSES.get(("", code), status))


def envelope(status: int, answer: dict[str, Any]) -> dict[str, Any]:
    """
    An error's members as WildDuck says them under one of its statuses.

    @param answer: C{error}, C{code} and more, as without C{api.compat_status}.
    """
    answer = {**answer, "code": _CODES.get(answer["code"], answer["code"])}
    if answer["code"] in _FRAMEWORK:
        return {"code": answer["code"], "message": answer["error"]}
    return {"success": False, **answer} if status == 200 else answer
