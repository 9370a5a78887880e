"""A database of each test's own on a server of each version, copied from one with a shop in it, and its statements."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from tests.unit.command import Done, hotrow
from tuning.stack import binaries, postgres
from tuning.stack.accounts import server_account
from tuning.stack.ports import free_port
from tuning.stack.profiles import POSTGRES_SETTINGS
from tuning.stack.secrets import load_or_make

SCHEMA = """
CREATE TABLE customer (id bigint PRIMARY KEY, email text UNIQUE, country text NOT NULL);
CREATE TABLE purchase (id bigint PRIMARY KEY, customer_id bigint NOT NULL, status text NOT NULL, created date NOT NULL,
                       total int NOT NULL, note text NOT NULL);
INSERT INTO customer SELECT n, 'c' || n || '@example.org', (ARRAY['de', 'fr'])[1 + n % 2]
  FROM generate_series(1, 2000) AS n;
INSERT INTO purchase
SELECT n, 1 + (n * 7919) % 2000, CASE WHEN n % 1000 = 0 THEN 'open' ELSE 'done' END, date '2024-01-01' + n % 700,
       n % 997, md5(n::text) FROM generate_series(1, 100000) AS n;
CREATE INDEX purchase_customer_idx ON purchase (customer_id);
CREATE INDEX purchase_status_idx ON purchase (status, created);
CREATE INDEX purchase_total_idx ON purchase (total) INCLUDE (id);
"""
BUYERS = """SELECT c.id, count(*) FROM customer c JOIN purchase p ON p.customer_id = c.id
 WHERE c.country = %s GROUP BY c.id ORDER BY 2 DESC, 1 LIMIT 5"""
CALLS: list[tuple[str, str, list[Any]]] = [
    ("/customer/<id>", "SELECT id, total FROM purchase WHERE customer_id = %s", [77]),
    ("/open", "SELECT id, created FROM purchase WHERE status = %s ORDER BY created LIMIT 20", ["open"]),
    ("/country", BUYERS, ["de"]),
    ("/total", "SELECT id FROM purchase WHERE total BETWEEN %s AND %s", [100, 110]),
    ("/email", "SELECT id FROM customer WHERE email = %s", ["c7@example.org"]),
]


def line(route: str, sql: str, params: list[Any]) -> str:
    return json.dumps({"v": 1, "route": route, "sql": sql, "params": params, "duration_ms": 1}) + "\n"


@dataclass
class Lab:
    """A database with a shop, the files of a test, and how to ask about both."""

    dsn: str
    connection: psycopg.Connection
    folder: Path

    @property
    def baseline(self) -> Path:
        return self.folder / "plans.json"

    def capture(self, *calls: tuple[str, str, list[Any]]) -> str:
        file = self.folder / "calls.jsonl"
        file.write_text("".join(line(*call) for call in calls))
        return str(file)

    def save(self, *arguments: str) -> Done:
        return hotrow("plans", "save", "--dsn", self.dsn, "--out", str(self.baseline), *arguments)

    def check(self, *arguments: str) -> Done:
        return hotrow("plans", "check", "--dsn", self.dsn, str(self.baseline), *arguments)

    def findings(self, *arguments: str) -> dict[str, dict[str, Any]]:
        """What a check finds, by route; facts that are no fault too."""
        statements = json.loads(self.check("--json", *arguments).stdout)["statements"]
        return {each["route"]: finding for each in statements for finding in each["findings"]}

    def run(self, sql: str) -> None:
        self.connection.execute(sql.encode())
        self.connection.execute("SELECT pg_stat_force_next_flush()")


@contextmanager
def started(found: binaries.PostgresBinaries, root: Path) -> Iterator[str]:
    """A server whose database ``shop`` is a template."""
    root.mkdir(mode=0o711)
    secrets = load_or_make(root / "secrets.json")
    server = postgres.Server(root / "data", free_port(), root / "postgres.log")
    settings = POSTGRES_SETTINGS | {"shared_buffers": "64MB", "fsync": "off", "autovacuum": "off"}
    child = postgres.start_primary(server, found, server_account(), settings, secrets)
    try:
        dsn = server.conninfo(postgres.SUPERUSER, secrets.superuser, "postgres")
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("CREATE DATABASE shop")
        with psycopg.connect(make_conninfo(dsn, dbname="shop"), autocommit=True) as connection:
            connection.execute(SCHEMA)
            connection.execute("VACUUM ANALYZE")
        yield dsn
    finally:
        child.stop()


@pytest.fixture(scope="session")
def server(any_postgres: binaries.PostgresBinaries, state_directory: Path) -> Iterator[str]:
    with started(any_postgres, state_directory / f"plans-{any_postgres.major}") as dsn:
        yield dsn


@pytest.fixture
def lab(server: str, tmp_path: Path) -> Iterator[Lab]:
    with psycopg.connect(server, autocommit=True) as administrator:
        administrator.execute("DROP DATABASE IF EXISTS lab WITH (FORCE)")
        administrator.execute("CREATE DATABASE lab TEMPLATE shop")
        dsn = make_conninfo(server, dbname="lab")
        with psycopg.connect(dsn, autocommit=True) as connection:
            yield Lab(dsn, connection, tmp_path)
        administrator.execute("DROP DATABASE lab WITH (FORCE)")


@pytest.fixture
def saved(lab: Lab) -> Lab:
    """A lab whose plans were accepted; nothing is found in them."""
    done = lab.save(lab.capture(*CALLS))
    assert done.returncode == 0, done.stderr
    assert lab.check("--fail-on", "warn").returncode == 0
    return lab
