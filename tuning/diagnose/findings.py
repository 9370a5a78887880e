"""What diagnosing a run yields: each rule's findings with the law and the figures behind them, and one answer."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tuning.contract import Outcome
from tuning.diagnose.bounds import Bound
from tuning.diagnose.split import Split


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
    limits: tuple[Verdict, ...] = ()
    """What the timeline shows as the limit, the one that the answer names first; empty without a timeline."""
    splits: tuple[Split, ...] = ()
    gains: tuple[Bound, ...] = ()

    @property
    def judged(self) -> tuple[Verdict, ...]:
        """Limits, then what the load's figures show alone."""
        return self.limits + self.verdicts

    @property
    def limit(self) -> Verdict | None:
        """What limits the run: the first that failed, else the first that warned; None where nothing was seen to."""
        for outcome in (Outcome.FAIL, Outcome.WARN):
            for verdict in self.limits:
                if verdict.outcome is outcome:
                    return verdict
        return None

    def count(self, outcome: Outcome) -> int:
        return sum(verdict.outcome is outcome for verdict in self.judged)

    @property
    def worst(self) -> Outcome:
        return max((verdict.outcome for verdict in self.judged), key=lambda each: each.weight, default=Outcome.SKIP)
