"""
The task loop: work that the API leaves for later (spec/schema.md C{tasks}, spec/behaviour.md §11).

A face like the others: instead of a client it listens to the database.
"""

from wildduck.tasks.loop import TaskLoop

__all__ = ["TaskLoop"]
