"""The HTTP benchmark's document, as JSON and Markdown."""

from dataclasses import asdict
from typing import Any

from tuning.bench.figures import Spread, ratio
from tuning.bench.http import PEER, SERVICE, Hit, Measured, Served
from tuning.observe.machine import Machine

TITLES = ("server", "load", "connections", "min", "median", "max", "p50, ms", "p99, ms", "non-2xx")


def document(found: Measured, machine: Machine, *, rounds: int, seconds: int) -> dict[str, Any]:
    """Everything that was measured, ready for JSON; rates are answers below 400 in a second."""
    return {
        "machine": asdict(machine),
        "settings": {"strategy": found.strategy, **found.parts},
        "rounds": rounds,
        "seconds": seconds,
        "rows": [_row(row) for row in found.rows],
        "ratios": ratios(found.rows),
        "audit": [{"invariant": each.invariant, "violations": each.violations} for each in found.audit],
        "notes": found.notes,
    }


def ratios(rows: list[Served]) -> list[dict[str, Any]]:
    """Each load over the empty view of the same server, and the service over its peer, round by round."""
    by_hit = {row.hit: row for row in rows}
    found = []
    for hit, row in by_hit.items():
        others = [Hit(hit.server, "empty", hit.connections)] if hit.load != "empty" else []
        others += [Hit(PEER, hit.load, hit.connections)] if hit.server == SERVICE else []
        for other in others:
            if other in by_hit:
                spread = ratio(_rates(row), _rates(by_hit[other]))
                found.append({"of": _title(hit), "over": _title(other), "ratio": asdict(spread) if spread else None})
    return found


def violations(found: dict[str, Any]) -> int:
    """How many breaches the audit found."""
    return sum(len(each["violations"]) for each in found["audit"])


def row_cells(row: dict[str, Any]) -> tuple[str, ...]:
    """One line of the table, under ``TITLES``."""
    rate = row["requests_per_s"]
    return (
        row["server"],
        row["load"],
        f"{row['connections']}",
        *(f"{rate[name]:,.0f}" for name in ("min", "median", "max")),
        f"{row['p50_ms']['median']:,.1f}",
        f"{row['p99_ms']['median']:,.1f}",
        f"{row['non_2xx']:,}",
    )


def ratio_sentence(each: dict[str, Any]) -> str:
    """One ratio in words."""
    if each["ratio"] is None:
        return f"{each['of']} over {each['over']}: nothing to compare."
    values = each["ratio"]
    return f"{each['of']} over {each['over']}: {values['median']:.2f} ({values['min']:.2f} to {values['max']:.2f})."


def markdown(found: dict[str, Any]) -> str:
    """The document for people."""
    machine = found["machine"]
    conditions = (
        f"Strategy {found['settings']['strategy']}, {found['rounds']} interleaved rounds of {found['seconds']} s on "
        f"{machine['cores']} cores of {machine['cpu']} with {machine['memory_bytes'] / 2**30:.0f} GiB, wrk on the same "
        "machine. Requests a second that were answered below 400."
    )
    lines = ["# Reservations over HTTP", "", conditions, ""]
    lines += ["| " + " | ".join(TITLES) + " |", "| --- | --- " + "| ---: " * (len(TITLES) - 2) + "|"]
    lines += ["| " + " | ".join(row_cells(row)) + " |" for row in found["rows"]]
    lines += ["", *(f"- {ratio_sentence(each)}" for each in found["ratios"]), ""]
    lines.append(f"Audit: {len(found['audit'])} checks, {violations(found)} violations.")
    lines += [f"- {each['invariant']}: {breach}" for each in found["audit"] for breach in each["violations"]]
    lines += [f"\nNote: {note}." for note in found["notes"]]
    return "\n".join(lines) + "\n"


def _row(row: Served) -> dict[str, Any]:
    return {
        **asdict(row.hit),
        "requests_per_s": asdict(Spread.of(_rates(row))),
        "per_round": [round(rate, 1) for rate in _rates(row)],
        "p50_ms": asdict(Spread.of([each.p50_ms for each in row.rounds], digits=2)),
        "p99_ms": asdict(Spread.of([each.p99_ms for each in row.rounds], digits=2)),
        "max_ms": round(max(each.max_ms for each in row.rounds), 2),
        "requests": sum(each.requests for each in row.rounds),
        "reserved": sum(row.reserved),
        "non_2xx": sum(each.non_2xx for each in row.rounds),
        "broken": sum(each.broken for each in row.rounds),
        "timeouts": sum(each.timeouts for each in row.rounds),
    }


def _rates(row: Served) -> list[float]:
    return [each.answered_per_s for each in row.rounds]


def _title(hit: Hit) -> str:
    return f"{hit.server} {hit.load}, {hit.connections} connections"
