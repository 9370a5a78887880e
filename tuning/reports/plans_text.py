"""A check of plans as sentences, for the terminal and for a pull request."""

from collections.abc import Iterator

from tuning.contract import Outcome
from tuning.plans.findings import Checked, Finding, Report
from tuning.plans.saving import Saved
from tuning.reports.explain_text import SHOWN, escaped, formatted

_MOST_CHARS = 300


def lines(report: Report, *, is_verbose: bool) -> Iterator[str]:
    """Each statement with something to say, then what was found in all."""
    for one in report.checked:
        if not (one.findings or one.skipped or is_verbose):
            continue
        yield heading(one)
        text = " ".join(one.sql.split())
        yield f"  {text if len(text) <= _MOST_CHARS else f'{text[:_MOST_CHARS]} ...'}"
        if one.skipped:
            yield f"  SKIP: {one.skipped}"
        for finding in one.findings:
            yield f"  {first_line(finding)}"
            yield from (f"    {each}" for each in more(finding))
            yield from (f"      {each}" for each in finding.difference)
        if not one.findings and not one.skipped:
            yield f"  OK: {figures(one)}"
        yield ""
    for note in report.notes:
        yield f"Note: {note}."
    yield summary(report)


def heading(one: Checked) -> str:
    runs = f", {one.runs} runs" if one.runs > 1 else ""
    return f"{one.route or 'statement'} | {one.fingerprint}{runs}"


def figures(one: Checked) -> str:
    if one.blocks is None or one.blocks_before is None:
        return f"the plan is as it was; shape {one.shape}"
    return f"{one.blocks:,} blocks, {one.blocks_before:,} before; shape {one.shape}"


def first_line(finding: Finding) -> str:
    ignored = f" (ignored: {finding.ignored})" if finding.ignored else ""
    return f"{finding.outcome} {finding.rule}: {finding.message}{ignored}"


def more(finding: Finding) -> Iterator[str]:
    yield from (f"cause: {cause}" for cause in finding.causes)
    if finding.remedy:
        yield f"remedy: {finding.remedy}"
    if finding.outcome in SHOWN:
        yield f"key: {finding.key}"


def summary(report: Report) -> str:
    counts = ", ".join(f"{report.count(outcome)} {outcome}" for outcome in SHOWN)
    ignored = sum(bool(each.ignored) for one in report.checked for each in one.findings)
    tail = f", {ignored} ignored" if ignored else ""
    tail += f"; {report.skipped} could not be checked" if report.skipped else ""
    return f"{len(report.checked)} statements held against {report.path}: {counts}{tail}"


def markdown(report: Report) -> str:
    """The findings for a pull request; what is as it was is only counted."""
    parts = ["# Plans", "", escaped(summary(report))]
    for note in report.notes:
        parts += ["", f"Note: {escaped(note)}."]
    for one in report.checked:
        if not (one.findings or one.skipped):
            continue
        parts += ["", f"## {escaped(heading(one))}", ""]
        parts += ["```sql", formatted(one.sql).replace("```", "` ` `"), "```", ""]
        if one.skipped:
            parts.append(f"SKIP: {escaped(one.skipped)}")
        for finding in one.findings:
            parts.append(f"- **{escaped(first_line(finding))}**")
            parts += [f"    - {escaped(each)}" for each in more(finding)]
            if finding.difference:
                parts += ["", "```diff", *finding.difference, "```", ""]
    return "\n".join(parts) + "\n"


def saved(done: Saved, path: str) -> Iterator[str]:
    """What was accepted, and what has no plan."""
    for query, reason in done.skipped:
        yield f"SKIP {query.fingerprint} {query.title}"
        yield f"  {reason}"
    entries = done.baseline.entries
    plans = sum(len(entry.plans) for entry in entries)
    yield (
        f"{path}: {len(entries)} statements with {plans} plans; {done.added} new, {done.renewed} measured anew,"
        f" {done.known} known, {len(done.skipped)} without a plan"
    )


def outcomes(report: Report) -> dict[str, int]:
    return {outcome.value: report.count(outcome) for outcome in (Outcome.OK, Outcome.WARN, Outcome.FAIL)}
