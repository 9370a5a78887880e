"""Where the planner expected other numbers of rows than came, and where that is nobody's fault."""

import re

from tuning.explain.node import JOINS, Node
from tuning.explain.plan import Plan

# pgexplain's rule: a factor of ten, on a hundred rows at least.
FACTOR = 10.0
MIN_ROWS = 100.0
# Mine: rows that do not come cost nothing but the plan. pev2's second colour, or as many rows as pgplan calls many.
FACTOR_OVER = 100.0
MANY_ROWS = 10_000.0
# How a condition names the result of a subquery: $0 up to 16, (InitPlan 1).col1 from 17 on, or a SubPlan.
_UNKNOWN = re.compile(r"\$\d|\b(?:InitPlan|SubPlan) ")
# They pass on what is below them, and its error.
PASSING = frozenset(
    {
        "Hash", "Sort", "Incremental Sort", "Materialize", "Memoize", "Gather", "Gather Merge", "Limit", "LockRows",
        "Result", "Subquery Scan", "CTE Scan", "ProjectSet", "WindowAgg", "ModifyTable",
    }
)  # fmt: skip
# PostgreSQL counts no rows of bitmaps, and guesses recursion, set operations and functions by constants.
UNCOUNTED = frozenset({"BitmapAnd", "BitmapOr", "Recursive Union", "SetOp", "Table Function Scan", "WorkTable Scan"})
GUESSED = frozenset({"Function Scan"})
# They read all of their input before they yield a row, so a LIMIT above does not stop what is below.
_BLOCKING = frozenset({"Sort", "Aggregate", "Hash", "SetOp"})
_EARLY_JOINS = frozenset({"Semi", "Anti", "Right Semi", "Right Anti"})


def factor(node: Node) -> float:
    """How far the estimate is off, per loop: 10.0 is ten times too many or too few; below one row counts as one."""
    planned, came = max(1.0, node.plan_rows), max(1.0, node.rows_per_loop or 0.0)
    return max(planned, came) / min(planned, came)


def is_under(node: Node) -> bool:
    """Whether more rows came than were planned."""
    return (node.rows_per_loop or 0.0) > node.plan_rows


def misestimated(plan: Plan) -> list[Node]:
    """The nodes whose own estimate is off; those that pass on what is below them are left out."""
    return [node for node in plan.nodes if _is_off(plan, node)]


def source_of(plan: Plan, found: list[Node]) -> list[Node]:
    """Those of the nodes below which no other is off."""
    off = {node.id for node in found}
    return [node for node in found if not any(below.id in off for below in list(node.walk())[1:])]


def _is_off(plan: Plan, node: Node) -> bool:
    if not node.was_executed or node.type in PASSING or node.type in UNCOUNTED:
        return False
    if max(node.plan_rows, node.rows_per_loop or 0.0) < MIN_ROWS or factor(node) < FACTOR:
        return False
    if any(up.type == "Recursive Union" for up in plan.above(node)):
        return False
    return is_under(node) or (_is_far_over(node) and node.type not in GUESSED and not _stops_early(plan, node))


def _is_far_over(node: Node) -> bool:
    """Whether too many rows were planned by so much that another plan would have been chosen.

    A value that no row has is no error of the estimate, which is of values that some have; nor is one that only the
    execution finds out, as the result of a subquery.
    """
    is_found = bool(node.rows_per_loop)
    if _UNKNOWN.search(node.conditions):
        return False
    return node.plan_rows >= MANY_ROWS or (is_found and factor(node) >= FACTOR_OVER)


def _stops_early(plan: Plan, node: Node) -> bool:
    """Whether something above wanted no more rows, so that fewer came than there are."""
    below = node
    for up in plan.above(node):
        if up.type == "Limit" or below.relationship in ("SubPlan", "InitPlan"):
            return True
        if up.type == "Merge Join":
            return True
        is_early = up.text("Join Type") in _EARLY_JOINS or up.properties.get("Inner Unique") is True
        if up.type in JOINS and below.relationship == "Inner" and is_early:
            return True
        if up.type == "Hash Join" and below.relationship == "Outer" and _is_empty(up.children[-1]):
            return True
        if up.type in _BLOCKING and up.text("Strategy") != "Sorted":
            return False
        below = up
    return below.relationship in ("SubPlan", "InitPlan")


def _is_empty(node: Node) -> bool:
    """Whether the side that is hashed came without a row, so that the other was not read on."""
    return node.was_executed and node.rows == 0
