"""POP3 (RFC 1939): INBOX for those who fetch their mail (floor 5)."""

from wildduck.pop3.factory import Pop3Factory

__all__ = ["Pop3Factory"]
