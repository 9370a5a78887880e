"""Which indexes could serve one access: equality first, then by selectivity, then one range or the order."""

from collections.abc import Iterator

from tuning.explain.safety import called
from tuning.sql_tokens import tokenize
from tuning.whatif.access import Access
from tuning.whatif.candidate import Candidate
from tuning.whatif.conditions import Condition, column_of, key_part
from tuning.whatif.costing import BRIN_MIN_CORRELATION, gin_key
from tuning.whatif.tables import Estimates, Table

# postgres-mcp's limit (dta_calc.py).
MAX_KEYS = 3
# pghero stops at 50 rows, and drops a further column that leaves more than 30 % of the rows; dexter asks that a second
# column cuts the cost by half: the milder one of the two.
FEW_ROWS = 50
MOST_LEFT = 0.5
# A condition that this share of the rows meets is worth an index of its own part of the table (mine).
PARTIAL_MOST = 0.3
PARTIAL_VALUE_MOST = 0.1
# A column of more values than this holds no states of a row, but names something (mine).
MOST_STATES = 20
# BRIN reads 128 pages at least; a table of fewer than a few dozen such ranges gains more from a B-tree (mine).
BRIN_MIN_PAGES = 2_000
# INCLUDE is worth its size only for a narrow answer of a table that VACUUM keeps up with (mine).
MOST_INCLUDED = 3
MIN_VISIBLE = 0.8

Bundle = tuple[Candidate, ...]


def bundles(access: Access, table: Table, facts: Estimates, fixed: frozenset[str]) -> Iterator[Bundle]:
    """Sets of indexes of which each helps only as a whole; most are of one.

    Args:
        fixed: Texts of equalities whose value is the same in all statements that compare their column.
    """
    for candidate in _plain(access, table, facts, fixed):
        yield (candidate,)
    for either in access.conditions:
        if either.kind == "or":
            arms = [next(_keys([arm], table, facts), None) for arm in either.arms]
            if all(arm is not None for arm in arms):
                yield tuple(_candidate(access, (arm,)) for arm in dict.fromkeys(arms) if arm is not None)


def _plain(access: Access, table: Table, facts: Estimates, fixed: frozenset[str]) -> Iterator[Candidate]:
    held = list(access.conditions)
    for keys in _lists(access, held, table, facts):
        yield _candidate(access, keys)
        yield from _covering(access, keys, table)
    for constant in held:
        share = facts.selectivity(table, [constant.text])
        is_fixed = constant.text in fixed and _is_rare_state(constant, table, facts, share)
        if (constant.is_constant and share <= PARTIAL_MOST) or is_fixed:
            rest = [each for each in held if each is not constant]
            for keys in _lists(access, rest, table, facts):
                yield _candidate(access, keys, predicate=constant.text)
    for each in held:
        key = gin_key(each, facts.trigram_schema)
        if key is not None and _is_usable(each, table, facts):
            yield _candidate(access, (key,), method="gin")
        column = table.columns.get(column_of(each.key) or "")
        is_appended = column is not None and column.correlation >= BRIN_MIN_CORRELATION and not table.updates
        if each.kind == "range" and is_appended and table.pages >= BRIN_MIN_PAGES:
            yield _candidate(access, (column_of(each.key) or each.key,), method="brin")


def _is_rare_state(condition: Condition, table: Table, facts: Estimates, share: float) -> bool:
    """Whether it asks for a rare one of few values: the next call asks for the same, not for another customer."""
    return share <= PARTIAL_VALUE_MOST and facts.join_selectivity(table, condition.key) >= 1 / MOST_STATES


def _lists(access: Access, held: list[Condition], table: Table, facts: Estimates) -> Iterator[tuple[str, ...]]:
    """Lists of keys, each with what it grows from."""
    equal = [each for each in held if each.is_equality and _is_usable(each, table, facts)]
    equal.sort(key=lambda each: facts.selectivity(table, [each.text]))
    chosen: list[Condition] = []
    rows = table.rows
    for each in equal:
        left = facts.selectivity(table, [*(one.text for one in chosen), each.text]) * table.rows
        if len(chosen) < MAX_KEYS and (not chosen or (rows > FEW_ROWS and left <= rows * MOST_LEFT)):
            chosen.append(each)
            rows = left
            yield tuple(_keys(chosen, table, facts))
    firm = [each for each in chosen if each.kind != "any"][: MAX_KEYS - 1]
    start = tuple(_keys(firm, table, facts))
    for each in held:
        if each.kind in ("range", "prefix") and _is_usable(each, table, facts):
            key = tuple(_keys([each], table, facts))
            yield key
            if start:
                yield start + key
    if access.order is not None and not access.joins:
        order = tuple(key for key in access.order.keys if key.split(" ")[0] not in start)
        known = all(key.split(" ")[0] in table.columns or "(" in key for key in order)
        if order and known and len(order) <= MAX_KEYS:
            yield order
            for width in range(1, len(start) + 1):
                yield start[:width] + order
    for join, _ in access.joins:
        if _is_usable(join, table, facts):
            key = tuple(_keys([join], table, facts))
            yield key
            if start:
                yield key + start[:1]
                yield start[:1] + key


def _keys(found: list[Condition], table: Table, facts: Estimates) -> Iterator[str]:
    for each in found:
        if each.kind not in ("equal", "any", "true", "false", "range", "prefix", "join", "null"):
            continue
        if not _is_usable(each, table, facts):
            continue
        column = column_of(each.key)
        known = table.columns.get(column or (each.columns[0] if each.columns else ""))
        needs_pattern = each.kind == "prefix" and known is not None and not known.sorts_by_bytes
        yield (column or key_part(each.key)) + (" text_pattern_ops" if needs_pattern else "")


def _is_usable(condition: Condition, table: Table, facts: Estimates) -> bool:
    column = column_of(condition.key)
    if column is not None:
        return column in table.columns
    if not condition.columns or any(name not in table.columns for name in condition.columns):
        return False
    return facts.is_immutable(table, condition.key, condition.columns, called(tokenize(condition.key)))


def _covering(access: Access, keys: tuple[str, ...], table: Table) -> Iterator[Candidate]:
    include = tuple(column for column in access.output if column in table.columns and column not in keys)
    if all(key in table.columns for key in keys) and 0 < len(include) <= MOST_INCLUDED and table.visible >= MIN_VISIBLE:
        yield _candidate(access, keys, include=include)


def _candidate(
    access: Access,
    keys: tuple[str, ...],
    *,
    method: str = "btree",
    predicate: str | None = None,
    include: tuple[str, ...] = (),
) -> Candidate:
    columns = tuple(dict.fromkeys(keys))
    if len(columns) == 1:
        # An index of one key is read as well from its other end.
        columns = (columns[0].removesuffix(" DESC"),)
    return Candidate(access.schema, access.table, columns, include, method, predicate)
