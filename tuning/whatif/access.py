"""Where a plan reads a table: by which conditions, for which joins, in which order, and at what cost."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from tuning.explain.node import JOINS, SCANS, Node
from tuning.explain.plan import Plan
from tuning.sql_tokens import tokenize
from tuning.whatif import conditions
from tuning.whatif.conditions import Condition
from tuning.whatif.query import Query

_PASSING = frozenset({"Limit", "Sort", "Incremental Sort", "LockRows", "Result", "Subquery Scan", "ModifyTable"})
_EXTREME = re.compile(r"(min|max)\(([\w.]+)\)")
_JOIN_CONDITIONS = ("Hash Cond", "Merge Cond", "Join Filter")


@dataclass(frozen=True, slots=True)
class Order:
    """``keys`` as an index has them; ``limit`` is how many rows are wanted, None for all."""

    keys: tuple[str, ...]
    limit: float | None


@dataclass(frozen=True, slots=True)
class Access:
    """``cost`` is the planner's, over all loops, up to the sort above it; ``outer_rows`` goes by the join's condition.

    ``output`` are the columns that the statement needs of the table.
    """

    query: Query
    statement_cost: float
    schema: str
    table: str
    conditions: tuple[Condition, ...]
    joins: tuple[tuple[Condition, float], ...]
    order: Order | None
    output: tuple[str, ...]
    cost: float
    scan: str

    @property
    def on(self) -> tuple[str, str]:
        return self.schema, self.table

    @property
    def served(self) -> tuple[Condition, ...]:
        return (*self.conditions, *(join for join, _ in self.joins))


def accesses(query: Query, plan: Plan) -> Iterator[Access]:
    """Every scan of a table in the plan."""
    for node in plan.nodes:
        if node.type not in SCANS or not node.relation:
            continue
        found = [text for each in _parts(node) for text in _conditions(each)]
        read = [each for text in found for each in conditions.read(text, node.alias)]
        held = tuple(dict.fromkeys(each for each in read if each.kind != "join"))
        inner = tuple((each, 1.0) for each in read if each.kind == "join")
        order, sorting = _order(plan, node)
        top = sorting or node
        schema, _, table = node.relation.rpartition(".")
        yield Access(
            query=query,
            statement_cost=plan.root.total_cost,
            schema=schema,
            table=table,
            conditions=held,
            joins=(*inner, *_joins(plan, node)),
            order=order,
            output=_output(node, held),
            cost=_own_cost(top, node) * _loops(plan, node),
            scan=node.label,
        )


def _own_cost(top: Node, node: Node) -> float:
    """Without the subplans that are run for each row: they are accesses of their own."""
    below = sum(child.total_cost for child in node.children if child.relationship in ("SubPlan", "InitPlan"))
    return max(0.0, top.total_cost - below * max(1.0, node.plan_rows))


def _parts(node: Node) -> list[Node]:
    return [each for each in node.walk() if each is node or each.type.startswith("Bitmap")]


def _conditions(node: Node) -> list[str]:
    names = ("Filter", "Index Cond") if node.type != "Bitmap Heap Scan" else ("Filter", "Recheck Cond")
    return [] if node.type == "Bitmap Index Scan" else [text for name in names if (text := node.text(name))]


def _joins(plan: Plan, node: Node) -> Iterator[tuple[Condition, float]]:
    below = node
    for up in plan.above(node):
        if up.type in JOINS and below.relationship in ("Outer", "Inner"):
            other = next((child for child in up.children if child is not below), None)
            for name in _JOIN_CONDITIONS:
                for each in conditions.read(up.text(name), node.alias) if up.text(name) else []:
                    if each.kind == "join" and other is not None:
                        yield each, max(1.0, other.plan_rows)
        below = up


def _loops(plan: Plan, node: Node) -> float:
    loops = 1.0
    below = node
    for up in plan.above(node):
        if up.type in ("Materialize", "Memoize", "Hash"):
            return loops
        if up.type == "Nested Loop" and below.relationship == "Inner":
            loops *= max(1.0, up.children[0].plan_rows)
        elif below.relationship == "SubPlan":
            loops *= max(1.0, up.plan_rows)
        below = up
    return loops


def _order(plan: Plan, node: Node) -> tuple[Order | None, Node | None]:
    """The order that is wanted of the scan's rows alone, where a LIMIT makes it worth an index."""
    sorting: Node | None = None
    for up in plan.above(node):
        if up.type == "Aggregate" and sorting is None:
            extreme = _extreme(up, node.alias)
            return extreme, up if extreme is not None else None
        if up.type not in _PASSING:
            break
        if up.type in ("Sort", "Incremental Sort") and sorting is None:
            sorting = up
        if up.type == "Limit" and sorting is not None:
            keys = sorting.properties.get("Sort Key")
            read = tuple(_sort_key(str(key), node.alias) for key in keys) if isinstance(keys, list) else ()
            return (Order(read, up.plan_rows), sorting) if read and all(read) else (None, None)
    return None, None


def _extreme(node: Node, alias: str) -> Order | None:
    """The order in which the first row is the answer: of one min or max over all rows."""
    output = node.properties.get("Output")
    found = _EXTREME.fullmatch(str(output[0])) if isinstance(output, list) and len(output) == 1 else None
    if found is None or node.text("Strategy") != "Plain":
        return None
    key = _sort_key(f"{alias}.{found[2].rpartition('.')[2]}", alias)
    return Order((key + (" DESC" if found[1] == "max" else ""),), 1.0) if key else None


def _sort_key(text: str, alias: str) -> str:
    base = text
    suffix = ""
    for word in (" NULLS FIRST", " NULLS LAST", " DESC"):
        if base.endswith(word):
            base, suffix = base.removesuffix(word), word + suffix
    read = conditions.read(base, alias)
    if len(read) != 1 or not read[0].columns or read[0].others:
        return ""
    return conditions.key_part(conditions.column_of(read[0].text) or read[0].text) + suffix


def _output(node: Node, held: tuple[Condition, ...]) -> tuple[str, ...]:
    names = node.properties.get("Output")
    texts = [str(each) for each in names] if isinstance(names, list) else []
    # Of one table alone PostgreSQL prints columns without its alias: every name counts, as one too many does no harm.
    names_in = [token.text for text in texts for token in tokenize(text) if token.kind in ("word", "quoted")]
    return tuple(dict.fromkeys([*names_in, *(column for each in held for column in each.columns)]))
