"""
Mailboxes and accounts whose messages are to be encrypted (spec/behaviour.md §5).

We do not encrypt yet, and store nothing in clear where it is asked for: what is
encrypted already, and drafts, which never are, pass; all else is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bson import ObjectId

from wildduck.errors import CannotDo
from wildduck.limits import BATCH_ROWS
from wildduck.mailstore.backend import Backend
from wildduck.mailstore.flag_table import DRAFT
from wildduck.mailstore.uids import uid_filter
from wildduck.mailstore.values import Mailbox

_PKCS7 = ("pkcs7-mime", "x-pkcs7-mime")
_ENVELOPED = ("enveloped-data", "authEnveloped-data", "authenveloped-data")
_TYPE = "mimeTree.parsedHeader.content-type"
#: What L{is_encrypted} says, as a filter.
_NOT_ENCRYPTED: dict[str, Any] = {
    "$nor": [
        {f"{_TYPE}.type": "multipart", f"{_TYPE}.subtype": "encrypted"},
        {
            f"{_TYPE}.type": "application",
            f"{_TYPE}.subtype": {"$in": list(_PKCS7)},
            f"{_TYPE}.params.smime-type": {"$in": list(_ENVELOPED)},
        },
    ],
}
_IN_CLEAR: dict[str, Any] = {"flags": {"$ne": DRAFT}, **_NOT_ENCRYPTED}


def is_encrypted(tree: Mapping[str, Any]) -> bool:
    """
    Whether a message is encrypted already (RFC 1847 §2.2, RFC 8551 §3.3).

    @param tree: C{mimeTree} of the message.
    """
    content_type = (tree.get("parsedHeader") or {}).get("content-type") or {}
    kind, subtype = content_type.get("type"), content_type.get("subtype")
    if kind == "application" and subtype in _PKCS7:
        return (content_type.get("params") or {}).get("smime-type") in _ENVELOPED
    return (kind, subtype) == ("multipart", "encrypted")


def check_not_in_clear(tree: Mapping[str, Any], flags: Sequence[str]) -> None:
    """
    @param tree: C{mimeTree} of a message that is to be stored where encryption is wanted.
    @raise CannotDo: it would have to be encrypted.
    """
    if DRAFT not in flags and not is_encrypted(tree):
        raise CannotDo("Messages that are to be encrypted there can not be added")


async def account_encrypts(backend: Backend, user: ObjectId) -> bool:
    """Whether an account wants its messages encrypted."""
    found = await backend.users.find_one("users", {"_id": user}, projection={"encryptMessages": True})
    return bool(found and found.get("encryptMessages"))


async def check_none_in_clear(backend: Backend, mailbox: Mailbox, uids: Sequence[int]) -> None:
    """
    @param uids: ascending.
    @raise CannotDo: one of these messages would have to be encrypted.
    """
    for start in range(0, len(uids), BATCH_ROWS):
        some = {**uid_filter(mailbox.id, uids[start : start + BATCH_ROWS]), **_IN_CLEAR}
        if await backend.main.find_one("messages", some, projection={"_id": True}) is not None:
            raise CannotDo("Messages that are to be encrypted there can not be copied or moved")


async def check_no_draft_in_clear(backend: Backend, mailbox: Mailbox, uids: Sequence[int]) -> None:
    """
    @param uids: ascending, at most L{BATCH_ROWS}, of messages that shall be drafts no more.
    @raise CannotDo: one of them would have to be encrypted then.
    """
    if not uids:
        return
    some = {**uid_filter(mailbox.id, uids), "flags": DRAFT, **_NOT_ENCRYPTED}
    if await backend.main.find_one("messages", some, projection={"_id": True}) is not None:
        raise CannotDo("Messages that are to be encrypted there can not cease to be drafts")
