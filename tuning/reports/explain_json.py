"""A report on plans as JSON; version 1 of its form."""

from dataclasses import asdict
from typing import Any

from tuning.contract import Outcome
from tuning.explain.findings import Judged, Report
from tuning.explain.plan import Plan

VERSION = 1


def as_json(report: Report) -> dict[str, Any]:
    return {
        "v": VERSION,
        "counts": {outcome.value: report.count(outcome) for outcome in (Outcome.WARN, Outcome.FAIL)},
        "notes": list(report.notes),
        "server": asdict(report.spent) if report.spent is not None else None,
        "statements": [_judged(each) for each in report.judged],
    }


def _judged(judged: Judged) -> dict[str, Any]:
    return {
        "source": judged.source,
        "skipped": judged.skipped,
        "notes": list(judged.notes),
        "statement": asdict(judged.statement) if judged.statement is not None else None,
        "plan": _plan(judged.plan) if judged.plan is not None else None,
        "findings": [asdict(finding) for finding in judged.findings],
        "rules": [asdict(rule) for rule in judged.rules],
    }


def _plan(plan: Plan) -> dict[str, Any]:
    return {
        "shape": plan.shape,
        "planning_ms": plan.planning_ms,
        "execution_ms": plan.execution_ms,
        "blocks": plan.touched_blocks if plan.has_blocks else None,
        "settings": dict(plan.settings),
        "nodes": [
            {
                "id": node.id,
                "parent": parent.id if (parent := plan.parent(node)) is not None else None,
                "label": node.label,
                "own_ms": round(plan.own(node).ms, 3),
                "own_blocks": plan.own(node).blocks.touched,
                "rows": node.rows,
                "planned_rows": node.plan_rows * (node.loops or 1),
                "loops": node.loops,
            }
            for node in plan.nodes
        ],
    }
