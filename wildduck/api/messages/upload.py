"""Storing a message that comes over the API: as it is, or composed (spec/api.md §4)."""

from __future__ import annotations

import io
import uuid
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import Any

import msgspec
from twisted.internet.interfaces import IReactorTime

from wildduck.accounts import Accounts, normalise
from wildduck.accounts.senders import sender_address
from wildduck.accounts.values import Account
from wildduck.api.frame.answers import UNSET, Answer, Success, UnsetType
from wildduck.api.frame.application import Application
from wildduck.api.frame.call import Call
from wildduck.api.frame.route import Route
from wildduck.api.messages.attached import decoded_attachments, named
from wildduck.api.messages.changing import MESSAGES
from wildduck.api.messages.upload_fields import HTML_BYTES, HTML_WITH_IMAGES, RAW_BYTES, UPLOAD
from wildduck.errors import (
    AccountDisabled,
    BadInput,
    DomainError,
    MailboxNotFound,
    MessageNotFound,
    OverQuota,
)
from wildduck.mailstore import MailStore
from wildduck.mailstore.drafting import StoredFile
from wildduck.mailstore.referenced import Referenced
from wildduck.mailstore.selection import Selection
from wildduck.mailstore.values import Mailbox
from wildduck.mime.compose import Address, Attachment, Draft, with_images
from wildduck.mime.compose.fields import host_of, is_address
from wildduck.mime.message import Message

#: Attachments in base64 are longer by a third, and by a little for their lines.
_MOST_BODY = RAW_BYTES * 7 // 5 + HTML_WITH_IMAGES + HTML_BYTES

_NOT_FOUND = "Message was not found"


class EmptyMessage(DomainError):
    """A message of no bytes."""

    http = (400, "EmptyMessage")
    text = "Empty message provided"


class UploadOverQuota(OverQuota):
    """As WildDuck says it here."""

    http = (400, "OverQuotaError")
    text = "User is over quota"


class StoredMessage(Answer, kw_only=True):
    """
    @ivar id: in the mailbox.
    @ivar size: bytes, as L{shapes.size <wildduck.api.messages.shapes.size>} tells them later.
    """

    id: int
    mailbox: str
    size: int


class Uploaded(Success, kw_only=True):
    """
    @ivar previousDeleted: the previous message is gone.
    @ivar previousDeleteError: why it is not.
    """

    message: StoredMessage
    previousDeleted: bool | UnsetType = UNSET
    previousDeleteError: str | UnsetType = UNSET


@dataclass(slots=True)
class _Upload:
    """
    One upload on its way.

    @ivar reference: the message that it refers to, if it is there.
    @ivar envelope: as WildDuck records it in C{meta}.
    """

    call: Call
    account: Account
    mailbox: Mailbox
    date: datetime
    is_draft: bool
    reference: Referenced | None = None
    files: list[StoredFile] = field(default_factory=list)
    envelope: dict[str, Any] = field(default_factory=dict)

    @property
    def values(self) -> dict[str, Any]:
        return self.call.values

    @property
    def flags(self) -> list[str]:
        flags = [] if self.values["unseen"] else ["\\Seen"]
        flags += ["\\Flagged"] if self.values["flagged"] else []
        return [*flags, "\\Draft"] if self.is_draft else flags

    @property
    def meta(self) -> dict[str, Any]:
        """As WildDuck records where a message came from (spec/schema.md 'messages')."""
        metadata = self.values["metaData"]
        reference = self.values["reference"]
        named = (
            {"action": reference["action"], "mailbox": str(reference["mailbox"]), "id": reference["id"]}
            if (reference is not None and self.reference is not None)
            else False
        )
        return {
            "source": "API",
            "from": "",
            "origin": self.call.ip or "127.0.0.1",
            "transtype": "UPLOAD",
            "time": self.date,
            "custom": msgspec.json.encode(metadata).decode() if metadata is not None else "",
            "reference": named,
            "envelope": self.envelope,
            "files": [file.as_recorded() for file in self.files],
        }


class UploadApi:
    """C{POST} of messages."""

    def __init__(self, accounts: Accounts, store: MailStore, clock: IReactorTime) -> None:
        self._accounts = accounts
        self._store = store
        self._clock = clock

    def register(self, application: Application) -> None:
        """Add the route."""
        application.add(
            Route(
                "POST",
                MESSAGES,
                UPLOAD,
                Uploaded,
                self.upload,
                ("messages", "create"),
                tag="Messages",
                summary="Store a message in a mailbox",
                raw=("*",),
                most_body=_MOST_BODY,
            )
        )

    async def upload(self, call: Call) -> Uploaded:
        """
        @raise MailboxNotFound: the account has no such mailbox.
        @raise AccountDisabled: the account takes no mail.
        @raise UploadOverQuota: its storage is full.
        @raise EmptyMessage: a raw message has no bytes.
        @raise CannotDo: it would stand in clear where messages are to be encrypted.
        """
        mailbox = await self._store.mailboxes.get_by_id(call.user, call.values["mailbox"])
        account = await self._accounts.directory.by_id(call.user)
        if account.storage_used > account.quota:
            raise UploadOverQuota()
        if account.disabled or account.suspended:
            raise AccountDisabled("User account is disabled")
        now = datetime.fromtimestamp(self._clock.seconds(), timezone.utc)
        reference = call.values["reference"]
        is_draft = call.values["draft"] or reference is not None
        upload = _Upload(call, account, mailbox, call.values["date"] or now, is_draft)
        if reference is not None:
            upload.reference = await self._referenced(account, reference)
        upload.files = await self._store.drafting.files(account.id, call.values["files"] or [])
        with ExitStack() as resources:
            message = await self._message(upload, resources)
            resources.callback(message.close)
            stored = await self._add(upload, message)
        answer = Uploaded(message=stored)
        if call.values["replacePrevious"] is not None:
            await self._replace(upload, call.values["replacePrevious"], answer)
        return answer

    async def _referenced(self, account: Account, reference: Mapping[str, Any]) -> Referenced | None:
        """
        The message that is answered.  A draft can be kept without it, unless it
        was to give its attachments.

        @raise MessageNotFound: it is not there.
        """
        found = await self._store.drafting.referenced(account.id, reference["mailbox"], reference["id"])
        if found is None and reference["attachments"]:
            raise MessageNotFound()
        return found

    async def _add(self, upload: _Upload, message: Message) -> StoredMessage:
        prepared = await self._store.prepare(message)
        follows = upload.reference.follows if upload.reference is not None else None
        try:
            appended = await self._store.add(
                upload.account,
                upload.mailbox,
                message,
                flags=upload.flags,
                internal_date=upload.date,
                meta=upload.meta,
                session=upload.call.sess,
                prepared=prepared,
                follows=follows,
            )
        except OverQuota as error:
            raise UploadOverQuota() from error
        return StoredMessage(id=appended.uid, mailbox=str(appended.mailbox_id), size=message.length)

    async def _replace(self, upload: _Upload, previous: Mapping[str, Any], answer: Uploaded) -> None:
        """Delete what the new message replaces; that it can't be is no failure of the upload."""
        try:
            id = previous.get("mailbox") or upload.mailbox.id
            mailbox = await self._store.mailboxes.get_by_id(upload.account.id, id)
            cleared = await self._store.clear(
                mailbox, Selection.of([previous["id"]]), session=upload.call.sess
            )
            if not cleared.deleted:
                raise MessageNotFound(_NOT_FOUND)
            answer.previousDeleted = True
        except MailboxNotFound:
            answer.previousDeleteError = f"Failed to delete previous message. {_NOT_FOUND}"
        except DomainError as error:
            answer.previousDeleteError = f"Failed to delete previous message. {error}"

    # --- the message ------------------------------------------------------------------------

    async def _message(self, upload: _Upload, resources: ExitStack) -> Message:
        content = upload.call.body
        if content is None and upload.values["raw"] is not None:
            content = io.BytesIO(upload.values["raw"])
        draft = await self._draft(upload)
        if content is None:
            return await self._composed(upload, draft, resources)
        message = await self._store.drafting.scan(content)
        if not message.length:
            message.close()
            raise EmptyMessage()
        return message

    async def _draft(self, upload: _Upload) -> Draft:
        """What was given, without attachments; the envelope goes by it."""
        values, source = upload.values, upload.reference
        sender = await self._sender(upload)
        host = host_of(sender.address if sender else upload.account.address)
        draft = Draft(
            date=upload.date,
            message_id=f"<{uuid.uuid4()}@{host}>",
            sender=sender,
            reply_to=(values["replyTo"],) if values["replyTo"] is not None else (),
            to=_given(values["to"]),
            cc=_given(values["cc"]),
            bcc=_given(values["bcc"]),
            subject=values["subject"] or "",
            text=values["text"],
            html=values["html"],
            headers=_further(values["headers"] or (), upload.is_draft),
        )
        if source is not None:
            draft = await self._answering(upload, source, draft)
        recipients = dict.fromkeys(one.address for one in (*draft.to, *draft.cc, *draft.bcc))
        upload.envelope = {"from": sender.address if sender else False, "to": list(recipients)}
        return draft

    async def _sender(self, upload: _Upload) -> Address | None:
        """From: as given, but that of a draft is an address of the account."""
        account = upload.account
        given: Address = upload.values["from"] or Address(account.name, account.address)
        if upload.is_draft:
            allowed = await sender_address(self._accounts.directory, account.id, given.address)
            given = replace(given, address=allowed)
        return given if is_address(given.address) else None

    async def _answering(self, upload: _Upload, source: Referenced, draft: Draft) -> Draft:
        """What a draft takes of the message that it answers or forwards, where it says nothing itself."""
        action = upload.values["reference"]["action"]
        draft = replace(
            draft,
            references=source.references,
            subject=draft.subject or source.subject_for(action),
        )
        if action == "forward":
            return draft
        draft = replace(draft, in_reply_to=source.message_ids)
        if draft.to or draft.cc or draft.bcc:
            return draft
        own = await self._accounts.addresses(upload.account)
        views = frozenset(normalise.address_view(one.address) for one in own)
        to, cc = source.recipients(action, views, normalise.address_view)
        return replace(draft, to=to, cc=cc)

    async def _composed(self, upload: _Upload, draft: Draft, resources: ExitStack) -> Message:
        attachments = await self._attachments(upload, resources)
        given = upload.values["attachments"] or []
        host = draft.message_id.strip("<>").rpartition("@")[2]

        def make() -> Draft:
            whole = replace(draft, attachments=(*attachments, *decoded_attachments(given)))
            whole = named(with_images(whole, lambda: f"{uuid.uuid4()}@{host}"))
            if whole.html is not None and len(whole.html) > HTML_BYTES:
                text = f"html length must be less than or equal to {HTML_BYTES} characters long"
                raise BadInput(text, {"html": text})
            return whole

        return await self._store.drafting.compose(make)

    async def _attachments(self, upload: _Upload, resources: ExitStack) -> list[Attachment]:
        """Of the message that is answered, and files that were stored before."""
        drafting = self._store.drafting
        found = []
        wanted = upload.values["reference"]["attachments"] if upload.reference is not None else False
        if wanted and upload.reference is not None:
            chosen = None if wanted is True else wanted
            found += await drafting.attachments(upload.reference, chosen, resources)
        return found + await drafting.file_attachments(upload.files, resources)


def _given(addresses: list[Address | None] | None) -> tuple[Address, ...]:
    """Those that are addresses."""
    return tuple(one for one in addresses or () if one is not None)


def _further(headers: Any, is_draft: bool) -> tuple[tuple[str, str], ...]:
    """Header fields; who writes a draft is not up to them."""
    hidden = ("from", "sender") if is_draft else ()
    return tuple((name, value) for name, value in headers if name.lower() not in hidden)
