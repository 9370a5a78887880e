"""Why a plan is another one than before, from what the catalog says of its tables; the surest reason first."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import unified_diff

from tuning.explain.estimates import MIN_ROWS, factor, is_under, misestimated
from tuning.explain.node import Node
from tuning.explain.rules.stale_statistics import told_age
from tuning.observe.relation_facts import Relation
from tuning.observe.statistics import TableStatistics
from tuning.plans.baseline import Accepted, Table
from tuning.plans.comparison import DUE_SHARE, Comparison, is_stale
from tuning.plans.measured import Measured

UNKNOWN = "planner's choice: unknown cause"
# Ours: a table that is a tenth larger or smaller moves costs, and is told; what is less, load does within minutes.
TOLD_GROWTH = 1.1
_MAJOR = 10_000


@dataclass(frozen=True, slots=True)
class _Sides:
    """What the causes are told from."""

    accepted: Accepted
    now: Measured
    before: Mapping[str, Table]

    def tables(self) -> Iterator[tuple[str, Table, Relation | None]]:
        """Each table that the accepted plan reads, as it was and as it is; None where it is gone."""
        for name in sorted(self.accepted.tables):
            if name in self.before:
                yield name, self.before[name], self.now.relations.get(name)


def causes(comparison: Comparison) -> tuple[str, ...]:
    """Sentences without a full stop; where nothing is known, that."""
    accepted, now = comparison.reference, comparison.now
    if accepted is None or not isinstance(now, Measured):
        return ()
    sides = _Sides(accepted, now, comparison.before or {})
    found = [
        *_indexes(sides),
        *_settings(accepted, now),
        *_version(comparison),
        *_statistics(sides),
        *_data(comparison, sides),
    ]
    if comparison.has_other_values:
        found.append("other values than those that were accepted: their plan is another")
    return tuple(found) or (UNKNOWN,)


def difference(comparison: Comparison) -> tuple[str, ...]:
    """Both plans as the lines of a diff; nothing where they are the same."""
    accepted, now = comparison.reference, comparison.now
    if accepted is None or not isinstance(now, Measured) or now.plan.shape == accepted.shape:
        return ()
    longest = max(len(accepted.outline), len(now.plan.outline))
    return tuple(unified_diff(accepted.outline, now.plan.outline, "accepted", "now", lineterm="", n=longest))[3:]


def _indexes(sides: _Sides) -> Iterator[str]:
    used_now = {node.index for node in sides.now.plan.nodes if node.index}
    used_before = {line.partition(" using ")[2].split(" ")[0] for line in sides.accepted.outline if " using " in line}
    for name, was, now in sides.tables():
        if now is None:
            yield f"{name} is gone, or cannot be seen"
            continue
        for index, definition in was.indexes.items():
            found = now.indexes.get(index)
            # An index that neither plan reads changes neither.
            if index not in used_before | used_now:
                continue
            if found is None:
                twin = next((other for other, each in now.indexes.items() if _same(each.definition, definition)), "")
                yield f"the index {index} is gone{f', {twin} is the same' if twin else f': {definition}'}"
            elif not found.is_valid:
                yield f"the index {index} is INVALID: no plan may use it; REINDEX INDEX CONCURRENTLY builds it again"
            elif found.definition != definition:
                yield f"the index {index} was changed: {definition}, now {found.definition}"
        for index in sorted((now.indexes.keys() - was.indexes.keys()) & used_now):
            yield f"the index {index} is new: {now.indexes[index].definition}"


def _same(one: str, other: str) -> bool:
    """Whether two definitions differ in their names alone."""
    return one.partition(" ON ")[2] == other.partition(" ON ")[2] and ("UNIQUE" in one) == ("UNIQUE" in other)


def _settings(accepted: Accepted, now: Measured) -> Iterator[str]:
    before, after = accepted.settings, now.plan.settings
    changed = [
        f"{name} = {after.get(name, 'default')}, before {before.get(name, 'default')}"
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    ]
    if changed:
        yield f"settings differ: {'; '.join(changed)}"


def _version(comparison: Comparison) -> Iterator[str]:
    before, now = comparison.version_before // _MAJOR, comparison.version_now // _MAJOR
    if before != now:
        yield f"PostgreSQL {now} planned it, before {before}"


def _statistics(sides: _Sides) -> Iterator[str]:
    for name, was, now in sides.tables():
        if now is None:
            continue
        known = sides.now.statistics.get(name)
        if now.rows < 0 <= was.rows:
            yield f"{name} was never analyzed, or not since it was emptied; it has {now.pages:,} pages: ANALYZE {name}"
        elif known is not None and _has_become_stale(known, was, now):
            yield f"statistics are stale: {told_age(known)}; ANALYZE {name}"
        elif wrong := _misses(name, now, sides.now):
            yield f"{wrong}: ANALYZE {name}"
        elif now.analyzed_at > was.analyzed_at:
            yield f"{name} has new statistics: analyzed at {now.analyzed_at}, before {was.analyzed_at or 'never'}"


def _has_become_stale(known: TableStatistics, was: Table, now: Relation) -> bool:
    """Whether statistics are old that were not as old at the save; what has not changed since is no cause."""
    before = was.changed_rows if now.analyzed_at == was.analyzed_at else 0
    return is_stale(known) and known.changed_rows - before > DUE_SHARE * known.live_rows


def _misses(name: str, now: Relation, measured: Measured) -> str:
    """How the execution proves the statistics of a table wrong; empty where it does not."""
    nodes = [node for node in measured.plan.nodes if node.relation == name]
    read = max((_rows_read(node) for node in nodes), default=0)
    if read >= max(MIN_ROWS, 2 * now.rows):
        return f"the statistics of {name} know of {now.rows:,} rows, and a scan of it read {read:,.0f}"
    off = [node for node in misestimated(measured.plan) if node.relation == name and is_under(node)]
    if not off:
        return ""
    worst = max(off, key=factor)
    return f"the planner expected {worst.plan_rows:,.0f} rows of {name} where {worst.rows_per_loop or 0:,.0f} came"


def _rows_read(node: Node) -> float:
    # One loop: a scan that is run again reads the same rows again. Processes share them.
    per_loop = (node.rows_per_loop or 0.0) + node.number("Rows Removed by Filter")
    return per_loop * node.processes


def _data(comparison: Comparison, sides: _Sides) -> Iterator[str]:
    read = {node.relation for node in sides.now.plan.nodes if node.relation}
    if others := sorted(read - sides.accepted.tables.keys()):
        yield f"it reads {', '.join(others)}, which it did not: a partition, or what a view is made of"
    for name, size in sorted(sides.accepted.tables.items()):
        now = sides.now.relations.get(name)
        if now is None:
            continue
        growth = now.pages / max(1, size.pages)
        if 1 / TOLD_GROWTH < growth < TOLD_GROWTH:
            continue
        rows = f"{max(now.rows, 0):,} rows by its statistics, before {max(size.rows, 0):,}"
        has_as_many = now.rows <= TOLD_GROWTH * size.rows
        what = "is larger with no more rows (dead rows, or free space: VACUUM)" if has_as_many else "has grown"
        yield f"{name} {what if growth > 1 else 'is smaller'}: {now.pages:,} pages, before {size.pages:,}; {rows}"
    if comparison.rows_factor >= TOLD_GROWTH:
        yield f"its scans find {sides.now.rows:,} rows, before {sides.accepted.rows:,}"
    if sides.now.heap_fetches:
        yield f"{sides.now.heap_fetches:,} rows of index-only scans were looked up in the table: VACUUM it"
