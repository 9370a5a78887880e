"""What a scan would cost with an index that does not exist: the planner's own row estimates and cost constants."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from tuning.whatif.access import Access
from tuning.whatif.candidate import Candidate
from tuning.whatif.conditions import RANGES, Condition, column_of, key_part
from tuning.whatif.tables import Table

# PostgreSQL's defaults (costsize.c); random_page_cost comes from the server.
CPU_TUPLE = 0.01
CPU_INDEX_TUPLE = 0.005
CPU_OPERATOR = 0.0025
SEQ_PAGE = 1.0
# A descent of a B-tree: two pages below the cached root.
DESCENT_PAGES = 2.0
# GIN looks up every key of the query, and goes through its pending list (gincostestimate).
GIN_PAGES = 6.0
# pages_per_range of BRIN; below this correlation (0 to 1) ranges overlap so much that it skips little (mine).
BRIN_PAGES_PER_RANGE = 128
BRIN_MIN_CORRELATION = 0.95
_INFIX = "gin_trgm_ops"
_PATTERN = " text_pattern_ops"

Selectivity = Callable[[Table, Iterable[str]], float]
JoinSelectivity = Callable[[Table, str], float]


@dataclass(frozen=True, slots=True)
class Costing:
    """Costs of accesses with candidates; estimates of rows are asked of the planner."""

    selectivity: Selectivity
    join_selectivity: JoinSelectivity
    random_page_cost: float

    def cost(self, access: Access, table: Table, candidate: Candidate) -> float | None:
        """The cost of the access by this index alone; None where the index does not serve it."""
        texts = {each.text for each in access.conditions}
        implied: list[str] = []
        if candidate.predicate is not None:
            if candidate.predicate not in texts:
                return None
            implied = [candidate.predicate]
        match candidate.method:
            case "btree":
                return self._btree(access, table, candidate, implied)
            case "gin":
                return self._gin(access, table, candidate, implied)
            case "brin":
                return self._brin(access, table, candidate)
        return None

    def _btree(self, access: Access, table: Table, candidate: Candidate, implied: list[str]) -> float | None:
        matched: list[Condition] = []
        outer_rows = 1.0
        share = 1.0
        led = 0
        for part in candidate.columns:
            found = _comparing(access, table, part)
            if found is None:
                break
            led += 1
            if found.kind == "join":
                outer_rows = max(rows for join, rows in access.joins if join.key == found.key)
                share *= self.join_selectivity(table, found.key)
            else:
                matched += [found] if found.kind != "range" else _all_ranges(access, part)
            if found.kind in ("range", "prefix", "any"):
                break
        is_ordered = self._is_ordered(access, candidate, matched, led)
        if not matched and outer_rows == 1.0 and share == 1.0 and not is_ordered and not implied:
            return None
        share *= self.selectivity(table, [*implied, *(each.text for each in matched)])
        rows = max(1.0, share * table.rows)
        total = max(1.0, self._left(access, table, matched) * table.rows)
        if is_ordered and access.order is not None and access.order.limit is not None:
            rows *= min(1.0, access.order.limit / min(rows, total))
        correlation = self._correlation(table, candidate, matched)
        heap = self._heap_pages(table, rows, correlation)
        if _covers(access, candidate, table):
            heap *= 1.0 - table.visible
        return outer_rows * (self._pages(table, heap, correlation) + self._descent + rows * self._per_row(access))

    def _gin(self, access: Access, table: Table, candidate: Candidate, implied: list[str]) -> float | None:
        key = candidate.columns[0]
        wanted = {
            key_part(each.key) + operators: each
            for each in access.conditions
            if (operators := _gin_class(each)) is not None
        }
        plain = {_plain(name): each for name, each in wanted.items()}
        found = plain.get(_plain(key))
        if found is None:
            return None
        rows = max(1.0, self.selectivity(table, [*implied, found.text]) * table.rows)
        heap = self._heap_pages(table, rows, 0.0)
        return self._pages(table, heap, 0.0) + GIN_PAGES * self.random_page_cost + rows * self._per_row(access)

    def _brin(self, access: Access, table: Table, candidate: Candidate) -> float | None:
        ranges = _all_ranges(access, candidate.columns[0])
        if not ranges:
            return None
        share = self.selectivity(table, (each.text for each in ranges))
        pages = min(table.pages, share * table.pages + BRIN_PAGES_PER_RANGE)
        return pages * SEQ_PAGE + 2 * self.random_page_cost + table.rows * pages / table.pages * self._per_row(access)

    def _left(self, access: Access, table: Table, matched: list[Condition]) -> float:
        """The share of the rows that meets all conditions, for a frequent value that of an average one.

        An index in the order of a LIMIT that leaves an equality to the filter is quick for a frequent value, and reads
        the whole table for a rare one, which another call will ask for.
        """
        share = self.selectivity(table, (each.text for each in access.conditions))
        for each in access.conditions:
            if each.kind == "equal" and each not in matched:
                share = min(share, self.join_selectivity(table, each.key))
        return share

    @property
    def _descent(self) -> float:
        return DESCENT_PAGES * self.random_page_cost

    def _per_row(self, access: Access) -> float:
        return CPU_TUPLE + CPU_INDEX_TUPLE + CPU_OPERATOR * len(access.conditions)

    def _heap_pages(self, table: Table, rows: float, correlation: float) -> float:
        """Mackert and Lohman's formula for rows that lie anywhere, fewer for those that lie together."""
        scattered = min(table.pages, 2 * table.pages * rows / (2 * table.pages + rows))
        together = math.ceil(table.pages * rows / max(1.0, table.rows))
        return scattered + correlation**2 * (together - scattered)

    def _pages(self, table: Table, pages: float, correlation: float) -> float:
        """A bitmap reads many pages in order, so each costs less (cost_bitmap_heap_scan)."""
        each = self.random_page_cost - (self.random_page_cost - SEQ_PAGE) * max(
            correlation**2, math.sqrt(min(1.0, pages / table.pages))
        )
        return pages * each

    def _correlation(self, table: Table, candidate: Candidate, matched: list[Condition]) -> float:
        column = table.columns.get(candidate.columns[0].split(" ")[0])
        is_leading = not matched or matched[0].kind in ("range", "equal")
        return column.correlation if column is not None and is_leading else 0.0

    def _is_ordered(self, access: Access, candidate: Candidate, matched: list[Condition], led: int) -> bool:
        if access.order is None or any(each.kind in ("any", "prefix") for each in matched) or access.joins:
            return False
        keys = list(access.order.keys)
        if matched and matched[-1].kind == "range":
            led -= 1
        fixed = {each.key for each in access.conditions if each.kind == "equal"}
        keys = [key for key in keys if key not in fixed]
        columns = list(candidate.columns[led:])
        return columns[: len(keys)] == keys or columns[: len(keys)] == [_reversed(key) for key in keys]


def gin_key(condition: Condition, trigram_schema: str | None) -> str | None:
    """The key part of a GIN index that serves the condition; None where none does."""
    operators = _gin_class(condition)
    if operators is None:
        return None
    if operators.strip() == _INFIX and trigram_schema not in (None, "pg_catalog"):
        operators = f" {trigram_schema}.{_INFIX}"
    return key_part(column_of(condition.key) or condition.key) + operators


def _gin_class(condition: Condition) -> str | None:
    if condition.kind == "infix":
        return f" {_INFIX}"
    if condition.kind != "gin":
        return None
    is_json = "::jsonb" in condition.text or condition.operator == "@?"
    return " jsonb_path_ops" if is_json and condition.operator in ("@>", "@?") else ""


def _plain(key: str) -> str:
    base = key.replace("public.", "")
    head, _, tail = base.rpartition(" ")
    return (column_of(head) or head) + " " + tail if tail in (_INFIX, "jsonb_path_ops") else base


def same_key(condition: Condition, part: str) -> bool:
    """Whether a key part of an index holds what the condition compares."""
    bare = part.removesuffix(" DESC").removesuffix(_PATTERN)
    return (column_of(condition.key) or key_part(condition.key)) == bare


def _comparing(access: Access, table: Table, part: str) -> Condition | None:
    """The condition that a key part serves best; equalities first."""
    is_pattern = part.endswith(_PATTERN)
    usable = ("equal", "true", "false", "any", "null", "join", "range", "prefix")
    found = [each for each in access.served if each.kind in usable and same_key(each, part)]
    column = table.columns.get(part.removesuffix(" DESC"))
    knows_prefixes = is_pattern or (column is not None and column.sorts_by_bytes)
    found = [each for each in found if knows_prefixes or each.kind != "prefix"]
    found = [each for each in found if not (is_pattern and each.kind == "range")]
    return min(found, key=lambda each: usable.index(each.kind), default=None)


def _all_ranges(access: Access, part: str) -> list[Condition]:
    return [
        each for each in access.conditions if each.operator in RANGES and each.kind == "range" and same_key(each, part)
    ]


def _covers(access: Access, candidate: Candidate, table: Table) -> bool:
    held = {*candidate.columns, *candidate.include}
    return bool(candidate.include) and all(each in held for each in access.output if each in table.columns)


def _reversed(key: str) -> str:
    return key.removesuffix(" DESC") if key.endswith(" DESC") else f"{key} DESC"
