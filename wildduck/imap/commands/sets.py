"""Sequence sets applied to what the session sees."""

from __future__ import annotations

from array import array

from wildduck.errors import ProtocolError
from wildduck.imap.grammar.sequence import SequenceSet
from wildduck.mailstore.view import View


def uids_of(view: View, numbers: SequenceSet, by_uid: bool) -> array[int]:
    """
    The UIDs that a set names, ascending.

    UIDs that do not exist are passed over (RFC 3501 §6.4.8), and so is what is
    gone of a saved result (RFC 5182 §2.1).

    @raise ProtocolError: a sequence number that no message has, C{*} in an
        empty mailbox included (RFC 3501 §9 'seq-number').
    """
    if numbers.saved:
        return view.saved_uids()
    found: array[int] = array("I")
    if by_uid:
        largest = view.uids[-1] if view.exists else 0
        for first, last in numbers.resolve(largest):
            found.extend(view.uid_range(first, last))
        return found
    for first, last in numbers.resolve(view.exists):
        if not 1 <= first <= last <= view.exists:
            raise ProtocolError("No message has this sequence number")
        found.extend(view.uids[first - 1 : last])
    return found
