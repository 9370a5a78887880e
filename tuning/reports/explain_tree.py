"""A plan as a tree of lines: what each node is, took, and read by itself."""

from collections.abc import Iterator
from dataclasses import dataclass

from tuning.explain.estimates import factor
from tuning.explain.node import Node
from tuning.explain.plan import Plan


@dataclass(frozen=True, slots=True)
class Line:
    """One node; ``own_share`` is its own part of the time, 0 to 1, by which it is coloured."""

    node: int
    depth: int
    branch: str
    label: str
    figures: str
    condition: str
    own_share: float


def lines(plan: Plan) -> Iterator[Line]:
    waiting: list[tuple[Node, str, bool, int]] = [(plan.root, "", True, 0)]
    while waiting:
        node, prefix, is_last, depth = waiting.pop()
        branch = "" if depth == 0 else prefix + ("└─ " if is_last else "├─ ")
        name = node.text("Subplan Name")
        yield Line(
            node=node.id,
            depth=depth,
            branch=branch,
            label=f"{name}: {node.label}" if name else node.label,
            figures=figures(plan, node),
            condition=next(
                (node.text(key) for key in ("Index Cond", "Hash Cond", "Merge Cond", "Filter") if node.text(key)), ""
            ),
            own_share=plan.own_share(node),
        )
        below = prefix if depth == 0 else prefix + ("   " if is_last else "│  ")
        last = len(node.children) - 1
        waiting += [(child, below, at == last, depth + 1) for at, child in reversed(list(enumerate(node.children)))]


def figures(plan: Plan, node: Node) -> str:
    """Own time and blocks, rows and how far they were from the estimate; averages below 18 are approximate."""
    if not plan.was_executed:
        return f"cost {node.total_cost:,.0f}, {node.plan_rows:,.0f} rows"
    if not node.was_executed:
        return "never executed"
    own = plan.own(node)
    loops = node.loops or 0
    about = "~" if loops > 1 and not plan.has_fractions else ""
    parts = [f"{own.ms:,.1f} ms"] if plan.has_timing else []
    parts.append(f"{about}{node.rows:,.0f} rows")
    if factor(node) >= 10 and node.plan_rows:
        parts[-1] += f" ({node.plan_rows * loops:,.0f} planned)"
    if loops > 1:
        parts.append(f"{loops:,} loops")
    if own.blocks.touched:
        read = f", {own.blocks.read:,} read" if own.blocks.read else ""
        parts.append(f"{own.blocks.touched:,} blocks{read}")
    if own.blocks.temp:
        parts.append(f"{own.blocks.temp:,} temporary")
    return ", ".join(parts)
