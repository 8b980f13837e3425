"""
What a connection needs to know; C{wildduck.config} has structs of the same shape.

A handle other than main is named by a value with C{/} or C{:}, which is a URI
of its own, or else by a database name on the main connection; empty: the main
database itself (spec/schema.md §0).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class MongoSettingsLike(Protocol):
    """Any value with these attributes."""

    @property
    def uri(self) -> str: ...
    @property
    def users(self) -> str: ...
    @property
    def gridfs(self) -> str: ...
    @property
    def sender(self) -> str: ...
    @property
    def connections(self) -> int: ...
    @property
    def slow_connections(self) -> int: ...


@dataclass(frozen=True)
class MongoSettings:
    """
    @ivar uri: C{mongodb://…/database}.
    @ivar users: accounts.
    @ivar gridfs: attachments.
    @ivar sender: outgoing queue.
    @ivar connections: for quick commands, on each deployment.
    @ivar slow_connections: for scans.
    """

    uri: str
    users: str = ""
    gridfs: str = ""
    sender: str = ""
    connections: int = 2
    slow_connections: int = 2
