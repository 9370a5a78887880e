"""The SQL benchmark's document, as JSON and Markdown."""

from dataclasses import asdict
from typing import Any

from tuning.bench.figures import Spread, ratio
from tuning.bench.matrix import MANY, Case
from tuning.bench.plan import Measured
from tuning.bench.rounds import Row
from tuning.observe.machine import Machine

BASELINES = ("pessimistic", "neveroversell")


def document(found: Measured, machine: Machine, *, rounds: int, seconds: int) -> dict[str, Any]:
    """Everything that was measured, ready for JSON; rates are in reservations a second."""
    accepted = [row for row in found.rows if not row.case.refused and row.samples]
    return {
        "machine": asdict(machine),
        "settings": found.settings,
        "rounds": rounds,
        "seconds": seconds,
        "rows": [_row(row) for row in accepted],
        "ratios": ratios(accepted),
        "refusal": _refusal(found, accepted),
        "growth": {"sizes": [asdict(each) for each in found.growth]} if found.growth else None,
        "sustained": asdict(found.sustained) if found.sustained else None,
        "profile": asdict(found.profile) if found.profile else None,
        "overlap": asdict(found.overlap) if found.overlap else None,
        "audit": [
            {"database": database, "invariant": result.invariant, "violations": result.violations}
            for database, result in found.audit
        ],
        "notes": found.notes,
    }


def ratios(rows: list[Row]) -> list[dict[str, Any]]:
    """Each row over each baseline under the same conditions; batches over single calls of as many clients."""
    by_case = {row.case: row for row in rows}
    found = []
    for row in rows:
        case = row.case
        for name in BASELINES:
            wanted = [Case(name, case.clients, 0, case.path, case.scope, case.synchronous_commit)]
            if case.batch and case.scope == "hot":  # the target's: the best batch against a crowd of single calls
                wanted.append(Case(name, MANY, path=case.path, synchronous_commit=case.synchronous_commit))
            found += [
                _ratio(row, by_case[other]) for other in dict.fromkeys(wanted) if other != case and other in by_case
            ]
    return found


def _ratio(row: Row, baseline: Row) -> dict[str, Any]:
    spread = ratio(row.rates, baseline.rates)
    return {
        "of": row.case.title,
        "over": baseline.case.title,
        "clients": baseline.case.clients,
        "ratio": asdict(spread) if spread else None,
    }


def ratio_sentences(found: dict[str, Any]) -> list[str]:
    """The ratios against a crowd of single calls, of batches the best alone; the document has them all."""
    shown: dict[tuple[str, str], dict[str, Any]] = {}
    for each in found["ratios"]:
        if each["clients"] == MANY and each["ratio"]:
            name = "batched" if each["of"].startswith("batched") else each["of"]
            best = shown.setdefault((name, each["over"]), each)
            if each["ratio"]["median"] > best["ratio"]["median"]:
                shown[name, each["over"]] = each
    return [f"{each['of']} over {each['over']}: {_spread(each['ratio'], '{:.2f}')}." for each in shown.values()]


def violations(found: dict[str, Any]) -> int:
    """How many breaches the audit found."""
    return sum(len(each["violations"]) for each in found["audit"])


TITLES = ("strategy", "where", "protocol", "clients", "min", "median", "max", "errors", "deadlocks")
# What fits on 80 columns.
CONSOLE = (0, 1, 3, 4, 5, 6, 7)


def row_cells(row: dict[str, Any]) -> tuple[str, ...]:
    """One line of the table, under ``TITLES``."""
    rate = row["reservations_per_s"]
    where = [each for each in (row["path"], row["scope"]) if each not in ("direct", "hot")] or ["hot"]
    return (
        f"{row['strategy']} {row['batch']:,}" if row["batch"] else row["strategy"],
        ", ".join([*where, "commit off"] if row["synchronous_commit"] == "off" else where),
        row["protocol"],
        f"{row['clients']}",
        *(f"{rate[name]:,.0f}" for name in ("min", "median", "max")),
        f"{row['errors']:,}",
        f"{row['deadlocks']:,}",
    )


def sentences(found: dict[str, Any]) -> list[str]:
    """What stands beside the table, one sentence each."""
    lines = []
    if refusal := found["refusal"]:
        for each in refusal["rates"]:
            over = each["ratio_to_acceptance"]
            words = f", {_spread(over, '{:.2f}')} times the rate of accepting" if over else ""
            lines.append(f"Sold out, {each['clients']} clients: {_spread(each['refusals_per_s'])} refusals/s{words}.")
        if locked := refusal["while_locked"]:
            lines.append(
                f"A refusal while another session holds the row lock: p50 {locked['p50_ms']} ms, "
                f"p99 {locked['p99_ms']} ms, at most {locked['max_ms']} ms; {locked['waited']} of {locked['calls']:,} "
                "waited."
            )
    lines += [_growth_sentence(each) for each in (found["growth"] or {"sizes": []})["sizes"]]
    if found["sustained"]:
        lines += _sustained_sentences(found["sustained"])
    if each := found["overlap"]:
        lines.append(
            f"Overlapping keys and products, {each['clients']} clients, {each['seconds']} s: about "
            f"{each['requests']:,} requests, {each['reservations']:,} reservations, {each['deadlocks']} deadlocks, "
            f"{each['errors']} errors."
        )
    if each := found["profile"]:
        wal = each["wal_bytes_per_reservation"]
        lines.append(f"A batch of {each['batch']:,} writes {wal} bytes of WAL for each reservation.")
    checked = len(found["audit"])
    lines.append(f"Audit: {checked} checks, {violations(found)} violations.")
    return lines


def _growth_sentence(each: dict[str, Any]) -> str:
    return (
        f"With {each['rows']:,} old reservations, 1 client: {_spread(each['reservations_per_s'])} reservations/s, "
        f"each {_spread(each['cost_ratio'], '{:.2f}')} times the cost beside the fewest, "
        f"p50 {_spread(each['p50_ms'], '{:.3f}')} ms, p99 {_spread(each['p99_ms'], '{:.3f}')} ms."
    )


def _sustained_sentences(each: dict[str, Any]) -> list[str]:
    whole = (
        f"Sustained: {each['reservations']:,} reservations in {each['seconds']:,} s, "
        f"{each['reservations_per_s']:,.0f}/s ({_spread(each['slices'])} by slice), {each['clients']} clients, "
        f"batches of {each['batch']:,}."
    )
    cost = (
        f"Per reservation: {each['wal_bytes_per_reservation']:,} bytes of WAL, {each['blocks_hit_per_reservation']} "
        f"buffers hit, {each['blocks_read_per_reservation']} read. HOT updates of product_stock: "
        f"{each['hot_update_ratio']}. Errors: {each['errors']}, deadlocks: {each['deadlocks']}."
    )
    sizes = ", ".join(f"{name} {size / 2**20:,.0f} MiB" for name, size in each["size_bytes"].items())
    return [whole, f"The inputs are {each['inputs']}.", cost, f"Sizes: {sizes}."]


def markdown(found: dict[str, Any]) -> str:
    """The document for people."""
    machine = found["machine"]
    conditions = (
        f"{found['rounds']} interleaved rounds of {found['seconds']} s on {machine['cores']} cores of {machine['cpu']} "
        f"with {machine['memory_bytes'] / 2**30:.0f} GiB, pgbench on the same machine. Reservations a second, counted "
        "in the database."
    )
    lines = [
        "# Reservations in PostgreSQL, side by side",
        "",
        conditions,
        "",
    ]
    if found["rows"]:
        lines += ["| " + " | ".join(TITLES) + " |", "| --- " + "| ---: " * (len(TITLES) - 1) + "|"]
        lines += ["| " + " | ".join(row_cells(row)) + " |" for row in found["rows"]]
        lines.append("")
    if found["ratios"]:
        lines += ["| of | over | min | median | max |", "| --- | --- | ---: | ---: | ---: |"]
        for each in found["ratios"]:
            cells = [f"{each['ratio'][name]:.2f}" if each["ratio"] else "" for name in ("min", "median", "max")]
            lines.append(f"| {each['of']} | {each['over']} | {' | '.join(cells)} |")
        lines.append("")
    lines += [line + "\n" for line in sentences(found)]
    lines += [
        f"- {each['database']}: {each['invariant']}: {breach}"
        for each in found["audit"]
        for breach in each["violations"]
    ]
    lines += [f"Note: {note}.\n" for note in found["notes"]]
    lines.append("Settings: " + ", ".join(f"{name} {value}" for name, value in found["settings"].items()) + ".")
    if each := found["profile"]:
        lines += ["", "## Where a batch's time goes", ""]
        lines += ["| statement | calls | total, ms | WAL, bytes |", "| --- | ---: | ---: | ---: |"]
        for top in each["statements"]:
            statement = top["statement"][:100].replace("|", "\\|")
            lines.append(f"| `{statement}` | {top['calls']:,} | {top['total_ms']:,.1f} | {top['wal_bytes']:,} |")
        lines += [f"\n```text\n{plan['ms']} ms\n{plan['plan']}\n```" for plan in each["plans"]]
    return "\n".join(lines) + "\n"


def _row(row: Row) -> dict[str, Any]:
    case = row.case
    return {
        "strategy": case.strategy,
        "clients": case.clients,
        "batch": case.batch,
        "path": case.path,
        "scope": case.scope,
        "synchronous_commit": case.synchronous_commit,
        "protocol": row.protocol,
        "reservations_per_s": asdict(Spread.of(row.rates)),
        "per_round": [round(rate, 1) for rate in row.rates],
        "errors": sum(sample.errors for sample in row.samples),
        "deadlocks": sum(sample.deadlocks for sample in row.samples),
        "not_reserved": sum(max(0, s.transactions - s.count) for s in row.samples) if not case.batch else 0,
    }


def _refusal(found: Measured, accepted: list[Row]) -> dict[str, Any] | None:
    refused = [row for row in found.rows if row.case.refused and row.samples]
    if not refused:
        return None
    rates = []
    for row in refused:
        same = [each for each in accepted if each.case == Case("function", row.case.clients)]
        over = ratio(row.rates, same[0].rates) if same else None
        rates.append(
            {
                "clients": row.case.clients,
                "refusals_per_s": asdict(Spread.of(row.rates)),
                "ratio_to_acceptance": asdict(over) if over else None,
                "errors": sum(sample.errors for sample in row.samples),
            }
        )
    return {"rates": rates, "while_locked": asdict(found.while_locked) if found.while_locked else None}


def _spread(values: dict[str, float] | None, form: str = "{:,.0f}") -> str:
    """The median, and the least and the most behind it."""
    if values is None:
        return "no"
    least, middle, most = (form.format(values[name]) for name in ("min", "median", "max"))
    return middle if least == most else f"{middle} ({least} to {most})"
