"""Many messages at once, and what a mailbox holds, by the harness's own clients."""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from test.interop.case import Failed, Setting, expect
from test.support.messages import generated

_CONNECTIONS = 8


@dataclass(frozen=True)
class Stored:
    """
    A message as the server has it.

    @ivar flags: without \\Recent.
    @ivar source: its bytes.
    """

    uid: int
    flags: frozenset[str]
    source: bytes


def messages(count: int, seed: int = 0) -> list[bytes]:
    """Messages of 400 to 2,000 bytes, no two alike, with a line that begins with a dot."""
    return [
        b"X-Number: %d-%d\r\n" % (seed, number)
        + generated(seed * 100_000 + number, 400 + number * 7 % 1600)
        + b".a line with a dot\r\n"
        for number in range(count)
    ]


def deliver(setting: Setting, address: str, mail: Sequence[bytes]) -> None:
    """
    Deliver by LMTP over several connections, in no certain order.

    @raise Failed: one was refused.
    """
    refused: list[str] = []

    def work(first: int) -> None:
        with setting.server.lmtp() as client:
            for message in mail[first::_CONNECTIONS]:
                (reply,) = client.data(message, [address])
                if reply.code != 250:
                    refused.append(f"{reply.code} {reply.text}")

    threads = [threading.Thread(target=work, args=(first,)) for first in range(_CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if refused:
        raise Failed(f"LMTP refused {len(refused)} messages: {refused[0]}")


def mailbox(setting: Setting, user: str, name: str = "INBOX") -> list[Stored]:
    """Everything in a mailbox, by ascending UID; nothing is marked as seen."""
    with setting.server.imap(user) as client:
        client.select(name)
        if not client.exists:
            return []
        rows = client.command("FETCH 1:* (UID FLAGS BODY.PEEK[])").rows()
    expect(len(rows) == client.exists, f"{len(rows)} of {client.exists} messages were fetched")
    return [
        Stored(row["UID"], frozenset(flag.decode() for flag in row["FLAGS"]) - {"\\Recent"}, row["BODY[]"])
        for row in rows.values()
    ]


def field(source: bytes, name: str) -> str:
    """The first header field of this name, C{""} if there is none."""
    found = re.search(rb"(?mi)^" + name.encode() + rb": *([^\r\n]*)", source)
    return found[1].decode() if found else ""
