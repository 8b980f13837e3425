"""
Sign-in: one checker for every face, behind a L{twisted.cred} portal.

It takes as long for an unknown name as for a wrong password, and says the
same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.portal import IRealm
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from zope.interface import Interface, implementer

from wildduck.accounts import normalise, passwords
from wildduck.accounts.directory import Directory
from wildduck.accounts.policy import FailureCounter
from wildduck.accounts.values import Account, ISignIn, SignIn
from wildduck.errors import AccountDisabled, AuthenticationFailed, AuthorizationFailed
from wildduck.interfaces import IMailAccount
from wildduck.threads import BoundedPool

#: Faces on which the master password is not enough once a second factor is in
#: force (spec/behaviour.md §6 '2FA').
_WITHOUT_SECOND_FACTOR = ("imap", "pop3", "smtp")


@implementer(ICredentialsChecker)
class PasswordChecker:
    """Checks L{SignIn} credentials against the C{users} collection."""

    credentialInterfaces = (ISignIn,)
    _log = Logger()

    def __init__(self, directory: Directory, failures: FailureCounter, pool: BoundedPool) -> None:
        self._directory = directory
        self._failures = failures
        self._pool = pool

    def requestAvatarId(self, credentials: Any) -> Deferred[Any]:
        """
        The L{Account} itself serves as avatar id, which saves reading it twice.

        @raise AuthenticationFailed: and its siblings, see L{check}.
        """
        return Deferred.fromCoroutine(self.check(credentials))

    async def check(self, sign_in: SignIn) -> Account:
        """
        @raise AuthenticationFailed: unknown name, wrong password, or a second
            factor that this service can not ask for.
        @raise AccountDisabled: right password of a disabled or suspended account.
        @raise AuthorizationFailed: the service is switched off for the account.
        @raise RateLimited: too many failures.
        """
        if not passwords.is_possible(sign_in.password):
            raise AuthenticationFailed()
        found = await self._directory.find_by_name(sign_in.username, {"password": True})
        key = str(found[0].id) if found else normalise.name_view(sign_in.username)
        await self._failures.check(key)
        stored = found[1].get("password") if found else None
        matches = await self._pool.run(
            passwords.verify_password,
            sign_in.password,
            stored if isinstance(stored, str) else passwords.UNKNOWN,
        )
        if found is None or not matches:
            await self._failures.failed(key)
            self._log.info(
                "sign-in failed: {service} from {ip}",
                service=sign_in.service,
                ip=sign_in.ip,
                session=sign_in.session,
            )
            raise AuthenticationFailed()
        # Guesses that were made at the same time have been counted meanwhile.
        await self._failures.check(key)
        await self._failures.succeeded(key)
        return _admit(found[0], sign_in.service)


def _admit(account: Account, service: str) -> Account:
    if account.disabled or account.suspended or not account.activated:
        raise AccountDisabled()
    if service in account.disabled_scopes:
        raise AuthorizationFailed()
    if account.second_factors and service in _WITHOUT_SECOND_FACTOR:
        # Said as a wrong password: anything else would tell a guesser that the
        # master password is right (spec/differences.md E).
        raise AuthenticationFailed()
    return account


@implementer(IRealm)
class AccountRealm:
    """Hands out the account as L{IMailAccount}."""

    def requestAvatar(
        self, avatarId: Any, mind: object, *interfaces: type[Interface]
    ) -> tuple[type[Interface], Account, Callable[[], None]]:
        if IMailAccount not in interfaces:
            raise AuthorizationFailed()
        return IMailAccount, avatarId, lambda: None
