"""What judging yields: first what a rule found in the text, then the finding with facts, estimate and remedy."""

from dataclasses import dataclass
from enum import StrEnum

from tuning.contract import Outcome
from tuning.migrations.actions import Action


class Effect(StrEnum):
    """What an operation costs, which says whether the size of its table matters."""

    STYLE = "costs nothing at run time"
    FAILS = "fails or does not do what it says"
    BREAKS = "breaks code that runs now"
    CATALOG = "changes the catalog only"
    SCAN = "reads the whole table"
    BUILD = "builds an index"
    REWRITE = "writes the whole table anew"
    WRITE = "writes many rows"


TIMED = (Effect.SCAN, Effect.BUILD, Effect.REWRITE, Effect.WRITE)


@dataclass(frozen=True, slots=True)
class Found:
    """A rule's word on one action, before the facts are weighed; ``line`` is needed where there is no action."""

    outcome: Outcome
    message: str
    effect: Effect = Effect.STYLE
    action: Action | None = None
    line: int = 0


@dataclass(frozen=True, slots=True)
class Finding:
    """``estimate`` and ``facts`` are sentences; ``safe_sequence`` is the way around it, as operations of the kit."""

    rule: str
    outcome: Outcome
    message: str
    path: str
    line: int
    reason: str = ""
    statement: str = ""
    table: str = ""
    lock: str = ""
    estimate: str = ""
    facts: str = ""
    remedy: str = ""
    safe_sequence: str = ""


@dataclass(frozen=True, slots=True)
class RuleOutcome:
    """What a rule came to over the whole run."""

    rule: str
    outcome: Outcome
    reason: str


@dataclass(frozen=True, slots=True)
class Report:
    findings: tuple[Finding, ...]
    rules: tuple[RuleOutcome, ...]
    files: int
    notes: tuple[str, ...] = ()

    def count(self, outcome: Outcome) -> int:
        """Findings for WARN and FAIL; rules for OK and SKIP."""
        if outcome in (Outcome.WARN, Outcome.FAIL):
            return sum(finding.outcome is outcome for finding in self.findings)
        return sum(rule.outcome is outcome for rule in self.rules)
