"""The ladder's document: each rung beside the baseline, and beside the targets that the report sets itself."""

from collections.abc import Sequence
from dataclasses import asdict
from statistics import median
from typing import Any

from tuning.lab.ladder import Attempt, Climb
from tuning.lab.published import Published
from tuning.lab.rungs import BASELINE, Rung
from tuning.load.scenario import AVAILABILITY, LIST, RESERVE
from tuning.observe.machine import Machine

FORMAT = "hotrow-ladder/1"
TITLES = (
    "rung", "requests/s", "mean, ms", "P50", "P95", "P99", "failures", "logins", "reserved/s", "x baseline",
)  # fmt: skip
# What fits beside each other on a console of 80 columns; the document has them all.
CONSOLE = (0, 1, 2, 4, 6, 8, 9)
# The report's own targets (its KPI table).
KPI = (
    ("requests/s", "requests_per_s", "at least", 200.0),
    ("mean, ms", "mean_ms", "below", 1_000.0),
    ("P95, ms", "p95_ms", "below", 2_000.0),
    ("failed, %", "failed_percent", "below", 0.1),
    ("reserved/s", "reservations_per_s", "at least", 20.0),
)
FIGURES = (
    "requests_per_s", "mean_ms", "p50_ms", "p95_ms", "p99_ms", "failures", "failed_percent", "logins",
    "reservations_per_s", "unsent", "list_mean_ms", "availability_mean_ms", "reserve_mean_ms",
    "database_ms_per_request", "primary_transactions_per_request",
)  # fmt: skip
MEANS = {"list_mean_ms": LIST, "availability_mean_ms": AVAILABILITY, "reserve_mean_ms": RESERVE}


def document(
    published: Published,
    rungs: Sequence[Rung],
    attempts: Sequence[Attempt],
    asked: Climb,
    machine: Machine,
    *,
    alone: bool,
) -> dict[str, Any]:
    """Everything that the ladder measured, ready for JSON."""
    found = [_rung(rung, [each for each in attempts if each.rung == rung.name]) for rung in rungs]
    base = next((each for each in found if each["name"] == BASELINE), None)
    for each in found:
        each["ratio"] = _ratio(each, base)
        each["kpi"] = {name: _meets(each, name, how, limit) for _, name, how, limit in KPI}
    violations = [
        {"rung": each.rung, "repeat": each.number, **violation}
        for each in attempts
        if each.document is not None
        for violation in each.document["audit"]["violations"]
    ]
    notes = {note for each in attempts if each.document is not None for note in each.document["notes"]}
    return {
        "format": FORMAT,
        "is_alone": alone,
        "conditions": asdict(asked),
        "machine": asdict(machine),
        "published": asdict(published),
        "rungs": found,
        "violations": violations,
        "notes": sorted(notes),
    }


def failed(found: dict[str, Any]) -> list[str]:
    """The rungs of which a repeat did not end well."""
    return [each["name"] for each in found["rungs"] if each["failed"]]


def rows(found: dict[str, Any]) -> list[tuple[str, ...]]:
    """The table, a row for each rung under ``TITLES``."""
    return [_row(each) for each in found["rungs"]]


def verdict(found: dict[str, Any]) -> str:
    """The answer in one sentence."""
    first, last = found["rungs"][0], found["rungs"][-1]
    if found["is_alone"] or first["name"] != BASELINE or first is last or last["ratio"] is None:
        return f"{len(found['rungs'])} rungs were measured."
    p95 = _divided(first["figures"]["p95_ms"]["median"], last["figures"]["p95_ms"]["median"])
    words = f"{last['name']} served {last['ratio']['median']:,.1f} times the requests of the {BASELINE}"
    return f"{words} at 1/{p95:,.1f} of its P95." if p95 else f"{words}."


def markdown(found: dict[str, Any]) -> str:
    """The document for people."""
    asked, machine = found["conditions"], found["machine"]
    load = f"{asked['rate']:g} requests/s due" if asked["rate"] else "closed"
    lines = [
        "# The ladder: " + ("each remedy alone" if found["is_alone"] else "the report's remedies, stacked"),
        "",
        verdict(found),
        "",
        (
            f"{asked['users']:,} users started at {asked['spawn_rate']}/s, {load}, {asked['seconds']} s, "
            f"{asked['rounds']} round(s), on {machine['cores']} cores of {machine['cpu']} with "
            f"{machine['memory_bytes'] / 2**30:.0f} GiB, the load generator on the same machine. "
            "Medians; least to most in brackets."
        ),
        "",
        _line(TITLES),
        _line(["---", *["---:"] * (len(TITLES) - 1)]),
        *(_line(row) for row in rows(found)),
        "",
        "## What each rung changes",
        "",
        _line(("rung", "change", "remedy of the report", "should move")),
        _line(["---"] * 4),
        *(_line((each["name"], each["says"], str(each["remedy"] or ""), each["moves"])) for each in found["rungs"]),
        "",
        "## The report's targets",
        "",
        _line(("rung", *(f"{title} {how} {limit:g}" for title, _, how, limit in KPI))),
        _line(["---"] * (len(KPI) + 1)),
        *(_line((each["name"], *(_kpi(each, name) for _, name, _, _ in KPI))) for each in found["rungs"]),
        "",
        (
            f"Published: {found['published']['requests_per_s']} requests/s, mean {found['published']['mean_ms']:,} ms, "
            f"P95 {found['published']['p95_ms']:,} ms ({found['published']['source']})."
        ),
    ]
    for each in found["rungs"]:
        lines += [f"\n{each['name']} failed in repeat {one['repeat']}: {one['why']}" for one in each["failed"]]
    lines += [
        f"\nAudit: {each['rung']} {each['repeat']}: {each['invariant']}: {each['detail']}"
        for each in found["violations"]
    ]
    if not found["violations"]:
        lines += ["", "Audit: no violations."]
    lines += [f"\nNote: {note}." for note in found["notes"]]
    return "\n".join(lines) + "\n"


def _rung(rung: Rung, attempts: Sequence[Attempt]) -> dict[str, Any]:
    runs = [_figures(each.document) for each in attempts if each.document is not None]
    return {
        "name": rung.name,
        "says": rung.change.says,
        "remedy": rung.change.remedy,
        "moves": rung.change.moves,
        "repeats": len(runs),
        "figures": {name: _spread([run[name] for run in runs]) for name in FIGURES},
        "failed": [{"repeat": each.number, "why": each.failure} for each in attempts if each.document is None],
    }


def _figures(found: dict[str, Any]) -> dict[str, float]:
    load = found["load"]
    reserved = sum(each["count"] - each["failures"] for each in load["by_request"] if each["name"] == RESERVE)
    share = 100 * load["failures"] / load["requests"] if load["requests"] else 0.0
    means = {each["name"]: each.get("mean_ms", 0.0) for each in load["by_request"]}
    seen, answered = found.get("database") or {"active_ms": 0.0, "transactions": 0.0}, load["requests"] or 1
    own = {
        "reservations_per_s": round(reserved / load["seconds"], 2),
        "failed_percent": round(share, 3),
        "unsent": load.get("unsent", 0),
        **{name: means.get(request, 0.0) for name, request in MEANS.items()},
        "database_ms_per_request": round(seen["active_ms"] / answered, 3),
        "primary_transactions_per_request": round(seen["transactions"] / answered, 3),
    }
    return {name: own.get(name, load.get(name, 0)) for name in FIGURES}


def _spread(values: Sequence[float]) -> dict[str, float] | None:
    return {"median": median(values), "min": min(values), "max": max(values)} if values else None


def _ratio(each: dict[str, Any], base: dict[str, Any] | None) -> dict[str, float] | None:
    """Median over median; from the least over the most to the most over the least."""
    mine = each["figures"]["requests_per_s"]
    theirs = base["figures"]["requests_per_s"] if base else None
    if not mine or not theirs or not theirs["min"]:
        return None
    pairs = {"median": ("median", "median"), "min": ("min", "max"), "max": ("max", "min")}
    return {name: round(mine[over] / theirs[under], 2) for name, (over, under) in pairs.items()}


def _meets(each: dict[str, Any], name: str, how: str, limit: float) -> bool | None:
    figure = each["figures"][name]
    if figure is None:
        return None
    return bool(figure["median"] >= limit if how == "at least" else figure["median"] < limit)


def _divided(over: float, under: float) -> float | None:
    return over / under if under else None


def _row(each: dict[str, Any]) -> tuple[str, ...]:
    if not each["repeats"]:
        return (each["name"], "failed", *[""] * (len(TITLES) - 2))
    figures = each["figures"]
    whole = ("mean_ms", "p50_ms", "p95_ms", "p99_ms", "failures", "logins")
    ratio = "" if each["ratio"] is None else _cell(each["ratio"], "{:,.1f}")
    return (
        each["name"],
        _cell(figures["requests_per_s"], "{:,.1f}"),
        *(f"{figures[name]['median']:,.0f}" for name in whole),
        f"{figures['reservations_per_s']['median']:,.1f}",
        ratio,
    )


def _cell(spread: dict[str, float], form: str) -> str:
    text = form.format(spread["median"])
    if spread["min"] == spread["max"]:
        return text
    return f"{text} ({form.format(spread['min'])} to {form.format(spread['max'])})"


def _kpi(each: dict[str, Any], name: str) -> str:
    figure, is_met = each["figures"][name], each["kpi"][name]
    return "" if figure is None else f"{figure['median']:,.1f} {'met' if is_met else 'missed'}"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
