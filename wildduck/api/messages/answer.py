"""The answer that shows one message (spec/api.md §4)."""

from __future__ import annotations

from typing import Any

from wildduck.api.frame.answers import UNSET, Answer, Success, UnsetType
from wildduck.api.messages import shapes


class Recipient(Answer, kw_only=True):
    """
    @ivar value: as it was said.
    @ivar formatted: in the form in which it is looked up.
    """

    value: str
    formatted: str


class Envelope(Answer, kw_only=True, rename={"from_": "from"}):
    """What was said when the message was handed over (SMTP, LMTP)."""

    from_: str
    rcpt: list[Recipient]


class ListEntry(Answer, kw_only=True):
    """
    @ivar name: words, or what could not be read as an address.
    @ivar address: a list's id, or a URI of whatever scheme; C{""} for none.
    """

    address: str
    name: str


class MailingList(Answer, kw_only=True):
    """What a mailing list says of itself."""

    id: ListEntry | UnsetType = UNSET
    unsubscribe: list[ListEntry] | UnsetType = UNSET


class DraftFile(Answer, kw_only=True):
    """A file of the account's storage that a draft refers to."""

    id: str
    filename: str
    contentType: str
    size: int
    cid: str | UnsetType = UNSET


class Tls(Answer, kw_only=True):
    """How the message came here."""

    name: str
    version: str


class Verification(Answer, kw_only=True):
    """
    What was verified when the message came; C{False} for what was not.

    @ivar spf: the domain; likewise C{dkim}.
    """

    tls: Tls | bool
    spf: str | bool
    dkim: str | bool
    dmarc: dict[str, Any] | str | bool | UnsetType = UNSET
    arc: dict[str, Any] | str | bool | UnsetType = UNSET


class Reference(Answer, kw_only=True):
    """The message that a draft answers or forwards."""

    action: str
    mailbox: str
    id: int


class ForwardTarget(Answer, kw_only=True):
    """Where a filter sent the message on to."""

    type: str
    value: str


class QueueEntry(Answer, kw_only=True):
    """One recipient that a message has not been sent to yet."""

    seq: str
    recipient: str
    sendingZone: str
    queued: str | None


class Queued(Answer, kw_only=True):
    """What waits in the outgoing queue."""

    queueId: str
    entries: list[QueueEntry]


class MessageAnswer(Success, kw_only=True, rename={"from_": "from", "list_": "list"}):
    """
    One message.

    @ivar html: one text for each HTML part.  It is what the sender wrote: to be
        sanitized by who shows it.
    @ivar text: plain text.
    @ivar expires: when it is removed by itself.
    @ivar files: of a draft.
    @ivar outbound: what of it is not sent yet.
    """

    id: int
    mailbox: str
    thread: str | UnsetType = UNSET
    user: str
    envelope: Envelope
    from_: shapes.Correspondent
    replyTo: list[shapes.Correspondent] | UnsetType = UNSET
    to: list[shapes.Correspondent] | UnsetType = UNSET
    cc: list[shapes.Correspondent] | UnsetType = UNSET
    bcc: list[shapes.Correspondent] | UnsetType = UNSET
    subject: str
    messageId: str
    date: str
    idate: str
    list_: MailingList | UnsetType = UNSET
    expires: str | UnsetType = UNSET
    size: int
    seen: bool
    deleted: bool
    flagged: bool
    draft: bool
    answered: bool
    forwarded: bool
    html: list[str]
    text: str
    forwardTargets: list[ForwardTarget] | UnsetType = UNSET
    attachments: list[shapes.AttachmentRow]
    references: list[str]
    metaData: dict[str, Any]
    files: list[DraftFile] | UnsetType = UNSET
    bimi: shapes.Indicator | UnsetType = UNSET
    verificationResults: Verification | UnsetType = UNSET
    reference: Reference | UnsetType = UNSET
    contentType: shapes.MediaType
    encrypted: bool | UnsetType = UNSET
    outbound: list[Queued] | UnsetType = UNSET
