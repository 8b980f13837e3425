"""What the endpoints of accounts take (spec/api.md §1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from wildduck.accounts import checking, keys
from wildduck.api.frame.fields import (
    Boolean,
    Choice,
    Date,
    Field,
    Integer,
    JsonSchema,
    ListOf,
    Number,
    Object,
    String,
)
from wildduck.api.frame.mail_fields import (
    MailAddress,
    MailboxPath,
    MetaData,
    TagQuery,
    Tags,
    Target,
    Url,
    Username,
)
from wildduck.api.frame.paging import PAGE_FIELDS
from wildduck.api.frame.schema import Schema


@dataclass(frozen=True, kw_only=True)
class NewPasswordField(Field):
    """A password, or its hash; C{false} (as C{""}) is none."""

    def parse(self, value: Any) -> str:
        return "" if value is False else String(longest=256).parse(value)

    def json_schema(self) -> JsonSchema:
        return {"anyOf": [{"type": "string", "maxLength": 256}, {"const": False}]}


_MAILBOX = MailboxPath(about="Name of the mailbox")

#: Of POST and PUT alike.
_SETTINGS: dict[str, Field] = {
    "language": String(longest=checking.LANGUAGE_LENGTH, about="Language code; names the mailboxes"),
    "retention": Integer(about="Milliseconds that messages are kept, 0 for ever"),
    "name": String(longest=checking.NAME_LENGTH, about="Name of the user"),
    "targets": ListOf(item=Target(), about="Where mail is forwarded to: addresses, smtp(s) and http(s) URLs"),
    "mtaRelay": Url(schemes=("smtp", "smtps"), about="Server that takes what the account sends"),
    "spamLevel": Number(least=0, most=100, about="0: all mail is spam, 100: none is"),
    "quota": Integer(about="Bytes of storage; in all limits 0 is the default of the system"),
    "recipients": Integer(about="Recipients of sent messages within 24 hours"),
    "forwards": Integer(about="Forwarded messages within 24 hours"),
    "filters": Integer(about="Number of filters"),
    "imapMaxUpload": Integer(about="Bytes within 24 hours"),
    "imapMaxDownload": Integer(about="Bytes within 24 hours"),
    "pop3MaxDownload": Integer(about="Bytes within 24 hours"),
    "pop3MaxMessages": Integer(about="Newest messages that POP3 shows"),
    "imapMaxConnections": Integer(about="Sessions at a time"),
    "receivedMax": Integer(about="Messages received within a minute"),
    "require2faEnabled": Boolean(about="The user should have a second factor; for user interfaces"),
    "fromWhitelist": ListOf(
        item=String(longest=128, trim=True), about="More addresses to send from; * first or last"
    ),
    "tags": Tags(about="Words that the account is found by"),
    "uploadSentMessages": Boolean(about="What is sent is kept in the mailbox for sent messages"),
    "disabledScopes": ListOf(item=Choice(values=checking.SCOPES), unique=True, about="Services switched off"),
    "metaData": MetaData(about="Anything, for the application"),
    "internalData": MetaData(about="Anything, not shown to the account's own user"),
    "pubKey": String(longest=keys.KEY_LENGTH, trim=True, about="OpenPGP key, armored; excludes smimeCerts"),
    "smimeCerts": ListOf(
        item=String(longest=keys.KEY_LENGTH, trim=True),
        most=keys.MOST_CERTIFICATES,
        about="X.509 certificates in PEM form; they exclude pubKey",
    ),
    "smimeCipher": Choice(values=checking.CIPHERS),
    "smimeKeyTransport": Choice(values=checking.KEY_TRANSPORTS),
    "encryptMessages": Boolean(about="Encrypt what comes in"),
    "encryptForwarded": Boolean(about="Encrypt what is forwarded"),
    "featureFlags": Object(fields={name: Boolean(default=False) for name in checking.FEATURES}),
    "hashedPassword": Boolean(default=False, about="password is a hash of a known scheme"),
    "allowUnsafe": Boolean(default=True, about="false refuses passwords known from breaches"),
}

CREATE = Schema(
    {
        "username": Username(required=True, about="Dots do not tell names apart"),
        "password": NewPasswordField(named=True, about="Empty or false: none"),
        "address": MailAddress(about="Default address; not given: made from the username"),
        "emptyAddress": Boolean(default=False, about="The account has no address"),
        "requirePasswordChange": Boolean(default=False, about="The password is a temporary one"),
        "addTagsToAddress": Boolean(default=False, about="The address has the account's tags too"),
        "mailboxes": Object(
            fields=dict.fromkeys(("sent", "trash", "junk", "drafts"), _MAILBOX),
            about="Names of the special-use mailboxes",
        ),
        **_SETTINGS,
    }
)

UPDATE = Schema(
    {
        "existingPassword": String(longest=256, about="Must be right, if given"),
        "password": NewPasswordField(about="Empty or false takes it away"),
        "disable2fa": Boolean(about="true removes every second factor"),
        "disabled": Boolean(about="Neither sign-in nor mail"),
        "suspended": Boolean(about="No sign-in"),
        "protocol": String(default="API", about="What the account's log shows"),
        **_SETTINGS,
    }
)

LIST = Schema(
    {
        "query": String(longest=255, lower=True, about="Part of the address or of the username"),
        "forward": String(longest=255, lower=True, about="Part of a target that mail is forwarded to"),
        "tags": TagQuery(about="Any of these"),
        "requiredTags": TagQuery(about="All of these"),
        "metaData": Boolean(default=False, about="Show metaData"),
        "internalData": Boolean(default=False, about="Show internalData"),
        **PAGE_FIELDS,
    },
    loose=True,
)

NOTHING = Schema({})
RESOLVE = Schema({"username": Username(required=True)})
LOGOUT = Schema({"reason": String(longest=128, about="What the clients are told")})
RESET = Schema({"validAfter": Date(or_false=True, about="When the password begins to be valid")})
DELETE = Schema(
    {"deleteAfter": Date(or_false=True, about="When the mail is removed; until then it can be undone")}
)
