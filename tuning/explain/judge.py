"""Let every rule look at a statement and its plan, and keep what is a cause."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache

from tuning.contract import Outcome
from tuning.explain.findings import Finding, Found, Judged, Place, RuleOutcome
from tuning.explain.node import Node
from tuning.explain.plan import Plan
from tuning.explain.rules import Rule, load
from tuning.explain.subject import Subject

# What a rule needs, and how a caller gives it.
MISSING = {
    "plan": "there is no plan",
    "actual": "the plan was not executed: EXPLAIN ANALYZE",
    "timing": "the plan has no times: EXPLAIN ANALYZE without TIMING OFF",
    "blocks": "the plan has no blocks: EXPLAIN (ANALYZE, BUFFERS)",
    "statistics": "no server was asked about its statistics: --dsn",
    "requests": "the input does not tell requests apart: captured JSON lines do",
    "before": "no earlier plan was given: --before",
}
BAD = (Outcome.WARN, Outcome.FAIL)
rules = cache(load)


def judge(subject: Subject, source: str, excluded: Mapping[str, str] | None = None) -> Judged:
    """Judge with every rule; ``excluded`` gives the reason for each that is off."""
    outcomes: list[RuleOutcome] = []
    found: list[tuple[Rule, Found]] = []
    for rule in rules():
        reason = (excluded or {}).get(rule.id) or next((MISSING[n] for n in rule.needs if not _has(subject, n)), "")
        if reason:
            outcomes.append(RuleOutcome(rule.id, Outcome.SKIP, reason))
            continue
        of_rule = list(rule.check(subject))
        found += [(rule, each) for each in of_rule]
        worst = max((each.outcome for each in of_rule), key=lambda each: each.weight, default=Outcome.OK)
        outcomes.append(RuleOutcome(rule.id, worst))
    return Judged(
        source=source,
        statement=subject.statement,
        plan=subject.plan,
        findings=tuple(_causes(subject, found)),
        rules=tuple(outcomes),
    )


def _has(subject: Subject, need: str) -> bool:
    plan = subject.plan
    match need:
        case "plan":
            return plan is not None
        case "actual":
            return plan is not None and plan.was_executed
        case "timing":
            return plan is not None and plan.has_timing
        case "blocks":
            return plan is not None and plan.was_executed and plan.has_blocks
        case "statistics":
            return subject.tables is not None
        case "requests":
            return subject.statement is not None and subject.statement.repeats is not None
        case _:
            return subject.before is not None


def _causes(subject: Subject, found: list[tuple[Rule, Found]]) -> Iterable[Finding]:
    """Yield the causes, the heaviest first; what follows from one is named in it."""
    owner = {at: _cause(subject.plan, found, at) for at in range(len(found))}
    explains: dict[int, list[str]] = {}
    for at, cause in owner.items():
        if cause is None:
            continue
        rule, word = found[at]
        where = f" at {word.node.label}" if word.node is not None else ""
        explains.setdefault(_first(owner, cause), []).append(f"{rule.id}{where}: {word.message}")
    kept = [at for at, cause in owner.items() if cause is None]
    kept.sort(key=lambda at: (-found[at][1].outcome.weight, -_share(subject.plan, found[at][1].node)))
    keys: dict[str, int] = {}
    for at in kept:
        finding = replace(_finding(subject, *found[at]), explains=tuple(explains.get(at, ())))
        keys[finding.key] = keys.get(finding.key, 0) + 1
        number = keys[finding.key]
        yield finding if number == 1 else replace(finding, key=f"{finding.key}/{number}")


def _first(owner: Mapping[int, int | None], at: int) -> int:
    """Follow causes to the one that has none."""
    seen = {at}
    while (above := owner[at]) is not None and above not in seen:
        seen.add(above)
        at = above
    return at


def _cause(plan: Plan | None, found: list[tuple[Rule, Found]], at: int) -> int | None:
    """The finding that this one follows from; a rule's order of causes decides between several."""
    rule, word = found[at]
    for cause, place in rule.consequence_of.items():
        for other, (its_rule, its_word) in enumerate(found):
            is_cause = other != at and its_rule.id == cause and its_word.outcome in BAD
            if is_cause and plan is not None and _stands(plan, word.node, its_word.node, place):
                return other
    return None


def _stands(plan: Plan, node: Node | None, cause: Node | None, place: Place) -> bool:
    if node is None or cause is None:
        return False
    parent = plan.parent(node)
    match place:
        case Place.SAME:
            return cause is node
        case Place.NEAR:
            return cause is node or cause is parent or any(cause is child for child in node.children)
        case Place.PARENT:
            return cause is parent
        case Place.BELOW:
            return any(cause is below for below in node.walk())
        case Place.UNDER:
            return cause is not node and any(cause is below for below in node.walk())
        case _:
            return parent is not None and cause is not parent and any(cause is below for below in parent.walk())


def _share(plan: Plan | None, node: Node | None) -> float:
    return plan.own_share(node) if plan is not None and node is not None else 0.0


def _finding(subject: Subject, rule: Rule, word: Found) -> Finding:
    node = word.node
    label = node.label if node is not None else ""
    return Finding(
        rule=rule.id,
        outcome=word.outcome,
        message=word.message,
        key=_key(subject, rule, node),
        remedy=rule.remedy if word.outcome in BAD else "",
        node=node.id if node is not None else None,
        label=label,
    )


def _key(subject: Subject, rule: Rule, node: Node | None) -> str:
    """Rule, statement and table: what stays when figures, values and the rest of the plan change."""
    if subject.statement is not None and subject.statement.fingerprint:
        about = subject.statement.fingerprint
    else:
        about = subject.plan.shape if subject.plan is not None else "statement"
    place = ""
    if node is not None:
        place = node.alias or node.relation or node.index or node.type.replace(" ", "-").lower()
    return "/".join(part for part in (rule.id, about, place) if part)
