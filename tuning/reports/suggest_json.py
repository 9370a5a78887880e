"""Suggested indexes for machines; ``candidates`` is what ``hotrow index prove`` and ``write`` read."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from tuning.whatif.suggesting import Advice, Suggestion


def as_json(advice: Advice, notes: Iterable[str]) -> dict[str, Any]:
    return {
        "candidates": [_suggestion(each) for each in advice.suggestions],
        "unserved": [
            {"fingerprint": query.fingerprint, "route": query.route, "sql": query.sql, "reason": reason}
            for query, reason in advice.unserved
        ],
        "notes": [*notes, *advice.notes],
        "server": asdict(advice.spent),
    }


def _suggestion(each: Suggestion) -> dict[str, Any]:
    routes = sorted({one.query.route or one.query.fingerprint for one in each.served})
    return {
        **asdict(each.candidate),
        "reason": f"for {', '.join(routes)}"[:200],
        "name": each.candidate.name,
        "sql": each.candidate.sql(concurrently=True),
        "gain": round(each.gain, 1),
        "size_bytes": each.size_bytes,
        "write_cost": round(each.write_cost, 1),
        "checked": each.checked,
        "notes": list(each.notes),
        "serves": [
            {
                "fingerprint": one.query.fingerprint,
                "route": one.query.route,
                "calls": one.query.calls,
                "cost_before": one.before,
                "cost_after": one.after,
            }
            for one in each.served
        ],
    }
