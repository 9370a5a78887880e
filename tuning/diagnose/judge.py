"""Let every rule look at a run, and choose the one sentence that answers."""

from collections.abc import Sequence
from dataclasses import replace

from tuning.contract import Outcome
from tuning.diagnose import limits
from tuning.diagnose.bounds import gains
from tuning.diagnose.evidence import Evidence
from tuning.diagnose.figures import ALL
from tuning.diagnose.findings import Diagnosis, Found, Verdict
from tuning.diagnose.quantities import number, rate, time
from tuning.diagnose.rules import Rule, load
from tuning.diagnose.run import MISSING, Run
from tuning.diagnose.split import splits

# Figures that cannot be true, and users who got no answer, come before any limit.
BEFORE_LIMITS = ("figures-contradict", "users-and-little", "duration-stated", "time-outs", "failures")
# Whichever of them found something first is the answer: figures that cannot be true, then what they show, then what
# they leave out. The others are about how to read the figures.
LEADING = (
    "figures-contradict",
    "users-and-little",
    "duration-stated",
    "time-outs",
    "failures",
    "slots-saturated",
    "ramp",
    "logins-under-way",
    "load-generator",
    "cut-off",
)


def judge(run: Run) -> Diagnosis:
    """Judge with every rule."""
    verdicts = tuple(_verdict(rule, run, _lacking(rule, run)) for rule in load())
    if run.evidence is None:
        return Diagnosis(_answer(run, verdicts), verdicts, tuple(_read(run)), run.load.missing)
    limiting = tuple(_verdict(rule, run, _unseen(rule, run.evidence)) for rule in limits.load())
    missing = (*run.load.missing, *run.evidence.missing)
    found = Diagnosis("", verdicts, tuple(_read(run)), missing, limiting, splits(run), gains(run))
    return replace(found, answer=_limit(found) or _answer(run, verdicts))


def _limit(found: Diagnosis) -> str | None:
    """The limit in a sentence, unless the figures themselves are in question."""
    is_in_question = any(each.outcome is Outcome.FAIL and each.rule in BEFORE_LIMITS for each in found.verdicts)
    if found.limit is None or is_in_question:
        return None
    worst = max(found.limit.findings, key=lambda each: each.outcome.weight)
    said = "The limit is" if found.limit.outcome is Outcome.FAIL else "No single limit; the largest part is"
    return f"{said} {found.limit.rule}: {worst.message}."


def _lacking(rule: Rule, run: Run) -> list[str]:
    return [MISSING[need] for need in rule.needs if run.lacks(need)]


def _unseen(rule: Rule, seen: Evidence) -> list[str]:
    return [seen.why(need) for need in rule.needs if seen.lacks(need)]


def _verdict(rule: Rule, run: Run, lacking: Sequence[str]) -> Verdict:
    if lacking:
        return Verdict(rule.id, Outcome.SKIP, "; ".join(lacking))
    found: tuple[Found, ...] = tuple(rule.check(run))
    outcome = max((each.outcome for each in found), key=lambda each: each.weight)
    if outcome is Outcome.SKIP:
        return Verdict(rule.id, outcome, found[0].message, findings=found)
    return Verdict(rule.id, outcome, remedy="" if outcome is Outcome.OK else rule.remedy, findings=found)


def _answer(run: Run, verdicts: tuple[Verdict, ...]) -> str:
    by_rule = {verdict.rule: verdict for verdict in verdicts}
    for outcome in (Outcome.FAIL, Outcome.WARN):
        for name in LEADING:
            if by_rule[name].outcome is outcome:
                message = by_rule[name].findings[0].message
                return f"{message[0].upper()}{message[1:]}."
    total = run.load.total
    return f"Nothing in these figures is wrong: {total.count:,} requests, a mean of {time(total.mean_s)}."


def _read(run: Run) -> list[str]:
    load, stated = run.load, run.stated
    said = [load.source]
    length = "" if run.lacks("seconds") else f" in {number(run.seconds)} s, {rate(run.throughput_per_s)}"
    kinds = "" if load.requests[0].name == ALL else f" of {len(load.requests)} kinds"
    said.append(f"{load.total.count:,} requests{kinds}{length}, a mean of {time(load.total.mean_s)}")
    if not run.lacks("users"):
        started = f", started at {number(run.spawn_rate_per_s)}/s" if run.spawn_rate_per_s else ""
        think = f"thinking for {time(stated.think_s)}" if stated.think_s else "without think time"
        said.append(f"{run.users:,} users{started}, {think}")
    if load.history:
        said.append(f"a history of {len(load.history)} rows")
    if stated.slots is not None:
        said.append(f"{stated.slots} slots")
    return said
