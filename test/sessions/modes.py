"""What sessions enable, and what follows from that."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mode:
    """@ivar says: commands at first."""

    says: tuple[str, ...] = ()

    def _has(self, word: str) -> bool:
        return any(word in line.split() for line in self.says)

    @property
    def rev2(self) -> bool:
        """IMAP4rev2: nothing is recent, searches are answered by ESEARCH, what is told unasked has a UID."""
        return self._has("IMAP4rev2")

    @property
    def uidonly(self) -> bool:
        """Messages have no sequence numbers (RFC 9586)."""
        return self._has("UIDONLY")

    @property
    def notify(self) -> bool:
        """News may come at any time (RFC 5465)."""
        return self._has("NOTIFY")

    @property
    def qresync(self) -> bool:
        """It remembers mailboxes and opens them with QRESYNC (RFC 7162 §3.2.5)."""
        return self._has("QRESYNC")

    @property
    def by_uid(self) -> bool:
        """It can ask for nothing by sequence number."""
        return self.uidonly or self.notify

    @property
    def names_news(self) -> bool:
        """What is told of flags unasked comes with the UID (RFC 9051 §7.5.2, RFC 5465 §5.1)."""
        return self.rev2 or self.notify


_NOTIFY = "NOTIFY SET (SELECTED (MessageNew (UID FLAGS) MessageExpunge FlagChange))"

#: By name.
MODES = {
    "plain": Mode(),
    "condstore": Mode(("ENABLE CONDSTORE",)),
    "qresync": Mode(("ENABLE QRESYNC",)),
    "uidonly": Mode(("ENABLE UIDONLY CONDSTORE",)),
    "uidonly qresync": Mode(("ENABLE UIDONLY QRESYNC",)),
    "notify": Mode(("ENABLE QRESYNC", _NOTIFY)),
    "rev2": Mode(("ENABLE IMAP4rev2",)),
    "rev2 qresync": Mode(("ENABLE IMAP4rev2 QRESYNC",)),
    "rev2 uidonly": Mode(("ENABLE IMAP4rev2 UIDONLY QRESYNC",)),
    "rev2 notify": Mode(("ENABLE IMAP4rev2 QRESYNC", _NOTIFY)),
}
