"""What connections of all kinds do with their transport."""

from __future__ import annotations

from twisted.internet.abstract import FileDescriptor


def flush(transport: object) -> None:
    """
    Hand to the system what it takes of what was written, at once.

    Else the reactor does that when what runs now has ended, and has looked for
    what there is to read.  What TLS encrypts comes to the transport in that turn
    only, and so does what is not a descriptor: those are left alone.

    @param transport: one that is connected.
    """
    if not isinstance(transport, FileDescriptor) or getattr(transport, "TLS", False):
        return
    if not transport.disconnecting:
        # What goes wrong is found again by the reactor, which then ends the connection.
        transport.doWrite()
