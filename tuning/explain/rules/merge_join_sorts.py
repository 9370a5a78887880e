"""A merge join sorts its input first.

When: a child of a merge join is a sort of 10,000 rows or more that takes a tenth of the statement's time.
Why: an index on the join key gives the rows in order, and a hash join needs no order.
Remedy: an index on the join key; or more work_mem, where a hash join was avoided for want of it.
"""

from collections.abc import Iterator

from tuning.contract import Outcome
from tuning.explain.findings import Found, Place
from tuning.explain.subject import MIN_SHARE, Subject

NEEDS = ("plan", "actual")
CONSEQUENCE_OF = {"sort_spill": Place.SAME}

# Mine: pgexplain warns of any; below what pgplan calls many rows a sort costs less than the join.
MIN_ROWS = 10_000


def check(subject: Subject) -> Iterator[Found]:
    plan = subject.plan
    assert plan is not None
    for node in plan.nodes:
        parent = plan.parent(node)
        if parent is None or parent.type != "Merge Join" or node.type not in ("Sort", "Materialize"):
            continue
        sort = node if node.type == "Sort" else node.children[0] if node.children else node
        rows = sort.children[0].rows if sort.children else 0.0
        is_long = not plan.has_timing or plan.own_share(sort) >= MIN_SHARE
        if sort.type == "Sort" and rows >= MIN_ROWS and is_long and subject.matters(parent):
            yield Found(Outcome.WARN, f"{rows:,.0f} rows sorted for {parent.text('Merge Cond')}", sort)
