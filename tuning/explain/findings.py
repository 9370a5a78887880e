"""What judging plans yields: each rule's words, what became of them, and the whole report."""

from dataclasses import dataclass, field
from enum import StrEnum

from tuning.contract import Outcome
from tuning.explain.node import Node
from tuning.explain.plan import Plan
from tuning.explain.subject import Statement
from tuning.observe.spent import Spent


class Place(StrEnum):
    """Where the cause of a finding stands, seen from the finding's node."""

    SAME = "same"
    NEAR = "near"
    """The same node, its parent or a child of it."""
    BELOW = "below"
    """The same node or any below it."""
    UNDER = "under"
    """Below it, not the same."""
    PARENT = "parent"
    BESIDE = "beside"
    """Below its parent: on its own side or on the other."""


@dataclass(frozen=True, slots=True)
class Found:
    """A rule's word; ``node`` None is about the plan or the statement. An OK is a fact worth knowing, and no fault."""

    outcome: Outcome
    message: str
    node: Node | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """``key`` stays the same from run to run; ``explains`` are findings that this one is the cause of."""

    rule: str
    outcome: Outcome
    message: str
    key: str
    remedy: str = ""
    node: int | None = None
    label: str = ""
    explains: tuple[str, ...] = ()
    ignored: str = ""
    """The reason that the ignore file gives."""


@dataclass(frozen=True, slots=True)
class RuleOutcome:
    """What one rule came to on one statement; ``reason`` says why it was skipped."""

    rule: str
    outcome: Outcome
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Judged:
    """One statement with its plan; ``skipped`` says why there is none. ``notes`` are sentences about how it was run."""

    source: str
    statement: Statement | None = None
    plan: Plan | None = None
    findings: tuple[Finding, ...] = ()
    rules: tuple[RuleOutcome, ...] = ()
    skipped: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """``notes`` are about the run: what an ignore file no longer covers. ``spent`` is what it cost the server."""

    judged: tuple[Judged, ...]
    notes: tuple[str, ...] = field(default_factory=tuple)
    spent: Spent | None = None

    @property
    def told(self) -> tuple[str, ...]:
        """The notes, and the cost as one more."""
        return self.notes if self.spent is None else (*self.notes, str(self.spent))

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Every finding that counts."""
        return tuple(each for judged in self.judged for each in judged.findings if not each.ignored)

    @property
    def explained(self) -> int:
        return sum(judged.plan is not None for judged in self.judged)

    def count(self, outcome: Outcome) -> int:
        return sum(finding.outcome is outcome for finding in self.findings)
