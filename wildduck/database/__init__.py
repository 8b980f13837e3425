"""
MongoDB and Redis: the only code that knows their drivers.

Floor 2 of design.md §2: deadlines, repeats, bounded queues, GridFS, indexes,
locks.  It knows nothing of mail but the names of collections.
"""

from __future__ import annotations

from wildduck.database.codec import decode
from wildduck.database.database import Database, Updated
from wildduck.database.databases import Databases
from wildduck.database.gridfs import GridFS
from wildduck.database.group import Line, WriteGroup
from wildduck.database.locks import Lock, Locks
from wildduck.database.redis import Redis
from wildduck.database.settings import MongoSettings
from wildduck.database.shared_settings import SharedSettings
from wildduck.database.transaction import Transaction

__all__ = [
    "Database",
    "Databases",
    "GridFS",
    "Line",
    "Lock",
    "Locks",
    "MongoSettings",
    "Redis",
    "SharedSettings",
    "Transaction",
    "Updated",
    "WriteGroup",
    "decode",
]
