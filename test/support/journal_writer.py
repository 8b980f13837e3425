"""
A writer of journal entries as another server is one: a process of its own with a clock of its own.

C{python -m test.support.journal_writer MONGO-PORT DATABASE REDIS-PORT REDIS-NUMBER USER COUNT SECONDS-AHEAD}
prints the ids that it wrote, one a line.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time

import redis
from bson import ObjectId
from pymongo import MongoClient


def main(arguments: list[str]) -> None:
    """Write entries one by one, as fast as it goes, each with its ping."""
    mongo_port, database, redis_port, number, user, count, ahead = arguments
    journal = MongoClient("127.0.0.1", int(mongo_port), directConnection=True)[database].journal
    pings = redis.Redis(port=int(redis_port), db=int(number))
    process = os.urandom(5)
    for n in range(int(count)):
        made = int(time.time() + float(ahead))
        id = ObjectId(made.to_bytes(4, "big") + process + n.to_bytes(3, "big"))
        if random.random() < 0.2:
            # Seen late: others write meanwhile.
            time.sleep(0.05)
        journal.insert_one({"_id": id, "command": "FETCH", "uid": n, "user": ObjectId(user)})
        pings.publish("wd_events", json.dumps({"e": user}))
        print(id, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
