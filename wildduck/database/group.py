"""
Writes that become durable together (store.md §1).

The oplog has an order, so the majority write that ends a group makes the
earlier w:1 writes of the group durable with it, as long as all of them went to
one primary within one election.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wildduck.database.cluster import Cluster
    from wildduck.database.pool import Pool
    from wildduck.database.wire import Wire


class Line:
    """
    Writes sent one behind the other on one connection, without waiting for the answers between.

    mongod carries out the commands of a connection one by one, in their order.
    That saves a turn of both programs for each.  A write that fails does not
    keep those behind it from being carried out.

    @ivar durable: its last write waits for the majority, and what comes behind it too.
    """

    def __init__(self, durable: bool) -> None:
        self.durable = durable
        self._wire: Wire | None = None

    @property
    def open(self) -> bool:
        """
        Whether the next write goes to where the first was sent.

        C{False}: that one still waits for a connection, or its connection is of
        no use any more; so the next must wait for its answer.
        """
        return self._wire is not None and self._wire.live

    def wire(self, pool: Pool) -> Wire | None:
        """Where the next write to a pool is to be sent; C{None} for anywhere."""
        return self._wire if self._wire is not None and self._wire.pool is pool and self.open else None

    def begin(self, wire: Wire) -> None:
        """The first write goes here."""
        if self._wire is None:
            self._wire = wire

    def flush(self) -> None:
        """
        Send what was given to it so far now, not when the reactor has its next turn.

        For who has work to do that mongod need not wait for.
        """
        if self._wire is not None:
            self._wire.flush()


class WriteGroup:
    """
    Made by L{wildduck.database.Database.group}; hand it to every write of the group.

    Writes that go to another server than the group's are made durable one by
    one, and so are all of them behind a mongos, where nobody tells of the
    elections of a shard.

    @ivar repeated: a write of the group was sent twice.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._home = cluster
        self._token: tuple[Any, Any] | None = None
        self._moved = False
        self.repeated = False

    @property
    def intact(self) -> bool:
        """
        Whether all of the group's writes are as durable as its last one.

        Ask after the last, durable one.  C{False}: the election or the server
        process changed on the way, or a write was repeated; what was written
        must be looked up by L{wildduck.database.Database.find_one_majority}.
        """
        return not (self._moved or self.repeated)

    def must_be_durable(self, cluster: Cluster) -> bool:
        """Whether a write to this cluster can not lean on the group's last one."""
        return cluster is not self._home or cluster.mongos

    def note(self, cluster: Cluster, wire: Wire) -> None:
        """A write was carried out on this connection."""
        if self.must_be_durable(cluster):
            return
        token = (wire.process, wire.election)
        if self._token is None:
            self._token = token
        elif self._token != token:
            self._moved = True
