"""
What another session does to a mailbox while a client is away or looks on, and whether the client then
has what the mailbox holds and has asked for no more than it should.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from test.interop import supply
from test.interop.case import Setting, expect
from test.interop.recorder import Conversation
from test.support.blocking_imap import Imap

#: Of each UID its flags, sorted, and the SHA-256 of the message.
State = dict[int, tuple[list[str], str]]

_COUNT = 120
_NEW = 6


@dataclass(frozen=True)
class Changes:
    """
    What another session has done to INBOX.

    @ivar told: UIDs whose flags have changed, or that are new.
    @ivar gone: UIDs that were moved out or expunged.
    """

    told: frozenset[int]
    gone: frozenset[int]


def prepare(setting: Setting, user: str, count: int = _COUNT) -> None:
    """An account with so many messages in INBOX, every third of them seen."""
    supply.deliver(setting, setting.account(user), supply.messages(count))
    with setting.server.imap(user) as client:
        client.select()
        client.command(f"UID STORE {_set(client.uids()[::3])} +FLAGS.SILENT (\\Seen)")


def last(turn: int) -> str:
    """The keyword that L{change} sets last of all."""
    return f"Last{turn}"


def change(setting: Setting, user: str, turn: int, removing: bool = True) -> Changes:
    """
    Change flags, move three messages out and one of them back, expunge three, deliver new ones.

    @param turn: counts the calls for a user, from 1.
    @param removing: move and expunge.
    """
    before = truth(setting, user)
    uids = sorted(before)
    with setting.server.imap(user) as client:
        client.select()
        client.command(f"UID STORE {_set(uids[1::3][:4])} +FLAGS (\\Flagged Work)")
        # For neomutt what is answered has been seen.
        client.command(f"UID STORE {_set(uids[0::3][:4])} -FLAGS.SILENT (\\Seen \\Answered)")
        client.command(f"UID STORE {uids[-2]} FLAGS (\\Seen \\Answered)")
        if removing:
            _remove(client, uids)
    supply.deliver(setting, f"{user}@example.com", supply.messages(_NEW, turn))
    with setting.server.imap(user) as client:
        client.select()
        client.command("STORE * +FLAGS (\\Seen)")
        client.command(f"UID STORE {uids[-1]} +FLAGS ({last(turn)})")
    after = truth(setting, user)
    told = frozenset(uid for uid, row in after.items() if before.get(uid) != row)
    return Changes(told, frozenset(before) - frozenset(after))


def truth(setting: Setting, user: str) -> State:
    """What INBOX holds."""
    return {
        stored.uid: (sorted(stored.flags), digest(stored.source)) for stored in supply.mailbox(setting, user)
    }


def digest(source: bytes) -> str:
    return hashlib.sha256(source).hexdigest()


def compare(setting: Setting, user: str, state: State) -> None:
    """
    @raise Failed: the client's state is not what INBOX holds; the first UID that differs.
    """
    held = truth(setting, user)
    for uid in sorted(held.keys() | state.keys()):
        here, there = held.get(uid), state.get(uid)
        expect(here == there, f"UID {uid} is {here}, but the client has {there}")


def asked(talks: Sequence[Conversation], *patterns: str) -> None:
    """
    @raise Failed: for one of the patterns the client has sent no line that it finds.
    """
    lines = b"\n".join(talk.said(False) for talk in talks)
    for pattern in patterns:
        found = re.search(b"(?mi)" + pattern.encode(), lines)
        expect(found, f"nothing like {pattern} in what the client has sent:\n{lines.decode('latin-1')}")


def told(talks: Sequence[Conversation], changes: Changes) -> None:
    """
    @raise Failed: the server has sent FETCH responses with flags for others than the messages that have
        changed, or not for all of these.
    """
    answers = b"".join(talk.said(True) for talk in talks)
    lines = re.findall(rb"(?m)^\* \d+ FETCH \([^\r\n]*\bFLAGS [^\r\n]*", answers)
    uids = {int(re.findall(rb"\bUID (\d+)", line)[0]) for line in lines}
    expect(uids == changes.told, f"FETCH responses for {sorted(uids)}, not {sorted(changes.told)}")


def _set(uids: Sequence[int]) -> str:
    return ",".join(map(str, uids))


def _remove(client: Imap, uids: Sequence[int]) -> None:
    client.command(f"UID MOVE {_set(uids[2:11:3])} Trash")
    client.command(f"UID STORE {_set(uids[-5:-2])} +FLAGS.SILENT (\\Deleted)")
    client.command("EXPUNGE")
    client.select("Trash")
    client.command("MOVE * INBOX")
