"""What a session's modes make of the news of its mailbox (RFC 3501 §7.3, §7.4, RFC 7162 §3.2.4, RFC 9586)."""

from __future__ import annotations

from collections.abc import Sequence

from wildduck.imap.grammar.flags import compose_flags
from wildduck.imap.grammar.modes import Modes
from wildduck.imap.grammar.responses import (
    ExistsData,
    ExpungeData,
    FetchData,
    RecentData,
    Response,
    VanishedData,
    modseq_value,
)
from wildduck.imap.grammar.sequence import from_numbers
from wildduck.mailstore.values import Change, Exists, Expunged, Flags, Recent


def responses(changes: Sequence[Change], modes: Modes, *, with_uid: bool = False) -> list[Response]:
    """
    In the order of the changes; of what is gone one VANISHED, where it is told so.

    @param with_uid: flags are told with UIDs in any case (RFC 5465 §5.1, RFC 9051 §7.5.2).
    """
    found: list[Response] = []
    gone = [change.uid for change in changes if isinstance(change, Expunged)]
    if gone and modes.vanishes:
        found.append(VanishedData(from_numbers(sorted(gone))))
        changes = [change for change in changes if not isinstance(change, Expunged)]
    found.extend(_response(change, modes, with_uid) for change in changes)
    return found


def _response(change: Change, modes: Modes, with_uid: bool) -> Response:
    if isinstance(change, Exists):
        return ExistsData(change.count)
    if isinstance(change, Recent):
        return RecentData(change.count)
    if isinstance(change, Expunged):
        return ExpungeData(change.seq)
    return flags_data(change, modes, with_uid=with_uid)


def flags_data(change: Flags, modes: Modes, *, with_uid: bool = False, with_flags: bool = True) -> FetchData:
    """
    A FETCH response that nobody asked for in so many words.

    @param with_uid: the command used UIDs (RFC 3501 §6.4.8).
    @param with_flags: C{False}: only MODSEQ is news, for the client knows the flags.
    """
    items: list[tuple[bytes, bytes]] = []
    if (with_uid or modes.condstore) and not modes.uidonly:
        items.append((b"UID", b"%d" % change.uid))
    if with_flags:
        items.append((b"FLAGS", compose_flags(change.flags, modes)))
    if modes.condstore:
        items.append((b"MODSEQ", modseq_value(change.modseq)))
    return FetchData(change.seq, tuple(items), change.uid)
