"""How many connections a worker has, in all and from each address."""

from __future__ import annotations

from collections import Counter

from wildduck.network.address import NetworkAddress


class Registry:
    """
    Counts open connections against two bounds; shared by all mail ports of a worker.

    @ivar open: connections that hold a place.
    """

    def __init__(self, limit: int = 10_000, per_address: int = 1000) -> None:
        """
        @param limit: open connections in all.
        @param per_address: of these, from one IPv4 address or IPv6 /64 network.
        """
        self._limit = limit
        self._per_address = per_address
        self._by_group: Counter[str] = Counter()
        self.open = 0

    def enter(self) -> bool:
        """Take a place for a connection whose peer may not be known yet; C{False}: full."""
        if self.open >= self._limit:
            return False
        self.open += 1
        return True

    def leave(self) -> None:
        """Give back what L{enter} took."""
        self.open -= 1

    def claim(self, peer: NetworkAddress) -> bool:
        """Count one connection of this peer; C{False}: it has too many."""
        if self._by_group[peer.group] >= self._per_address:
            return False
        self._by_group[peer.group] += 1
        return True

    def release(self, peer: NetworkAddress) -> None:
        """Give back what L{claim} took."""
        self._by_group[peer.group] -= 1
        if self._by_group[peer.group] <= 0:
            del self._by_group[peer.group]

    def connections_from(self, peer: NetworkAddress) -> int:
        """Open connections of this peer's address or network."""
        return self._by_group.get(peer.group, 0)
