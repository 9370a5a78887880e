"""Every kind of drift is found in what all migrations made; undone, nothing is found any more."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tests import commands
from tuning.migrations import drift
from tuning.migrations.drift import Finding, Outcome
from tuning.migrations.manifest import SQL_ROOT
from tuning.stack import postgres
from tuning.stack.stack import Stack

INDEX = "stock_reservation_due_idx"
ON_INDEX = "ON stock_reservation (expires_at)"
WHERE = "WHERE status IN ('held', 'paying')"
POOLED = "stock_pooled_units_v1(bigint)"
PATH = "functions/stock_pooled_units_v1.sql"
NAME = "drifting"


@pytest.fixture(scope="module")
def dsn(stack: Stack) -> Iterator[str]:
    """A database of its own with all migrations applied, as the tables' owner."""
    made = make_conninfo(stack.direct, dbname=NAME)
    with psycopg.connect(stack.superuser, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {NAME} OWNER {postgres.OWNER_ROLE}")
        try:
            settings = {"DATABASE_URL": made, "LANE_DATABASE_URL": made, "CONNECTION_MODE": "per_request"}
            done = commands.run(stack, "migrate", "--verbosity=0", settings=settings)
            assert done.returncode == 0, done.stderr
            yield made
        finally:
            connection.execute(f"DROP DATABASE {NAME} WITH (FORCE)")


@pytest.fixture
def superuser(stack: Stack) -> str:
    return make_conninfo(stack.superuser, dbname=NAME)


def drifted(dsn: str, root: Path = SQL_ROOT, owner: str | None = None) -> list[tuple[Outcome, str]]:
    return [(found.outcome, found.name) for found in compare(dsn, root, owner)]


def compare(dsn: str, root: Path = SQL_ROOT, owner: str | None = None) -> list[Finding]:
    return [finding for finding in drift.compare(dsn, root, owner) if finding.outcome is not Outcome.SAME]


def run(conninfo: str, *statements: str) -> None:
    with psycopg.connect(conninfo, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


def cli(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tuning.cli.main", "migrations", "drift", *arguments]
    return subprocess.run(command, capture_output=True, text=True)


def created(path: str) -> str:
    """What the file says, to be run again."""
    text = (SQL_ROOT / path).read_text()
    return text.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION").replace("CONCURRENTLY ", "")


@dataclass(frozen=True, slots=True)
class Fault:
    """What spoils the schema, what mends it, and what is to be found meanwhile."""

    do: tuple[str, ...]
    undo: tuple[str, ...]
    outcome: Outcome
    name: str
    told: str
    needs_superuser: bool = False


def of_pooled(do: str, undo: str, told: str) -> Fault:
    return Fault((do,), (undo,), Outcome.DIFFERS, PATH, told)


FAULTS = {
    "edited body": of_pooled(
        f"CREATE OR REPLACE FUNCTION {POOLED.replace('bigint', 'p_stock_id bigint')} RETURNS bigint LANGUAGE sql STABLE"
        " SET search_path = pg_catalog, public, pg_temp AS 'SELECT 0::bigint'",
        created(PATH),
        "+AS $function$SELECT 0::bigint",
    ),
    "PUBLIC may execute": of_pooled(
        f"GRANT EXECUTE ON FUNCTION {POOLED} TO PUBLIC",
        f"REVOKE EXECUTE ON FUNCTION {POOLED} FROM PUBLIC",
        "+-- PUBLIC may execute it",
    ),
    "search_path": of_pooled(
        f"ALTER FUNCTION {POOLED} SET search_path = public",
        f"ALTER FUNCTION {POOLED} SET search_path = pg_catalog, public, pg_temp",
        "+ SET search_path TO 'public'",
    ),
    "security": of_pooled(
        f"ALTER FUNCTION {POOLED} SECURITY DEFINER",
        f"ALTER FUNCTION {POOLED} SECURITY INVOKER",
        "+ STABLE SECURITY DEFINER",
    ),
    "overload": of_pooled(
        "CREATE FUNCTION stock_pooled_units_v1() RETURNS bigint LANGUAGE sql RETURN 1",
        "DROP FUNCTION stock_pooled_units_v1()",
        "2 functions have the name",
    ),
    "owner": Fault(
        (f"ALTER FUNCTION {POOLED} OWNER TO postgres",),
        (f"ALTER FUNCTION {POOLED} OWNER TO {postgres.OWNER_ROLE}",),
        Outcome.DIFFERS,
        PATH,
        "its owner is postgres, and not hotrow_owner",
        needs_superuser=True,
    ),
    "missing function": Fault((f"DROP FUNCTION {POOLED}",), (created(PATH),), Outcome.MISSING, PATH, ""),
    "extra version": Fault(
        (
            "CREATE FUNCTION reserve_stock_v99() RETURNS integer LANGUAGE sql RETURN 1",
            "CREATE FUNCTION somebody_elses_v1() RETURNS integer LANGUAGE sql RETURN 1",
        ),
        ("DROP FUNCTION reserve_stock_v99()", "DROP FUNCTION somebody_elses_v1()"),
        Outcome.EXTRA,
        "public.reserve_stock_v99",
        "no file makes this version",
    ),
    "dropped index": Fault(
        (f"DROP INDEX {INDEX}",),
        (f"CREATE INDEX {INDEX} {ON_INDEX} {WHERE}",),
        Outcome.MISSING,
        f"indexes/{INDEX}.sql",
        "",
    ),
    "other index": Fault(
        (f"DROP INDEX {INDEX}", f"CREATE INDEX {INDEX} {ON_INDEX}"),
        (f"DROP INDEX {INDEX}", f"CREATE INDEX {INDEX} {ON_INDEX} {WHERE}"),
        Outcome.DIFFERS,
        f"indexes/{INDEX}.sql",
        f"+CREATE INDEX {INDEX} ON public.stock_reservation USING btree (expires_at)",
    ),
    "invalid index": Fault(
        (f"UPDATE pg_index SET indisvalid = false WHERE indexrelid = '{INDEX}'::regclass",),
        (f"UPDATE pg_index SET indisvalid = true WHERE indexrelid = '{INDEX}'::regclass",),
        Outcome.INVALID,
        f"indexes/{INDEX}.sql",
        "a build was ended",
        needs_superuser=True,
    ),
}


def test_schema_after_all_migrations_is_what_the_files_say(dsn: str, stack: Stack) -> None:
    found = drift.compare(dsn, SQL_ROOT)
    assert {finding.name for finding in found} == {
        path.relative_to(SQL_ROOT).as_posix() for path in SQL_ROOT.rglob("*.sql")
    }
    assert {finding.outcome for finding in found} == {Outcome.SAME}
    assert drifted(stack.direct) == []


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_drift_is_found_and_gone_when_mended(dsn: str, superuser: str, fault: Fault) -> None:
    assert drifted(dsn) == []
    role = superuser if fault.needs_superuser else dsn
    run(role, *fault.do)
    try:
        (found,) = compare(dsn)
        assert (found.outcome, found.name) == (fault.outcome, fault.name)
        assert fault.told in found.detail
    finally:
        run(role, *fault.undo)
    assert drifted(dsn) == []


def test_files_of_dropped_objects_are_expected_to_be_gone(dsn: str, tmp_path: Path) -> None:
    root = tmp_path / "sql"
    shutil.copytree(SQL_ROOT, root)
    paths = [PATH, f"indexes/{INDEX}.sql"]
    (root / "DROPPED").write_text("# since release 7\n" + "\n".join(paths) + "\n")
    assert sorted(drifted(dsn, root)) == [(Outcome.EXTRA, path) for path in paths]
    run(dsn, f"DROP FUNCTION {POOLED}", f"DROP INDEX {INDEX}")
    try:
        assert drifted(dsn, root) == []
        assert sorted(drifted(dsn)) == [(Outcome.MISSING, path) for path in paths]
    finally:
        run(dsn, created(PATH), created(f"indexes/{INDEX}.sql"))
    (root / "DROPPED").write_text("functions/never_v1.sql\n")
    with pytest.raises(ValueError, match=r"names functions/never_v1\.sql, which is not there"):
        drift.compare(dsn, root)


def test_a_role_that_only_reads_can_compare(dsn: str, stack: Stack) -> None:
    run(dsn, "SELECT grant_access_v1('hotrow_readonly', 'readonly')")
    reader = make_conninfo(stack.conninfo("readonly"), dbname=NAME, options="-c default_transaction_read_only=on")
    found = compare(reader)
    assert [finding for finding in found if finding.outcome is not Outcome.SKIP] == []
    run(dsn, f"DROP INDEX {INDEX}")
    assert (Outcome.MISSING, f"indexes/{INDEX}.sql") in drifted(reader)
    run(dsn, created(f"indexes/{INDEX}.sql"))


def test_command_exits_with_what_it_found(dsn: str, stack: Stack, superuser: str, tmp_path: Path) -> None:
    same = cli("--dsn", dsn)
    assert (same.returncode, same.stderr) == (0, "")
    assert "are what the files say" in same.stdout
    run(dsn, f"DROP INDEX {INDEX}")
    different = cli("--dsn", dsn, "--json")
    run(dsn, created(f"indexes/{INDEX}.sql"))
    assert different.returncode == 1
    assert {"outcome": "missing", "name": f"indexes/{INDEX}.sql", "detail": ""} in json.loads(different.stdout)
    replica = make_conninfo(stack.direct, port=conninfo_to_dict(stack.conninfo("readonly", "replica"))["port"])
    for arguments, told in (
        (["--dsn", make_conninfo(replica)], "ask the primary"),
        (["--dsn", make_conninfo(dsn, port=1)], "the server cannot be compared"),
        (["--dsn", dsn, "--sql", str(tmp_path)], "holds no SQL files"),
    ):
        unknown = cli(*arguments)
        assert unknown.returncode == 2, unknown.stderr
        assert told in unknown.stderr
        assert "Traceback" not in unknown.stderr


def test_without_temporary_objects_it_says_what_is_missing(dsn: str, stack: Stack, superuser: str) -> None:
    run(superuser, f"REVOKE TEMPORARY ON DATABASE {NAME} FROM PUBLIC")
    try:
        unknown = cli("--dsn", make_conninfo(stack.conninfo("readonly"), dbname=NAME))
        assert unknown.returncode == 2
        assert "GRANT TEMPORARY ON DATABASE" in unknown.stderr
    finally:
        run(superuser, f"GRANT TEMPORARY ON DATABASE {NAME} TO PUBLIC")
