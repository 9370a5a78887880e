"""Make a baseline from statements, or add what they show to one."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum, auto

from tuning.explain.execution import Server
from tuning.explain.rules.plan_regression import is_more
from tuning.observe import plan_relations
from tuning.plans.baseline import Accepted, Baseline, Entry, Table
from tuning.plans.comparison import MIN_BLOCKS_OTHER_PLAN
from tuning.plans.measured import NotMeasured
from tuning.plans.measuring import measure
from tuning.whatif.query import Query

Tell = Callable[[str], None]


class _Done(Enum):
    ADDED = auto()
    RENEWED = auto()
    KNOWN = auto()


@dataclass(frozen=True, slots=True)
class Saved:
    """``skipped`` are statements without a plan, with the reason. ``added`` and ``renewed`` count plans;
    ``known`` those of other values whose shape was accepted already.
    """

    baseline: Baseline
    skipped: tuple[tuple[Query, str], ...]
    added: int
    renewed: int
    known: int


def save(on: Server, queries: Iterable[Query], old: Baseline | None, tell: Tell, *, is_planned: bool) -> Saved:
    """Run statements and accept their plans.

    Args:
        old: A baseline whose statements and plans are kept; a plan of it that is found again is measured anew.
        is_planned: Only plan them.

    Raises:
        psycopg.OperationalError: The server is gone.
    """
    plans = {entry.key: list(entry.plans) for entry in old.entries} if old is not None else {}
    skipped = []
    added = renewed = known = 0
    for query in queries:
        tell(query.title)
        if query.refused:
            skipped.append((query, query.refused))
            continue
        measured = measure(on, query.sql, is_planned=is_planned, is_open=query.is_open)
        if isinstance(measured, NotMeasured) or measured.timed_out:
            reason = measured.reason if isinstance(measured, NotMeasured) else measured.timed_out
            skipped.append((query, reason))
            continue
        done = _accept(plans.setdefault((query.route, query.fingerprint), []), measured.accepted())
        added += done is _Done.ADDED
        renewed += done is _Done.RENEWED
        known += done is _Done.KNOWN
    entries = tuple(Entry(*key, tuple(found)) for key, found in sorted(plans.items()) if found)
    return Saved(Baseline(on.version, entries, _tables(on, entries, old)), tuple(skipped), added, renewed, known)


def again(baseline: Baseline) -> list[Query]:
    """The statements of a baseline, to be measured once more."""
    return [
        Query(entry.fingerprint, "", sql, entry.route, is_open=plans[0].blocks is None and "$" in sql)
        for entry in baseline.entries
        for sql, plans in entry.for_values().items()
    ]


def _accept(plans: list[Accepted], plan: Accepted) -> _Done:
    """Put a plan among those of its statement; of values that are new only a shape that is new.

    Of the same values only plans that touch about as much stay beside it: between those a planner may waver. A worse
    one that stayed would be accepted when the better one is lost.
    """
    mine = [known for known in plans if known.sql == plan.sql]
    if not mine and any(known.shape == plan.shape for known in plans):
        return _Done.KNOWN
    kept = [known for known in mine if known.shape != plan.shape and _is_like(known, plan)]
    plans[:] = [*(known for known in plans if known.sql != plan.sql), *kept, plan]
    return _Done.RENEWED if any(known.shape == plan.shape for known in mine) else _Done.ADDED


def _is_like(one: Accepted, other: Accepted) -> bool:
    if one.blocks is None or other.blocks is None:
        return not (is_more(one.cost, other.cost, 0) or is_more(other.cost, one.cost, 0))
    worse, better = max(one.blocks, other.blocks), min(one.blocks, other.blocks)
    return not is_more(worse, better, MIN_BLOCKS_OTHER_PLAN)


def _tables(on: Server, entries: Iterable[Entry], old: Baseline | None) -> dict[str, Table]:
    names = {name for entry in entries for plan in entry.plans for name in plan.tables}
    found = {
        name: Table(
            rows=relation.rows,
            pages=relation.pages,
            analyzed_at=relation.analyzed_at,
            changed_rows=relation.changed_rows,
            indexes={index: each.definition for index, each in relation.indexes.items() if each.is_valid},
        )
        for name, relation in plan_relations.read(on.connection, names).items()
    }
    kept = {name: table for name, table in old.tables.items() if name in names} if old is not None else {}
    return kept | found
