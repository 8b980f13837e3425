"""
What can be said of an account when it is made and when it is changed (spec/api.md §1).

Attributes are the document's names in Python's spelling; what is not said is
C{UNSET}.
"""

from __future__ import annotations

from typing import Any

from msgspec import UNSET, Struct, UnsetType

Flag = bool | UnsetType
Text = str | UnsetType
Texts = list[str] | UnsetType
Limit = int | UnsetType


class UserFields(Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """
    What is common to both.

    @ivar retention: milliseconds that messages are kept, 0 for ever.
    @ivar targets: addresses and URLs (L{wildduck.accounts.targets}).
    @ivar mta_relay: C{smtp://} or C{smtps://} URL; C{""} for none.
    @ivar spam_level: 0 (all is spam) to 100 (nothing is).
    @ivar quota: bytes; this and all that follow: 0 is the default of the system.
    @ivar recipients: per 24 hours, as C{forwards}.
    @ivar imap_max_upload: bytes per 24 hours, as the other two of this kind.
    @ivar received_max: messages per minute.
    @ivar from_whitelist: further addresses to send from; C{*} first or last.
    @ivar pub_key: OpenPGP, armored; C{""} for none.  This and C{smime_certs} exclude each other.
    @ivar smime_certs: X.509 in PEM form.
    @ivar feature_flags: by name; C{indexing} is known.
    """

    name: Text = UNSET
    language: Text = UNSET
    retention: Limit = UNSET
    targets: Texts = UNSET
    mta_relay: Text = UNSET
    spam_level: int | float | UnsetType = UNSET
    quota: Limit = UNSET
    recipients: Limit = UNSET
    forwards: Limit = UNSET
    filters: Limit = UNSET
    imap_max_upload: Limit = UNSET
    imap_max_download: Limit = UNSET
    pop3_max_download: Limit = UNSET
    pop3_max_messages: Limit = UNSET
    imap_max_connections: Limit = UNSET
    received_max: Limit = UNSET
    require2fa_enabled: Flag = UNSET
    from_whitelist: Texts = UNSET
    tags: Texts = UNSET
    upload_sent_messages: Flag = UNSET
    disabled_scopes: Texts = UNSET
    meta_data: dict[str, Any] | UnsetType = UNSET
    internal_data: dict[str, Any] | UnsetType = UNSET
    pub_key: Text = UNSET
    smime_certs: Texts = UNSET
    smime_cipher: Text = UNSET
    smime_key_transport: Text = UNSET
    encrypt_messages: Flag = UNSET
    encrypt_forwarded: Flag = UNSET
    feature_flags: dict[str, bool] | UnsetType = UNSET


class NewUser(UserFields, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """
    An account to be.

    @ivar password: C{""} for none: application passwords alone open it.
    @ivar hashed_password: C{password} is a hash of a known scheme.
    @ivar allow_unsafe: the password may be known from a breach.
    @ivar address: the main address; not given: made from C{username}.
    @ivar more_addresses: further ones, wildcards too.
    @ivar empty_address: it has none.
    @ivar require_password_change: the password is a temporary one.
    @ivar mailboxes: names of C{sent}, C{trash}, C{junk} and C{drafts}.
    @ivar add_tags_to_address: the address gets the account's tags.
    """

    username: str
    password: str = ""
    hashed_password: bool = False
    allow_unsafe: bool = True
    address: Text = UNSET
    more_addresses: list[str] = []
    empty_address: bool = False
    require_password_change: bool = False
    mailboxes: dict[str, str] = {}
    add_tags_to_address: bool = False

    def __repr__(self) -> str:
        return f"<NewUser {self.username!r}>"


class UserChange(UserFields, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """
    What is to be different in an account.

    @ivar existing_password: must be right, where it is given.
    @ivar password: C{""} takes it away.
    @ivar disable2fa: C{True} removes every second factor.
    """

    existing_password: Text = UNSET
    password: Text = UNSET
    hashed_password: bool = False
    allow_unsafe: bool = True
    disable2fa: Flag = UNSET
    disabled: Flag = UNSET
    suspended: Flag = UNSET

    def __repr__(self) -> str:
        return "<UserChange>"
