"""The benchmark of overload, as JSON and Markdown."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from tuning.bench.figures import Spread
from tuning.bench.flood import PATIENCE_S
from tuning.bench.overload import AFTERWARDS, CALLERS, GOOD_S, OVERLOAD, Measured, Row
from tuning.observe.machine import Machine

# Nine of them on a terminal of 80 columns; times are in ms, but for the last.
TITLES = ("strategy", "shed", "peak/s", "good", "p99 ms", "503 p50", "503 p99", "lost/s", "normal s")
# Later than this, or busier, and the load was the bound and not the service.
MAX_LAG_MS = 100.0
MAX_CPU = 0.8


def document(found: Measured, machine: Machine, *, rounds: int, seconds: int, is_apart: bool) -> dict[str, Any]:
    """Everything that was measured, ready for JSON."""
    return {
        "machine": asdict(machine),
        "settings": {"overload": OVERLOAD, "afterwards": AFTERWARDS, "callers": CALLERS, **found.parts},
        "rounds": rounds,
        "seconds": seconds,
        "is_apart": is_apart,
        "rows": [_row(row) for row in found.rows],
        "audit": [asdict(result) for result in found.audit],
        "notes": [*found.notes, *_bounds(found)],
    }


def failed(found: dict[str, Any]) -> int:
    """Answers that were neither a success nor 503, and violations of invariants."""
    wrong = sum(each["failed"] for row in found["rows"] for each in row["floods"])
    return int(wrong + sum(len(result["violations"]) for result in found["audit"]))


def rows(found: dict[str, Any]) -> list[tuple[str, ...]]:
    """The table, under ``TITLES``."""
    return [
        (
            row["strategy"],
            row["shedding"],
            _cell(row["peak_per_s"], ",.0f"),
            _cell(row["good_over_peak"], ".2f"),
            _cell(row["good_p99_ms"], ",.0f"),
            _cell(row["refused_p50_ms"], ",.0f"),
            _cell(row["refused_p99_ms"], ",.0f"),
            _cell(row["lost_per_s"], ",.0f"),
            _cell(row["normal_s"], ".1f"),
        )
        for row in found["rows"]
    ]


def sentence(found: dict[str, Any]) -> str:
    """What the load took of the machine, in words."""
    floods = [each for row in found["rows"] for each in row["floods"]]
    cpu, lag = max(each["generator_cpu"] for each in floods), max(each["generator_lag_ms"] for each in floods)
    return f"The load took {cpu:.0%} of a core at the most and was {lag:.0f} ms late. Wrong answers: {failed(found)}."


def markdown(found: dict[str, Any]) -> str:
    """The document for people."""
    machine = found["machine"]
    place = "a core of its own" if found["is_apart"] else "the same cores"
    conditions = (
        f"{found['rounds']} rounds on {machine['cores']} cores of {machine['cpu']} with "
        f"{machine['memory_bytes'] / 2**30:.0f} GiB, load on {place}; medians. {OVERLOAD:.0f} times the peak "
        f"of the service without shedding for {found['seconds']} s, then {AFTERWARDS} times. Good is a success within "
        f"{GOOD_S:.0f} s of when the request was due, as a share of the peak; lost is none after "
        f"{PATIENCE_S:.0f} s, when the client hangs up. "
        "Four of five requests reserve a unit of one product, the fifth reads the list."
    )
    lines = ["# Overload", "", conditions, "", "| " + " | ".join(TITLES) + " |"]
    lines += ["| --- | --- | " + " | ".join(["---:"] * (len(TITLES) - 2)) + " |"]
    lines += ["| " + " | ".join(row) + " |" for row in rows(found)]
    lines += ["", sentence(found), *(f"\nNote: {note}." for note in found["notes"])]
    return "\n".join(lines) + "\n"


def _row(row: Row) -> dict[str, Any]:
    floods = row.floods
    shares = [flood.good / peak for flood, peak in zip(floods, row.peaks, strict=True)]
    return {
        "strategy": row.strategy,
        "shedding": row.shedding,
        "peak_per_s": _spread(row.peaks),
        "peak_before_per_s": _spread(row.before),
        "good_over_peak": _spread(shares, digits=2),
        "good_p99_ms": _spread([each.good_p99_ms for each in floods]),
        "refused_p50_ms": _spread([each.refused_p50_ms for each in floods]),
        "refused_p99_ms": _spread([each.refused_p99_ms for each in floods]),
        "lost_per_s": _spread([each.lost for each in floods]),
        "normal_s": _spread([each.normal_s for each in floods]),
        "floods": [asdict(each) for each in floods],
    }


def _spread(values: Sequence[float | None], digits: int = 1) -> dict[str, float] | None:
    """Over the rounds; None where one of them has no value."""
    known = [value for value in values if value is not None]
    return asdict(Spread.of(known, digits=digits)) if known and len(known) == len(values) else None


def _cell(spread: dict[str, float] | None, form: str) -> str:
    return f"{spread['median']:{form}}" if spread else "-"


def _bounds(found: Measured) -> list[str]:
    bound = [
        f"{row.strategy}, shedding {row.shedding}"
        for row in found.rows
        if any(each.generator_cpu > MAX_CPU or each.generator_lag_ms > MAX_LAG_MS for each in row.floods)
    ]
    return [f"the load was late, so that less was offered at a time than is said: {'; '.join(bound)}"] if bound else []
