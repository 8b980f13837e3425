"""One message with its text (spec/api.md §4)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from wildduck.accounts import normalise
from wildduck.api.frame.answers import UNSET, UnsetType
from wildduck.api.frame.application import Application
from wildduck.api.frame.call import Call
from wildduck.api.frame.route import Route
from wildduck.api.frame.schema import Boolean, Id, Integer, Schema
from wildduck.api.messages import answer, shapes
from wildduck.mailstore import MailStore
from wildduck.mailstore.message import Shown
from wildduck.mailstore.shown import member
from wildduck.mime import list_headers

#: Path of a message, and the parameters in it.
MESSAGE = "/users/<user>/mailboxes/<mailbox>/messages/<message>"
IN_PATH = {
    "mailbox": Id(required=True, about="Id of the mailbox"),
    "message": Integer(required=True, least=1, about="Id of the message in it"),
}

_SHOW = Schema(
    {
        **IN_PATH,
        "replaceCidLinks": Boolean(default=False, about="Link attachments by their paths in this API"),
        "markAsSeen": Boolean(default=False, about="Set the flag \\Seen"),
    }
)

_LINK = re.compile(r"\battachment:(ATT\d{1,10})\b")


class DetailApi:
    """C{GET} of one message."""

    def __init__(self, store: MailStore) -> None:
        self._store = store

    def register(self, application: Application) -> None:
        """Add the route."""
        application.add(
            Route(
                "GET",
                MESSAGE,
                _SHOW,
                answer.MessageAnswer,
                self.show,
                permission=("messages", "read"),
                tag="Messages",
                summary="Show a message",
            )
        )

    async def show(self, call: Call) -> answer.MessageAnswer:
        """@raise MessageNotFound: there is none, or it is another account's."""
        values = call.values
        shown = await self._store.reading.show(
            call.user, values["mailbox"], values["message"], mark_as_seen=values["markAsSeen"]
        )
        return message(shown, links=values["replaceCidLinks"])


def message(shown: Shown, *, links: bool = False) -> answer.MessageAnswer:
    """
    A message as it is shown alone.

    @param links: put paths of the API in place of C{attachment:} links.
    """
    document = shown.document
    fields = shapes.header(document)
    kind = shapes.media_type(fields)
    flags = shapes.flags(document)
    date, arrived = shapes.dates(document)
    attachments = shapes.attachments(document)
    linked = _linker(document, {row.id for row in attachments}) if links else _as_it_is
    return answer.MessageAnswer(
        id=shapes.uid(document),
        mailbox=shapes.id_text(document.get("mailbox")),
        thread=shapes.id_text(document.get("thread")) or UNSET,
        user=shapes.id_text(document.get("user")),
        envelope=_envelope(document),
        from_=shapes.sender(fields, document),
        replyTo=shapes.correspondents(fields.get("reply-to")) or UNSET,
        to=shapes.correspondents(fields.get("to")) or UNSET,
        cc=shapes.correspondents(fields.get("cc")) or UNSET,
        bcc=shapes.correspondents(fields.get("bcc")) or UNSET,
        subject=shapes.text(document.get("subject")),
        messageId=shapes.text(document.get("msgid")),
        date=date,
        idate=arrived,
        list_=_mailing_list(fields),
        expires=(shapes.time_text(document.get("rdate")) if document.get("exp") is True else None) or UNSET,
        size=shapes.size(document),
        seen=flags.seen,
        deleted=flags.deleted,
        flagged=flags.flagged,
        draft=flags.draft,
        answered=flags.answered,
        forwarded=flags.forwarded,
        html=[linked(one) for one in shapes.texts(document.get("html"))],
        text=linked(shapes.text(document.get("text")) + shapes.text(document.get("textFooter"))),
        forwardTargets=_forward_targets(document) or UNSET,
        attachments=attachments,
        references=shapes.references(fields),
        metaData=shapes.meta_data(document),
        files=[_file(one) for one in shown.files] or UNSET,
        bimi=shapes.indicator_of(shown.bimi),
        verificationResults=_verification(document),
        reference=_reference(document),
        contentType=kind,
        encrypted=True if shapes.is_encrypted(kind) else UNSET,
        outbound=[_queued(id, entries) for id, entries in shown.queued.items()] or UNSET,
    )


# --- text -----------------------------------------------------------------------------


def _as_it_is(text: str) -> str:
    return text


def _linker(document: Mapping[str, Any], known: set[str]) -> Callable[[str], str]:
    """Puts the path of an attachment in place of each link to one that is there."""
    user, mailbox = (shapes.id_text(document.get(name)) for name in ("user", "mailbox"))
    start = f"/users/{user}/mailboxes/{mailbox}/messages/{shapes.uid(document)}/attachments/"

    def path(link: re.Match[str]) -> str:
        return start + link[1] if link[1] in known else link[0]

    return lambda text: _LINK.sub(path, text)


# --- what came with it ----------------------------------------------------------------


def _envelope(document: Mapping[str, Any]) -> answer.Envelope:
    recipients = shapes.texts(member(document, "meta", "to"))
    return answer.Envelope(
        from_=shapes.text(member(document, "meta", "from")),
        rcpt=[
            answer.Recipient(value=one, formatted=normalise.address_view(one)) for one in recipients if one
        ],
    )


def _mailing_list(fields: Mapping[str, Any]) -> answer.MailingList | UnsetType:
    ids = shapes.texts(fields.get("list-id"))
    leave = shapes.texts(fields.get("list-unsubscribe"))
    found = list_headers.list_id(ids[-1]) if ids else None
    entries = list_headers.addresses(",".join(leave)) if leave else []
    if found is None and not entries:
        return UNSET
    return answer.MailingList(
        id=_entry(found) if found is not None else UNSET,
        unsubscribe=[_entry(entry) for entry in entries] or UNSET,
    )


def _entry(entry: list_headers.Entry) -> answer.ListEntry:
    return answer.ListEntry(name=entry.name, address=entry.address)


def _verification(document: Mapping[str, Any]) -> answer.Verification | UnsetType:
    results = document.get("verificationResults")
    if not isinstance(results, Mapping):
        return UNSET
    tls = results.get("tls")
    return answer.Verification(
        tls=answer.Tls(name=shapes.text(tls.get("name")), version=shapes.text(tls.get("version")))
        if isinstance(tls, Mapping)
        else False,
        spf=shapes.text(results.get("spf")) or False,
        dkim=shapes.text(results.get("dkim")) or False,
        dmarc=_result(results["dmarc"]) if "dmarc" in results else UNSET,
        arc=_result(results["arc"]) if "arc" in results else UNSET,
    )


def _result(value: Any) -> dict[str, Any] | str | bool:
    shown = shapes.plain(value)
    return shown if isinstance(shown, (dict, str)) and shown else False


# --- drafts and what is sent ----------------------------------------------------------


def _reference(document: Mapping[str, Any]) -> answer.Reference | UnsetType:
    found = member(document, "meta", "reference")
    if not isinstance(found, Mapping):
        return UNSET
    return answer.Reference(
        mailbox=shapes.id_text(found.get("mailbox")),
        id=shapes.number(found.get("id")),
        action=shapes.text(found.get("action")),
    )


def _file(found: Mapping[str, Any]) -> answer.DraftFile:
    return answer.DraftFile(
        id=shapes.id_text(found.get("id")),
        filename=shapes.text(found.get("filename")),
        contentType=shapes.text(found.get("contentType")) or "application/octet-stream",
        size=max(0, shapes.number(found.get("size"))),
        cid=shapes.text(found.get("cid")) or UNSET,
    )


def _forward_targets(document: Mapping[str, Any]) -> list[answer.ForwardTarget]:
    found = document.get("forwardTargets")
    return [
        answer.ForwardTarget(type=shapes.text(one.get("type")), value=shapes.text(one.get("value")))
        for one in (found if isinstance(found, list) else ())
        if isinstance(one, Mapping)
    ]


def _queued(id: str, entries: list[dict[str, Any]]) -> answer.Queued:
    return answer.Queued(
        queueId=id,
        entries=[
            answer.QueueEntry(
                seq=shapes.text(entry.get("seq")),
                recipient=shapes.text(entry.get("recipient")),
                sendingZone=shapes.text(entry.get("sendingZone")),
                queued=shapes.time_text(entry.get("queued")),
            )
            for entry in entries
        ],
    )
