"""Choose indexes for a whole workload at once: each step takes what saves most, less what it costs writes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from tuning.advisors.hot_loss import HotLoss, forecast
from tuning.sql_tokens import tokenize
from tuning.whatif.access import Access
from tuning.whatif.candidate import Candidate
from tuning.whatif.conditions import column_of
from tuning.whatif.costing import Costing
from tuning.whatif.options import Bundle
from tuning.whatif.tables import Table

# dexter: plans below this cost are left alone, and an index must cut the cost by half (lib/dexter/indexer.rb).
MIN_COST = 100.0
MIN_CUT = 0.5
# postgres-mcp's bar (dta_calc.py), read per statement: of a workload of thirty, no single index cuts a tenth.
MIN_STATEMENT_CUT = 0.1
# pghero: no index below this.
MIN_ROWS = 500
# Two indexes differ in what they save from here on (mine); below it the smaller one is taken.
NOTABLE = 0.05
# What one more index costs a row that is written: a descent and a page of WAL, in the planner's units (mine).
WRITE_COST = 4.0
# How large they are beside each other (mine).
SIZES = {"brin": 0.1, "btree": 1.0, "gin": 2.0}


@dataclass(frozen=True, slots=True)
class Writes:
    """Rows of one table that the workload inserts and updates, and by column which share of the updates sets it."""

    inserts: float = 0.0
    updates: float = 0.0
    updated: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Choice:
    """``served`` are accesses with their cost before and after; costs are of one call."""

    candidate: Candidate
    served: tuple[tuple[Access, float, float], ...]
    write_cost: float
    hot_loss: HotLoss

    @property
    def gain(self) -> float:
        return sum((before - after) * access.query.calls for access, before, after in self.served)


@dataclass(slots=True)
class Choosing:
    """``refused`` says of an access why the best index for it is not suggested."""

    costing: Costing
    tables: Mapping[tuple[str, str], Table]
    writes: Mapping[tuple[str, str], Writes]
    version: int
    refused: dict[Access, str] = field(default_factory=dict)

    def choose(self, accesses: Sequence[Access], options: Mapping[Access, Sequence[Bundle]]) -> list[Choice]:
        now = {access: access.cost for access in accesses}
        pool = list(dict.fromkeys(bundle for found in options.values() for bundle in found))
        costs = {
            (bundle, access): cost
            for bundle in pool
            for access in accesses
            if access.on == (bundle[0].schema, bundle[0].table)
            and (cost := self._cost(access, bundle, options)) is not None
        }
        chosen: list[Bundle] = []
        while (best := self._best(pool, accesses, now, costs, chosen)) is not None:
            chosen.append(best)
            for access in accesses:
                now[access] = min(now[access], costs.get((best, access), now[access]))
        chosen = self._needed(chosen, accesses, costs)
        return _merged(self._told(chosen, accesses, costs))

    def _best(
        self,
        pool: Sequence[Bundle],
        accesses: Sequence[Access],
        now: Mapping[Access, float],
        costs: Mapping[tuple[Bundle, Access], float],
        chosen: Sequence[Bundle],
    ) -> Bundle | None:
        ranked: list[tuple[float, Bundle]] = []
        for bundle in pool:
            if bundle in chosen:
                continue
            gains = {
                access: (now[access] - cost) * access.query.calls
                for access in accesses
                if (cost := costs.get((bundle, access))) is not None and is_cut(access, now[access], cost)
            }
            gain = sum(gains.values())
            price = sum(self.write_cost(each)[0] for each in bundle)
            if gain > price:
                ranked.append((gain - price, bundle))
            else:
                for access in gains:
                    self.refused[access] = f"writes would pay more for it ({price:,.0f}) than it saves ({gain:,.0f})"
        if not ranked:
            return None
        most = max(net for net, _ in ranked)
        near = [bundle for net, bundle in ranked if net >= most * (1 - NOTABLE)]
        return min(near, key=self._weight)

    def _needed(
        self,
        chosen: list[Bundle],
        accesses: Sequence[Access],
        costs: Mapping[tuple[Bundle, Access], float],
    ) -> list[Bundle]:
        """Without those that later choices made needless."""
        for bundle in list(chosen):
            rest = [each for each in chosen if each != bundle]
            is_needless = all(
                _least(rest, access, costs) <= _least(chosen, access, costs) * (1 + NOTABLE) + MIN_COST * NOTABLE
                for access in accesses
            )
            if is_needless:
                chosen = rest
        return chosen

    def _told(
        self,
        chosen: Sequence[Bundle],
        accesses: Sequence[Access],
        costs: Mapping[tuple[Bundle, Access], float],
    ) -> list[Choice]:
        served: dict[Candidate, list[tuple[Access, float, float]]] = {}
        for bundle in chosen:
            for candidate in bundle:
                served.setdefault(candidate, [])
        for access in accesses:
            found = min(chosen, key=lambda each: costs.get((each, access), access.cost), default=None)
            if found is None or not is_cut(access, access.cost, costs.get((found, access), access.cost)):
                continue
            for candidate in found:
                served[candidate].append((access, access.cost, costs[found, access]))
        return [
            Choice(candidate, tuple(found), *self.write_cost(candidate)) for candidate, found in served.items() if found
        ]

    def _cost(self, access: Access, bundle: Bundle, options: Mapping[Access, Sequence[Bundle]]) -> float | None:
        table = self.tables[access.on]
        if len(bundle) == 1:
            cost = self.costing.cost(access, table, bundle[0])
            if cost is None or not bundle[0].include:
                return cost
            bare = self.costing.cost(access, table, replace(bundle[0], include=()))
            return cost if bare is not None and bare > MIN_COST and cost <= bare * (1 - MIN_CUT) else bare
        return self._either(access, table, bundle) if bundle in options.get(access, ()) else None

    def _either(self, access: Access, table: Table, bundle: Bundle) -> float:
        """Each arm of an OR by its own index: the sum of what they read."""
        either = next(each for each in access.conditions if each.kind == "or")
        rows = self.costing.selectivity(table, [either.text]) * table.rows
        return (len(bundle) + 1 + rows) * self.costing.random_page_cost * 2

    def write_cost(self, candidate: Candidate) -> tuple[float, HotLoss]:
        """What the workload's writes pay for the index, and what it costs in HOT updates.

        An update that is no HOT update any more writes an entry into every index of the table; one that never was
        writes one more.
        """
        on = (candidate.schema, candidate.table)
        table, writes = self.tables[on], self.writes.get(on, Writes())
        # Without counters every update counts as HOT: the index is not to look cheaper than it may be.
        updates, hot = (table.updates, table.hot_updates) if table.updates else (round(writes.updates),) * 2
        loss = forecast(
            table.name, _names(candidate), writes.updated or None, updates, hot, method=candidate.method,
            version=self.version,
        )  # fmt: skip
        share = self.costing.selectivity(table, [candidate.predicate]) if candidate.predicate else 1.0
        ratio = 1.0 if loss.hot_ratio is None else loss.hot_ratio
        lost = writes.updates * ratio * (loss.share or 0.0)
        entries = (writes.inserts + writes.updates * (1 - ratio)) * share + lost * (1 + len(table.indexes))
        return WRITE_COST * entries, loss

    def _weight(self, bundle: Bundle) -> tuple[float, int, str]:
        """Small ones first: parts of a table, few keys, nothing included."""
        size = 0.0
        for each in bundle:
            table = self.tables[each.schema, each.table]
            share = self.costing.selectivity(table, [each.predicate]) if each.predicate else 1.0
            size += SIZES[each.method] * share * (1 + len(each.columns) + 2 * len(each.include))
        return size, sum(len(each.columns) for each in bundle), str(bundle)


def _merged(choices: Sequence[Choice]) -> list[Choice]:
    """One index for LIKE and for equality: the operator classes for patterns know both."""
    found = {each.candidate: each for each in choices}
    for each in choices:
        first, *others = each.candidate.columns
        pattern = replace(each.candidate, columns=(f"{first} text_pattern_ops", *others))
        if (
            each.candidate.method == "btree"
            and pattern in found
            and all(_only_equal(a, first) for a, _, _ in each.served)
        ):
            wider = found[pattern]
            found[pattern] = replace(wider, served=tuple(dict.fromkeys((*wider.served, *each.served))))
            del found[each.candidate]
    return list(found.values())


def _only_equal(access: Access, key: str) -> bool:
    held = [arm for each in access.conditions for arm in (each, *each.arms)]
    is_ordered = access.order is not None and any(each.split(" ")[0] == key for each in access.order.keys)
    return not is_ordered and not any(each.kind == "range" and column_of(each.key) == key for each in held)


def is_cut(access: Access, before: float, after: float) -> bool:
    """Whether the scan gets cheaper by half, and what the statement costs by then by a tenth."""
    statement = max(before, access.statement_cost - access.cost + before)
    is_slow = statement >= MIN_COST
    return is_slow and after <= before * (1 - MIN_CUT) and before - after >= MIN_STATEMENT_CUT * statement


def _least(chosen: Sequence[Bundle], access: Access, costs: Mapping[tuple[Bundle, Access], float]) -> float:
    return min([access.cost, *(costs[each, access] for each in chosen if (each, access) in costs)])


def _names(candidate: Candidate) -> set[str]:
    """Every column that the index reads, and names of functions, which do no harm."""
    text = " ".join((*candidate.columns, *candidate.include, candidate.predicate or ""))
    return {token.identifier for token in tokenize(text) if token.kind in ("word", "quoted")}
