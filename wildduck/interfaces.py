"""
The seams of the server, where two things really plug in.

Each is pinned by a C{verifyObject} test.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from zope.interface import Attribute, Interface


class IMailAccount(Interface):
    """A signed-in mail account, as a protocol sees it: what the portal hands out."""

    id = Attribute("ObjectId of the user document")
    username = Attribute("str, the sign-in name as given")
    address = Attribute("str, the default address, '' where there is none")
    quota = Attribute("int, allowed storage in bytes, the default already applied")
    storage_used = Attribute("int, bytes in use when the account was read, never negative")


class IAccountMail(Interface):
    """What account management needs of the mail store when accounts come and go."""

    async def create_defaults(
        user: object, language: str = "", retention: int = 0, names: Mapping[str, str] | None = None
    ) -> None:
        """
        Make INBOX and the special-use mailboxes of a new account; repeatable.

        @param user: ObjectId of the user.
        @param language: picks the names of the mailboxes (spec/behaviour.md §1.6).
        @param retention: milliseconds that messages are kept, 0 for ever.
        @param names: special use: the name of its mailbox, where it is another one.
        """

    async def delete_user_data(user: object, check: Callable[[], None] | None = None) -> None:
        """
        Remove the mailboxes of an account and let its messages expire after 14
        days, never archived (spec/schema.md §7 'Deleted user'); repeatable.

        @param check: called between steps; what it raises ends this.
        """
