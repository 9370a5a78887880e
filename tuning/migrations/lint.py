"""Judge scripts: every rule over every action, each finding weighed with the facts of its table."""

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from tuning.contract import Outcome
from tuning.migrations import squawk
from tuning.migrations.actions import Kind, Name
from tuning.migrations.exemptions import exemption
from tuning.migrations.findings import Effect, Finding, Found, Report, RuleOutcome
from tuning.migrations.locks import lock_of
from tuning.migrations.python_source import PythonMigration
from tuning.migrations.reading import referenced
from tuning.migrations.rules import Rule, load
from tuning.migrations.script import Script
from tuning.migrations.sequences import safe_sequence
from tuning.migrations.sources import Sources
from tuning.migrations.squawk_rules import BY_NAME, DOCUMENTATION, OPT_IN
from tuning.migrations.weighing import Weighed, weigh
from tuning.observe.facts import ServerFacts

_REFERENCING = (Kind.ADD_CONSTRAINT, Kind.ADD_COLUMN)
NO_FACTS = "needs facts of the server: give --dsn"
NO_SESSIONS = "needs to see other users' sessions: GRANT pg_read_all_stats to the role of --dsn"
NO_PYTHON = "needs a migration's Python source: give --manage or a migrations/*.py"
NO_SQL = "no SQL was given"
NO_SQUAWK = f"most textual rules were skipped: {squawk.INSTALL}"


@dataclass(frozen=True, slots=True)
class Settings:
    """``program`` is squawk's path, None where it is missing; ``excluded`` gives each rule's reason."""

    program: str | None
    included: frozenset[str] = frozenset()
    excluded: dict[str, str] = field(default_factory=dict)


def known_rules() -> set[str]:
    return {rule.id for rule in load()} | set(BY_NAME)


def scripts(sources: Sources) -> tuple[Script, ...]:
    return tuple(Script.of(path, text) for path, text in sources.sql)


def names(given: Collection[Script]) -> tuple[list[str], list[str]]:
    """The relations and the functions of which facts are wanted."""
    actions = [step.action for script in given for step in script.steps]
    relations = {str(action.table) for action in actions if action.table is not None}
    relations |= {str(a.name) for a in actions if a.kind in (Kind.DROP_INDEX, Kind.REINDEX) and a.name is not None}
    referenced_tables = (referenced(action.tail) for action in actions if action.kind in _REFERENCING)
    relations |= {str(table) for table in referenced_tables if table is not None}
    functions = {str(a.name) for a in actions if a.kind is Kind.CREATE_FUNCTION and a.name is not None}
    return sorted(relations), sorted(functions)


def judge(given: Collection[Script], sources: Sources, settings: Settings, facts: ServerFacts | None) -> Report:
    """Judge all scripts and migrations.

    Raises:
        SquawkFailed: squawk is there and gave no judgement.
        ValueError: A migration is no Python.
    """
    own = [rule for rule in load() if rule.id not in settings.excluded]
    findings: list[Finding] = []
    made: list[Name] = []
    for script in given:
        for name, found in _found(script, own, settings, facts):
            findings.append(_finding(name, found, script, own, facts, made))
        made += [
            step.action.table for step in script.steps if step.action.kind is Kind.CREATE_TABLE and step.action.table
        ]
    for path, text in sources.python:
        migration = PythonMigration.of(path, text)
        for rule in own:
            if rule.check_python is not None:
                findings += [
                    Finding(rule.id, found.outcome, found.message, path, found.line, remedy=rule.remedy)
                    for found in rule.check_python(migration)
                ]
    findings.sort(key=lambda finding: (finding.path, finding.line, -finding.outcome.weight, finding.rule))
    files = len(given) + len(sources.python)
    notes = sources.notes if settings.program is not None or not given else (*sources.notes, NO_SQUAWK)
    return Report(tuple(findings), tuple(_outcomes(findings, sources, settings, facts)), files, notes)


def _found(
    script: Script, own: list[Rule], settings: Settings, facts: ServerFacts | None
) -> Iterator[tuple[str, Found]]:
    if settings.program is not None:
        major = facts.major if facts else squawk.OLDEST_MAJOR
        yield from squawk.judge(
            settings.program, script, major=major, included=settings.included, excluded=settings.excluded
        )
    for rule in own:
        if _cannot_run(rule, facts):
            continue
        if rule.check_script is not None:
            yield from ((rule.id, found) for found in rule.check_script(script))
        if rule.check is not None:
            for step in script.steps:
                yield from ((rule.id, found) for found in rule.check(step.action, script, facts))


def _finding(
    name: str, found: Found, script: Script, own: list[Rule], facts: ServerFacts | None, made: list[Name]
) -> Finding:
    """Weigh what was found; ``made`` are the tables of scripts that run before this one."""
    action = found.action
    table = action.table or action.name if action else None
    known = facts.tables.get(str(table)) if facts and table else None
    is_new = action is not None and script.is_new(action.table, action)
    if known is not None and not known.exists and table is not None:
        is_new = is_new or any(each.is_same(table) for each in made)
    if reason := exemption(found, script, facts):
        weighed = Weighed(Outcome.OK, reason)
    else:
        weighed = weigh(found, is_new=is_new, table=known, server=facts)
    rule = BY_NAME.get(name)
    remedy = rule.remedy if rule else next((each.remedy for each in own if each.id == name), f"{DOCUMENTATION}{name}")
    unsafe = weighed.outcome in (Outcome.WARN, Outcome.FAIL) and found.effect is not Effect.STYLE
    return Finding(
        rule=name,
        outcome=weighed.outcome,
        message=found.message,
        path=script.path,
        line=found.line or (action.line if action else 1),
        reason=weighed.reason,
        statement=" ".join(action.statement.text.split())[:200] if action else "",
        table=known.table if known and known.exists else str((action and action.table) or ""),
        lock=str(lock_of(action) or "") if action else "",
        estimate=weighed.estimate,
        facts=weighed.facts,
        remedy=remedy,
        safe_sequence=safe_sequence(action, found.effect) if unsafe else "",
    )


def _cannot_run(rule: Rule, facts: ServerFacts | None) -> str:
    if rule.needs_facts and facts is None:
        return NO_FACTS
    return NO_SESSIONS if rule.needs_sessions and facts is not None and not facts.sees_sessions else ""


def _outcomes(
    findings: list[Finding], sources: Sources, settings: Settings, facts: ServerFacts | None
) -> Iterator[RuleOutcome]:
    """Say of every rule what it came to, so that none is silent."""
    counted = Counter(finding.rule for finding in findings)
    worst: dict[str, Outcome] = {}
    for finding in findings:
        worst[finding.rule] = max(worst.get(finding.rule, Outcome.OK), finding.outcome, key=lambda each: each.weight)
    unread = sorted({finding.path for finding in findings if finding.rule == "syntax-error"})
    own = {rule.id: rule for rule in load()}
    for name in sorted({*own, *BY_NAME, *counted}):
        reason = settings.excluded.get(name) or (
            _own_skipped(own[name], sources, facts) if name in own else _squawk_skipped(name, sources, settings)
        )
        if reason:
            yield RuleOutcome(name, Outcome.SKIP, reason)
        elif counted[name] and worst[name] in (Outcome.WARN, Outcome.FAIL):
            yield RuleOutcome(name, worst[name], f"{counted[name]} findings")
        elif counted[name]:
            yield RuleOutcome(name, Outcome.OK, f"{counted[name]} findings, all of them harmless")
        elif unread and name in BY_NAME:
            yield RuleOutcome(name, Outcome.SKIP, f"squawk cannot read {', '.join(unread)}; nothing found elsewhere")
        else:
            yield RuleOutcome(name, Outcome.OK, "nothing found")


def _own_skipped(rule: Rule, sources: Sources, facts: ServerFacts | None) -> str:
    if rule.check_python is not None:
        return "" if sources.python else NO_PYTHON
    return _cannot_run(rule, facts) or ("" if sources.sql else NO_SQL)


def _squawk_skipped(name: str, sources: Sources, settings: Settings) -> str:
    if settings.program is None:
        return squawk.INSTALL
    if name in OPT_IN and name not in settings.included:
        return f"off unless --include {name}: {OPT_IN[name]}"
    return "" if sources.sql else NO_SQL
