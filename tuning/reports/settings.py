"""Advice on settings: a table with each formula, a diff of each file, Markdown, and JSON of the same."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any

from tuning.contract import Outcome
from tuning.observe.chain import Pooler
from tuning.settings.facts import Advice
from tuning.settings.judge import Report

POSTGRESQL, PGBOUNCER, GUNICORN = "postgresql", "pgbouncer", "gunicorn"


def lines(report: Report, pooler: Pooler | None, *, is_verbose: bool) -> Iterator[str]:
    """Yield what was read, each proposal with its figures, what was skipped, the diffs, and a last line that counts."""
    yield from report.read
    yield ""
    for each in report.advice:
        if each.is_proposed:
            yield from _proposal(each)
    for each in report.advice:
        if each.outcome is Outcome.SKIP:
            yield f"SKIP {each.key}: {each.evidence}"
    if is_verbose:
        for each in report.advice:
            if each.outcome is Outcome.OK:
                yield f"OK   {each.key} = {each.current or '(not set)'}: {each.evidence}"
    yield from (f"not read: {note}" for note in report.notes)
    text = list(diff(report.proposed, pooler))
    if text:
        yield from ("", *text)
    yield ""
    yield summary(report, is_verbose=is_verbose)


def _proposal(advice: Advice) -> Iterator[str]:
    if advice.ignored:
        yield f"{advice.outcome} {advice.key} = {advice.proposed} (ignored: {advice.ignored})"
        return
    yield f"{advice.outcome} {advice.key}: {advice.current or '(not set)'} -> {advice.proposed} ({advice.how})"
    yield f"    evidence: {advice.evidence}"
    yield f"    formula:  {advice.formula}"
    yield f"    source:   {advice.source}"


def summary(report: Report, *, is_verbose: bool) -> str:
    ignored = sum(bool(each.ignored) for each in report.advice)
    proposed = f"{report.count(Outcome.FAIL)} FAIL, {report.count(Outcome.WARN)} WARN, {ignored} ignored"
    rest = f"{report.count(Outcome.OK)} stay, {report.count(Outcome.SKIP)} SKIP of {len(report.advice)} settings"
    return f"{proposed}; {rest}{'' if is_verbose else ' (--verbose tells why those stay)'}"


def diff(proposed: Iterable[Advice], pooler: Pooler | None) -> Iterator[str]:
    """Yield a unified diff of each file that something is proposed for: its changed lines alone."""
    found = list(proposed)
    files = (
        (POSTGRESQL, "postgresql.conf"),
        (PGBOUNCER, "pgbouncer.ini"),
        (GUNICORN, "environment"),
    )
    for product, file in files:
        changes = [each for each in found if each.product == product]
        if not changes:
            continue
        yield f"--- {file}"
        yield f"+++ {file}"
        yield f"@@ -1,{sum(bool(each.current) for each in changes)} +1,{len(changes)} @@"
        for each in changes:
            if each.current:
                yield f"-{_line(each, each.current, pooler)}"
            yield f"+{_line(each, each.proposed, pooler)}"


def _line(advice: Advice, value: str, pooler: Pooler | None) -> str:
    if advice.product == POSTGRESQL:
        return f"{advice.name} = '{value}'"
    if advice.product == GUNICORN:
        return f"{environment_name(advice.name)}={value}"
    if not advice.about:
        return f"{advice.name} = {value}"
    database = pooler.database(advice.about) if pooler is not None else None
    where = f"host={database.host} port={database.port} dbname={database.database} " if database is not None else ""
    return f"{advice.about} = {where}{advice.name}={value}"


def environment_name(name: str) -> str:
    """The service's variable for a setting of gunicorn."""
    return name if name.startswith("HOTROW_") else f"HOTROW_{name.upper()}"


def markdown(report: Report, pooler: Pooler | None) -> Iterator[str]:
    """Yield the proposals as a table, the skipped as a list, and the diffs."""
    yield "# Settings"
    yield ""
    yield from (f"{text}  " for text in report.read)
    yield ""
    if any(each.is_proposed for each in report.advice):
        yield "| outcome | setting | now | proposed | takes | evidence | formula | source |"
        yield "| --- | --- | --- | --- | --- | --- | --- | --- |"
    for each in report.advice:
        if each.is_proposed:
            told = f"{each.evidence} (ignored: {each.ignored})" if each.ignored else each.evidence
            row = (each.outcome.value, each.key, each.current, each.proposed, each.how, told, each.formula, each.source)
            yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"
    yield ""
    for each in report.advice:
        if each.outcome is Outcome.SKIP:
            yield f"- SKIP `{each.key}`: {each.evidence}"
    text = list(diff(report.proposed, pooler))
    if text:
        yield from ("", "```diff", *text, "```")
    yield ""
    yield summary(report, is_verbose=True)


def as_json(report: Report, pooler: Pooler | None, reverse: tuple[str, ...] = ()) -> dict[str, Any]:
    advice = [asdict(each) | {"key": each.key} for each in report.advice]
    counts = {outcome.value: report.count(outcome) for outcome in Outcome}
    return {
        "read": report.read,
        "advice": advice,
        "diff": list(diff(report.proposed, pooler)),
        "notes": report.notes,
        "counts": counts,
        "reverse": reverse,
    }
