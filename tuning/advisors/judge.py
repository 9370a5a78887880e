"""Let every rule look at a snapshot, and rank what they found; what could not be looked at is said."""

from collections.abc import Iterable, Mapping
from datetime import date

from tuning.advisors.findings import Finding, Found, Report, RuleOutcome
from tuning.advisors.rules import Rule, load
from tuning.advisors.subject import Subject
from tuning.contract import Outcome
from tuning.ignores import Ignore, mark
from tuning.observe.snapshot import PARTS

# What a rule may need beside the parts of a snapshot, and how a caller gives it; rules tell of other parts.
GIVEN = {
    "captures": "no captured statements were given: --captures",
}
NEEDS = (*PARTS, *GIVEN)
BAD = (Outcome.WARN, Outcome.FAIL)


def judge(
    subject: Subject,
    excluded: Mapping[str, str] | None = None,
    accepted: Iterable[Ignore] = (),
    today: date = date.min,
) -> Report:
    """Judge with every rule.

    Args:
        excluded: For each rule that is off, why.
        accepted: Findings that somebody looked at, which no longer count up to their day.
    """
    ignored = tuple(accepted)
    ranked: list[tuple[tuple[float, ...], Finding]] = []
    outcomes = []
    for rule in load():
        reason = (excluded or {}).get(rule.id) or next((why for n in rule.needs if (why := _lacks(subject, n))), "")
        if reason:
            outcomes.append(RuleOutcome(rule.id, Outcome.SKIP, reason))
            continue
        found = tuple(rule.check(subject))
        ranked += [_ranked(rule, each) for each in found if each.outcome is not Outcome.OK]
        outcomes.append(_outcome(rule, found))
    ranked.sort(key=lambda each: each[0])
    findings = [mark(ignored, finding, today) for _, finding in ranked]
    return Report(tuple(findings), tuple(outcomes), tuple(_read(subject)), tuple(_notes(subject)))


def _lacks(subject: Subject, need: str) -> str:
    if need == "captures":
        return GIVEN[need] if subject.loops is None else ""
    if need == "database" and subject.snapshot.database is None:
        return subject.snapshot.unreadable.get(need, "the database's counters were not read")
    return subject.snapshot.unreadable.get(need, "")


def _outcome(rule: Rule, found: tuple[Found, ...]) -> RuleOutcome:
    worst = max((each.outcome for each in found), key=lambda each: each.weight, default=Outcome.OK)
    told = [each.message for each in found if each.outcome is worst]
    if worst in BAD:
        return RuleOutcome(rule.id, worst, f"{len(told):,} found")
    if worst is Outcome.SKIP:
        return RuleOutcome(rule.id, worst, told[0] if len(told) == 1 else f"{len(told):,} may be: {told[0]}")
    return RuleOutcome(rule.id, Outcome.OK, told[0] if told else "nothing of the kind")


def _ranked(rule: Rule, found: Found) -> tuple[tuple[float, ...], Finding]:
    finding = Finding(
        rule=rule.id,
        outcome=found.outcome,
        message=found.message,
        key=f"{rule.id}/{found.about}" if found.about else rule.id,
        about=found.about,
        remedy=rule.remedy if found.outcome in BAD else "",
        sql=found.sql,
    )
    return (-found.outcome.weight, -rule.weight, -found.evidence), finding


def _read(subject: Subject) -> Iterable[str]:
    snapshot = subject.snapshot
    kind = "replica" if snapshot.is_replica else "primary"
    where = f", database {snapshot.database.name}" if snapshot.database is not None else ""
    yield f"PostgreSQL {snapshot.major}, {kind}{where}: {len(snapshot.tables)} tables, {len(snapshot.indexes)} indexes"
    present = snapshot.replication.replica_count
    if present or snapshot.replicas_read:
        yield f"{present} replicas, of which {len(snapshot.replicas_read)} were read"
    if snapshot.database is not None:
        least = "" if snapshot.database.is_reset_known else " at least"
        yield f"statistics of {subject.days:.1f} days{least}"


def _notes(subject: Subject) -> Iterable[str]:
    told = {need for rule in load() for need in rule.needs}
    for part, reason in subject.snapshot.unreadable.items():
        if part not in told:
            yield f"{part.replace('_', ' ')}: {reason}"
