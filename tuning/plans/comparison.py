"""One statement with its values: the plans that were accepted beside the one that a server makes now."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from tuning.explain.estimates import misestimated
from tuning.explain.rules.plan_regression import is_more
from tuning.explain.rules.stale_statistics import outcome_of
from tuning.observe.statistics import TableStatistics
from tuning.plans.baseline import Accepted, Entry, Table
from tuning.plans.measured import Measured, NotMeasured

# Ours: the floor of 100 is for what load adds to the same plan. Another plan is no noise: ten blocks are enough for it,
# as they are for an index to help (ADR 34).
MIN_BLOCKS_OTHER_PLAN = 10
# PostgreSQL's autovacuum_analyze_scale_factor: beyond it a table is due for ANALYZE by the server's own measure.
DUE_SHARE = 0.1


@dataclass(frozen=True, eq=False)
class Comparison:
    """``entry`` is None for a statement that the baseline lacks. ``before`` are tables as they were at the save.

    ``runs`` are of one statement with the same values, one after the other; the judgement is of the best.
    """

    route: str
    fingerprint: str
    sql: str
    entry: Entry | None
    now: Measured | NotMeasured
    version_before: int = 0
    version_now: int = 0
    before: Mapping[str, Table] | None = None
    runs: int = 1

    @cached_property
    def reference(self) -> Accepted | None:
        """The accepted plan to hold it against: of the same values and shape, of the same values, or the heaviest."""
        if self.entry is None:
            return None
        shape = self.now.plan.shape if isinstance(self.now, Measured) else ""
        same = [plan for plan in self.entry.plans if plan.sql == self.sql]
        nearest = [plan for plan in same if plan.shape == shape] or same or list(self.entry.plans)
        return max(nearest, key=lambda plan: (plan.blocks or 0, plan.cost))

    @property
    def has_other_values(self) -> bool:
        """Whether the baseline knows the statement, but not with these values."""
        return self.entry is not None and all(plan.sql != self.sql for plan in self.entry.plans)

    @property
    def is_accepted_shape(self) -> bool:
        return self.entry is not None and isinstance(self.now, Measured) and self.now.plan.shape in self.entry.shapes

    @cached_property
    def pages_factor(self) -> float:
        """How many times its size the table has that grew the most, of those that the accepted plan reads; at least 1.

        A table that was empty counts as one page.
        """
        reference, now = self.reference, self.now
        if reference is None or not isinstance(now, Measured):
            return 1.0
        factors = [
            now.relations[name].pages / max(1, size.pages)
            for name, size in reference.tables.items()
            if name in now.relations
        ]
        return max([1.0, *factors])

    @cached_property
    def rows_factor(self) -> float:
        """How many times as many rows the scans of the same plan yield; at least 1. None counts as one row."""
        reference, now = self.reference, self.now
        if reference is None or not isinstance(now, Measured) or now.plan.shape != reference.shape:
            return 1.0
        return max(1.0, now.rows / max(1, reference.rows))

    @cached_property
    def stale(self) -> tuple[str, ...]:
        """Tables whose rows the plan is wrong about and whose statistics are old."""
        if not isinstance(self.now, Measured):
            return ()
        names = {node.relation for node in misestimated(self.now.plan) if node.relation}
        known = self.now.statistics
        return tuple(sorted(name for name in names if name in known and is_stale(known[name])))

    @property
    def is_executed(self) -> bool:
        """Whether blocks can be compared; else costs are."""
        has_blocks = isinstance(self.now, Measured) and self.now.blocks is not None
        return has_blocks and self.reference is not None and self.reference.blocks is not None

    def is_worse(self) -> bool:
        """Whether it touches more than the growth of its tables and noise explain."""
        reference, now = self.reference, self.now
        if reference is None or not isinstance(now, Measured):
            return False
        if now.timed_out:
            return True
        factor = self.data_factor()
        if not self.is_executed:
            return not self.is_accepted_shape and is_more(now.plan.root.total_cost, factor * reference.cost, 0)
        before, blocks = factor * (reference.blocks or 0), now.blocks or 0
        if not self.is_accepted_shape:
            return is_more(blocks, before, MIN_BLOCKS_OTHER_PLAN)
        # Where values were never measured, the number of their rows is not the plan's doing.
        return not self.has_other_values and is_more(blocks - now.heap_fetches, before)

    def data_factor(self) -> float:
        """By how much the data alone may have multiplied what it touches.

        More rows are no excuse where old statistics hid them from the planner.
        """
        return self.pages_factor if self.stale else max(self.pages_factor, self.rows_factor)

    def is_better(self) -> bool:
        reference, now = self.reference, self.now
        if reference is None or not isinstance(now, Measured) or now.timed_out:
            return False
        if not self.is_executed:
            return is_more(reference.cost, now.plan.root.total_cost, 0)
        return is_more(reference.blocks or 0, now.blocks or 0, MIN_BLOCKS_OTHER_PLAN)

    def is_grown(self) -> bool:
        """Whether it touches more than noise makes, for whatever reason."""
        reference, now = self.reference, self.now
        if reference is None or not isinstance(now, Measured) or not self.is_executed:
            return False
        return is_more(now.blocks or 0, reference.blocks or 0)

    def figures(self) -> str:
        """What it touches now and before, in words."""
        reference, now = self.reference, self.now
        assert reference is not None
        assert isinstance(now, Measured)
        if now.timed_out:
            before = f"{reference.blocks:,} blocks before" if reference.blocks is not None else "accepted before"
            return f"{now.timed_out}; {before}"
        if self.is_executed:
            return f"{now.blocks:,} blocks, {reference.blocks:,} before"
        return f"cost {now.plan.root.total_cost:,.0f}, {reference.cost:,.0f} before"


def is_stale(known: TableStatistics) -> bool:
    """Whether a table's statistics are too old to blame the data for a plan."""
    return outcome_of(known) is not None or known.changed_rows > DUE_SHARE * known.live_rows


def badness(comparison: Comparison) -> tuple[int, int, int]:
    """How bad a run was, to find the best of several; a run that said nothing is worse than any that did."""
    now = comparison.now
    if isinstance(now, NotMeasured):
        return (2 if now.is_failure else 3, 0, 0)
    return (int(comparison.is_worse()), int(not comparison.is_accepted_shape), now.blocks or 0)
