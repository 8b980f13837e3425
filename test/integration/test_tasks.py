"""Background tasks of servers in processes of their own."""

from __future__ import annotations

import datetime
import time
from typing import Any

from bson import ObjectId
from pymongo import MongoClient
from twisted.trial import unittest

from test.support.databases import data_folder
from test.support.interrupts import heed_interrupts
from test.support.server_process import ServerProcess, automatic_ports, shared_databases

_PATIENCE = 60.0


class TaskTests(unittest.SynchronousTestCase):
    """Two servers on the same databases: one does tasks, one does not."""

    def setUp(self) -> None:
        heed_interrupts(self)
        self.databases = shared_databases(self)

    def server(self, *sets: str) -> ServerProcess:
        server = ServerProcess(data_folder(self), [*self.databases, *automatic_ports(), *sets], forked=True)
        self.addCleanup(server.close)
        server.start()
        return server

    def test_killed(self) -> None:
        """What a killed server has begun another does; one that does none touches none."""
        idle = self.server("tasks.enabled=false")
        worker = self.server("tasks.poll_seconds=1")
        with MongoClient[dict[str, Any]](idle.run["mongo"]["uri"], directConnection=True) as client:
            database = client.get_default_database()
            # Looked at again after three seconds each: there is time to be killed.
            users = [{"_id": ObjectId(), "unameview": str(n), "storageUsed": 7} for n in range(100)]
            database["users"].insert_many(users)
            id = self.put(database["tasks"])
            self.wait(lambda: database["tasks"].find_one({"_id": id})["status"] == "active")
            worker.kill()
            row = database["tasks"].find_one({"_id": id})
            self.assertEqual(("active", 12), (row["status"], len(row["locked"])))
            # An hour later.
            over = row["lockedUntil"] - datetime.timedelta(hours=1)
            database["tasks"].update_one({"_id": id}, {"$set": {"lockedUntil": over}})
            database["users"].delete_many({"unameview": {"$regex": ".."}})
            other = self.server("tasks.poll_seconds=1")
            self.wait(lambda: database["tasks"].find_one({"_id": id}) is None)
            self.assertEqual(10, database["users"].count_documents({"storageUsed": 0}))
        for server, works in ((idle, False), (other, True)):
            server.stop()
            self.assertEqual(works, "is done" in server.log())
            self.assertFalse(server.errors())

    def put(self, tasks: Any) -> Any:
        """A row as WildDuck writes it."""
        now = datetime.datetime.now(datetime.timezone.utc)
        row = {"task": "quota", "locked": False, "lockedUntil": now, "created": now, "status": "waiting"}
        return tasks.insert_one({**row, "data": {}}).inserted_id

    def wait(self, condition: Any) -> None:
        """Only a failing test waits long."""
        deadline = time.monotonic() + _PATIENCE
        while not condition():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.02)
