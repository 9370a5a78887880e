"""A server of each version with a shop in it, whose good and bad indexes are known, and a captured workload."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from tests.conftest import debian_postgres, missing
from tests.unit.command import Done, hotrow
from tuning.stack import binaries, postgres
from tuning.stack.accounts import server_account
from tuning.stack.binaries import PostgresBinaries
from tuning.stack.ports import free_port
from tuning.stack.profiles import POSTGRES_SETTINGS
from tuning.stack.secrets import load_or_make

SCHEMA = """
CREATE EXTENSION pg_trgm;
CREATE TABLE customer (id bigint PRIMARY KEY, email text UNIQUE, country text NOT NULL);
CREATE TABLE purchase (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
                       customer_id bigint NOT NULL REFERENCES customer,
                       status text NOT NULL, created date NOT NULL, total int NOT NULL, note text NOT NULL,
                       doubled int GENERATED ALWAYS AS (total * 2) STORED);
INSERT INTO customer SELECT n, 'c' || n || '@example.org', (ARRAY['de', 'fr'])[1 + n % 2]
  FROM generate_series(1, 2000) AS n;
INSERT INTO purchase (customer_id, status, created, total, note)
SELECT 1 + (n * 7919) % 2000, CASE WHEN n % 100 = 0 THEN 'open' ELSE 'done' || n % 300 END, date '2024-01-01' + n % 700,
       n % 997, md5(n::text) FROM generate_series(1, 40000) AS n;
-- For a foreign key, of which no statement of the workload knows.
CREATE INDEX purchase_customer_idx ON purchase (customer_id);
-- Nobody asks for totals.
CREATE INDEX purchase_useless_idx ON purchase (total, note);
-- The same index twice.
CREATE INDEX purchase_created_idx ON purchase (created);
CREATE INDEX purchase_created_again_idx ON purchase (created);
-- A prefix of the next.
CREATE INDEX purchase_status_idx ON purchase (status);
CREATE INDEX purchase_status_created_idx ON purchase (status, created);
-- Only the yearly report needs it.
CREATE INDEX purchase_big_idx ON purchase (note) WHERE total > 990;
"""
# Statement, parameters, calls and route of each.
CALLS = [
    ("SELECT id, total FROM purchase WHERE created = %s", ["2024-03-01"], 50, "/day"),
    ("SELECT id, total FROM purchase WHERE status = %s AND created > %s", ["open", "2025-10-01"], 50, "/open"),
    ("SELECT count(*) FROM purchase WHERE status = %s", ["open"], 20, "/count"),
    ("SELECT email FROM customer WHERE id = %s", [7], 90, "/customer"),
    ("SELECT id FROM purchase WHERE total > 990 AND note = %s", ["x"], 1, "/yearly"),
    ("UPDATE purchase SET total = %s WHERE id = %s", [5, 5], 200, "/pay"),
]


def lines(calls: list[tuple[str, list[object], int, str]]) -> str:
    return "".join(
        json.dumps({"v": 1, "sql": sql, "params": params, "duration_ms": 1, "route": route}) + "\n"
        for sql, params, times, route in calls
        for _ in range(times)
    )


@dataclass(frozen=True)
class Lab:
    """A target, the programs that it runs on, and how to ask about it."""

    dsn: str
    binaries: PostgresBinaries
    connection: psycopg.Connection

    def hotrow(self, command: str, *arguments: str, stdin: str = "") -> Done:
        return hotrow(
            "index", command, "--dsn", self.dsn, "--postgres-bin", str(self.binaries.directory), *arguments, stdin=stdin
        )

    def state(self) -> tuple[object, ...]:
        """What would show a write: objects, written rows, and the last transaction."""
        row = self.connection.execute(
            "SELECT (SELECT array_agg(oid ORDER BY oid) FROM pg_class), (SELECT count(*) FROM pg_database),"
            " (SELECT array_agg((relname, n_tup_ins, n_tup_upd, n_tup_del) ORDER BY relid) FROM pg_stat_user_tables),"
            " pg_snapshot_xmax(pg_current_snapshot())"
        ).fetchone()
        assert row is not None
        return row


@contextmanager
def started(found: PostgresBinaries, root: Path) -> Iterator[Lab]:
    root.mkdir(mode=0o711)
    secrets = load_or_make(root / "secrets.json")
    server = postgres.Server(root / "data", free_port(), root / "postgres.log")
    settings = POSTGRES_SETTINGS | {"shared_buffers": "32MB", "fsync": "off", "autovacuum": "off"}
    child = postgres.start_primary(server, found, server_account(), settings, secrets)
    try:
        dsn = server.conninfo(postgres.SUPERUSER, secrets.superuser, "postgres")
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(SCHEMA)
            connection.execute("VACUUM ANALYZE")
            # Else its counts come up to 1 s later, as if somebody had written.
            connection.execute("SELECT pg_stat_force_next_flush()")
            yield Lab(dsn, found, connection)
    finally:
        child.stop()


@pytest.fixture(scope="session")
def lab(state_directory: Path) -> Iterator[Lab]:
    """The embedded PostgreSQL."""
    with started(binaries.postgres(None, server_account()), state_directory / "index") as made:
        yield made


@pytest.fixture(scope="session")
def old_lab(state_directory: Path) -> Iterator[Lab]:
    """Debian's PostgreSQL, with HypoPG."""
    directory = debian_postgres()
    if directory is None:
        missing("Debian's PostgreSQL")
    found = binaries.postgres(directory, server_account())
    with started(found, state_directory / "index-debian") as made:
        if made.connection.execute("SELECT FROM pg_available_extensions WHERE name = 'hypopg'").fetchone() is None:
            missing(f"postgresql-{found.major}-hypopg")
        made.connection.execute("CREATE EXTENSION hypopg")
        yield made


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    file = tmp_path / "calls.jsonl"
    file.write_text(lines(CALLS))
    return file
