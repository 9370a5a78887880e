"""What judging a snapshot yields: each rule's words, what became of them, and the whole report."""

from dataclasses import dataclass

from tuning.contract import Outcome
from tuning.observe.spent import Spent


@dataclass(frozen=True, slots=True)
class Found:
    """A rule's word about one object. SKIP says what would be a fault if something unknown were known.

    ``sql`` are the statements of the remedy, ``evidence`` a figure by which findings of the same rule are ranked.
    """

    outcome: Outcome
    message: str
    about: str = ""
    sql: tuple[str, ...] = ()
    evidence: float = 0.0


@dataclass(frozen=True, slots=True)
class Finding:
    """``key`` stays the same from run to run; ``ignored`` is the reason that the ignore file gives."""

    rule: str
    outcome: Outcome
    message: str
    key: str
    about: str = ""
    remedy: str = ""
    sql: tuple[str, ...] = ()
    ignored: str = ""


@dataclass(frozen=True, slots=True)
class RuleOutcome:
    """What one rule came to; ``reason`` says why it is OK or was skipped."""

    rule: str
    outcome: Outcome
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """Findings stand in the order of their weight.

    ``read`` says what was looked at, ``notes`` what could not be read that no rule tells of, ``spent`` what it cost the
    servers.
    """

    findings: tuple[Finding, ...]
    rules: tuple[RuleOutcome, ...]
    read: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    spent: Spent | None = None

    def count(self, outcome: Outcome) -> int:
        """Findings for WARN and FAIL, without the ignored; rules for OK and SKIP."""
        if outcome in (Outcome.WARN, Outcome.FAIL):
            return sum(finding.outcome is outcome and not finding.ignored for finding in self.findings)
        return sum(rule.outcome is outcome for rule in self.rules)
