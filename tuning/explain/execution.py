"""Run EXPLAIN on a server so that nothing of a statement outlives it.

Each statement has a transaction of its own, READ ONLY unless writes were allowed, that ends with ROLLBACK. Its
limits are SET LOCAL, so PgBouncer may stand in between. It goes by the extended protocol, in which a message holds
one statement, so a second one cannot run, whatever a text hides from our lexer.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import psycopg
from psycopg import sql

from tuning.explain import json_format
from tuning.explain.errors import Locked, Refused, TimedOut
from tuning.explain.plan import Plan
from tuning.explain.safety import Accepted, accept, called, harmless
from tuning.observe import plan_tables
from tuning.observe.metering import cursors
from tuning.observe.spent import Spent
from tuning.observe.statistics import TableStatistics
from tuning.observe.volatility import volatile
from tuning.sql_tokens import tokenize

CONNECT_TIMEOUT_S = 10
STATEMENT_TIMEOUT_S = 30.0
LOCK_TIMEOUT_S = 1.0
GENERIC_PLAN_SINCE = 160000
_CHECKED = ("Output", "Function Call", "Filter", "Join Filter", "Index Cond", "Hash Cond", "Merge Cond", "Recheck Cond",
            "One-Time Filter", "Sort Key", "Group Key", "TID Cond", "Order By", "Run Condition")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Limits:
    statement_timeout_s: float = STATEMENT_TIMEOUT_S
    lock_timeout_s: float = LOCK_TIMEOUT_S


@dataclass(frozen=True, slots=True)
class Run:
    """``plan`` is the run that is kept, ``first`` the one before."""

    plan: Plan
    first: Plan | None
    tables: Mapping[str, TableStatistics]
    notes: tuple[str, ...] = ()


class Server:
    """A connection that explains; use it as a context manager.

    Args:
        settings: What else is SET LOCAL where a statement is run.
        spent: What it costs the server is added to this.

    Raises:
        psycopg.Error: It does not answer.
    """

    def __init__(
        self,
        dsn: str,
        limits: Limits,
        *,
        allows_writes: bool,
        settings: Mapping[str, str] = MappingProxyType({}),
        spent: Spent | None = None,
    ) -> None:
        self._limits = limits
        self._settings = settings
        self._allows_writes = allows_writes
        self._connection = psycopg.connect(
            dsn,
            autocommit=True,
            connect_timeout=CONNECT_TIMEOUT_S,
            prepare_threshold=None,
            application_name="hotrow explain",
            client_encoding="utf8",
            cursor_factory=cursors(spent if spent is not None else Spent()),
        )

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    @property
    def connection(self) -> psycopg.Connection[Any]:
        """Its session, for what lives as long as that: hypothetical indexes."""
        return self._connection

    @property
    def version(self) -> int:
        return self._connection.info.server_version

    def composed(self, text: str, values: Sequence[Any] | Mapping[str, Any]) -> str:
        """Put a captured statement's values into it, quoted, as Django's driver does by default."""
        return psycopg.ClientCursor(self._connection).mogrify(text, values)

    def sampled(self, text: str, put: Callable[[psycopg.Connection[Any], str], str]) -> str:
        """Let ``put`` look up values for the $1 of a text, in a transaction that only reads."""
        with self._transaction(is_write=False):
            return put(self._connection, text)

    def explain(self, text: str) -> Run:
        """Execute one statement twice, and keep the second plan.

        Raises:
            Refused: It is not run, for what it is, for what it calls, or because it took too long.
            psycopg.Error: PostgreSQL refuses it.
        """
        statement = self._accepted(text)
        options = (
            "ANALYZE, VERBOSE, BUFFERS, SETTINGS, WAL" if statement.is_write else "ANALYZE, VERBOSE, BUFFERS, SETTINGS"
        )
        first = self._run(statement, options)
        second = self._run(statement, options)
        notes = ("it was executed and rolled back; sequences keep the numbers it took",) if statement.is_write else ()
        return Run(second, first, self._tables(second), notes)

    def plan(self, text: str, *, is_generic: bool = False) -> Run:
        """Plan one statement without executing it; ``is_generic`` leaves its $1 open (PostgreSQL 16 and later).

        Raises:
            Refused: It is neither a read nor a write, or calls what it should not.
            psycopg.Error: PostgreSQL refuses it.
        """
        statement = self._accepted(text, is_planned=True)
        options = "VERBOSE, SETTINGS" + (", GENERIC_PLAN" if is_generic else "")
        plan = self._run(statement, options)
        return Run(plan, None, self._tables(plan), ("it was planned, not executed",))

    def _accepted(self, text: str, *, is_planned: bool = False) -> Accepted:
        """Judge a statement by its text, then by the functions that it names and those that its plan shows.

        The plan has views, policies and notations resolved that the text hides.
        """
        statement = accept(text, allows_writes=self._allows_writes or is_planned)
        allowed = harmless(is_write=statement.is_write)
        self._refuse(statement.names, statement.operators, allowed)
        plan = self._run(statement, "VERBOSE" + (", GENERIC_PLAN" if is_planned and self._is_generic(text) else ""))
        shown = " ".join(_expressions(plan))
        tokens = list(tokenize(shown))
        functions = {node.text("Function Name") for node in plan.nodes} - {""}
        self._refuse(called(tokens) | functions, {t.text for t in tokens if t.kind == "operator"}, allowed)
        if (
            not self._allows_writes
            and not is_planned
            and any(n.type in ("ModifyTable", "LockRows") for n in plan.nodes)
        ):
            raise Refused(
                "its plan writes or locks rows: --execute-writes runs it in a transaction that is rolled back"
            )
        return statement

    def _is_generic(self, text: str) -> bool:
        return self.version >= GENERIC_PLAN_SINCE and "$" in text

    def _refuse(self, names: frozenset[str], operators: frozenset[str] | set[str], allowed: frozenset[str]) -> None:
        with self._transaction(is_write=False):
            found = volatile(self._connection, names, operators, allowed, lambda body: called(tokenize(body)))
        if found:
            raise Refused(
                f"it calls {', '.join(found)}, volatile by the catalog: what that does, no rollback takes back"
            )

    def _run(self, statement: Accepted, options: str) -> Plan:
        query = f"EXPLAIN ({options}, FORMAT JSON) {statement.sql}"
        is_write = statement.is_write and "ANALYZE" in options
        is_generic = "GENERIC_PLAN" in options
        try:
            # Results in binary make psycopg take the extended protocol, whatever the statement is.
            with self._transaction(is_write=is_write), self._connection.cursor(binary=not is_generic) as cursor:
                if is_generic:
                    self._parse(statement.sql)
                row = cursor.execute(query.encode()).fetchone()
        except psycopg.errors.QueryCanceled as error:
            limit = f"{self._limits.statement_timeout_s:g} s"
            raise TimedOut(f"it ran into the limit of {limit} (--statement-timeout)") from error
        except psycopg.errors.LockNotAvailable as error:
            raise Locked(f"it waited {self._limits.lock_timeout_s:g} s for a lock (--lock-timeout)") from error
        assert row is not None
        entries = row[0] if isinstance(row[0], list) else json.loads(row[0])
        return json_format.plan(entries[0])

    def _parse(self, text: str) -> None:
        """Let PostgreSQL itself parse the text, which executes nothing and fails for more than one statement.

        A generic plan cannot be had by the extended protocol: it wants a value for each $1, and plans with it.
        """
        result = self._connection.pgconn.prepare(b"", text.encode())
        if result.status != psycopg.pq.ExecStatus.COMMAND_OK:
            state = (result.error_field(psycopg.pq.DiagnosticField.SQLSTATE) or b"").decode()
            raise psycopg.errors.lookup(state or "XX000")(result.error_message.decode(errors="replace"))

    @contextmanager
    def _transaction(self, *, is_write: bool) -> Iterator[None]:
        self._connection.read_only = not is_write
        with self._connection.transaction(force_rollback=True):
            local = {
                "statement_timeout": round(self._limits.statement_timeout_s * 1000),
                "lock_timeout": round(self._limits.lock_timeout_s * 1000),
                # Our lexer reads a backslash in a plain string as itself.
                "standard_conforming_strings": "on",
                **self._settings,
            }
            for name, value in local.items():
                self._connection.execute(sql.SQL("SET LOCAL {} = {}").format(sql.Identifier(name), value))
            yield

    def _tables(self, plan: Plan) -> dict[str, TableStatistics]:
        with self._transaction(is_write=False):
            return plan_tables.read(self._connection, {node.relation for node in plan.nodes if node.relation})


def _expressions(plan: Plan) -> Iterator[str]:
    for node in plan.nodes:
        for name in _CHECKED:
            value = node.properties.get(name)
            if isinstance(value, str):
                yield value
            elif isinstance(value, list):
                yield from map(str, value)
