"""A report on the connection chain: lines for people, and JSON."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from tuning.chain.findings import Report
from tuning.contract import Outcome

_SHOWN = (Outcome.FAIL, Outcome.WARN)


def lines(report: Report, *, is_verbose: bool) -> Iterator[str]:
    """Yield what was read, the worst findings first, and a last line that counts."""
    yield from report.read
    if report.read:
        yield ""
    for outcome in _SHOWN:
        for verdict in report.verdicts:
            if verdict.outcome is outcome:
                for found in verdict.findings:
                    about = f"alias {found.alias} " if found.alias else ""
                    yield f"{found.outcome} {verdict.rule}: {about}{found.message}"
                yield f"    remedy: {verdict.remedy}"
    for verdict in report.verdicts:
        if verdict.outcome not in _SHOWN and is_verbose:
            yield f"{verdict.outcome:4} {verdict.rule}: {verdict.reason}"
    yield summary(report, is_verbose=is_verbose)


def summary(report: Report, *, is_verbose: bool) -> str:
    counts = ", ".join(f"{report.count(outcome)} {outcome}" for outcome in reversed(Outcome))
    return f"{len(report.verdicts)} rules: {counts}{'' if is_verbose else ' (--verbose says why)'}"


def as_json(report: Report) -> dict[str, Any]:
    counts = {outcome.value: report.count(outcome) for outcome in Outcome}
    return asdict(report) | {"counts": counts}
