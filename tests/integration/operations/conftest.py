"""A server without PgBouncer, and a project on it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from django.db import connections

from service.db import locks
from tests.integration.operations.project import ALIAS, Project
from tuning.stack import postgres
from tuning.stack.accounts import server_account
from tuning.stack.binaries import PostgresBinaries
from tuning.stack.ports import free_port
from tuning.stack.profiles import POSTGRES_SETTINGS
from tuning.stack.secrets import load_or_make


@dataclass(frozen=True, slots=True)
class Database:
    """An empty database; its owner's connection string and the superuser's."""

    conninfo: str
    superuser: str
    socket_directory: Path


@pytest.fixture(scope="session")
def database(any_postgres: PostgresBinaries, state_directory: Path) -> Iterator[Database]:
    root = state_directory / f"operations-{any_postgres.version}"
    root.mkdir(mode=0o711)
    secrets = load_or_make(root / "secrets.json")
    server = postgres.Server(root / "data", free_port(), root / "postgres.log")
    settings = POSTGRES_SETTINGS | {
        "unix_socket_directories": str(server.data),
        "shared_buffers": "32MB",
        "max_prepared_transactions": "2",
        "fsync": "off",
    }
    child = postgres.start_primary(server, any_postgres, server_account(), settings, secrets)
    try:
        postgres.prepare(server, secrets, {})
        yield Database(
            server.conninfo(postgres.MIGRATOR_ROLE, secrets.migrator),
            server.conninfo(postgres.SUPERUSER, secrets.superuser),
            server.data,
        )
    finally:
        child.stop()


@pytest.fixture
def project(
    django_service: None, database: Database, tmp_path: Path, settings_root: pytest.MonkeyPatch
) -> Iterator[Project]:
    """A project whose database is empty but for the table ``item``."""
    made = Project(database.conninfo, database.superuser, tmp_path)
    made.execute(
        "CREATE TABLE item (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text, price integer)",
        "INSERT INTO item (name, price) SELECT 'item ' || n, n FROM generate_series(1, 50) AS n",
    )
    yield made
    made.connection.close()
    del connections[ALIAS]
    with psycopg.connect(database.superuser, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )
    made.execute("DROP SCHEMA public CASCADE", "CREATE SCHEMA public")


@pytest.fixture
def settings_root(django_service: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The project's folder of SQL files, and tries that are soon over."""
    from django.conf import settings

    monkeypatch.setattr(settings, "HOTROW_SQL_ROOT", str(tmp_path), raising=False)
    monkeypatch.setattr(locks, "LOCK_TIMEOUT_MS", 700)
    monkeypatch.setattr(locks, "TRIES", 2)
    return monkeypatch
