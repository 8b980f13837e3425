"""LMTP (RFC 2033): how mail comes in (floor 5)."""

from wildduck.lmtp.factory import LmtpFactory

__all__ = ["LmtpFactory"]
