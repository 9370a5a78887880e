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
    first, last = _summed(samples[0].data["rows"]), _summed(samples[-1].data["rows"])
    found = []
    for key, (calls, total_ms) in last.items():
        before_calls, before_ms = first.get(key, (0.0, 0.0))
        if calls < before_calls:
            before_calls, before_ms = 0.0, 0.0
        if calls > before_calls:
            found.append(Statement(key[1], calls - before_calls, max(total_ms - before_ms, 0.0) / 1000))
    return tuple(sorted(found, key=lambda each: -each.calls))


def _summed(rows: Sequence[Mapping[str, Any]]) -> dict[tuple[Any, str], tuple[float, float]]:
    """Calls and ms of each statement; the same of several users or databases is one."""
    found: dict[tuple[Any, str], tuple[float, float]] = {}
    for row in rows:
        key = (row.get("query_id"), " ".join(str(row["text"]).split()))
        calls, total_ms = found.get(key, (0.0, 0.0))
        found[key] = (calls + row["calls"], total_ms + row["total_ms"])
    return found
