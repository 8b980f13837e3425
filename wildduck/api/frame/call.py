"""One call of the API as its handler sees it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, BinaryIO

from bson import ObjectId
from twisted.web.iweb import IRequest

from wildduck.api.frame.roles import Grant, MissingPrivileges


@dataclass(frozen=True, slots=True)
class Caller:
    """
    Who calls.

    @ivar role: a key of L{wildduck.api.frame.roles.ROLES}.
    @ivar user: the account that the token is bound to, C{None} for none.
    @ivar token: the role token itself, C{""} for none: a handler that raises
        C{authVersion} renews it, so that the caller stays signed in.
    """

    role: str
    user: ObjectId | None = None
    token: str = field(default="", repr=False)


#: Who holds the configured token, or calls from this machine where none is.
ROOT = Caller("root")


@dataclass(frozen=True, slots=True)
class Call:
    """
    @ivar values: every parameter of the schema with its value or default.
    @ivar given: names of parameters that came with a value.
    @ivar emptied: names that came as an empty string, which often clears.
    @ivar caller: who calls.
    @ivar permission: what the caller may do; parameters it does not cover are
        gone already, members of the answer are taken out after the handler.
    @ivar ip: parameter C{ip}: address of the user behind the caller, C{""} for unknown.
    @ivar sess: parameter C{sess}: the caller's name for the session.
    @ivar body: the body of a route that takes it raw, at its begin.
    """

    values: dict[str, Any]
    given: frozenset[str]
    emptied: frozenset[str]
    caller: Caller
    permission: Grant
    request: IRequest
    ip: str = ""
    sess: str = ""
    body: BinaryIO | None = None

    @property
    def user(self) -> ObjectId:
        """The account of a path with C{<user>}."""
        user = self.values["user"]
        assert isinstance(user, ObjectId)
        return user

    def only_user(self) -> ObjectId | None:
        """
        Whose rows may be seen, C{None} for everybody's.

        For routes with C{own=True} but without C{<user>} in their path.

        @raise MissingPrivileges: own rows only, and the token has no account.
        """
        if self.permission.any:
            return None
        if self.caller.user is None:
            raise MissingPrivileges()
        return self.caller.user

    def require_own(self, user: ObjectId) -> None:
        """@raise MissingPrivileges: the account is not one that the caller may act for."""
        if not self.permission.any and user != self.caller.user:
            raise MissingPrivileges()
