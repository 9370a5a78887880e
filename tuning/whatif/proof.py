"""Prove by trial whether an index helps: build it in a copy, and run the workload before and after."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import psycopg

from tuning.explain.execution import Server
from tuning.observe.spent import Spent
from tuning.whatif import trial, writes
from tuning.whatif.candidate import quoted
from tuning.whatif.copies import Opened, Where, opened
from tuning.whatif.definition import Definition
from tuning.whatif.errors import Unproven
from tuning.whatif.hypothetical import Costs, hypothetical
from tuning.whatif.query import Query
from tuning.whatif.trial import Look
from tuning.whatif.workload import Asked, written_columns
from tuning.whatif.writes import Writes

# dexter's bar (lib/dexter/indexer.rb): an index is worth it from half of the cost on.
HELPS_FROM = 0.5
# Below ten blocks (80 KiB, all cached soon) there is nothing to win; mine.
MIN_BLOCKS = 10
# dexter skips plans that are cheaper.
MIN_COST = 100.0
# HOT updates that are lost turn each update into one of every index of the table; mine.
HOT_LOSS = 0.25


class Verdict(StrEnum):
    HELPS = "helps"
    USELESS = "useless"
    HARMS = "harms writes"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Effect:
    """One statement before and after; ``uses`` tells whether its plan uses the index."""

    before: Look
    after: Look
    uses: bool

    @property
    def cut(self) -> float:
        """Which part of the blocks, or of the cost, is gone (0-1); negative where it takes more."""
        return 1 - self.after.measure / self.before.measure if self.before.measure else 0.0

    @property
    def helps(self) -> bool:
        least = MIN_COST if self.before.blocks is None else MIN_BLOCKS
        return self.uses and self.before.measure >= least and self.cut >= HELPS_FROM

    @property
    def saved(self) -> float:
        """Blocks over all calls of the workload; 0 where only costs are known."""
        return (
            0.0 if self.before.blocks is None else (self.before.measure - self.after.measure) * self.before.query.calls
        )


@dataclass(frozen=True, slots=True)
class Proof:
    """One index: the verdict with its figures. ``effects`` are those of statements that it changes."""

    definition: Definition
    verdict: Verdict
    reason: str
    bytes: int = 0
    build_s: float = 0.0
    effects: tuple[Effect, ...] = ()
    before: Writes | None = None
    after: Writes | None = None
    costs: tuple[Costs, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Proven:
    """``spent`` is what it cost the target."""

    proofs: tuple[Proof, ...]
    skipped: tuple[Query, ...]
    notes: tuple[str, ...]
    spent: Spent


def prove(
    where: Where, asked: Asked, definitions: Sequence[Definition], *, runs_writes: bool, tell: Callable[[str], None]
) -> Proven:
    """Try each index alone, in a copy; the target is only read.

    Args:
        runs_writes: Also execute the writes of the workload, in the copy, rolled back.

    Raises:
        Unproven: The proof cannot be had; the message says what to do.
        StackError: The copy's server does not start.
        psycopg.Error: A server does not answer or refuses.
    """
    spent = Spent()
    with opened(where, asked, [each.candidate.on for each in definitions], tell, spent) as copy:
        queries = [each.query for each in copy.planned if not each.query.refused]
        refused = [each.query for each in copy.planned if each.query.refused]
        if not queries:
            reasons = "; ".join(dict.fromkeys(each.refused for each in refused))
            raise Unproven(f"no statement of the workload can be proven with: {reasons}")
        costs, told = hypothetical(where.dsn, where.limits, definitions, queries, spent)
        with (
            Server(copy.dsn, where.limits, allows_writes=runs_writes) as server,
            psycopg.connect(copy.dsn, autocommit=True, prepare_threshold=None) as connection,
        ):
            tell(f"running {len(queries)} statements without the index")
            before = trial.looks(server, queries, writes=runs_writes)
            notes = [*copy.notes, *told, *_differences(copy, before)]
            runs = _Trials(server, connection, queries, before, runs_writes)
            proofs = []
            for each in definitions:
                tell(f"building {each.name} in the copy")
                proofs.append(runs.one(each, costs.get(each.name, ())))
    skipped = [*refused, *(replace(each.query, refused=each.refused) for each in before if each.refused)]
    return Proven(tuple(proofs), tuple(skipped), tuple(notes), spent)


def _differences(copy: Opened, before: Sequence[Look]) -> list[str]:
    """Where the copy takes another plan than the target: then its figures are of another road."""
    shapes = {id(each.query): each.plan.shape for each in copy.planned if each.plan is not None}
    other = [each.query.title for each in before if each.shape and each.shape != shapes.get(id(each.query), each.shape)]
    return [f"the copy plans {len(other)} statements otherwise than the target, first: {other[0]}"] if other else []


@dataclass(slots=True)
class _Trials:
    server: Server
    connection: psycopg.Connection
    queries: Sequence[Query]
    before: Sequence[Look]
    runs_writes: bool

    def one(self, definition: Definition, costs: tuple[Costs, ...]) -> Proof:
        table, name = definition.candidate.on, definition.name
        changed, calls = written_columns(self.queries, definition.candidate.table)
        old = writes.measure(self.connection, table, changed)
        began = time.monotonic()
        try:
            self.connection.execute(definition.sql(concurrently=False).encode())
        except psycopg.Error as error:
            reason = f"PostgreSQL does not build it: {str(error).strip().splitlines()[0]}"
            return Proof(definition, Verdict.UNKNOWN, reason)
        build_s = time.monotonic() - began
        # An index on an expression has statistics of its own.
        self.connection.execute(f"ANALYZE {table}".encode())
        schema = definition.candidate.schema
        index = f"{quoted(schema)}.{quoted(name)}" if schema else quoted(name)
        row = self.connection.execute("SELECT pg_total_relation_size(to_regclass(%s))", [index]).fetchone()
        after = trial.looks(self.server, self.queries, writes=self.runs_writes)
        new = writes.measure(self.connection, table, changed)
        self.connection.execute(f"DROP INDEX {index}".encode())
        effects = tuple(
            Effect(first, second, name in second.indexes)
            for first, second in zip(self.before, after, strict=True)
            if not first.refused and not second.refused
        )
        touched = tuple(sorted((each for each in effects if each.uses), key=lambda each: -each.saved))
        verdict, reason = judge(effects, old, new, calls)
        size = int(row[0]) if row and row[0] is not None else 0
        return Proof(definition, verdict, reason, size, build_s, touched, old, new, costs)


def judge(effects: Sequence[Effect], before: Writes, after: Writes, update_calls: int) -> tuple[Verdict, str]:
    """What the figures say of one index.

    Args:
        update_calls: How often the workload updates the table.
    """
    if not effects:
        return Verdict.UNKNOWN, "no statement could be run with it: see what was skipped"
    used = [each for each in effects if each.uses]
    helped = [each for each in used if each.helps]
    lost = (before.hot_ratio or 0.0) - (after.hot_ratio or 0.0)
    extra = max(0.0, after.update.blocks - before.update.blocks) if after.update and before.update else 0.0
    hot = f"HOT updates fall from {before.hot_ratio or 0:.0%} to {after.hot_ratio or 0:.0%}" if lost >= HOT_LOSS else ""
    if helped:
        best = max(helped, key=lambda each: (each.saved, each.cut))
        first, last = best.before, best.after
        figures = (
            f"{first.measure:,.0f} to {last.measure:,.0f} {first.unit} ({best.cut:.0%} less) for {first.query.title}"
        )
        saved = sum(each.saved for each in used)
        if hot and saved < extra * update_calls:
            return Verdict.HARMS, (
                f"{hot}: {update_calls:,} updates take {extra * update_calls:,.0f} blocks more, and reads save "
                f"{saved:,.0f}; best: {figures}"
            )
        return Verdict.HELPS, f"{figures}{f'; {hot}' if hot else ''}"
    if hot:
        return Verdict.HARMS, f"{hot}, and no statement takes {HELPS_FROM:.0%} less with it"
    if used:
        best = max(used, key=lambda each: each.cut)
        return Verdict.USELESS, (
            f"{len(used)} statements use it and none takes {HELPS_FROM:.0%} less: {best.before.measure:,.0f} to "
            f"{best.after.measure:,.0f} {best.before.unit} at the best"
        )
    return Verdict.USELESS, f"none of {len(effects)} statements uses it"
