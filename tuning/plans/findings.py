"""What checking plans yields: for each statement what was found, why, and both plans where they differ."""

from dataclasses import dataclass

from tuning.contract import Outcome


@dataclass(frozen=True, slots=True)
class Finding:
    """``key`` stays from run to run. ``difference`` are lines of a diff; ``ignored`` is the ignore file's reason."""

    rule: str
    outcome: Outcome
    message: str
    key: str
    causes: tuple[str, ...] = ()
    difference: tuple[str, ...] = ()
    remedy: str = ""
    ignored: str = ""


@dataclass(frozen=True, slots=True)
class Checked:
    """One statement with its values; ``line`` is where the baseline's file has it, 0 where it has not.

    ``skipped`` says why nothing could be said of it. ``blocks`` are those that were touched, and before.
    """

    route: str
    fingerprint: str
    sql: str
    line: int
    findings: tuple[Finding, ...] = ()
    skipped: str = ""
    shape: str = ""
    blocks: int | None = None
    blocks_before: int | None = None
    runs: int = 1


@dataclass(frozen=True, slots=True)
class Report:
    """``notes`` are sentences about the run without a full stop; ``path`` is the baseline's."""

    path: str
    checked: tuple[Checked, ...]
    notes: tuple[str, ...] = ()

    def count(self, outcome: Outcome) -> int:
        """How many findings count."""
        return sum(each.outcome is outcome and not each.ignored for one in self.checked for each in one.findings)

    @property
    def skipped(self) -> int:
        return sum(bool(one.skipped) for one in self.checked)
