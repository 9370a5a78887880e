"""Build a plan from the object that EXPLAIN (FORMAT JSON) prints; the text form is brought into that form first."""

from collections.abc import Mapping
from itertools import count
from typing import Any

from tuning.explain.errors import Unreadable
from tuning.explain.node import GATHERS, Blocks, Node
from tuning.explain.plan import Plan

# PostgreSQL's own plans are far flatter; deeper ones would end in a recursion of ours.
MAX_DEPTH = 200
_FIGURES = ("Plan Rows", "Total Cost", "Actual Rows", "Actual Loops", "Actual Total Time")
# Versions up to 16 name them without Shared.
_READ_TIMES = ("Shared I/O Read Time", "I/O Read Time")


def plan(entry: object) -> Plan:
    """Build one plan from one entry of the array that EXPLAIN prints.

    Raises:
        Unreadable: It is no plan.
    """
    if not isinstance(entry, Mapping) or not isinstance(entry.get("Plan"), Mapping):
        raise Unreadable("this JSON is no plan: EXPLAIN prints an array of objects with a key Plan")
    triggers, jit, planning = entry.get("Triggers"), entry.get("JIT"), entry.get("Planning")
    settings = entry.get("Settings")
    return Plan(
        root=_node(entry["Plan"], count(), 1, 0),
        planning_ms=_optional(entry, "Planning Time"),
        execution_ms=_optional(entry, "Execution Time"),
        query=str(entry.get("Query Text") or ""),
        settings={str(k): str(v) for k, v in settings.items()} if isinstance(settings, Mapping) else {},
        jit=jit if isinstance(jit, Mapping) else {},
        triggers=tuple(each for each in triggers if isinstance(each, Mapping)) if isinstance(triggers, list) else (),
        planning=planning if isinstance(planning, Mapping) else {},
    )


def _node(raw: Mapping[str, Any], ids: "count[int]", processes: int, depth: int) -> Node:
    kind = raw.get("Node Type")
    if not isinstance(kind, str):
        raise Unreadable("a node of the plan has no Node Type")
    if depth > MAX_DEPTH:
        raise Unreadable(f"the plan is deeper than {MAX_DEPTH} nodes")
    for name in _FIGURES:
        _optional(raw, name)
    number = next(ids)
    below = processes
    if kind in GATHERS:
        # The leader works with them, except where one worker does it all.
        launched = _whole(raw, "Workers Launched")
        below = max(1, launched if raw.get("Single Copy") is True else launched + 1)
    children = raw.get("Plans", [])
    if not isinstance(children, list) or not all(isinstance(each, Mapping) for each in children):
        raise Unreadable(f"what is below {kind} is no list of nodes")
    loops = _optional(raw, "Actual Loops")
    rows = _optional(raw, "Actual Rows")
    properties = {key: value for key, value in raw.items() if key != "Plans"}
    if isinstance(raw.get("Actual Rows"), float):
        properties["Has Fractions"] = True
    return Node(
        id=number,
        type=kind,
        properties=properties,
        children=tuple(
            _node(each, ids, 1 if each.get("Parent Relationship") == "InitPlan" else below, depth + 1)
            for each in children
        ),
        plan_rows=_optional(raw, "Plan Rows") or 0.0,
        plan_width=_whole(raw, "Plan Width"),
        startup_cost=_optional(raw, "Startup Cost") or 0.0,
        total_cost=_optional(raw, "Total Cost") or 0.0,
        rows_per_loop=rows,
        startup_ms=_optional(raw, "Actual Startup Time"),
        total_ms=_optional(raw, "Actual Total Time"),
        loops=None if loops is None else int(loops),
        processes=processes,
        blocks=_blocks(raw),
    )


def _blocks(raw: Mapping[str, Any]) -> Blocks:
    return Blocks(
        hit=_whole(raw, "Shared Hit Blocks"),
        read=_whole(raw, "Shared Read Blocks"),
        dirtied=_whole(raw, "Shared Dirtied Blocks"),
        written=_whole(raw, "Shared Written Blocks"),
        local=_whole(raw, "Local Hit Blocks") + _whole(raw, "Local Read Blocks"),
        temp=_whole(raw, "Temp Read Blocks") + _whole(raw, "Temp Written Blocks"),
        read_ms=next((value for name in _READ_TIMES if (value := _optional(raw, name)) is not None), 0.0),
    )


def _optional(raw: Mapping[str, Any], name: str) -> float | None:
    value = raw.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Unreadable(f"{name} is no number: {str(value)[:40]!r}")
    if not 0 <= value < 1e30:
        raise Unreadable(f"{name} is out of range: {str(value)[:40]}")
    return float(value)


def _whole(raw: Mapping[str, Any], name: str) -> int:
    return int(_optional(raw, name) or 0)
