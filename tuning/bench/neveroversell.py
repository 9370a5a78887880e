"""The peer neveroversell (PyPI), its tables made by its own package in a schema of its own."""

import os
from pathlib import Path

import psycopg

from tuning.bench.rig import ROLE, Rig
from tuning.bench.shop import Range
from tuning.stack.children import run

SCHEMA = "neveroversell"
# Its counters are 32-bit.
UNITS = 2_000_000_000
# Run by the peers' Python: the package applies its own migrations.
_MIGRATE = "import os, neveroversell as n; i = n.Inventory(os.environ['DSN']); i.migrate(); i.close()"


def python(peers: Path) -> Path | None:
    """The Python of the peers' environment, None where neveroversell is not in it."""
    program = peers / "bin" / "python"
    return program if any(peers.glob("lib/python*/site-packages/neveroversell/__init__.py")) else None


def install(rig: Rig, interpreter: Path, products: list[Range]) -> None:
    """Make its schema, its resources for these products, and let pgbench's role use them.

    Raises:
        StackError: Its own migration failed.
    """
    with rig.connect() as connection:
        connection.execute(f"CREATE SCHEMA {SCHEMA}")
        dsn = psycopg.conninfo.make_conninfo(rig.stack.superuser, options=f"-c search_path={SCHEMA}")
        run([str(interpreter), "-c", _MIGRATE], doing="neveroversell's migration", env={**os.environ, "DSN": dsn})
        connection.execute(f"GRANT USAGE ON SCHEMA {SCHEMA} TO PUBLIC")
        for kind in ("TABLES", "SEQUENCES"):
            connection.execute(f"GRANT ALL ON ALL {kind} IN SCHEMA {SCHEMA} TO {ROLE}")
        connection.execute(f"SET search_path = {SCHEMA}, public")
        for each in products:
            connection.execute(
                "SELECT nos_upsert_resource('p' || n, %s) FROM generate_series(%s::bigint, %s::bigint) AS n",
                [UNITS, each.first, each.last],
            )
        # Its functions name their tables without a schema, and PgBouncer keeps no session settings.
        connection.execute(f"ALTER DATABASE {connection.info.dbname} SET search_path = public, {SCHEMA}")
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )


def drift(rig: Rig) -> list[str]:
    """What its own check finds, in words."""
    with rig.connect() as connection:
        connection.execute(f"SET search_path = {SCHEMA}, public")
        return [str(row[0]) for row in connection.execute("SELECT resource_id FROM nos_check() WHERE drift")]
