"""Sign-in over the API (spec/api.md §12)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from wildduck.accounts import Accounts, SignIn
from wildduck.accounts.tokens import AccessTokens
from wildduck.accounts.values import Account, Authentication
from wildduck.api.frame.answers import UNSET, Success, UnsetType
from wildduck.api.frame.application import Application
from wildduck.api.frame.call import Call
from wildduck.api.frame.fields import Boolean, Choice, Field, JsonSchema, String
from wildduck.api.frame.mail_fields import MailAddress, Url, Username
from wildduck.api.frame.roles import MissingPrivileges
from wildduck.api.frame.route import Route
from wildduck.api.frame.schema import Schema
from wildduck.errors import AuthenticationFailed, AuthorizationFailed, BadInput

_SCOPES = ("master", "imap", "smtp", "pop3")
#: Second factors that are asked for by whoever calls the API; all others are
#: checked by the server, before it hands out a token.
_CHECKED_BY_CALLER = frozenset(("custom",))


@dataclass(frozen=True, kw_only=True)
class SignInName(Field):
    """A sign-in name or one of an account's addresses."""

    def parse(self, value: Any) -> str:
        if isinstance(value, str) and "@" in value:
            try:
                return MailAddress().parse(value)
            except ValueError:
                pass
        return Username().parse(value)

    def json_schema(self) -> JsonSchema:
        return {"type": "string", "maxLength": 255}


_SCOPE = Choice(values=_SCOPES, default="master", about="What the password is to open")
_AUTHENTICATE = Schema(
    {
        "username": SignInName(required=True),
        "password": String(required=True, longest=256),
        "protocol": String(default="API", about="What the account's log shows"),
        "scope": _SCOPE,
        "appId": Url(about="Program that the caller speaks for"),
        "token": Boolean(default=False, about="Answer an access token for the account"),
    }
)
_PREAUTH = Schema({"username": SignInName(required=True), "scope": _SCOPE})
_NOTHING = Schema({})


class Known(Success, kw_only=True):
    """
    An account.

    @ivar address: its default address.
    @ivar require2fa: second factors of which the user must pass one, or C{False}.
    """

    id: str
    username: str
    address: str
    scope: str
    require2fa: list[str] | Literal[False]


class SignedIn(Known, kw_only=True):
    """
    An account whose password was right.

    @ivar require2faEnabled: the account should have a second factor.
    @ivar requirePasswordChange: the user is to choose another password.
    @ivar passwordPwned: the password is known from a breach.
    @ivar token: access token of role C{user}, if asked for and allowed.
    """

    require2faEnabled: bool
    requirePasswordChange: bool
    passwordPwned: bool | UnsetType = UNSET
    token: str | UnsetType = UNSET


class AuthenticationApi:
    """C{/authenticate} and what belongs to it."""

    def __init__(self, accounts: Accounts, tokens: AccessTokens) -> None:
        self._accounts = accounts
        self._tokens = tokens

    def register(self, application: Application) -> None:
        """Add the routes."""
        create = ("authentication", "create")
        for route in (
            Route(
                "POST", "/preauth", _PREAUTH, Known, self.preauth, create, "Authentication",
                "What a sign-in would ask for", own=True,
            ),
            Route(
                "POST", "/authenticate", _AUTHENTICATE, SignedIn, self.authenticate, create, "Authentication",
                "Check a password", own=True,
            ),
            Route(
                "DELETE", "/authenticate", _NOTHING, Success, self.forget, (), "Authentication",
                "End the token of this call",
            ),
            Route(
                "GET", "/authenticated", _NOTHING, Success, self.authenticated, ("authentication", "read"),
                "Authentication", "Whether the token of this call is valid", own=True,
            ),
        ):  # fmt: skip
            application.add(route)

    async def preauth(self, call: Call) -> Known:
        """
        @raise AuthenticationFailed: nobody has this name.
        @raise AuthorizationFailed: the service is switched off for the account.
        """
        account, scope = await self._known(call), call.values["scope"]
        if scope in account.disabled_scopes:
            raise AuthorizationFailed()
        return Known(**_known(account, scope, account.second_factors))

    async def authenticate(self, call: Call) -> SignedIn:
        """
        @raise AuthenticationFailed: and its siblings, see L{Accounts.authenticate}.
        @raise BadInput: a token for other scopes than C{master}.
        """
        values = call.values
        if values["token"] and values["scope"] != "master":
            text = '"scope" must be [master] where a token is asked for'
            raise BadInput(text, {"scope": text})
        if not call.permission.any:
            await self._known(call)
        given = SignIn(
            values["username"],
            values["password"],
            service=values["scope"],
            ip=call.ip,
            session=call.sess,
            protocol=values["protocol"],
            app_id=values["appId"] or "",
        )
        authentication = await self._accounts.authenticate(given)
        account = authentication.account
        return SignedIn(
            **_known(account, authentication.scope, authentication.require_2fa),
            require2faEnabled=authentication.require_2fa_enabled,
            requirePasswordChange=authentication.require_password_change,
            passwordPwned=authentication.password_pwned or UNSET,
            token=await self._token(call, authentication),
        )

    async def _known(self, call: Call) -> Account:
        """
        The account that is named, before its password is looked at: nobody guesses at
        others with a user's token, nor learns which names there are.

        @raise AuthenticationFailed: nobody has this name.
        @raise MissingPrivileges: the caller may ask of his own account only.
        """
        found = await self._accounts.directory.find_by_name(call.values["username"])
        if found is None:
            raise AuthenticationFailed() if call.permission.any else MissingPrivileges()
        call.require_own(found[0].id)
        return found[0]

    async def _token(self, call: Call, authentication: Authentication) -> str | UnsetType:
        """
        A token, unless the server would have to check a second factor first
        (docs/differences.rst): what the password alone opens must not be everything.
        """
        factors = frozenset(authentication.require_2fa) - _CHECKED_BY_CALLER
        if not call.values["token"] or factors:
            return UNSET
        return await self._tokens.sign_in(authentication.account.id)

    async def forget(self, call: Call) -> Success:
        """End the caller's token; the configured one stays."""
        if call.caller.token:
            await self._tokens.drop(call.caller.token)
        return Success()

    async def authenticated(self, _call: Call) -> Success:
        """The token was valid, or the call would not have come here."""
        return Success()


def _known(account: Account, scope: str, factors: tuple[str, ...]) -> dict[str, Any]:
    return {
        "id": str(account.id),
        "username": account.username,
        "address": account.address,
        "scope": scope,
        "require2fa": list(factors) or False,
    }
