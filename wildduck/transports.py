"""What connections of all kinds do with their transport."""

from __future__ import annotations

from twisted.internet.abstract import FileDescriptor


def flush(transport: object) -> None:
    """
    Hand to the system what it takes of what was written, at once.

    Else the reactor does that when what runs now has ended, and has looked for
    what there is to read.  A transport that keeps to that, as one of TLS, is left alone.

    @param transport: one that is connected.
    """
    if isinstance(transport, FileDescriptor) and not transport.disconnecting:
        # What goes wrong is found again by the reactor, which then ends the connection.
        transport.doWrite()
