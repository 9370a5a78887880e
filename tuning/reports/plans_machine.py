"""A check of plans for machines: JSON, version 1 of its form, and the annotations of GitHub's workflow commands."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from tuning.contract import Outcome
from tuning.plans.findings import Report
from tuning.plans.saving import Saved
from tuning.reports.lint_machine import data, level, property_
from tuning.reports.plans_text import more, outcomes

VERSION = 1


def as_json(report: Report) -> dict[str, Any]:
    return {
        "v": VERSION,
        "baseline": report.path,
        "counts": outcomes(report) | {"skipped": report.skipped},
        "notes": list(report.notes),
        "statements": [asdict(one) for one in report.checked],
    }


def as_github(report: Report) -> Iterator[str]:
    """Yield one workflow command a finding that counts, and one for each statement that could not be checked."""
    for one in report.checked:
        place = f"file={property_(report.path)},line={max(1, one.line)}"
        about = one.route or one.fingerprint
        if one.skipped:
            yield f"::warning {place},title=not checked::{data(f'{about}: {one.skipped}')}"
        for finding in one.findings:
            if finding.ignored or finding.outcome not in (Outcome.WARN, Outcome.FAIL):
                continue
            text = "\n".join([f"{about}: {finding.message}", *more(finding), *finding.difference])
            yield f"::{level(finding.outcome)} {place},title={property_(finding.rule)}::{data(text)}"


def saved(done: Saved, path: str, notes: list[str]) -> dict[str, Any]:
    return {
        "v": VERSION,
        "baseline": path,
        "statements": len(done.baseline.entries),
        "plans": sum(len(entry.plans) for entry in done.baseline.entries),
        "added": done.added,
        "renewed": done.renewed,
        "known": done.known,
        "skipped": [
            {"fingerprint": query.fingerprint, "route": query.route, "sql": query.sql, "reason": reason}
            for query, reason in done.skipped
        ],
        "notes": notes,
    }
