"""What judging a chain yields: each rule's findings, and what each rule came to."""

from dataclasses import dataclass, field

from tuning.contract import Outcome


@dataclass(frozen=True, slots=True)
class Found:
    """A rule's word; ``alias`` is the entry of ``DATABASES`` it is about, where it is about one."""

    outcome: Outcome
    message: str
    alias: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One rule over the whole chain; ``reason`` says why it is OK or was skipped."""

    rule: str
    outcome: Outcome
    reason: str = ""
    remedy: str = ""
    findings: tuple[Found, ...] = field(default_factory=tuple)


@dataclass(frozen=True, slots=True)
class Report:
    verdicts: tuple[Verdict, ...]
    read: tuple[str, ...]
    """What the chain consists of, a sentence each."""

    def count(self, outcome: Outcome) -> int:
        return sum(verdict.outcome is outcome for verdict in self.verdicts)

    @property
    def worst(self) -> Outcome:
        return max((verdict.outcome for verdict in self.verdicts), key=lambda each: each.weight, default=Outcome.SKIP)
