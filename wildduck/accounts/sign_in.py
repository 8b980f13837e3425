"""
Sign-in: one checker for every face, behind a L{twisted.cred} portal.

The order is WildDuck's (spec/behaviour.md §6): application passwords, which work
even while somebody guesses at the account; then the count of failures, the
temporary password, the master password.

It takes as long for an unknown name as for a wrong password, and says the same.
What an account may not is told to the right password only.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any

from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.portal import IRealm
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import Interface, implementer

from wildduck.accounts import normalise, passwords
from wildduck.accounts.application_passwords import MASTER, ApplicationPassword, ApplicationPasswords
from wildduck.accounts.directory import Directory
from wildduck.accounts.policy import FailureCounter
from wildduck.accounts.sign_in_notes import SignInNotes
from wildduck.accounts.temporary import TemporaryPassword
from wildduck.accounts.values import Account, Authentication, ISignIn, SignIn
from wildduck.accounts.verified import Verifier
from wildduck.errors import (
    AccountDisabled,
    AuthenticationFailed,
    AuthorizationFailed,
    DomainError,
    TempPasswordNotYetValid,
)
from wildduck.interfaces import IMailAccount

#: Faces on which the master password is not enough once a second factor is in
#: force (spec/behaviour.md §6 '2FA').
_WITHOUT_SECOND_FACTOR = ("imap", "pop3", "smtp")

_MORE_FIELDS = dict.fromkeys(("password", "tempPassword", "require2faEnabled", "requirePasswordChange"), True)


@implementer(ICredentialsChecker)
class PasswordChecker:
    """Checks L{SignIn} credentials against the C{users} and C{asps} collections."""

    credentialInterfaces = (ISignIn,)
    _log = Logger()

    def __init__(
        self,
        directory: Directory,
        application_passwords: ApplicationPasswords,
        failures: FailureCounter,
        notes: SignInNotes,
        verifier: Verifier,
        clock: IReactorTime,
    ) -> None:
        self._directory = directory
        self._application_passwords = application_passwords
        self._failures = failures
        self._notes = notes
        self._verifier = verifier
        self._clock = clock

    def requestAvatarId(self, credentials: Any) -> Deferred[Any]:
        """
        The L{Authentication} itself serves as avatar id, which saves reading it twice.

        @raise AuthenticationFailed: and its siblings, see L{check}.
        """
        return Deferred.fromCoroutine(self.check(credentials))

    async def check(self, sign_in: SignIn) -> Authentication:
        """
        @raise AuthenticationFailed: unknown name, wrong password, or a second
            factor that this service can not ask for.
        @raise AccountDisabled: right password of a disabled or suspended account.
        @raise AuthorizationFailed: the service is switched off for the account,
            or the application password is for others.
        @raise TempPasswordNotYetValid: right temporary password, too early.
        @raise RateLimited: too many failures.
        @raise Overloaded: too many sign-ins wait already.
        """
        if not passwords.is_possible(sign_in.password):
            raise AuthenticationFailed()
        await self._failures.check_ip(sign_in.ip)
        found = await self._directory.find_by_name(sign_in.username, _MORE_FIELDS)
        if found is None:
            key = normalise.name_view(sign_in.username)
            await self._failures.check(key, sign_in.ip)
            await self._verify(sign_in.password, passwords.UNKNOWN, anew=True)
            await self._failed(key, sign_in)
            raise AuthenticationFailed()
        account, document = found
        if sign_in.service != MASTER:
            given = await self._application_passwords.find(account.id, sign_in.password, self._now())
            if given is not None:
                return self._by_application_password(account, sign_in, given)
        return await self._by_own_password(account, document, sign_in)

    def _by_application_password(
        self, account: Account, sign_in: SignIn, given: ApplicationPassword
    ) -> Authentication:
        self._admit(account, sign_in, given)
        self._notes.succeeded(account, sign_in, "asp", given)
        return Authentication(account, "asp", sign_in.service, asp=given.id)

    async def _by_own_password(
        self, account: Account, document: dict[str, Any], sign_in: SignIn
    ) -> Authentication:
        key = str(account.id)
        await self._failures.check(key, sign_in.ip)
        temporary = None
        if sign_in.service == MASTER:
            temporary = TemporaryPassword.from_document(document.get("tempPassword"), self._now())
        by_temporary = temporary is not None and await self._matches(account, sign_in, temporary.hash)
        stored = document.get("password")
        # Where a second factor is in force the right one is said and counted as wrong, and
        # takes as long: anything else would tell a guesser that the master password is
        # right (spec/differences.md E).
        shut = bool(account.second_factors) and sign_in.service in _WITHOUT_SECOND_FACTOR
        right = by_temporary or await self._matches(account, sign_in, stored, anew=shut)
        if not right or shut:
            await self._refuse(account, sign_in)
        # Guesses that were made at the same time have been counted meanwhile.
        await self._failures.check(key, sign_in.ip)
        await self._failures.check_ip(sign_in.ip)
        if temporary is not None and by_temporary:
            return await self._by_temporary(account, document, sign_in, temporary)
        await self._failures.succeeded(key)
        self._admit(account, sign_in)
        assert isinstance(stored, str)
        self._notes.succeeded(account, sign_in, "master")
        if passwords.is_outdated(stored):
            self._notes.rehash(account.id, sign_in.password, stored)
        return _authentication(account, document, "master", sign_in.service)

    async def _by_temporary(
        self, account: Account, document: dict[str, Any], sign_in: SignIn, temporary: TemporaryPassword
    ) -> Authentication:
        """The master hash stays as it is (spec/differences.md D 'Passwords')."""
        if not temporary.is_valid:
            raise TempPasswordNotYetValid()
        await self._failures.succeeded(str(account.id))
        self._admit(account, sign_in)
        self._notes.succeeded(account, sign_in, "temporary")
        return _authentication(account, document, "temporary", sign_in.service)

    async def _matches(
        self, account: Account, sign_in: SignIn, stored: object, *, anew: bool = False
    ) -> bool:
        """@param anew: compute it, whatever is known."""
        fault = passwords.fault(stored)
        if fault:
            self._log.warn("a password hash of account {user} {fault}", user=str(account.id), fault=fault)
        if fault or not stored:
            await self._verify(sign_in.password, passwords.UNKNOWN, anew=True)
            return False
        return await self._verify(sign_in.password, stored, anew=anew)

    async def _verify(self, password: str, stored: object, *, anew: bool = False) -> bool:
        return await self._verifier.verify(password, stored, anew=anew)

    async def _refuse(self, account: Account, sign_in: SignIn) -> None:
        """@raise AuthenticationFailed: always, or L{RateLimited}."""
        await self._failed(str(account.id), sign_in)
        self._notes.refused(account, sign_in, "fail", "master")
        raise AuthenticationFailed()

    async def _failed(self, key: str, sign_in: SignIn) -> None:
        await self._failures.failed(key, sign_in.ip)
        self._log.info(
            "sign-in failed: {service} from {ip}",
            service=sign_in.service,
            ip=sign_in.ip,
            session=sign_in.session,
        )

    def _admit(self, account: Account, sign_in: SignIn, given: ApplicationPassword | None = None) -> None:
        """
        Whether an account may be used, its password being right.

        @raise AuthorizationFailed: or L{AccountDisabled}.
        """
        source = "asp" if given else "master"
        result, error = _obstacle(account, sign_in.service, given)
        if error is not None:
            self._notes.refused(account, sign_in, result, source, given)
            raise error

    def _now(self) -> datetime.datetime:
        return datetime.datetime.fromtimestamp(self._clock.seconds(), datetime.timezone.utc)


def _obstacle(
    account: Account, service: str, given: ApplicationPassword | None
) -> tuple[str, DomainError | None]:
    """What keeps an account from a service: the result in WildDuck's words and an error."""
    if account.disabled or not account.activated:
        return "disabled", AccountDisabled()
    if account.suspended:
        return "suspended", AccountDisabled()
    if service in account.disabled_scopes or (given is not None and not given.opens(service)):
        return "fail", AuthorizationFailed()
    return "", None


def _authentication(account: Account, document: dict[str, Any], source: Any, service: str) -> Authentication:
    temporary = source == "temporary"
    return Authentication(
        account,
        source,
        service,
        require_2fa=() if temporary else account.second_factors,
        require_2fa_enabled=bool(document.get("require2faEnabled")),
        require_password_change=temporary or bool(document.get("requirePasswordChange")),
    )


@implementer(IRealm)
class AccountRealm:
    """Hands out the account as L{IMailAccount}."""

    def requestAvatar(
        self, avatarId: Any, mind: object, *interfaces: type[Interface]
    ) -> tuple[type[Interface], Account, Callable[[], None]]:
        if IMailAccount not in interfaces:
            raise AuthorizationFailed()
        return IMailAccount, avatarId.account, lambda: None
