"""Users, their addresses and their sign-in (floor 3)."""

from wildduck.accounts.accounts import Accounts
from wildduck.accounts.daily import IMAP_DOWNLOAD, IMAP_UPLOAD, POP3_DOWNLOAD, DailyLimit, DailyMeter
from wildduck.accounts.shared_sessions import SharedSessions
from wildduck.accounts.signed_in import SessionCounter, SignedIn
from wildduck.accounts.values import Account, Address, Authentication, Recipient, SignIn

__all__ = [
    "IMAP_DOWNLOAD",
    "IMAP_UPLOAD",
    "POP3_DOWNLOAD",
    "Account",
    "Accounts",
    "Address",
    "Authentication",
    "DailyLimit",
    "DailyMeter",
    "Recipient",
    "SessionCounter",
    "SharedSessions",
    "SignIn",
    "SignedIn",
]
