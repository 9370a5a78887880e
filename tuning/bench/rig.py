"""The running stack with what the benchmark needs around it."""

from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

from tuning.bench import pgbench
from tuning.bench.pgbench import Load, Outcome
from tuning.stack import binaries, postgres
from tuning.stack.accounts import server_account
from tuning.stack.stack import Stack

# Some of the ways to reserve write from the client.
KIND = "lab"
ROLE = postgres.GRANTED_ROLES[KIND]


@dataclass(slots=True)
class Rig:
    """A stack under test; ``notes`` says in sentences what was left out and why."""

    stack: Stack
    program: str
    scratch: Path
    notes: list[str] = field(default_factory=list)
    _runs: Any = field(default_factory=lambda: count(1))

    @classmethod
    def of(cls, stack: Stack, postgres_bin: Path | None, scratch: Path) -> "Rig":
        return cls(stack, binaries.postgres(postgres_bin, server_account()).program("pgbench"), scratch)

    @property
    def pgbouncer(self) -> str:
        """PgBouncer's version, empty where none runs."""
        return next((part.version for part in self.stack.parts if part.name == "pgbouncer"), "")

    def next_run(self) -> int:
        """A number that no measurement has had: idempotency keys begin with it."""
        return int(next(self._runs))

    def conninfo(self, path: str = "direct", dbname: str | None = None) -> str:
        """Where pgbench's role reaches the database over that path."""
        base = self.stack.conninfo(KIND, "primary" if path == "direct" else "pgbouncer")
        return make_conninfo(base, dbname=dbname) if dbname else base

    def connect(self, dbname: str | None = None) -> psycopg.Connection:
        """The superuser, in autocommit and without limits, past PgBouncer."""
        base = self.stack.superuser
        conninfo = make_conninfo(base, dbname=dbname) if dbname else base
        return psycopg.connect(conninfo, autocommit=True, options="-c work_mem=256MB")

    def pgbench(self, load: Load, *, conninfo: str | None = None, path: str = "direct") -> Outcome:
        """Run pgbench as its role, or over another connection string."""
        return pgbench.run(self.program, conninfo or self.conninfo(path), load, stack=self.stack, scratch=self.scratch)


def one(connection: psycopg.Connection, statement: str, values: list[Any] | None = None) -> Any:
    """The first column of the only row."""
    row = connection.execute(statement, values).fetchone()
    assert row is not None
    return row[0]
