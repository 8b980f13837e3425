"""What came out: medians, ratios, and the table for people."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.rows import Row, Sample

_OURS, _PEERS = "ours", ("wildduck", "dovecot")


@dataclass(frozen=True)
class Figure:
    """
    One row of one server, over all rounds.

    @ivar value: the median: seconds of an operation, or in the row's unit.
    @ivar least: the best of all repetitions.
    @ivar most: the worst.
    @ivar server_cpu: seconds of an operation, the median of the rounds.
    @ivar database_cpu: the same, of mongod and redis-server.
    @ivar p99: seconds, the median of the rounds.
    """

    value: float
    least: float
    most: float
    server_cpu: float
    database_cpu: float
    note: str
    p99: float | None = None

    @property
    def cpu(self) -> float:
        return self.server_cpu + self.database_cpu


def figure(samples: Sequence[Sample]) -> Figure:
    """One row of one server."""
    values: list[float] = []
    for sample in samples:
        if sample.value is not None:
            values.append(sample.value)
        else:
            values += [seconds / sample.operations for seconds in sample.seconds]
    counts = [max(1, len(sample.seconds)) * sample.operations for sample in samples]
    p99s = [sample.p99 for sample in samples if sample.p99 is not None]
    server = [max(0.0, sample.server_cpu) / count for sample, count in zip(samples, counts, strict=True)]
    database = [sample.database_cpu / count for sample, count in zip(samples, counts, strict=True)]
    return Figure(
        statistics.median(values),
        min(values),
        max(values),
        statistics.median(server),
        statistics.median(database),
        samples[-1].note,
        statistics.median(p99s) if p99s else None,
    )


@dataclass(frozen=True)
class Line:
    """One row of all servers; a server that can't do it is missing."""

    row: Row
    figures: Mapping[str, Figure]

    def ratio(self, peer: str) -> float | None:
        """How many times better this server is than a peer: less time, less memory."""
        if _OURS not in self.figures or peer not in self.figures:
            return None
        return self.figures[peer].value / max(self.figures[_OURS].value, 1e-9)

    def cpu_ratio(self, peer: str) -> float | None:
        """How many times less CPU, the databases' included; C{None} where it is not known."""
        if _OURS not in self.figures or peer not in self.figures or not self.figures[_OURS].cpu:
            return None
        return self.figures[peer].cpu / self.figures[_OURS].cpu

    def p99_ratio(self, peer: str) -> float | None:
        """How many times shorter the 99th percentile is; C{None} where it is not known."""
        ours, theirs = self.figures.get(_OURS), self.figures.get(peer)
        if ours is None or theirs is None or not ours.p99 or theirs.p99 is None:
            return None
        return theirs.p99 / ours.p99

    @property
    def comparable(self) -> bool:
        """Whether both found the same."""
        notes = {self.figures[name].note for name in (_OURS, "wildduck") if name in self.figures}
        return not self.row.name.startswith("search") or len(notes) <= 1

    def verdict(self) -> str:
        """Against WildDuck: what it shall be, and whether it is."""
        ratio = self.ratio("wildduck")
        if ratio is None:
            return ""
        if not self.comparable:
            return "not judged"
        reached = ratio
        if self.row.name.startswith("lmtp"):
            reached = max(ratio, self.cpu_ratio("wildduck") or 0.0)
        return f"{self.row.target:g}: {'held' if reached >= self.row.target else 'MISSED'}"

    def cells(self) -> list[str]:
        """For a table: title, a server each, ratios, verdict."""
        ours = [self.shown(name) for name in (_OURS, *_PEERS)]
        ratios = []
        for peer in _PEERS:
            ratio, cpu = self.ratio(peer), self.cpu_ratio(peer)
            p99 = self.p99_ratio(peer)
            ratios.append(
                _times(ratio)
                + (f" ({_times(cpu)})" if cpu is not None else "")
                + (f", p99 {_times(p99)}" if p99 is not None else "")
            )
        return [self.row.title, *ours, *ratios, self.verdict()]

    def shown(self, name: str) -> str:
        """What one server gave, for people."""
        found = self.figures.get(name)
        if found is None:
            return ""
        note = f"; {found.note}" if found.note else ""
        if found.p99 is not None:
            note += f"; p99 {_milliseconds(found.p99)}"
        if self.row.unit:
            return f"{found.value:,.0f} {self.row.unit}{note}"
        value = f"{1 / found.value:,.0f}/s" if self.row.rate else _milliseconds(found.value)
        return f"{value} ({_milliseconds(found.server_cpu)} + {_milliseconds(found.database_cpu)}){note}"

    def as_json(self) -> dict[str, Any]:
        """Seconds, bytes and ratios."""
        return {
            "row": self.row.name,
            "title": self.row.title,
            "servers": {name: vars(found) for name, found in self.figures.items()},
            "ratio": {peer: self.ratio(peer) for peer in _PEERS},
            "cpu_ratio": {peer: self.cpu_ratio(peer) for peer in _PEERS},
            "p99_ratio": {peer: self.p99_ratio(peer) for peer in _PEERS},
            "target": self.row.target,
            "verdict": self.verdict(),
        }


HEADINGS = ("", "this server", "WildDuck", "Dovecot", "x WildDuck", "x Dovecot", "target")


def table(lines: Sequence[Line]) -> str:
    """A simple table of reStructuredText, which people can read too."""
    rows = [list(HEADINGS), *(line.cells() for line in lines)]
    rows = [[cell or "\\ " if not index else cell for index, cell in enumerate(row)] for row in rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    rule = "  ".join("=" * width for width in widths)
    text = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
    return "\n".join([rule, text[0], rule, *text[1:], rule])


def _milliseconds(seconds: float) -> str:
    value = seconds * 1000
    if value < 0.001:
        return "0 ms"
    return f"{value:,.0f} ms" if value >= 100 else f"{value:.3g} ms"


def _times(ratio: float | None) -> str:
    if ratio is None:
        return ""
    return f"{ratio:,.0f}" if ratio >= 10 else f"{ratio:.2g}" if ratio < 1 else f"{ratio:.1f}"
