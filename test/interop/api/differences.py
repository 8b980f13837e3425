"""Where our answers are not WildDuck's, each by the words of its entry in docs/differences.rst."""

from __future__ import annotations

import os
import re

from test.interop.api.compare import Rule
from test.support.server_process import ROOT

_MAILBOX = r"GET /users/<<joe>>/mailboxes"
_LIST = r"GET /users/<<joe>>/mailboxes/<<\w+>>/messages(\?|$)"
_MESSAGE = r"GET /users/<<joe>>/mailboxes/<<\w+>>/messages/"
_UPLOAD = r"POST /users/<<joe>>/mailboxes/<<\w+>>/messages"
_COMPOSED = "Composed messages have the header lines, boundaries and encodings of our composer"
_EXACT = "message.eml is what came in, byte by byte, and size its length"
_ALWAYS = "specialUse (null), retention (0) and, with sizes, size (0) are always there"
_NAMED = "Every parameter that is refused is in details, also where WildDuck only says so in error"
_ID = "An id in a path is called id everywhere in details; WildDuck says address in some calls"
_CODES = "Every error has a code, also with api.compat_status"
_STORED = "modifyIndex of a mailbox counts what this server does to it"

RULES: tuple[Rule, ...] = (
    # Conventions.
    Rule(r"POST /users b'{not json'", "*", "A body that is no JSON is 400 InputValidationError with details"),
    Rule(r"GET /users/$", "status", "A path that ends with a slash is another path, and there is none: 404"),
    Rule(r"PUT /users/<<joe>>/mailboxes/(<<\w+>>|0+1\w+)/messages/\S+ \{", "code", _CODES),
    Rule(r"PUT /users/<<joe>>/mailboxes/<<work>> \{\}", "code", "and alone are no change: 400"),
    Rule(r"PUT /users/<<joe>>/mailboxes/<<work>> \{\}", "details", "and alone are no change: 400"),
    # Users.
    Rule(
        r"POST /users .*hashedPassword", "status", "A hash of no known scheme is 400 and names the parameter"
    ),
    Rule(
        r"GET /users(\?|$)", "results.*.hasPasswordSet", "hasPasswordSet is also true of a temporary password"
    ),
    Rule(r"POST /users/0+1\w+/password/reset", "code", "is UserNotFound; WildDuck: UserUpdateFail"),
    Rule(r"DELETE /users/0+1\w+", "status", "an account that never was is 404"),
    Rule(r"POST /authenticate", "id", "A sign-in that fails does not tell the id of the account"),
    Rule(r"POST /authenticate .*everything", "status", "A scope that there is not is 400"),
    Rule(r"(GET /users/<<joe>>|POST /users/<<joe>>/quota)", "**.used", _COMPOSED),
    Rule(r"POST /users/<<joe>>/quota/reset", "*torageUsed", _COMPOSED),
    # Addresses.
    Rule(r"(POST|PUT) /(users/<<joe>>/)?addresses", "details", _NAMED),
    Rule(r"\w+ /(users/<<joe>>/)?addresses/(forwarded/)?short", "details.*", _ID),
    Rule(r"GET /addresses/resolve", "forwardedDisabled", "and shows forwardedDisabled"),
    # Mailboxes.
    Rule(_MAILBOX, "**specialUse", _ALWAYS),
    Rule(_MAILBOX, "results.*.size", _ALWAYS),
    Rule(_MAILBOX, "**modifyIndex", _STORED),
    # Messages.
    Rule(rf"{_UPLOAD} b''", "status", "A raw message without a byte is EmptyMessage"),
    Rule(_UPLOAD, "message.size", _COMPOSED),
    Rule(_LIST, "results.*.size", _COMPOSED),
    Rule(_LIST, "results.*.intro", _COMPOSED),
    Rule(_MESSAGE, "size", _COMPOSED),
    Rule(_LIST, "results.*.bcc", "Bcc of a composed message is kept"),
    Rule(_MESSAGE, "bcc", "Bcc of a composed message is kept"),
    Rule(
        rf"{_LIST}.*sideways", "status", "order must be asc or desc; WildDuck takes any other word for desc"
    ),
    Rule(rf"{_MESSAGE}<<plain>>/message.eml", "(body)", _EXACT),
    Rule(rf"{_MESSAGE}.*replaceCidLinks", "html.0", "replaceCidLinks=true gives real paths"),
)


def undocumented() -> list[str]:
    """Words that docs/differences.rst does not have."""
    with open(os.path.join(ROOT, "docs", "differences.rst"), encoding="utf-8") as file:
        text = _plain(file.read())
    return sorted({rule.words for rule in RULES if _plain(rule.words) not in text})


def _plain(text: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"[`*]", "", text))
