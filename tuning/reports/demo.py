"""The demo's document: the report's configuration beside the kit's, as JSON and Markdown."""

from dataclasses import asdict
from typing import Any

from tuning.lab.documents import measured
from tuning.lab.published import Published
from tuning.lab.rung import Rung
from tuning.observe.machine import Machine


def document(
    published: Published, report: Rung, kit: Rung, machine: Machine, *, users: int, spawn_rate: int, seconds: int
) -> dict[str, Any]:
    """Everything that the demo measured, ready for JSON."""
    findings = _findings(report) + _findings(kit)
    configurations = {"report": measured(report), "kit": measured(kit)}
    old, new = configurations["report"], configurations["kit"]
    return {
        "scenario": {"users": users, "spawn_rate": spawn_rate, "seconds": seconds},
        "machine": asdict(machine),
        "published": asdict(published),
        **configurations,
        "ratio": {
            "requests_per_s": _ratio(new["requests_per_s"], old["requests_per_s"]),
            "mean_ms": _ratio(old["mean_ms"], new["mean_ms"]),
            "p95_ms": _ratio(old["p95_ms"], new["p95_ms"]),
            "reservations": _ratio(new["reservations"], old["reservations"]),
        },
        "audit": {"violations": len(findings), "findings": findings},
    }


def _findings(rung: Rung) -> list[dict[str, str]]:
    """What the audit of one rung found, and whether its reservations took the way they should."""
    found = [{"profile": rung.profile, **asdict(violation)} for violation in rung.audit.violations]
    if rung.pool is not None and rung.pool["total_xact_count"] < rung.audit.reservations:
        detail = f"{rung.audit.reservations} reservations, {rung.pool['total_xact_count']} transactions in SHOW STATS"
        found.append({"profile": rung.profile, "invariant": "reservations_pass_pgbouncer", "detail": detail})
    return found


def rows(found: dict[str, Any]) -> list[tuple[str, str, str, str, str]]:
    """The table: measure, published, report's configuration, kit's configuration, how much better."""
    published, report, kit, ratio = found["published"], found["report"], found["kit"], found["ratio"]
    return [
        _row("requests/s", published, report, kit, "requests_per_s", "{:,.1f}", ratio["requests_per_s"]),
        _row("mean, ms", published, report, kit, "mean_ms", "{:,.0f}", ratio["mean_ms"]),
        _row("P95, ms", published, report, kit, "p95_ms", "{:,.0f}", ratio["p95_ms"]),
        _row("failures", published, report, kit, "failures", "{:,}", None),
        _row("logins", published, report, kit, "logins", "{:,}", None),
        _row("reservations", published, report, kit, "reservations", "{:,}", ratio["reservations"]),
    ]


def markdown(found: dict[str, Any]) -> str:
    """The document for people."""
    scenario, machine = found["scenario"], found["machine"]
    conditions = (
        f"{scenario['users']:,} users started at {scenario['spawn_rate']}/s, {scenario['seconds']} s each, on "
        f"{machine['cores']} cores of {machine['cpu']} with {machine['memory_bytes'] / 2**30:.0f} GiB, the load "
        "generator on the same machine."
    )
    lines = [
        "# Flash sale: the report's configuration and the kit's",
        "",
        verdict(found),
        "",
        conditions,
        "",
        "| | published | report's configuration | kit's configuration | better by |",
        "| --- | ---: | ---: | ---: | ---: |",
        *(f"| {' | '.join(row)} |" for row in rows(found)),
        "",
        f"Published: {found['published']['source']}.",
    ]
    for name, title in (("report", "The report's configuration"), ("kit", "The kit's configuration")):
        part = found[name]
        lines += ["", f"## {title}", "", "| request | count | failures | mean, ms | P50 | P95 | P99 | max |"]
        lines += ["| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"]
        lines += [
            f"| {each['name']} | {each['count']:,} | {each['failures']:,} | {each['mean_ms']:,.0f}"
            f" | {each['p50_ms']:,.0f} | {each['p95_ms']:,.0f} | {each['p99_ms']:,.0f} | {each['max_ms']:,.0f} |"
            for each in part["by_request"]
        ]
        lines += ["", audit_sentence(part)]
        lines += ["", "Parts: " + ", ".join(f"{each['name']} {each['version']}" for each in part["parts"]) + "."]
        lines += [f"\nNote: {note}." for note in part["notes"]]
    lines += [f"- {each['profile']}: {each['invariant']}: {each['detail']}" for each in found["audit"]["findings"]]
    return "\n".join(lines) + "\n"


def verdict(found: dict[str, Any]) -> str:
    """The answer in one sentence."""
    ratio, violations = found["ratio"], found["audit"]["violations"]
    rate, p95 = ratio["requests_per_s"], ratio["p95_ms"]
    if rate is None or p95 is None:
        return "One of the two configurations answered nothing, so there is nothing to compare."
    stock = "no unit was oversold or lost" if not violations else f"the audit found {violations} violations"
    return f"The kit's configuration served {rate:,.1f} times the requests at 1/{p95:,.1f} of the P95; {stock}."


def audit_sentence(part: dict[str, Any]) -> str:
    """What the audit of one configuration says."""
    checked, pool = part["audit"], part["pgbouncer"]
    words = (
        f"Audit: {checked['reservations']:,} reservations of {checked['units']:,} units in the database, "
        f"{checked['acknowledged']:,} acknowledged, {checked['unanswered']:,} without an answer, "
        f"{len(checked['violations']):,} violations."
    )
    if pool is not None:
        words += f" PgBouncer passed {pool['total_xact_count']:,} transactions on."
    return words


def _ratio(better: float, worse: float) -> float | None:
    return round(better / worse, 1) if worse else None


def _row(
    title: str,
    published: dict[str, Any],
    report: dict[str, Any],
    kit: dict[str, Any],
    name: str,
    form: str,
    ratio: float | None,
) -> tuple[str, str, str, str, str]:
    figures = (form.format(part[name]) for part in (published, report, kit))
    return (title, *figures, "" if ratio is None else f"{ratio:,.1f}x")  # type: ignore[return-value]  # three figures
