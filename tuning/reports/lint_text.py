"""A lint report as lines for people."""

from collections.abc import Iterator

from tuning.contract import Outcome
from tuning.migrations.findings import Finding, Report


def lines(report: Report, *, is_verbose: bool) -> Iterator[str]:
    """Yield the findings and a last line that counts; ``is_verbose`` adds what is harmless and what was skipped."""
    shown = (Outcome.WARN, Outcome.FAIL)
    for finding in report.findings:
        if finding.outcome in shown or is_verbose:
            yield from _finding(finding)
    for note in report.notes:
        yield f"Note: {note}."
    if is_verbose:
        for rule in report.rules:
            if rule.outcome not in shown:
                yield f"{rule.outcome:4} {rule.rule}: {rule.reason}"
    yield summary(report, is_verbose=is_verbose)


def summary(report: Report, *, is_verbose: bool = True) -> str:
    files = f"{report.files} file{'' if report.files == 1 else 's'}"
    counts = ", ".join(f"{report.count(outcome)} {outcome}" for outcome in (Outcome.FAIL, Outcome.WARN))
    rules = ", ".join(f"{report.count(outcome)} {outcome}" for outcome in (Outcome.OK, Outcome.SKIP))
    tail = "" if is_verbose else " (--verbose says why)"
    return f"{files}: {counts}; rules without a finding: {rules}{tail}"


def _finding(finding: Finding) -> Iterator[str]:
    yield f"{finding.path}:{finding.line}: {finding.outcome} {finding.rule}: {finding.message}"
    if finding.lock and not finding.estimate and finding.outcome is not Outcome.OK:
        yield f"    lock: {finding.lock}" + (f" on {finding.table}" if finding.table else "")
    for name in ("reason", "estimate", "facts", "remedy"):
        if text := getattr(finding, name):
            yield f"    {name}: {text}"
    if finding.safe_sequence:
        yield "    safe sequence:"
        for line in finding.safe_sequence.splitlines():
            yield f"      {line}"
