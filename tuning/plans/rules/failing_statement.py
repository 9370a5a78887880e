"""A statement of the baseline cannot be run any more.

When: PostgreSQL refuses a statement that had a plan when the baseline was saved.
Why: a table, a column or a function is gone or renamed; whoever still sends it gets the same error.
Remedy: mend the schema, or save the baseline again without the statement.
"""

from collections.abc import Iterator

from tuning.contract import Outcome
from tuning.explain.findings import Found
from tuning.plans.comparison import Comparison
from tuning.plans.measured import NotMeasured

NEEDS = ("plan",)


def check(subject: Comparison) -> Iterator[Found]:
    if isinstance(subject.now, NotMeasured) and subject.now.is_failure:
        yield Found(Outcome.FAIL, f"PostgreSQL refuses it: {subject.now.reason}")
