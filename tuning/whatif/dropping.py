"""Prove over a whole workload which indexes can go: hide each in a copy, and plan and run every statement again.

An index is hidden by marking it invalid, which no plan uses and writes keep up to date, so that it is back in no time.
That needs a superuser and is done to a copy alone (ADR 34).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import psycopg

from tuning.explain.execution import Server
from tuning.observe.spent import Spent
from tuning.whatif import existing, trial, writes
from tuning.whatif.candidate import quoted
from tuning.whatif.copies import Opened, Where, opened
from tuning.whatif.errors import Unproven
from tuning.whatif.existing import Counted, Existing
from tuning.whatif.query import Query
from tuning.whatif.target import connect
from tuning.whatif.trial import Look
from tuning.whatif.workload import Asked, written_columns

# pgdoctor: figures of fewer days say nothing of use (TUNING, C23).
MIN_STATISTICS_DAYS = 7.0
# A twin that is a little wider costs a block or two more; mine.
MAX_GROWTH = 1.2
MIN_BLOCKS = 10
_DAY_S = 86_400
_HIDE = "UPDATE pg_catalog.pg_index SET indisvalid = %s WHERE indexrelid = to_regclass(%s)"


class Verdict(StrEnum):
    CAN_GO = "can go"
    KEEP = "keep"
    UNSURE = "unsure"


@dataclass(frozen=True, slots=True)
class Judgement:
    """One index, the verdict with its reason, and what a row's insert costs with and without it."""

    index: Existing
    verdict: Verdict
    reason: str
    is_twin: bool = False
    before: writes.Writes | None = None
    after: writes.Writes | None = None

    @property
    def wal_saved(self) -> float:
        """Bytes of WAL that the insert of one row needs less without it."""
        if self.before is None or self.after is None or not self.before.insert or not self.after.insert:
            return 0.0
        return max(0.0, self.before.insert.wal_bytes - self.after.insert.wal_bytes)


@dataclass(frozen=True, slots=True)
class Judged:
    """The judgements, what can go first, then by bytes; ``skipped`` are statements that took no part.

    ``spent`` is what it cost the target.
    """

    judgements: tuple[Judgement, ...]
    skipped: tuple[Query, ...]
    notes: tuple[str, ...]
    spent: Spent


@dataclass(frozen=True, slots=True)
class Trust:
    """What the server's counters need for an index to be called unused; ``replicas`` are their addresses."""

    statistics_days: float = MIN_STATISTICS_DAYS
    replicas: tuple[str, ...] = ()


def judge(where: Where, asked: Asked, trust: Trust, tell: Callable[[str], None]) -> Judged:
    """Judge every index of the tables that the workload reads and writes; the target is only read.

    Raises:
        Unproven: The proof cannot be had; the message says what to do.
        StackError: The copy's server does not start.
        psycopg.Error: A server does not answer or refuses.
    """
    spent = Spent()
    with connect(where.dsn, spent) as connection:
        indexes, counted = existing.read(connection, trust.replicas)
    with (
        opened(where, asked, [], tell, spent) as copy,
        Server(copy.dsn, where.limits, allows_writes=False) as server,
        psycopg.connect(copy.dsn, autocommit=True, prepare_threshold=None) as connection,
    ):
        queries = [each.query for each in copy.planned if not each.query.refused]
        if not queries:
            reasons = "; ".join(dict.fromkeys(each.query.refused for each in copy.planned))
            raise Unproven(f"no statement of the workload can be proven with: {reasons}")
        tell(f"running {len(queries)} statements with every index")
        before = trial.looks(server, queries, writes=False)
        skipped = [each.query for each in copy.planned if each.query.refused]
        skipped += [replace(each.query, refused=each.refused) for each in before if each.refused]
        hiding = _Hiding(server, connection, [each for each in before if not each.refused], tell)
        found = hiding.judge(indexes, copy)
        gated = [_gated(each, counted, trust, hiding.used, skipped) for each in found]
        measured = [hiding.measured(each, queries) if each.verdict is not Verdict.KEEP else each for each in gated]
    order = [Verdict.CAN_GO, Verdict.UNSURE, Verdict.KEEP]
    measured.sort(key=lambda each: (order.index(each.verdict), -each.index.bytes, -each.wal_saved, each.index.shown))
    return Judged(tuple(measured), tuple(skipped), tuple(copy.notes), spent)


class _Hiding:
    """The copy, with what was hidden in it so far: what can go stays hidden, so twins do not vouch for each other."""

    def __init__(
        self, server: Server, connection: psycopg.Connection, before: Sequence[Look], tell: Callable[[str], None]
    ) -> None:
        self._server = server
        self._connection = connection
        self._before = before
        self._tell = tell
        self.used: Mapping[str, Look] = {name: each for each in before for name in each.indexes}

    def judge(self, indexes: Sequence[Existing], copy: Opened) -> list[Judgement]:
        tables = {(each.schema, each.name) for each in copy.relations}
        found: list[Judgement] = []
        kept = [each for each in indexes if not each.held_by.startswith("it is invalid")]
        for index in _prefixes_first(indexes):
            if index.held_by:
                found.append(Judgement(index, Verdict.KEEP, index.held_by))
            elif (index.table_schema, index.table) not in tables:
                found.append(Judgement(index, Verdict.UNSURE, "no statement of the workload is about its table"))
            else:
                others = [each for each in kept if each is not index]
                judgement = self._one(index, others)
                found.append(judgement)
                if judgement.verdict is Verdict.CAN_GO:
                    kept = others
        return found

    def measured(self, judgement: Judgement, queries: Sequence[Query]) -> Judgement:
        """What writes to its table cost with the index, and without it: dropped for the length of a transaction."""
        index = judgement.index
        table = f"{quoted(index.table_schema)}.{quoted(index.table)}"
        changed, _ = written_columns(queries, index.table)
        try:
            before = writes.measure(self._connection, table, changed)
            with self._connection.transaction(force_rollback=True):
                self._connection.execute(f"DROP INDEX {_sql(index)}".encode())
                after = writes.measure(self._connection, table, changed)
        except psycopg.Error:
            return judgement
        return replace(judgement, before=before, after=after)

    def _one(self, index: Existing, others: Sequence[Existing]) -> Judgement:
        twin = next((each for each in others if index.is_twin_of(each)), None)
        longer = next((each for each in others if index.is_prefix_of(each)), None)
        supports = next((each for each in others if each.foreign_key == index.foreign_key), None)
        if index.foreign_key and not supports:
            reason = f"it supports the foreign key {index.foreign_key} searches by it when rows are deleted"
            return Judgement(index, Verdict.KEEP, reason)
        self._tell(f"hiding {index.shown}")
        self._connection.execute(_HIDE, [False, _sql(index)])
        worse = self._worse()
        if worse is not None:
            self._connection.execute(_HIDE, [True, _sql(index)])
            first, last = worse
            reason = (
                f"{first.measure:,.0f} to {last.measure:,.0f} {first.unit} without it for {first.query.title} "
                f"({first.query.calls:,} calls)"
            )
            return Judgement(index, Verdict.KEEP, reason)
        if twin is not None:
            return Judgement(index, Verdict.CAN_GO, f"it is the same index as {twin.shown}", is_twin=True)
        if longer is not None:
            reason = f"{longer.shown} begins with its columns, and no statement takes more blocks with that one"
            return Judgement(index, Verdict.CAN_GO, reason)
        if index.name in self.used:
            reason = "statements use it, and none takes more blocks without it"
            return Judgement(index, Verdict.CAN_GO, reason)
        return Judgement(index, Verdict.CAN_GO, f"none of {len(self._before)} statements uses it")

    def _worse(self) -> tuple[Look, Look] | None:
        """The statement that suffers most from what is hidden now; it is planned, and run where its plan changed."""
        found: list[tuple[float, Look, Look]] = []
        for first in self._before:
            now = trial.look(self._server, first.query, executes=False)
            if now.shape == first.shape and not now.refused:
                continue
            if first.blocks is not None and not now.refused:
                now = trial.look(self._server, first.query)
            if now.refused:
                return first, now
            grown = now.measure - first.measure
            if now.measure > first.measure * MAX_GROWTH and (first.blocks is None or grown >= MIN_BLOCKS):
                found.append((grown * first.query.calls, first, now))
        return max(found, key=lambda each: each[0])[1:] if found else None


def _prefixes_first(indexes: Sequence[Existing]) -> list[Existing]:
    """The largest first, as they come, but one that another begins with before that other."""
    return sorted(indexes, key=lambda each: not any(each.is_prefix_of(other) for other in indexes))


def _gated(
    judgement: Judgement, counted: Counted, trust: Trust, used: Mapping[str, Look], skipped: Sequence[Query]
) -> Judgement:
    """Take back what the counters do not bear out; the shape alone decides of twins."""
    index = judgement.index
    if judgement.verdict is not Verdict.CAN_GO or judgement.is_twin:
        return judgement
    days = counted.statistics_age_s / _DAY_S
    doubts = []
    if days < trust.statistics_days:
        doubts.append(f"the server has counted for {days:.1f} days, and {trust.statistics_days:g} are the least")
    if counted.replicas > len(trust.replicas):
        doubts.append(f"{counted.replicas} replicas read too, and {len(trust.replicas)} were asked (--replica-dsn)")
    if index.scans and index.name not in used:
        doubts.append(f"it was scanned {index.scans:,} times by what is not in the workload")
    if any(index.table in each.sql for each in skipped):
        doubts.append("statements about its table took no part in the proof")
    if not doubts:
        return judgement
    return Judgement(index, Verdict.UNSURE, f"{judgement.reason}; but {'; '.join(doubts)}")


def _sql(index: Existing) -> str:
    return f"{quoted(index.schema)}.{quoted(index.name)}"
