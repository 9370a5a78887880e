"""What diagnosing a run yields: each rule's findings with the law and the figures behind them, and one answer."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tuning.contract import Outcome


@dataclass(frozen=True, slots=True)
class Found:
    """A rule's word. OK is a conclusion in which nothing is wrong, SKIP one that these figures do not allow."""

    outcome: Outcome
    message: str
    law: str = ""
    figures: Mapping[str, float] = field(default_factory=dict)
    """What was put in and what came out, the unit in each name."""
    tolerance: str = ""
    """What the conclusion allows for."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One rule over the whole run; ``reason`` says why it could not conclude."""

    rule: str
    outcome: Outcome
    reason: str = ""
    remedy: str = ""
    findings: tuple[Found, ...] = ()


@dataclass(frozen=True, slots=True)
class Diagnosis:
    answer: str
    """The most that can be said, in one sentence."""
    verdicts: tuple[Verdict, ...]
    read: tuple[str, ...]
    """What was read, a sentence each."""
    missing: tuple[str, ...]
    """What the files should have told and did not."""

    def count(self, outcome: Outcome) -> int:
        return sum(verdict.outcome is outcome for verdict in self.verdicts)

    @property
    def worst(self) -> Outcome:
        return max((verdict.outcome for verdict in self.verdicts), key=lambda each: each.weight, default=Outcome.SKIP)
