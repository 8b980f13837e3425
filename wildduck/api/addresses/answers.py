"""What the API shows of addresses (spec/api.md §2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from wildduck.accounts.forwarded import Forwarded
from wildduck.accounts.stored import meta_value
from wildduck.accounts.values import Address
from wildduck.api.frame.answers import UNSET, Answer, Success, UnsetType, iso
from wildduck.api.frame.paging import Page

_Text = str | UnsetType
_Data = dict[str, Any] | UnsetType


class ShownAddress(Answer, kw_only=True):
    """
    An address of an account.

    @ivar name: left out where there is none, as everything that may be.
    @ivar main: it is the account's default address.
    """

    id: str
    name: _Text = UNSET
    address: str
    main: bool
    tags: list[str]
    created: _Text = UNSET
    metaData: _Data = UNSET
    internalData: _Data = UNSET


class OneAddress(ShownAddress, kw_only=True):
    """One address of an account."""

    success: bool = True


class UserAddresses(Success, kw_only=True):
    """All addresses of an account, in the order of their form without dots."""

    results: list[ShownAddress]


class ForwardsUsed(Answer, kw_only=True):
    """
    @ivar allowed: messages that are sent on within 24 hours.
    @ivar used: of these.
    @ivar ttl: seconds until they are counted anew; C{False} while none is counted.
    """

    allowed: int
    used: int
    ttl: int | bool


class ForwardLimits(Answer, kw_only=True):
    """What bounds a forwarded address."""

    forwards: ForwardsUsed


class ShownAutoreply(Answer, kw_only=True):
    """The automatic reply of a forwarded address; C{start} and C{end} are times or C{False}."""

    status: bool
    start: str | bool | UnsetType = UNSET
    end: str | bool | UnsetType = UNSET
    name: _Text = UNSET
    subject: _Text = UNSET
    text: _Text = UNSET
    html: _Text = UNSET


class ForwardedAnswer(Success, kw_only=True):
    """A forwarded address."""

    id: str
    name: _Text = UNSET
    address: str
    targets: list[str]
    limits: ForwardLimits
    autoreply: ShownAutoreply
    tags: list[str]
    forwardedDisabled: bool | UnsetType = UNSET
    created: _Text = UNSET
    metaData: _Data = UNSET
    internalData: _Data = UNSET


class ResolvedAnswer(Success, kw_only=True):
    """An account's address, which has C{user}, or a forwarded one, which has C{targets}."""

    id: str
    name: _Text = UNSET
    address: str
    user: _Text = UNSET
    targets: list[str] | UnsetType = UNSET
    limits: ForwardLimits | UnsetType = UNSET
    autoreply: ShownAutoreply | UnsetType = UNSET
    tags: list[str]
    forwardedDisabled: bool | UnsetType = UNSET
    created: _Text = UNSET
    metaData: _Data = UNSET
    internalData: _Data = UNSET


class ListedAddress(Answer, kw_only=True):
    """
    One of all addresses.

    @ivar user: whose it is; left out of a forwarded one.
    @ivar targets: of a forwarded one.
    """

    id: str
    name: _Text = UNSET
    address: str
    user: _Text = UNSET
    forwarded: bool
    forwardedDisabled: bool
    targets: list[str] | UnsetType = UNSET
    tags: list[str]
    metaData: _Data = UNSET
    internalData: _Data = UNSET


class AddressPage(Page, kw_only=True):
    """@ivar query: what was looked for."""

    query: str
    results: list[ListedAddress]


class RenamedAnswer(Success, kw_only=True):
    """Rows that were changed."""

    modifiedAddresses: int
    modifiedUsers: int
    modifiedDkim: int
    modifiedAliases: int


class ShownCorrespondent(Answer, kw_only=True):
    """Somebody the account has written to."""

    id: str
    name: _Text = UNSET
    address: str


class Correspondents(Success, kw_only=True):
    """The latest first."""

    results: list[ShownCorrespondent]


@dataclass(frozen=True, slots=True)
class Data:
    """Which of the stored data a list shows."""

    meta: bool
    internal: bool


_ALL = Data(meta=True, internal=True)


def address_members(address: Address, data: Data = _ALL) -> dict[str, Any]:
    """Members of a L{ShownAddress}."""
    return {
        "id": str(address.id),
        "name": address.name or UNSET,
        "address": address.address,
        "main": address.main,
        "tags": list(address.tags),
        "created": shown_time(address.created),
        **data_members(address.meta_data, address.internal_data, data),
    }


def forwarded_members(forwarded: Forwarded, limits: ForwardLimits) -> dict[str, Any]:
    """Members of a L{ForwardedAnswer}."""
    return {
        "id": str(forwarded.id),
        "name": forwarded.name or UNSET,
        "address": forwarded.address,
        "targets": [target.value for target in forwarded.targets],
        "limits": limits,
        "autoreply": _autoreply(forwarded.autoreply or {}),
        "tags": list(forwarded.tags),
        "forwardedDisabled": forwarded.disabled or UNSET,
        "created": shown_time(forwarded.created),
        **data_members(forwarded.meta_data, forwarded.internal_data),
    }


def listed(row: Mapping[str, Any], data: Data) -> ListedAddress:
    """@param row: a document of C{addresses}."""
    forwarded = Forwarded.from_document(row)
    user = row.get("user")
    return ListedAddress(
        id=str(forwarded.id),
        name=forwarded.name or UNSET,
        address=forwarded.address,
        user=str(user) if user else UNSET,
        forwarded=not user,
        forwardedDisabled=not user and forwarded.disabled,
        targets=UNSET if user else [target.value for target in forwarded.targets],
        tags=list(forwarded.tags),
        **data_members(forwarded.meta_data, forwarded.internal_data, data),
    )


def data_members(meta: str, internal: str, data: Data = _ALL) -> dict[str, Any]:
    """C{metaData} and C{internalData}, where they were asked for and there are any."""
    return {
        "metaData": meta_value(meta) if data.meta and meta else UNSET,
        "internalData": meta_value(internal) if data.internal and internal else UNSET,
    }


def shown_time(value: Any) -> _Text:
    """A stored time; an odd one is left out."""
    return iso(value) if isinstance(value, datetime) else UNSET


def _autoreply(stored: Mapping[str, Any]) -> ShownAutoreply:
    members: dict[str, Any] = {
        name: iso(value) if isinstance(value, datetime) else False
        for name in ("start", "end")
        if (value := stored.get(name)) is not None
    }
    for name in ("name", "subject", "text", "html"):
        if isinstance(stored.get(name), str):
            members[name] = stored[name]
    return ShownAutoreply(status=bool(stored.get("status")), **members)
