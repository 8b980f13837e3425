"""
Mailboxes, messages, attachments, journal, quota, archive (floor 3 of design.md §2).

L{MailStore} is the way in; what it hands out is in L{wildduck.mailstore.values}.
"""

from __future__ import annotations

from wildduck.mailstore.store import MailStore

__all__ = ["MailStore"]
