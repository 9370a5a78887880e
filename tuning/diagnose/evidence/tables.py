"""Which tables were read from end to end, and which statements were called how often."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tuning.diagnose.evidence.counters import growth
from tuning.timeline import Sample


@dataclass(frozen=True, slots=True)
class Table:
    name: str
    seq_scans: float
    seq_tuples: float
    rows: float


@dataclass(frozen=True, slots=True)
class Statement:
    text: str
    calls: float
    total_s: float

    @property
    def mean_s(self) -> float:
        return self.total_s / self.calls if self.calls else 0.0


def tables(samples: Sequence[Sample]) -> tuple[Table, ...] | None:
    """Reduce the tables of DATABASE, the one with most rows read first; None with fewer than two samples."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for sample in samples:
        for row in sample.data.get("tables") or ():
            found.setdefault(row["name"], []).append(row)
    if len(samples) < 2:
        return None
    read = [
        Table(
            name,
            growth([row["seq_scan"] or 0 for row in rows]),
            growth([row["seq_tup_read"] or 0 for row in rows]),
            max(float(row["rows"] or 0) for row in rows),
        )
        for name, rows in found.items()
    ]
    return tuple(sorted(read, key=lambda table: -table.seq_tuples))


def statements(samples: Sequence[Sample]) -> tuple[Statement, ...] | None:
    """Reduce STATEMENTS, the one called most first; None with fewer than two samples.

    A statement that the first sample lacks was new: all its calls count.
    """
    if len(samples) < 2:
        return None
    first = {_key(row): row for row in samples[0].data["rows"]}
    found = []
    for row in samples[-1].data["rows"]:
        before = first.get(_key(row), {"calls": 0, "total_ms": 0.0})
        is_reset = row["calls"] < before["calls"]
        calls = row["calls"] - (0 if is_reset else before["calls"])
        total_ms = row["total_ms"] - (0.0 if is_reset else before["total_ms"])
        if calls > 0:
            found.append(Statement(" ".join(str(row["text"]).split()), calls, total_ms / 1000))
    return tuple(sorted(found, key=lambda each: -each.calls))


def _key(row: Mapping[str, Any]) -> tuple[Any, Any]:
    return row.get("query_id"), row.get("text")
