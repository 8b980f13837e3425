"""What CAPABILITY lists: a thing only where it works in the session's state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from wildduck.imap.state import NOT_SIGNED_IN, SIGNED_IN, State


@dataclass(frozen=True, slots=True)
class Circumstances:
    """
    What the list depends on.

    @ivar secure: passwords may be sent.
    @ivar can_start_tls: STARTTLS would be accepted.
    @ivar compressed: COMPRESS was given already.
    @ivar append_limit: bytes of the largest message that APPEND takes.
    """

    state: State
    secure: bool
    can_start_tls: bool
    append_limit: int
    compressed: bool = False


_Condition = Callable[[Circumstances], bool]


def _before(now: Circumstances) -> bool:
    return now.state in NOT_SIGNED_IN


def _after(now: Circumstances) -> bool:
    return now.state in SIGNED_IN


def _always(now: Circumstances) -> bool:
    return True


#: (how it is listed, its RFC, where it works), in the order of the list.
_TABLE: tuple[tuple[str, str, _Condition], ...] = (
    ("IMAP4rev1", "3501", _always),
    ("IMAP4rev2", "9051", _always),
    # One of the two, for both together are forbidden (RFC 7888 §5): before
    # sign-in a command's literals have 4 KiB.
    ("LITERAL-", "7888", _before),
    ("LITERAL+", "7888", _after),
    ("ID", "2971", _always),
    ("STARTTLS", "3501 §6.2.1", lambda now: _before(now) and now.can_start_tls),
    ("LOGINDISABLED", "3501 §6.2.3", lambda now: _before(now) and not now.secure),
    ("AUTH=PLAIN", "4616", lambda now: _before(now) and now.secure),
    ("SASL-IR", "4959", lambda now: _before(now) and now.secure),
    ("ENABLE", "5161", _after),
    ("COMPRESS=DEFLATE", "4978", lambda now: _after(now) and not now.compressed),
    ("UNAUTHENTICATE", "8437", _after),
    ("INPROGRESS", "9585", _after),
    ("NOTIFY", "5465", _after),
    ("IDLE", "2177", _after),
    ("UNSELECT", "3691", _after),
    ("UIDPLUS", "4315", _after),
    ("MOVE", "6851", _after),
    ("CONDSTORE", "7162 §3.1", _after),
    ("QRESYNC", "7162 §3.2", _after),
    ("UIDONLY", "9586", _after),
    ("UTF8=ACCEPT", "6855", _after),
    ("NAMESPACE", "2342", _after),
    ("CHILDREN", "3348", _after),
    ("LIST-EXTENDED", "5258", _after),
    ("LIST-STATUS", "5819", _after),
    ("STATUS=SIZE", "8438", _after),
    ("SPECIAL-USE", "6154", _after),
    ("CREATE-SPECIAL-USE", "6154 §3", _after),
    ("XLIST", "Gmail's", _after),
    ("OBJECTID", "8474", _after),
    ("QUOTA", "9208", _after),
    ("QUOTA=RES-STORAGE", "9208 §5.1", _after),
    ("QUOTA=RES-MESSAGE", "9208 §5.2", _after),
    ("ESEARCH", "4731", _after),
    ("SEARCHRES", "5182", _after),
    ("WITHIN", "5032", _after),
    ("PARTIAL", "9394", _after),
    ("BINARY", "3516", _after),
    ("PREVIEW", "8970", _after),
    ("SAVEDATE", "8514", _after),
    ("SORT", "5256", _after),
    ("SORT=DISPLAY", "5957", _after),
    ("ESORT", "5267 §3.1", _after),
    ("CONTEXT=SEARCH", "5267 §4", _after),
    ("CONTEXT=SORT", "5267 §4", _after),
    ("I18NLEVEL=1", "5255", _after),
    ("THREAD=ORDEREDSUBJECT", "5256", _after),
    ("THREAD=REFERENCES", "5256", _after),
    ("APPENDLIMIT={append_limit}", "7889", _after),
    ("MULTIAPPEND", "3502", _after),
    ("CATENATE", "4469", _after),
    ("REPLACE", "8508", _after),
    ("URLAUTH", "4467", _after),
    ("URLAUTH=BINARY", "5524", _after),
    ("URL-PARTIAL", "5550 §5.7.1", _after),
)

#: How each is listed, and its RFC.
CAPABILITIES = tuple((name, rfc) for name, rfc, _ in _TABLE)


def capabilities(now: Circumstances) -> tuple[str, ...]:
    return tuple(
        name.format(append_limit=now.append_limit) for name, _rfc, condition in _TABLE if condition(now)
    )
