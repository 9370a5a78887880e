"""What a server's catalog was found to say: lines for people, and JSON of the same."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from tuning.advisors.findings import Finding, Report
from tuning.contract import Outcome

_BAD = (Outcome.FAIL, Outcome.WARN)


def lines(report: Report, *, is_verbose: bool) -> Iterator[str]:
    """Yield what was read, the findings in their order, what was skipped and why, and a last line that counts."""
    yield from report.read
    yield ""
    shown = [finding for finding in report.findings if finding.outcome in _BAD]
    last = {finding.rule: finding for finding in shown if not finding.ignored}
    for finding in shown:
        yield from _finding(finding, is_last=last.get(finding.rule) is finding)
    for finding in report.findings:
        if finding.outcome is Outcome.SKIP and finding.about:
            yield f"SKIP {finding.rule}: {finding.message}"
    told = {finding.rule for finding in report.findings if finding.outcome is Outcome.SKIP and finding.about}
    for rule in report.rules:
        if rule.outcome is Outcome.SKIP and rule.rule not in told:
            yield f"SKIP {rule.rule}: {rule.reason}"
    # A part of a rule's question that is open although the rest of it was answered.
    by_rule = {rule.rule: rule.outcome for rule in report.rules}
    for finding in report.findings:
        if finding.outcome is Outcome.SKIP and not finding.about and by_rule[finding.rule] is not Outcome.SKIP:
            yield f"SKIP {finding.rule}: {finding.message}"
    if is_verbose:
        for rule in report.rules:
            if rule.outcome is Outcome.OK:
                yield f"OK   {rule.rule}: {rule.reason}"
    yield from (f"not read: {note}" for note in report.notes)
    if report.spent is not None:
        yield f"{report.spent}"
    yield summary(report, is_verbose=is_verbose)


def _finding(finding: Finding, *, is_last: bool) -> Iterator[str]:
    ignored = f" (ignored: {finding.ignored})" if finding.ignored else ""
    yield f"{finding.outcome} {finding.rule}: {finding.message}{ignored}"
    if finding.ignored:
        return
    yield from (f"    {statement};" for statement in finding.sql)
    if is_last:
        yield f"    remedy: {finding.remedy}"


def summary(report: Report, *, is_verbose: bool) -> str:
    ignored = sum(bool(finding.ignored) for finding in report.findings)
    found = f"{report.count(Outcome.FAIL)} FAIL, {report.count(Outcome.WARN)} WARN"
    rules = f"{report.count(Outcome.OK)} OK, {report.count(Outcome.SKIP)} SKIP of {len(report.rules)} rules"
    return f"{found}, {ignored} ignored; {rules}{'' if is_verbose else ' (--verbose tells of those that are OK)'}"


def as_json(report: Report) -> dict[str, Any]:
    counts = {outcome.value: report.count(outcome) for outcome in Outcome}
    told = asdict(report)
    spent = told.pop("spent")
    return told | {"server": spent, "counts": counts}
