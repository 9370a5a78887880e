"""Every migration applied, reversed and applied again, on each PostgreSQL that is supported."""

import importlib
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from tuning.stack import postgres
from tuning.stack.accounts import server_account
from tuning.stack.binaries import PostgresBinaries
from tuning.stack.ports import free_port
from tuning.stack.profiles import POSTGRES_SETTINGS
from tuning.stack.secrets import load_or_make

INDEXES = {path.stem for path in Path("sql/indexes").glob("*.sql")}
FUNCTIONS = {path.stem for path in Path("sql/functions").glob("*.sql")}
APPLICATIONS = ("admin", "sessions", "stock", "catalog", "accounts", "auth", "contenttypes")
Manage = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def database(any_postgres: PostgresBinaries, state_directory: Path) -> Iterator[str]:
    """An empty database on a server of its own; its connection string."""
    root = state_directory / f"migrations-{any_postgres.version}"
    root.mkdir(mode=0o711)
    secrets = load_or_make(root / "secrets.json")
    server = postgres.Server(root / "data", free_port(), root / "postgres.log")
    child = postgres.start_primary(server, any_postgres, server_account(), POSTGRES_SETTINGS, secrets)
    try:
        postgres.prepare(server, secrets, {})
        yield server.conninfo(postgres.MIGRATOR_ROLE, secrets.migrator)
    finally:
        child.stop()


@pytest.fixture
def manage(database: str) -> Manage:
    """Run a management command on the database."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("HOTROW_")} | {
        "HOTROW_SECRET_KEY": "x",
        "HOTROW_JWT_KEYS": "k:" + "x" * 32,
        "HOTROW_DATABASE_URL": database,
        "HOTROW_CONNECTION_MODE": "per_request",
    }

    def run(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "service.manage", *arguments]
        return subprocess.run(command, env=env, check=check, capture_output=True, text=True)

    return run


@pytest.fixture(autouse=True)
def empty(database: str, manage: Manage) -> Iterator[None]:
    yield
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")


def objects(database: str) -> tuple[set[str], set[str]]:
    """The indexes of sql/indexes and the functions that are there."""
    with psycopg.connect(database) as connection:
        indexes = {
            row[0]
            for row in connection.execute(
                "SELECT c.relname FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid"
                " WHERE i.indisvalid AND c.relname = ANY (%s)",
                [list(INDEXES)],
            )
        }
        functions = {
            row[0]
            for row in connection.execute(
                "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND proname ~ '_v[0-9]+$'"
            )
        }
    return indexes, functions


def test_migrations_apply_reverse_and_apply_again(database: str, manage: Manage) -> None:
    for _ in range(2):
        manage("migrate")
        assert objects(database) == (INDEXES, FUNCTIONS)
        for application in APPLICATIONS:
            manage("migrate", application, "zero")
        assert objects(database) == (set(), set())
    with psycopg.connect(database) as connection:
        left = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
    assert left == [("django_migrations",)]


def test_models_and_migrations_agree(manage: Manage) -> None:
    manage("migrate")
    assert "No changes detected" in manage("makemigrations", "--check", "--dry-run").stdout


def test_index_migration_replaces_an_invalid_remainder(database: str, manage: Manage) -> None:
    name = "stock_reservation_due_idx"
    manage("migrate", "stock", "0003_functions")
    statement = Path(f"sql/indexes/{name}.sql").read_text()
    with psycopg.connect(database) as writer, psycopg.connect(database, autocommit=True) as connection:
        writer.execute("LOCK TABLE stock_reservation IN ROW EXCLUSIVE MODE")
        # The build waits for the writer, and is ended as by any timeout.
        connection.execute("SET statement_timeout = '300ms'")
        with pytest.raises(psycopg.errors.QueryCanceled):
            connection.execute(statement)
        invalid = connection.execute(
            "SELECT indisvalid FROM pg_index WHERE indexrelid = %s::regclass", [name]
        ).fetchone()
        assert invalid == (False,)
    manage("migrate")
    assert objects(database)[0] == INDEXES


def test_index_migration_refuses_a_name_that_is_taken(database: str, manage: Manage) -> None:
    manage("migrate", "stock", "0003_functions")
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            "CREATE INDEX stock_transaction_product_stock_id_created_at_idx ON product_stock (warehouse_id)"
        )
    done = manage("migrate", check=False)
    assert done.returncode != 0
    assert "stock_transaction_product_stock_id_created_at_idx is there with another definition" in done.stderr
    assert "Traceback" not in done.stderr


def test_sqlmigrate_prints_what_runs_and_reverses(manage: Manage) -> None:
    manage("migrate")
    told = manage("sqlmigrate", "stock", "0003_functions").stdout
    named = importlib.import_module("service.stock.migrations.0003_functions").FUNCTIONS
    assert len(re.findall(r"^CREATE (FUNCTION|PROCEDURE) public\.", told, re.MULTILINE)) == len(named)
    back = manage("sqlmigrate", "stock", "0003_functions", "--backwards").stdout
    assert len(re.findall(r"^DROP (FUNCTION|PROCEDURE) ", back, re.MULTILINE)) == len(named)
    index = ("sqlmigrate", "stock", "0004_stock_reservation_due_idx")
    assert "\nCREATE INDEX CONCURRENTLY stock_reservation_due_idx ON public." in manage(*index).stdout
    assert "\nDROP INDEX CONCURRENTLY public.stock_reservation_due_idx;" in manage(*index, "--backwards").stdout


def test_seed_is_fast_and_repeatable(database: str, manage: Manage) -> None:
    manage("migrate")
    seen = []
    for _ in range(2):
        manage("seed")
        with psycopg.connect(database) as connection:
            seen.append(
                connection.execute(
                    "SELECT (SELECT count(*) FROM product), (SELECT count(*) FROM warehouse),"
                    " (SELECT count(*) FROM account_user), (SELECT count(DISTINCT password) FROM account_user),"
                    " (SELECT sum(available) FROM product_stock), (SELECT sum(delta_available) FROM stock_transaction),"
                    " (SELECT md5(string_agg(p::text, '' ORDER BY id)) FROM product AS p)"
                ).fetchone()
            )
    assert seen[0] == seen[1]
    assert seen[0] is not None
    assert seen[0][:4] == (1000, 2, 1000, 1)
    assert seen[0][4] == seen[0][5] == 1_000_000 + 1_999 * 1_000


def test_seed_keeps_users_that_are_not_its_own(database: str, manage: Manage) -> None:
    manage("migrate")
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO account_user (password, is_superuser, username, first_name, last_name, email, is_staff,"
            " is_active, date_joined) VALUES ('', false, 'ann', '', '', '', false, true, now())"
        )
        done = manage("seed", check=False)
        assert done.returncode != 0
        assert "--force" in done.stderr
        assert connection.execute("SELECT username FROM account_user").fetchall() == [("ann",)]
