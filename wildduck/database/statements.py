"""Statements of write commands, and as many in one as mongod takes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from wildduck import limits

Filter = Mapping[str, Any]
#: An update document or the stages of a pipeline update.
Update = Mapping[str, Any] | Sequence[Mapping[str, Any]]


def statement(filter: Filter, update: Update, *, upsert: bool = False, multi: bool = False) -> dict[str, Any]:
    one: dict[str, Any] = {"q": filter, "u": update}
    if upsert:
        one["upsert"] = True
    if multi:
        one["multi"] = True
    return one


def batches_of(encoded: Iterable[bytes]) -> Iterable[list[bytes]]:
    """Documents in commands of at most 1,000 and C{limits.COMMAND_BYTES}."""
    batch: list[bytes] = []
    size = 0
    for data in encoded:
        if batch and (len(batch) >= limits.BATCH_ROWS or size + len(data) > limits.COMMAND_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(data)
        size += len(data)
    if batch:
        yield batch
