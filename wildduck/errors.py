"""
Everything that can go wrong for a reason a client may be told, in one table.

A domain error knows how each face says it: the IMAP response code (RFC 5530
and extensions), the SMTP reply with its enhanced status code (RFC 3463), the
POP3 response code (RFC 2449, RFC 3206) and the HTTP status with WildDuck's
error code (spec/api.md, 'Error envelope').  Code that raises picks a class;
code that answers looks at the class attributes and never at the text.

The text of an error is shown to clients: it never holds mail content, a
password or a database message.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class DomainError(Exception):
    """
    A refusal or failure with a meaning for the client.

    @cvar imap_code: response code without brackets, or C{None} for none.
    @cvar smtp: (reply code, enhanced status code).
    @cvar pop3_code: response code without brackets, or C{None}.
    @cvar http: (status, C{code} member of the JSON error).
    @cvar text: what is said when the raiser gives no text.
    @ivar extra: more members of the JSON error, by name.
    """

    imap_code: str | None = None
    smtp: tuple[int, str] = (451, "4.3.0")
    pop3_code: str | None = "SYS/TEMP"
    http: tuple[int, str] = (500, "InternalError")
    text: str = "The request could not be completed"
    extra: Mapping[str, Any] = {}

    def __init__(self, text: str | None = None) -> None:
        super().__init__(self.text if text is None else text)

    def __str__(self) -> str:
        return str(self.args[0])


# --- the surroundings fail ----------------------------------------------------


class Unavailable(DomainError):
    """A database or another service did not answer within its deadline; try again later."""

    imap_code = "UNAVAILABLE"
    smtp = (451, "4.3.0")
    http = (503, "ServiceUnavailable")
    text = "Temporarily unavailable, please try again"


class SpoolFull(Unavailable):
    """The disk has no room for a message on its way in (RFC 3463 X.3.1)."""

    smtp = (452, "4.3.1")
    text = "There is no room for the message at present"


class DatabaseFailure(DomainError):
    """
    MongoDB refused an operation.

    Only its numeric code is kept, for the server's own text holds the whole
    command and with it mail content.

    @ivar code: MongoDB's error code, or C{None}.
    """

    imap_code = "SERVERBUG"
    http = (500, "InternalDatabaseError")
    text = "Database error"

    def __init__(self, code: int | None = None, text: str | None = None) -> None:
        super().__init__(text or f"MongoDB Error: code {code}")
        self.code = code


class DuplicateKey(DatabaseFailure):
    """
    A unique index refused the write (code 11000).

    @ivar index: the name of the index that refused, C{""} where unknown.
    """

    def __init__(self, index: str = "") -> None:
        super().__init__(11000)
        self.index = index


class Overloaded(DomainError):
    """A bounded queue is full; full means refused, not waiting."""

    imap_code = "UNAVAILABLE"
    smtp = (452, "4.3.2")
    http = (503, "ServiceUnavailable")
    text = "The server is busy, please try again"


class ServerBug(DomainError):
    """
    An unforeseen exception, named by an id under which the log explains it.

    @ivar incident: the id, as said to the client.
    """

    imap_code = "SERVERBUG"
    text = "Internal error"

    def __init__(self, incident: str) -> None:
        super().__init__(f"Internal error, reference {incident}")
        self.incident = incident


# --- accounts and sign-in -----------------------------------------------------


class AuthenticationFailed(DomainError):
    """Wrong name or password; never says which."""

    imap_code = "AUTHENTICATIONFAILED"
    smtp = (535, "5.7.8")
    pop3_code = "AUTH"
    http = (403, "AuthFailed")
    text = "Invalid credentials"


class AuthorizationFailed(DomainError):
    """Credentials are right, but the account may not use this service."""

    imap_code = "AUTHORIZATIONFAILED"
    smtp = (535, "5.7.8")
    pop3_code = "AUTH"
    http = (403, "InvalidAuthScope")
    text = "This account may not use this service"


class AccountDisabled(AuthorizationFailed):
    """The account is disabled or suspended."""

    imap_code = "CONTACTADMIN"
    smtp = (550, "5.2.1")
    http = (403, "UserDisabled")
    text = "Account is disabled"


class TempPasswordNotYetValid(AuthenticationFailed):
    """A temporary password whose time has not come (spec/api.md §12)."""

    http = (403, "TempPasswordNotYetValid")
    text = "Temporary password is not yet activated"


class PrivacyRequired(DomainError):
    """Plain-text credentials on a connection that is not secure (RFC 5530)."""

    imap_code = "PRIVACYREQUIRED"
    smtp = (538, "5.7.11")
    pop3_code = "AUTH"
    http = (403, "PrivacyRequired")
    text = "Encryption is required, issue STARTTLS first"


class RateLimited(DomainError):
    """Too many attempts within a window."""

    imap_code = "LIMIT"
    smtp = (451, "4.7.0")
    pop3_code = "LOGIN-DELAY"
    http = (403, "RateLimitedError")
    text = "Authentication was rate limited, please try again later"


class UserNotFound(DomainError):
    """No such account."""

    imap_code = "NONEXISTENT"
    smtp = (550, "5.1.1")
    http = (404, "UserNotFound")
    text = "This user does not exist"


class UserExists(DomainError):
    """The username is taken (compared without dots)."""

    imap_code = "ALREADYEXISTS"
    http = (400, "UserExistsError")
    text = "This username already exists"


class NoUpdates(DomainError):
    """A change that changes nothing."""

    http = (400, "NoUpdates")
    text = "Nothing was updated"


class PasswordMismatch(DomainError):
    """The existing password, given to prove who asks for a change, is not right."""

    http = (403, "AuthFail")
    text = "Password verification failed"


class InsecurePassword(DomainError):
    """The password is known from a breach."""

    http = (403, "InsecurePasswordError")
    text = "Provided password was found from breached passwords list"


class AccountNotFound(DomainError):
    """No such account is among the deleted ones."""

    http = (404, "AccountNotFound")
    text = "Deleted account was not found"


class AccountFound(DomainError):
    """The account to restore is there, or another has its name."""

    http = (400, "AccountFound")
    text = "Account was already restored, or its name is taken"


class DeleteInProgress(DomainError):
    """The mail of the deleted account is being removed."""

    http = (400, "DeleteInProgress")
    text = "Deletion already in progress"


class RestoreTaskNotFound(DomainError):
    """The task that removes the mail of the deleted account began this moment."""

    http = (404, "RestoreTaskNotFound")
    text = "Delete task not found"


class AddressNotFound(DomainError):
    """No account receives mail for this address."""

    smtp = (550, "5.1.1")
    http = (404, "AddressNotFound")
    text = "Unknown recipient"


class AddressExists(DomainError):
    """The address belongs to an account already."""

    http = (400, "AddressExistsError")
    text = "This email address already exists"


class ChangeNotAllowed(DomainError):
    """An address with a wildcard can not be turned into another, nor another into one."""

    http = (400, "ChangeNotAllowed")
    text = "A wildcard address can not be changed"


class WildcardNotPermitted(DomainError):
    """A wildcard address can not be the default address of an account."""

    http = (400, "WildcardNotPermitted")
    text = "A wildcard address can not be the default address"


class NotPermitted(DomainError):
    """The default address of an account can not be deleted."""

    http = (400, "NotPermitted")
    text = "The default address of an account can not be deleted"


class DeliveryNotPossible(DomainError):
    """The recipient has something configured that delivery cannot honour."""

    smtp = (451, "4.3.5")
    http = (400, "DeliveryNotPossible")
    text = "The recipient's settings can not be honoured by this server"


# --- mailboxes and messages ---------------------------------------------------


class MailboxNotFound(DomainError):
    """No such mailbox."""

    imap_code = "NONEXISTENT"
    smtp = (550, "5.2.0")
    pop3_code = "SYS/PERM"
    http = (404, "NoSuchMailbox")
    text = "This mailbox does not exist"


class MailboxExists(DomainError):
    """A mailbox of that name exists already."""

    imap_code = "ALREADYEXISTS"
    http = (400, "MailboxExistsError")
    text = "A mailbox with this name already exists"


class UnknownEncoding(DomainError):
    """Nobody knows how to undo a part's Content-Transfer-Encoding (RFC 3516 §4.3 UNKNOWN-CTE)."""

    imap_code = "UNKNOWN-CTE"
    http = (400, "UnknownEncoding")
    text = "The part has an unknown transfer encoding"


class CannotDo(DomainError):
    """The operation violates an invariant and can never succeed (RFC 5530 CANNOT)."""

    imap_code = "CANNOT"
    smtp = (550, "5.3.0")
    http = (400, "DisallowedMailboxMethod")
    text = "This can not be done"


class HasChildren(DomainError):
    """A name that is no mailbox can not be deleted while others lie under it (RFC 9051 §6.3.5)."""

    imap_code = "HASCHILDREN"
    http = (400, "DisallowedMailboxMethod")
    text = "This name is no mailbox, it only has others under it"


class UseNotPossible(DomainError):
    """A mailbox can not have this special use (RFC 6154 §3)."""

    imap_code = "USEATTR"
    http = (400, "DisallowedMailboxMethod")
    text = "This special use is not possible"


class NoPermission(DomainError):
    """Not by this way, for this account (RFC 5530 NOPERM)."""

    imap_code = "NOPERM"
    http = (403, "MissingPrivileges")
    text = "Permission denied"


class NotificationOverflow(DomainError):
    """More would have to be watched for a client than is watched for one (RFC 5465 §5.8)."""

    imap_code = "NOTIFICATIONOVERFLOW"
    text = "There is too much to be told of"


class ReadOnlyMailbox(DomainError):
    """A change was asked for in a mailbox opened by EXAMINE."""

    imap_code = "READ-ONLY"
    http = (400, "DisallowedMailboxMethod")
    text = "Mailbox is open read-only"


class LimitReached(DomainError):
    """A count bound (mailboxes, keywords, filters...) is reached."""

    imap_code = "LIMIT"
    smtp = (452, "4.5.3")
    http = (400, "LimitReached")
    text = "A limit is reached"


class InUse(DomainError):
    """Another session holds the lock of this mailbox for too long."""

    imap_code = "INUSE"
    http = (503, "MailboxInUse")
    text = "The mailbox is in use, please try again"


class TooManySessions(LimitReached):
    """An account has as many sessions on a face as it may."""

    pop3_code = "IN-USE"
    text = "Too many simultaneous connections"


class DailyLimitReached(LimitReached):
    """An account has uploaded or downloaded as much as it may in a day (spec/schema.md §10)."""

    pop3_code = "SYS/TEMP"
    http = (403, "RateLimitedError")

    def __init__(self, what: str = "Download", seconds: int = 0) -> None:
        """
        @param what: C{"Download"} or C{"Upload"}.
        @param seconds: until the day is over; 0 or less: not known.
        """
        when = "later"
        if seconds > 0:
            hours, minutes = -(-seconds // 3600), -(-seconds // 60)
            number, unit = (hours, "hour") if minutes > 60 else (minutes, "minute")
            when = f"in {number} {unit}{'' if number == 1 else 's'}"
        super().__init__(f"{what} was rate limited, try again {when}")


class OverQuota(DomainError):
    """The account's storage is full.  LMTP says 4.2.2 or 5.2.2 by setting."""

    imap_code = "OVERQUOTA"
    smtp = (452, "4.2.2")
    http = (403, "OverQuotaError")
    text = "Mailbox is over quota"


class MessageTooBig(DomainError):
    """The message is larger than C{limits.max_message_size}."""

    imap_code = "TOOBIG"
    smtp = (552, "5.3.4")
    http = (413, "MessageTooBig")
    text = "Message is too big"


class MessageNotFound(DomainError):
    """No such message, or no longer."""

    imap_code = "EXPUNGEISSUED"
    pop3_code = None
    http = (404, "MessageNotFound")
    text = "This message does not exist"


class AttachmentNotFound(DomainError):
    """The message has no such attachment."""

    imap_code = "NONEXISTENT"
    http = (404, "AttachmentNotFound")
    text = "This attachment does not exist"


class FileNotStored(DomainError):
    """The account has no such file in its storage."""

    http = (404, "FileNotFound")
    text = "This file does not exist"


class ContentUnreadable(DomainError):
    """
    Stored bytes are missing or of another length than announced.

    Before a literal is announced this is NO [CORRUPTION]; after it the
    connection must be closed, for bytes are never padded.
    """

    imap_code = "CORRUPTION"
    pop3_code = "SYS/PERM"
    http = (500, "ContentUnreadable")
    text = "Message content can not be read"


# --- input from outside -------------------------------------------------------


class BadInput(DomainError):
    """
    A request that can not be understood, or whose values are out of bounds.

    @ivar fields: for each failed field (dotted path) what is wrong with it.
    """

    imap_code = "CLIENTBUG"
    smtp = (501, "5.5.4")
    pop3_code = None
    http = (400, "InputValidationError")
    text = "The request is malformed"

    def __init__(self, text: str | None = None, fields: dict[str, str] | None = None) -> None:
        super().__init__(text)
        self.fields = dict(fields or {})


class ProtocolError(Exception):
    """
    Bytes that no grammar rule allows.

    Grammars raise only this, whatever they are fed.  The text says what was
    wrong and is safe to show.

    @cvar imap_code: response code without brackets, or C{None} for none.
    """

    imap_code: str | None = None


class UidRequired(ProtocolError):
    """A sequence number, in a session of UIDs only (RFC 9586)."""

    imap_code = "UIDREQUIRED"


class ConfigurationError(Exception):
    """Start-up can not go on; the text is the one line shown to the operator."""
