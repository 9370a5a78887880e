"""Suggest indexes for a workload: plan it on the target, choose, and let HypoPG check where the target has it.

The target only plans: nothing is executed, and HypoPG's indexes are the session's own.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import psycopg

from tuning.explain.execution import Limits, Server
from tuning.observe.spent import Spent
from tuning.sql_tokens import split
from tuning.whatif import access as accesses_of
from tuning.whatif.access import Access
from tuning.whatif.candidate import Candidate
from tuning.whatif.choosing import MIN_COST, MIN_ROWS, Choice, Choosing, Writes
from tuning.whatif.conditions import Condition, column_of
from tuning.whatif.costing import Costing
from tuning.whatif.hypothetical import METHODS
from tuning.whatif.options import Bundle, bundles
from tuning.whatif.query import Query
from tuning.whatif.table_facts import Facts
from tuning.whatif.tables import Table
from tuning.whatif.target import Planned, plan_of, planned
from tuning.whatif.workload import written_columns

PROVE = "estimated; prove it with `hotrow index prove`"


# A key of which each value has about one row needs no second key.
ONE_ROW = 1.5


@dataclass(frozen=True, slots=True)
class Served:
    """One statement that an index serves; costs are the planner's of one call, ``after`` estimated."""

    query: Query
    before: float
    after: float


@dataclass(frozen=True, slots=True)
class Suggestion:
    """``checked`` says what the estimate rests on; ``write_cost`` is the planner's units over the workload."""

    candidate: Candidate
    served: tuple[Served, ...]
    size_bytes: int
    write_cost: float
    notes: tuple[str, ...]
    checked: str = PROVE

    @property
    def gain(self) -> float:
        return sum((each.before - each.after) * each.query.calls for each in self.served)


@dataclass(frozen=True, slots=True)
class Advice:
    """``unserved`` are statements without a suggestion, each with the reason; ``unplanned`` of them have no plan.

    ``spent`` is what all of it cost the target.
    """

    suggestions: tuple[Suggestion, ...]
    unserved: tuple[tuple[Query, str], ...]
    notes: tuple[str, ...] = ()
    unplanned: int = 0
    spent: Spent = field(default_factory=Spent)

    @property
    def is_blind(self) -> bool:
        """Whether no statement could be planned, so that nothing can be said."""
        return self.unplanned > 0 and self.unplanned == len(self.unserved) and not self.suggestions


@dataclass(slots=True)
class _Read:
    tables: dict[tuple[str, str], Table] = field(default_factory=dict)
    looked_at: list[Access] = field(default_factory=list)
    reasons: dict[Query, str] = field(default_factory=dict)


def suggest(
    dsn: str, limits: Limits, queries: Sequence[Query], tell: Callable[[str], None], spent: Spent | None = None
) -> Advice:
    """Suggest what the workload as a whole gains from.

    Args:
        spent: What reading the workload has cost the target already.

    Raises:
        psycopg.Error: The target does not answer, or refuses.
    """
    spent = spent if spent is not None else Spent()
    with Server(dsn, limits, allows_writes=False, spent=spent) as server:
        connection = server.connection
        connection.execute("SET default_transaction_read_only = on")
        # A plan of several processes says less of what an index would save: theirs are costs of one process.
        connection.execute("SET max_parallel_workers_per_gather = 0")
        connection.execute("SET jit = off")
        done = planned(server, queries, tell)
        connection.read_only = True
        facts = Facts(connection)
        read = _read(done, facts)
        tell("choosing indexes")
        costing = Costing(facts.selectivity, facts.join_selectivity, facts.random_page_cost)
        fixed = _fixed(read.looked_at)
        options = {each: _offered(each, read.tables[each.on], facts, fixed) for each in read.looked_at}
        choosing = Choosing(costing, read.tables, _writes(done, read.tables), facts.version)
        choices = choosing.choose(read.looked_at, options)
        suggestions = [
            _suggestion(each, read.tables[each.candidate.schema, each.candidate.table], facts) for each in choices
        ]
        suggestions, notes = _checked(connection, server, suggestions)
    suggestions.sort(key=lambda each: -each.gain)
    unserved = _unserved(done, read, suggestions, options, choosing.refused)
    unplanned = sum(each.plan is None for each in done)
    return Advice(tuple(suggestions), tuple(unserved), tuple(notes), unplanned, spent)


def _read(done: Iterable[Planned], facts: Facts) -> _Read:
    read = _Read()
    for each in done:
        if each.plan is None:
            read.reasons[each.query] = each.query.refused or "it has no plan"
            continue
        if each.plan.root.total_cost < MIN_COST:
            read.reasons[each.query] = (
                f"its cost is {each.plan.root.total_cost:,.0f}: below {MIN_COST:.0f} it is served well"
            )
            continue
        for access in accesses_of.accesses(each.query, each.plan):
            table = facts.table(access.schema, access.table)
            if table is None:
                read.reasons[each.query] = f"{access.schema}.{access.table} is no plain table"
            elif table.root:
                read.reasons[each.query] = (
                    f"{access.table} is a partition of {table.root}: an index belongs on the whole"
                )
            elif table.rows < MIN_ROWS:
                read.reasons.setdefault(
                    each.query, f"{access.table} has {table.rows:,.0f} rows: too few for an index to matter"
                )
            else:
                read.tables[access.on] = table
                read.looked_at.append(access)
    return read


def _offered(access: Access, table: Table, facts: Facts, fixed: frozenset[str]) -> list[Bundle]:
    found = dict.fromkeys(bundles(access, table, facts, fixed))
    return [bundle for bundle in found if not all(_exists(each, table, facts) for each in bundle)]


def _exists(candidate: Candidate, table: Table, facts: Facts) -> bool:
    """Whether an index begins with the same keys, or tells rows apart by the first, so that it serves as well."""
    wanted = [each.removesuffix(" DESC") for each in candidate.columns]
    for _, method, predicate, keys in table.indexes:
        is_apart = len(wanted) > 1 and list(keys) == wanted[:1] and not predicate
        if is_apart and facts.join_selectivity(table, wanted[0]) * table.rows <= ONE_ROW:
            return True
        led = [each.removesuffix(" DESC") for each in keys[: len(wanted)]]
        is_led = method == candidate.method and led == wanted and not candidate.include
        if is_led and (not predicate or predicate.strip("()") == (candidate.predicate or "").strip("()")):
            return True
    return False


def _fixed(accesses: Iterable[Access]) -> frozenset[str]:
    """Equalities whose column is compared with one value alone in the whole workload."""
    values: dict[tuple[tuple[str, str], str], set[str]] = {}
    found: dict[tuple[tuple[str, str], str], Condition] = {}
    for access in accesses:
        for each in access.conditions:
            if each.key and each.kind not in ("or", "none", "null", "notnull"):
                key = (access.on, column_of(each.key) or each.key)
                values.setdefault(key, set()).add(each.text)
                found[key] = each
    return frozenset(
        each.text for key, each in found.items() if len(values[key]) == 1 and each.kind == "equal" and not each.is_open
    )


def _writes(done: Sequence[Planned], tables: Mapping[tuple[str, str], Table]) -> dict[tuple[str, str], Writes]:
    found = {}
    for schema, name in tables:
        inserts = updates = 0.0
        updated: dict[str, float] = {}
        for each in done:
            plan = each.plan
            if plan is None or plan.root.type != "ModifyTable" or plan.root.relation != f"{schema}.{name}":
                continue
            written = max(1.0, plan.root.children[0].plan_rows if plan.root.children else 1.0) * each.query.calls
            if plan.root.text("Operation") == "Insert":
                inserts += written
            elif plan.root.text("Operation") == "Update":
                updates += written
                for column in written_columns([each.query], name)[0]:
                    updated[column] = updated.get(column, 0.0) + written
        shares = {column: rows / updates for column, rows in updated.items()}
        found[schema, name] = Writes(inserts, updates, shares)
    return found


def _suggestion(choice: Choice, table: Table, facts: Facts) -> Suggestion:
    notes = []
    if choice.hot_loss.columns or table.updates:
        notes.append(str(choice.hot_loss))
    if "gin_trgm_ops" in choice.candidate.columns[0] and facts.trigram_schema is None:
        notes.append("needs CREATE EXTENSION pg_trgm")
    served: dict[Query, Served] = {}
    for access, before, after in choice.served:
        known = served.get(access.query, Served(access.query, access.statement_cost, access.statement_cost))
        served[access.query] = Served(access.query, known.before, max(0.0, known.after - before + after))
    return Suggestion(
        choice.candidate, tuple(served.values()), _size(choice.candidate, table, facts), choice.write_cost, tuple(notes)
    )


def _size(candidate: Candidate, table: Table, facts: Facts) -> int:
    """Bytes, of a B-tree whose pages are nine tenths full; GIN about as much, BRIN next to nothing."""
    if candidate.method == "brin":
        return 8192 * (3 + table.pages // 128 // 200)
    names = [each.split(" ")[0] for each in (*candidate.columns, *candidate.include)]
    width = sum(table.columns[name].width if name in table.columns else 16 for name in names)
    share = facts.selectivity(table, [candidate.predicate]) if candidate.predicate else 1.0
    # 8 bytes of the entry, 4 of its pointer, and the leaf fillfactor of 90.
    return max(8192 * 2, round(table.rows * share * (12 + width) / 0.9))


def _checked(
    connection: psycopg.Connection, server: Server, suggestions: list[Suggestion]
) -> tuple[list[Suggestion], list[str]]:
    """Ask HypoPG for the cost of each statement with all of them; those that the planner does not use go."""
    row = connection.execute(
        "SELECT quote_ident(n.nspname) FROM pg_extension AS e JOIN pg_namespace AS n ON n.oid = e.extnamespace"
        " WHERE e.extname = 'hypopg'"
    ).fetchone()
    if row is None:
        return suggestions, []
    names: dict[str, Suggestion] = {}
    notes: list[str] = []
    kept: list[Suggestion] = []
    try:
        for each in suggestions:
            if each.candidate.method not in METHODS:
                kept.append(each)
                continue
            try:
                made = connection.execute(
                    f"SELECT indexname FROM {row[0]}.hypopg_create_index(%s)".encode(),
                    [each.candidate.sql(concurrently=False)],
                ).fetchone()
                assert made is not None
                names[made[0]] = each
            except psycopg.Error as error:
                notes.append(f"HypoPG refuses {each.candidate.name}: {str(error).strip().splitlines()[0]}")
        for name, each in names.items():
            served = []
            for one in each.served:
                plan = plan_of(server, one.query)
                if any(node.index == name for node in plan.nodes):
                    served.append(Served(one.query, one.before, plan.root.total_cost))
            if served:
                kept.append(
                    Suggestion(
                        each.candidate, tuple(served), each.size_bytes, each.write_cost, each.notes, "costs by HypoPG"
                    )
                )
            else:
                notes.append(f"the planner would not use {each.candidate.name}, says HypoPG: not suggested")
    finally:
        connection.execute(f"SELECT {row[0]}.hypopg_reset()".encode())
    return kept, notes


def _unserved(
    done: Iterable[Planned],
    read: _Read,
    suggestions: Iterable[Suggestion],
    options: Mapping[Access, Sequence[Bundle]],
    refused: Mapping[Access, str],
) -> Iterable[tuple[Query, str]]:
    served = {each.query for suggestion in suggestions for each in suggestion.served}
    for each in done:
        if each.query in served:
            continue
        mine = [access for access in read.looked_at if access.query == each.query]
        told = next((refused[access] for access in mine if access in refused), None)
        if told is None and any(options[access] for access in mine):
            told = "no index would cut its cost by half: too many rows meet its conditions, or the time goes elsewhere"
        if told is None and any(access.conditions for access in mine):
            told = "an index that exists serves it, or none can serve its conditions"
        yield each.query, told or read.reasons.get(each.query) or _nothing(each.query)


def _nothing(query: Query) -> str:
    verb = split(query.sql)[0].tokens[0].keyword if split(query.sql) else ""
    return "it reads all that it is asked for" if verb != "INSERT" else "it only writes"
