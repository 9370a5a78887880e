"""An accepted plan touches more blocks than it did.

When: its shape is accepted, and it touches 1.5 times the blocks and 100 more than at the save, in each of three runs,
    after the growth of its tables and of the rows that it finds is allowed for. Rows that old statistics hid from the
    planner are not. Growth that data or a missing VACUUM explain is told, and no fault.
Why: an index was built anew with other columns, a table or an index is bloated, or the plan suits the data no more.
Remedy: mend the cause that it names: ANALYZE, VACUUM, REINDEX; `hotrow plans save --merge` accepts what it touches now.
"""

from collections.abc import Iterator

from tuning.contract import Outcome
from tuning.explain.findings import Found
from tuning.plans.comparison import Comparison

NEEDS = ("plan",)


def check(subject: Comparison) -> Iterator[Found]:
    if not subject.is_accepted_shape:
        return
    if subject.is_worse():
        yield Found(Outcome.FAIL, f"the plan is the same and touches more: {subject.figures()}")
    elif subject.has_other_values:
        return
    elif subject.is_grown():
        yield Found(Outcome.OK, f"the plan is the same and touches more, as its data explains: {subject.figures()}")
    elif subject.is_better():
        yield Found(Outcome.OK, f"the plan is the same and touches less: {subject.figures()}")
