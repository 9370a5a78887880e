"""The inner side of a nested loop is done anew again and again, without an index that leads to its rows.

When: the inner side runs 1,000 times and takes half a second, or reads a million rows of a whole table; fails at
    10,000 times and five seconds. An inner side that an index leads to is only blamed where other joins are
    switched off.
Why: the cost is the outer side's rows times the inner side's cost, and nothing of it is kept.
Remedy: an index on the inner side's join column, so that a loop is a lookup; otherwise mend the estimate that made
    a loop look cheap.
"""

from collections.abc import Iterator

from tuning.contract import Outcome
from tuning.explain.findings import Found, Place
from tuning.explain.node import INDEX_SCANS, Node
from tuning.explain.subject import Subject

NEEDS = ("plan", "actual")
CONSEQUENCE_OF = {
    "stale_statistics": Place.BESIDE,
    "misestimate_source": Place.BESIDE,
    "misestimate": Place.BESIDE,
    "slow_scan": Place.BELOW,
    "like_scan": Place.BELOW,
    "join_filter": Place.PARENT,
    "materialize_loops": Place.SAME,
}

# pgplan and pgexplain: loops. pgplan: what is below half a second is not worth a word, five seconds are critical.
MIN_LOOPS = 1000
CRITICAL_LOOPS = 10_000
MIN_MS = 500.0
CRITICAL_MS = 5000.0
# pgplan, rules.go: rows of a sequential scan that are critical.
MIN_VISITED = 1_000_000
_SWITCHES = ("enable_hashjoin", "enable_mergejoin")
_LOOKUPS = (*INDEX_SCANS, "Bitmap Heap Scan", "Tid Scan")


def check(subject: Subject) -> Iterator[Found]:
    plan = subject.plan
    assert plan is not None
    is_forced = any(plan.settings.get(name) == "off" for name in _SWITCHES)
    for join in plan.nodes:
        inner = next((child for child in join.children if child.relationship == "Inner"), None)
        if join.type != "Nested Loop" or inner is None or (inner.loops or 0) < MIN_LOOPS or not subject.matters(inner):
            continue
        is_slow = plan.has_timing and inner.wall_ms >= MIN_MS
        if not is_slow and _visited(inner) < MIN_VISITED:
            continue
        if _is_lookup(inner) and not is_forced:
            continue
        is_critical = plan.has_timing and inner.wall_ms >= CRITICAL_MS and (inner.loops or 0) >= CRITICAL_LOOPS
        took = f", {inner.wall_ms:,.0f} ms in all" if plan.has_timing else ""
        why = "; other joins are switched off" if is_forced else ""
        message = f"done {inner.loops:,} times{took}{why}"
        yield Found(Outcome.FAIL if is_critical else Outcome.WARN, message, inner)


def _visited(node: Node) -> float:
    """Rows of whole tables that are looked at below."""
    scans = (each for each in node.walk() if each.type == "Seq Scan")
    return sum(each.rows + each.total("Rows Removed by Filter") for each in scans)


def _is_lookup(node: Node) -> bool:
    """Whether only indexes are asked below, one step for each loop."""
    return not any(
        each.type in ("Seq Scan", "Function Scan", "CTE Scan", "Materialize") for each in node.walk()
    ) and any(each.type in _LOOKUPS for each in node.walk())
