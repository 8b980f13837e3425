"""What an upload takes (spec/api.md §4 'POST …/messages')."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from wildduck.api.frame.fields import Field, JsonSchema, ListOf, NestedFailures, NotServed, Object
from wildduck.api.frame.mail_fields import MetaData, address_object, header_object
from wildduck.api.frame.schema import Boolean, Choice, Date, Id, Integer, Schema, String
from wildduck.limits import ADDRESSES, KIB, MAX_UID, MIB
from wildduck.mime.compose import Address
from wildduck.mime.compose.fields import is_address, is_name

#: Bytes of a whole message, of one attachment.
RAW_BYTES = 64 * MIB
#: HTML with the images that stand in it as data: URLs, and without them.
HTML_WITH_IMAGES = 12 * MIB
HTML_BYTES = 1 * MIB
#: Attachments, files and further header fields of one message.
MOST_PARTS = 1000

_ATTACHMENT_ID = re.compile(r"ATT\d{1,6}\Z", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class RawMessage(Field):
    """A whole message: text is taken in UTF-8."""

    longest: int = RAW_BYTES

    def parse(self, value: Any) -> bytes:
        if isinstance(value, str):
            try:
                value = value.encode("utf-8")
            except UnicodeEncodeError:
                raise ValueError("must be valid Unicode") from None
        if not isinstance(value, bytes):
            raise ValueError("must be a buffer or a string")
        if len(value) > self.longest:
            raise ValueError(f"must be less than or equal to {self.longest} bytes")
        return value

    def json_schema(self) -> JsonSchema:
        return {"type": "string", "maxLength": self.longest}


@dataclass(frozen=True, kw_only=True)
class MailboxAddress(Field):
    """
    C{{name, address}}; the value is an L{Address}.

    @ivar lenient: an address that is none gives C{None} instead of an error.
    """

    lenient: bool = False

    def parse(self, value: Any) -> Address | None:
        try:
            parsed = address_object().parse(value)
            if not is_address(parsed["address"]):
                raise NestedFailures({("address",): "must be a valid email"})
        except NestedFailures as error:
            if self.lenient and set(error.failures) == {("address",)}:
                return None
            raise
        return Address(parsed.get("name") or "", parsed["address"])

    def json_schema(self) -> JsonSchema:
        return address_object().json_schema()


@dataclass(frozen=True, kw_only=True)
class HeaderField(Field):
    """C{{key, value}}; the value is a pair."""

    def parse(self, value: Any) -> tuple[str, str]:
        parsed = header_object().parse(value)
        name = parsed.get("key") or ""
        if not is_name(name):
            raise NestedFailures({("key",): "must be the name of a header field"})
        return name, parsed.get("value") or ""

    def json_schema(self) -> JsonSchema:
        schema = header_object().json_schema()
        schema["properties"]["key"]["pattern"] = "^[!-9;-~]+$"
        schema["required"] = ["key"]
        return schema


@dataclass(frozen=True, kw_only=True)
class ChosenAttachments(Field):
    """C{true} for all, or a list of ids; the value is C{True}, C{False} or a list."""

    def parse(self, value: Any) -> bool | list[str]:
        if not isinstance(value, list):
            return Boolean().parse(value)
        ids = ListOf(item=String(pattern=_ATTACHMENT_ID.pattern[:-2]), most=MOST_PARTS).parse(value)
        return ids

    def json_schema(self) -> JsonSchema:
        ids = {
            "type": "array",
            "items": {"type": "string", "pattern": "^ATT[0-9]{1,6}$"},
            "maxItems": MOST_PARTS,
        }
        return {"anyOf": [{"type": "boolean"}, ids]}


def _addresses(about: str, *, lenient: bool = False) -> ListOf:
    return ListOf(item=MailboxAddress(lenient=lenient), most=ADDRESSES, about=about)


ATTACHMENT = Object(
    fields={
        "filename": String(longest=255),
        "contentType": String(longest=255),
        "encoding": String(longest=20, default="base64", about="How content is encoded"),
        "contentTransferEncoding": String(longest=20, about="How the part is to be encoded"),
        "contentDisposition": Choice(values=("inline", "attachment"), lower=True),
        "content": String(required=True, longest=RAW_BYTES),
        "cid": String(longest=255),
    }
)
REFERENCE = Object(
    fields={
        "mailbox": Id(required=True),
        "id": Integer(required=True, least=1, most=MAX_UID),
        "action": Choice(required=True, values=("reply", "replyAll", "forward")),
        "attachments": ChosenAttachments(default=False),
    },
    about="The message that is answered or forwarded; the new one is a draft then",
)
PREVIOUS = Object(
    fields={"mailbox": Id(), "id": Integer(required=True, least=1, most=MAX_UID)},
    about="A message that is deleted when the new one is stored",
)
BIMI = NotServed(why="is not served: no BIMI indicators are looked up")

UPLOAD = Schema(
    {
        "mailbox": Id(required=True, about="Id of the mailbox"),
        "date": Date(about="INTERNALDATE, and Date of a message that is composed; now if not given"),
        "unseen": Boolean(default=False),
        "flagged": Boolean(default=False),
        "draft": Boolean(default=False),
        "raw": RawMessage(about="A whole message, which is stored as it is"),
        "from": MailboxAddress(),
        "replyTo": MailboxAddress(),
        "to": _addresses("Recipients; entries that are no addresses are left out", lenient=True),
        "cc": _addresses("Recipients of copies"),
        "bcc": _addresses("Recipients of blind copies"),
        "headers": ListOf(item=HeaderField(), most=MOST_PARTS),
        "subject": String(longest=2 * KIB),
        "text": String(longest=MIB),
        "html": String(longest=HTML_WITH_IMAGES, about="At most 1 MiB without its images"),
        "files": ListOf(item=Id(), most=MOST_PARTS, about="Ids of stored files to attach"),
        "attachments": ListOf(item=ATTACHMENT, most=MOST_PARTS),
        "metaData": MetaData(),
        "reference": REFERENCE,
        "replacePrevious": PREVIOUS,
        "bimi": BIMI,
    }
)
