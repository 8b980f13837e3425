"""Users, their addresses and their sign-in (floor 3)."""

from wildduck.accounts.accounts import Accounts
from wildduck.accounts.signed_in import SignedIn
from wildduck.accounts.values import Account, Address, Authentication, Recipient, SignIn

__all__ = ["Account", "Accounts", "Address", "Authentication", "Recipient", "SignIn", "SignedIn"]
