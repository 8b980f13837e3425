"""What delivery is told of a message, and what it answers."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field

from bson import ObjectId

from wildduck.accounts import Account
from wildduck.mailstore.values import Mailbox


@dataclass(frozen=True, slots=True)
class Envelope:
    """
    What came with a message beside its bytes; one for all its recipients.

    @ivar sender: reverse-path as the client wrote it, without brackets; C{""} is
        the null sender.
    @ivar peer: IP address of the client; C{""} for a UNIX socket.
    @ivar client: what the client calls itself (LHLO).
    @ivar transmission: C{with} protocol of RFC 3848: C{"LMTP"}, C{"LMTPS"}.
    @ivar arrived: when the last byte came, in UTC.
    @ivar session: id of the connection, for the log.
    @ivar transaction: id that the copies of all recipients share.
    """

    sender: str
    peer: str
    client: str
    transmission: str
    arrived: datetime.datetime
    session: str = ""
    transaction: ObjectId = field(default_factory=ObjectId)


@dataclass(frozen=True, slots=True)
class Destination:
    """
    A recipient that can be delivered to.

    @ivar address: normalised, its label kept.
    @ivar mailbox: where its mail goes.
    """

    account: Account
    address: str
    mailbox: Mailbox


@dataclass(frozen=True, slots=True)
class Delivered:
    """
    A message that is stored for good.

    @ivar message_id: C{_id} of its document.
    @ivar length: bytes that clients will see.
    """

    message_id: ObjectId
    mailbox: Mailbox
    uid: int
    length: int
