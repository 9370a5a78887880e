"""A report on plans as sentences, shared by the terminal and by Markdown, and as Markdown."""

from collections.abc import Iterator

import sqlparse

from tuning.contract import Outcome
from tuning.explain.findings import Finding, Judged, Report
from tuning.reports import explain_tree

# sqlparse takes seconds for long lists of values, and nobody reads them.
MAX_FORMATTED_CHARS = 8000
SHOWN = (Outcome.FAIL, Outcome.WARN)


def formatted(sql: str) -> str:
    """A statement in lines, cut where it is very long."""
    if len(sql) > MAX_FORMATTED_CHARS:
        return f"{sql[:MAX_FORMATTED_CHARS]} ... ({len(sql):,} characters)"
    return str(sqlparse.format(sql.strip(), reindent=True, keyword_case="upper"))


def heading(judged: Judged) -> str:
    """What the statement is and what it costs, in a line."""
    statement = judged.statement
    parts = [statement.route or judged.source if statement else judged.source]
    if statement is not None:
        parts.append(f"{statement.calls:,} call{'' if statement.calls == 1 else 's'}, {statement.total_ms:,.1f} ms")
        parts.append(statement.fingerprint)
    return " | ".join(parts)


def totals(judged: Judged) -> str:
    plan = judged.plan
    if plan is None:
        return ""
    if not plan.was_executed:
        return f"cost {plan.root.total_cost:,.0f}, not executed; shape {plan.shape}"
    parts = [f"{plan.total_ms:,.1f} ms"] if plan.has_timing else []
    if plan.planning_ms is not None:
        parts.append(f"planning {plan.planning_ms:,.1f} ms")
    if plan.has_blocks:
        parts.append(f"{plan.touched_blocks:,} blocks, {plan.root.blocks.read:,} read")
    return ", ".join([*parts, f"shape {plan.shape}"])


def findings(judged: Judged, *, is_verbose: bool) -> Iterator[tuple[Finding, str]]:
    """Yield each finding that is to be shown, with its first line."""
    for finding in judged.findings:
        if finding.outcome not in SHOWN and not is_verbose:
            continue
        where = f" at {finding.label}" if finding.label else ""
        ignored = f" (ignored: {finding.ignored})" if finding.ignored else ""
        yield finding, f"{finding.outcome} {finding.rule}{where}: {finding.message}{ignored}"


def more(finding: Finding) -> Iterator[str]:
    if finding.remedy:
        yield f"remedy: {finding.remedy}"
    for consequence in finding.explains:
        yield f"explains {consequence}"
    if finding.outcome in SHOWN:
        yield f"key: {finding.key}"


def skipped(judged: Judged) -> Iterator[str]:
    for rule in judged.rules:
        if rule.outcome is Outcome.SKIP:
            yield f"SKIP {rule.rule}: {rule.reason}"


def summary(report: Report) -> str:
    counts = ", ".join(f"{report.count(outcome)} {outcome}" for outcome in SHOWN)
    ignored = sum(bool(f.ignored) for judged in report.judged for f in judged.findings)
    tail = f", {ignored} ignored" if ignored else ""
    return f"{len(report.judged)} statements, {report.explained} with a plan: {counts}{tail}"


def markdown(report: Report) -> str:
    """The whole report for a pull request or a wiki."""
    parts = ["# Plans", "", summary(report)]
    for note in report.told:
        parts += ["", f"Note: {note}."]
    for judged in report.judged:
        parts += ["", f"## {escaped(heading(judged))}", ""]
        if judged.statement is not None and judged.statement.sql:
            parts += ["```sql", formatted(judged.statement.sql).replace("```", "` ` `"), "```", ""]
        if judged.skipped:
            parts.append(f"SKIP: {escaped(judged.skipped)}")
        for finding, line in findings(judged, is_verbose=False):
            parts.append(f"- **{escaped(line)}**")
            parts += [f"    - {escaped(each)}" for each in more(finding)]
        if judged.plan is not None:
            tree = (f"{line.branch}{line.label}  ({line.figures})" for line in explain_tree.lines(judged.plan))
            parts += ["", totals(judged), "", "```text", *tree, "```"]
    return "\n".join(parts) + "\n"


def escaped(text: str) -> str:
    """Text in which Markdown sees no sign of its own."""
    for sign in ("\\", "*", "_", "<", "|", "`"):
        text = text.replace(sign, f"\\{sign}")
    return " ".join(text.split())
