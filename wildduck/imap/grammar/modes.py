"""
What a session has enabled (RFC 5161), as far as it changes how bytes are read and written.

Kept by L{wildduck.imap.session.Session}; the reader and each response are told.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Modes:
    """
    @ivar rev2: IMAP4rev2 (RFC 9051).
    @ivar condstore: MODSEQ is told with flags (RFC 7162 §3.1).
    @ivar qresync: VANISHED is told in place of EXPUNGE (RFC 7162 §3.2).
    @ivar utf8: UTF8=ACCEPT (RFC 6855 §3).
    @ivar uidonly: no message sequence numbers (RFC 9586).
    """

    rev2: bool = False
    condstore: bool = False
    qresync: bool = False
    utf8: bool = False
    uidonly: bool = False

    @property
    def unicode_names(self) -> bool:
        """Mailbox names are UTF-8, not modified UTF-7, and quoted strings may hold it."""
        return self.rev2 or self.utf8

    @property
    def global_messages(self) -> bool:
        """A message/global is a message as message/rfc822 is (RFC 6532 §3.7, RFC 9051 §7.5.2)."""
        return self.rev2 or self.utf8

    @property
    def vanishes(self) -> bool:
        """What is gone is told as VANISHED."""
        return self.qresync or self.uidonly


#: A session that has enabled nothing.
PLAIN = Modes()
