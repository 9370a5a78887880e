"""A proof of indexes as values for JSON."""

from dataclasses import asdict
from typing import Any

from tuning.whatif.dropping import Judged
from tuning.whatif.proof import Effect, Proven
from tuning.whatif.query import Query
from tuning.whatif.trial import Look


def proven(found: Proven) -> dict[str, Any]:
    return {
        "version": 1,
        "indexes": [
            {
                "name": each.definition.name,
                "sql": each.definition.sql(concurrently=True),
                "verdict": each.verdict.value,
                "reason": each.reason,
                "bytes": each.bytes,
                "build_s": round(each.build_s, 3),
                "statements": [_effect(effect) for effect in each.effects],
                "writes_before": asdict(each.before) if each.before else None,
                "writes_after": asdict(each.after) if each.after else None,
                "hypopg": [
                    {"sql": cost.query.sql, "cost_without": cost.without, "cost_with": cost.with_it}
                    for cost in each.costs
                ],
            }
            for each in found.proofs
        ],
        "skipped": [_skipped(each) for each in found.skipped],
        "notes": list(found.notes),
        "server": asdict(found.spent),
    }


def judged(found: Judged) -> dict[str, Any]:
    return {
        "version": 1,
        "indexes": [
            {
                "schema": each.index.schema,
                "name": each.index.name,
                "table": f"{each.index.table_schema}.{each.index.table}",
                "definition": each.index.definition,
                "verdict": each.verdict.value,
                "reason": each.reason,
                "bytes": each.index.bytes,
                "scans": each.index.scans,
                "wal_bytes_saved_a_row": round(each.wal_saved, 1),
                "writes_with": asdict(each.before) if each.before else None,
                "writes_without": asdict(each.after) if each.after else None,
            }
            for each in found.judgements
        ],
        "skipped": [_skipped(each) for each in found.skipped],
        "notes": list(found.notes),
        "server": asdict(found.spent),
    }


def _effect(effect: Effect) -> dict[str, Any]:
    query = effect.before.query
    return {
        "fingerprint": query.fingerprint,
        "route": query.route,
        "sql": query.sql,
        "calls": query.calls,
        "before": _look(effect.before),
        "after": _look(effect.after),
        "cut": round(effect.cut, 4),
    }


def _look(look: Look) -> dict[str, Any]:
    return {"blocks": look.blocks, "cost": look.cost, "ms": look.ms, "plan_shape": look.shape}


def _skipped(query: Query) -> dict[str, str]:
    return {"sql": query.sql[:1000], "reason": query.refused or "the copy refuses it"}
