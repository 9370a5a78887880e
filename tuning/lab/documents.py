"""What a run measured as JSON: the figures, and the document of its folder."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from tuning import timeline
from tuning.lab.rung import Rung
from tuning.lab.rungs import slots
from tuning.load.scenario import LOGIN, RESERVE, Scenario
from tuning.observe.machine import Machine
from tuning.stack.profiles import Profile

FORMAT = "hotrow-run/1"


def measured(rung: Rung) -> dict[str, Any]:
    """The figures of one run, ready for JSON; demo.json and run.json hold them."""
    total = rung.load.total
    counts = {each.name: each.count - each.failures for each in rung.load.by_name}
    return {
        "scenario": rung.load.scenario,
        "seconds": rung.load.seconds,
        "requests_per_s": rung.load.requests_per_s,
        "requests": total.count,
        "mean_ms": total.mean_ms,
        "p50_ms": total.p50_ms,
        "p95_ms": total.p95_ms,
        "p99_ms": total.p99_ms,
        "failures": total.failures,
        "logins": counts.get(LOGIN, 0),
        "reservations": rung.audit.reservations,
        "reservation_requests": counts.get(RESERVE, 0),
        "histogram": total.encoded,
        "by_request": [asdict(each) for each in rung.load.by_name],
        "audit": asdict(rung.audit),
        "pgbouncer": rung.pool,
        "parts": [asdict(part) for part in rung.parts],
        "notes": rung.notes,
    }


def run_document(
    rung: Rung,
    profile: Profile,
    change: str,
    scenario: Scenario,
    seconds: int,
    rate: float,
    machine: Machine,
    recording: Path | None = None,
) -> dict[str, Any]:
    """The run.json of a run folder. ``rate`` is of open arrivals, 0 for closed users; ``recording`` the timeline."""
    load = measured(rung)
    return {
        "format": FORMAT,
        "profile": profile.name,
        "change": change,
        "service": dict(profile.service),
        "slots": slots(profile),
        "users": scenario.users,
        "spawn_rate_per_s": scenario.spawn_rate,
        "seconds": seconds,
        "arrivals": "open" if rate else "closed",
        "rate_per_s": rate or None,
        "scenario": scenario.name,
        "load": {**load, "unsent": rung.load.unsent, "series": rung.load.series},
        "database": None if recording is None else database(recording),
        "audit": load["audit"],
        "parts": load["parts"],
        "notes": load["notes"],
        "pool": rung.pool,
        "machine": asdict(machine),
    }


def database(recording: Path) -> dict[str, float] | None:
    """What the primary did while it was watched: ms of running statements, and transactions; None where it was not."""
    totals = [sample.data["totals"] for sample in timeline.read(recording).of(timeline.DATABASE)]
    if len(totals) < 2:
        return None
    return {
        "active_ms": round(float(totals[-1]["active_time"]) - float(totals[0]["active_time"]), 1),
        "transactions": float(totals[-1]["xact_commit"]) - float(totals[0]["xact_commit"]),
    }
