"""Hold the plans of a server against a baseline: run each statement, again where it looks worse, and say why."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cache, partial

from tuning.contract import Outcome
from tuning.explain.execution import Server
from tuning.explain.findings import Found
from tuning.ignores import Ignore, mark, over
from tuning.plans.baseline import Baseline, Entry
from tuning.plans.causes import causes, difference
from tuning.plans.comparison import Comparison, badness
from tuning.plans.findings import Checked, Finding, Report
from tuning.plans.measured import Measured, NotMeasured
from tuning.plans.measuring import measure
from tuning.plans.rules import load
from tuning.whatif.query import Query

# A statement that looks worse is run so many times more, and fails if each of them is worse: ours.
REPEATS = 2
Tell = Callable[[str], None]
rules = cache(load)


@dataclass(frozen=True, slots=True)
class Against:
    """What is the same for every statement; ``line_of`` tells where the baseline's file has one."""

    baseline: Baseline
    line_of: Callable[[Entry], int]
    tell: Tell


def check(on: Server, against: Against, queries: Sequence[Query]) -> tuple[list[Checked], list[str]]:
    """Check every statement of the baseline, then those of ``queries`` that are not in it or have other values.

    What was given and has no plan, such as COMMIT and writes, is only counted, in the sentences that come along.

    Raises:
        psycopg.OperationalError: The server is gone.
    """
    known = {entry.key: entry for entry in against.baseline.entries}
    checked = []
    for entry in against.baseline.entries:
        for sql, plans in entry.for_values().items():
            run = partial(_measured, on, entry, sql, is_planned=all(plan.blocks is None for plan in plans))
            checked.append(_check(on, against, entry.key, sql, entry, run))
    given = []
    for query in queries:
        key = (query.route, query.fingerprint)
        found = known.get(key)
        if query.refused or (found is not None and query.sql in found.for_values()):
            continue
        run = partial(_measured, on, found, query.sql, is_planned=query.is_open)
        given.append(_check(on, against, key, query.sql, found, run))
    planless = sum(bool(query.refused) for query in queries) + sum(bool(one.skipped) for one in given)
    unseen = known.keys() - {(query.route, query.fingerprint) for query in queries} if queries else ()
    notes = [f"{planless} statements that were given have no plan: `hotrow explain` says why"] if planless else []
    notes += [f"{len(unseen)} statements of the baseline are not in what was given"] if unseen else []
    return [*checked, *(one for one in given if not one.skipped)], notes


def report(
    path: str, checked: Sequence[Checked], notes: Iterable[str], ignores: Sequence[Ignore], today: date
) -> Report:
    """Mark what is ignored; an ignore that is over is told."""
    marked = tuple(replace(one, findings=tuple(mark(ignores, each, today) for each in one.findings)) for one in checked)
    keys = (each.key for one in checked for each in one.findings)
    return Report(path, marked, (*notes, *over(ignores, keys, today)))


def _measured(on: Server, entry: Entry | None, sql: str, *, is_planned: bool) -> Measured | NotMeasured:
    tables = {name for plan in entry.plans for name in plan.tables} if entry is not None else set()
    return measure(on, sql, is_planned=is_planned, is_open=is_planned and "$" in sql, tables=tables)


def _check(
    on: Server,
    against: Against,
    key: tuple[str, str],
    sql: str,
    entry: Entry | None,
    run: Callable[[], Measured | NotMeasured],
) -> Checked:
    against.tell(f"{key[0]}: {' '.join(sql.split())[:70]}" if key[0] else " ".join(sql.split())[:70])
    runs: list[Comparison] = []
    while len(runs) <= REPEATS:
        now = run()
        one = Comparison(*key, sql, entry, now, against.baseline.version, on.version, against.baseline.tables)
        runs.append(one)
        if not one.is_worse() and isinstance(now, Measured):
            break
    best = replace(min(runs, key=badness), runs=len(runs))
    return _judged(best, against.line_of(entry) if entry is not None else 0)


def _judged(comparison: Comparison, line: int) -> Checked:
    now, reference = comparison.now, comparison.reference
    found = [_finding(comparison, rule.id, rule.remedy, each) for rule in rules() for each in rule.check(comparison)]
    is_unsaid = isinstance(now, NotMeasured) and not now.is_failure
    return Checked(
        route=comparison.route,
        fingerprint=comparison.fingerprint,
        sql=comparison.sql,
        line=line,
        findings=tuple(found),
        skipped=now.reason if isinstance(now, NotMeasured) and is_unsaid else "",
        shape=now.plan.shape if isinstance(now, Measured) else "",
        blocks=now.blocks if isinstance(now, Measured) else None,
        blocks_before=reference.blocks if reference is not None else None,
        runs=comparison.runs,
    )


def _finding(comparison: Comparison, rule: str, remedy: str, found: Found) -> Finding:
    is_about_plans = comparison.entry is not None and isinstance(comparison.now, Measured)
    is_fault = found.outcome in (Outcome.WARN, Outcome.FAIL)
    return Finding(
        rule=rule,
        outcome=found.outcome,
        message=found.message,
        key=_key(comparison, rule),
        causes=causes(comparison) if is_about_plans else (),
        difference=difference(comparison) if is_about_plans else (),
        remedy=remedy if is_fault else "",
    )


def _key(comparison: Comparison, rule: str) -> str:
    """Rule, statement, accepted plan and route: what stays when figures and the plan of today change."""
    shape = comparison.reference.shape if comparison.reference is not None else ""
    return "/".join(part for part in (rule, comparison.fingerprint, shape, comparison.route.strip("/")) if part)
