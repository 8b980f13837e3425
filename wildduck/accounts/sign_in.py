"""
Sign-in: one checker for every face, behind a L{twisted.cred} portal.

The order is WildDuck's (spec/behaviour.md §6): application passwords, which work
even while somebody guesses at the account; then the count of failures, the
temporary password, the master password.

It takes as long for an unknown name as for a wrong password, whatever kinds of
password the account has, and says the same.  What an account may not is told to
the right password only.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any, NoReturn

from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.portal import IRealm
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import Interface, implementer

from wildduck.accounts import normalise, passwords
from wildduck.accounts.application_passwords import (
    MASTER,
    ApplicationPassword,
    ApplicationPasswords,
    normal,
)
from wildduck.accounts.attempts import Attempt, Attempts
from wildduck.accounts.breach_checks import BreachChecks
from wildduck.accounts.directory import Directory
from wildduck.accounts.policy import FailureCounter
from wildduck.accounts.prepared_passwords import forms
from wildduck.accounts.sign_in_notes import SignInNotes
from wildduck.accounts.temporary import TemporaryPassword
from wildduck.accounts.values import Account, Authentication, ISignIn, SignIn
from wildduck.accounts.verified import Verifier
from wildduck.errors import (
    AccountDisabled,
    AuthenticationFailed,
    AuthorizationFailed,
    DomainError,
    RateLimited,
    TempPasswordNotYetValid,
)
from wildduck.interfaces import IMailAccount

#: Faces on which the master password is not enough once a second factor is in
#: force (spec/behaviour.md §6 '2FA').
_WITHOUT_SECOND_FACTOR = ("imap", "pop3", "smtp")

_MORE_FIELDS = dict.fromkeys(
    (
        *("password", "tempPassword", "require2faEnabled", "requirePasswordChange"),
        *("lastPwnedCheck", "passwordPwned"),
    ),
    True,
)


class _Guess:
    """
    One sign-in on its way, and the work that was done for it.

    @ivar computed: hashes.
    @ivar password: the form of the password that was found right last, before that as given.
    """

    __slots__ = ("_forms", "_verifier", "computed", "password", "sign_in")

    def __init__(self, sign_in: SignIn, verifier: Verifier) -> None:
        self.sign_in = sign_in
        self.password = sign_in.password
        self._forms = forms(sign_in.password)
        self._verifier = verifier
        self.computed = 0

    async def verify_letters(self, letters: str, stored: object) -> bool:
        """Whether an application password, which has one form, belongs to a hash."""
        return await self._verify((letters,), stored, False) is not None

    async def verify(self, stored: object, *, anew: bool = False) -> bool:
        """
        Whether the password that was given belongs to a hash, in any of its forms.

        @param anew: compute all of them, whatever is known.
        """
        found = await self._verify(self._forms, stored, anew)
        self.password = self.password if found is None else found
        return found is not None

    async def _verify(self, given: tuple[str, ...], stored: object, anew: bool) -> str | None:
        """@return: which one does, C{None} for none."""
        if not anew:
            for form in given:
                if self._verifier.remembers(form, stored):
                    return form
        found = None
        for form in given:
            self.computed += 1
            if await self._verifier.verify(form, stored, anew=anew) and found is None:
                found = form
                if not anew:
                    break
        return found

    async def even_out(self, *, early: bool = False) -> None:
        """
        Do the work that is left to be refused: a temporary password, or an application
        password in the bucket that is looked at, must not show by the time that it takes.

        @param early: it is refused before the account's own passwords are tried.
        """
        sign_in = self.sign_in
        application = sign_in.service != MASTER and normal(sign_in.password) is not None
        own = len(self._forms)
        temporary = own if sign_in.service == MASTER else 0
        wanted = application if early else own + (application or temporary)
        while self.computed < wanted:
            self.computed += 1
            await self._verifier.verify(sign_in.password, passwords.UNKNOWN, anew=True)


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
        breaches: BreachChecks,
        clock: IReactorTime,
    ) -> None:
        self._breaches = breaches
        self._directory = directory
        self._application_passwords = application_passwords
        self._failures = failures
        self._notes = notes
        self._verifier = verifier
        self._clock = clock
        self._attempts = Attempts()

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
        guess = _Guess(sign_in, self._verifier)
        if found is None:
            await self._by_nobody(guess)
        account, document = found
        with self._attempts.begun(str(account.id), sign_in.password) as attempt:
            if sign_in.service != MASTER:
                given = await self._application_passwords.find(
                    account.id, sign_in.password, self._now(), guess.verify_letters
                )
                if given is not None:
                    return self._by_application_password(account, sign_in, given)
            return await self._by_own_password(account, document, guess, attempt)

    async def _by_nobody(self, guess: _Guess) -> NoReturn:
        """@raise AuthenticationFailed: always, or L{RateLimited}."""
        key = normalise.name_view(guess.sign_in.username)
        await self._check(key, guess)
        await guess.verify(passwords.UNKNOWN, anew=True)
        raise await self._failed(key, guess)

    def _by_application_password(
        self, account: Account, sign_in: SignIn, given: ApplicationPassword
    ) -> Authentication:
        self._admit(account, sign_in, given)
        self._notes.succeeded(account, sign_in, "asp", given)
        return Authentication(account, "asp", sign_in.service, asp=given.id)

    async def _by_own_password(
        self, account: Account, document: dict[str, Any], guess: _Guess, attempt: Attempt
    ) -> Authentication:
        sign_in, key = guess.sign_in, str(account.id)
        await self._check(key, guess)
        temporary = None
        if sign_in.service == MASTER:
            temporary = TemporaryPassword.from_document(document.get("tempPassword"), self._now())
        # One of many guesses at once must not be told by being answered from memory.
        guessed = attempt.has_rivals
        by_temporary = temporary is not None and await self._matches(
            account, guess, temporary.hash, anew=guessed
        )
        stored = document.get("password")
        # Where a second factor is in force the right one is said and counted as wrong, and
        # takes as long: anything else would tell a guesser that the master password is
        # right (spec/differences.md E).
        shut = bool(account.second_factors) and sign_in.service in _WITHOUT_SECOND_FACTOR
        right = by_temporary or await self._matches(account, guess, stored, anew=shut or guessed)
        if not right or shut:
            await self._refuse(account, guess)
        await self._check_again(key, guess, attempt)
        if temporary is not None and by_temporary:
            return await self._by_temporary(account, document, sign_in, temporary)
        await self._failures.succeeded(key)
        self._admit(account, sign_in)
        assert isinstance(stored, str)
        self._notes.succeeded(account, sign_in, "master")
        if passwords.is_outdated(stored):
            self._notes.rehash(account.id, guess.password, stored)
        # Who calls the API may tell the user of it.
        wait = sign_in.service == MASTER
        pwned = await self._breaches.known(document, guess.password, wait=wait)
        return _authentication(account, document, "master", sign_in.service, pwned)

    async def _check(self, key: str, guess: _Guess) -> None:
        """@raise RateLimited: too many failures."""
        try:
            await self._failures.check(key, guess.sign_in.ip)
        except RateLimited:
            await guess.even_out(early=True)
            raise

    async def _check_again(self, key: str, guess: _Guess, attempt: Attempt) -> None:
        """
        Guesses that were made at the same time have been counted meanwhile.

        @raise RateLimited: they were too many; it takes as long as for a wrong one.
        """
        await attempt.earlier()
        try:
            await self._failures.check(key, guess.sign_in.ip)
            await self._failures.check_ip(guess.sign_in.ip)
        except RateLimited:
            await guess.even_out()
            raise

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

    async def _matches(self, account: Account, guess: _Guess, stored: object, *, anew: bool = False) -> bool:
        """@param anew: compute it, whatever is known."""
        fault = passwords.fault(stored)
        if fault:
            self._log.warn("a password hash of account {user} {fault}", user=str(account.id), fault=fault)
        if fault or not stored:
            await guess.verify(passwords.UNKNOWN, anew=True)
            return False
        return await guess.verify(stored, anew=anew)

    async def _refuse(self, account: Account, guess: _Guess) -> NoReturn:
        """@raise AuthenticationFailed: always, or L{RateLimited}."""
        refusal = await self._failed(str(account.id), guess)
        if isinstance(refusal, AuthenticationFailed):
            self._notes.refused(account, guess.sign_in, "fail", "master")
        raise refusal

    async def _failed(self, key: str, guess: _Guess) -> DomainError:
        """
        Count a wrong password, and do the work that is left.

        @return: what it is refused with.
        """
        refusal: DomainError = AuthenticationFailed()
        # First, for the right one among others must find them counted.
        try:
            await self._failures.failed(key, guess.sign_in.ip)
        except RateLimited as error:
            refusal = error
        else:
            self._log.info(
                "sign-in failed: {service} from {ip}",
                service=guess.sign_in.service,
                ip=guess.sign_in.ip,
                session=guess.sign_in.session,
            )
        await guess.even_out()
        return refusal

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


def _authentication(
    account: Account, document: dict[str, Any], source: Any, service: str, pwned: bool = False
) -> Authentication:
    temporary = source == "temporary"
    return Authentication(
        account,
        source,
        service,
        require_2fa=() if temporary else account.second_factors,
        require_2fa_enabled=bool(document.get("require2faEnabled")),
        require_password_change=temporary or bool(document.get("requirePasswordChange")),
        password_pwned=pwned,
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
