"""A concurrent build whose process is killed with SIGKILL at five moments; run again, it ends valid each time."""

import os
import signal
import subprocess
import time
from collections.abc import Callable

import psycopg
import pytest
from psycopg.errors import OperationalError

from tests.integration.operations.project import Project

# What is shown here hangs on no version of PostgreSQL.
pytestmark = pytest.mark.parametrize("any_postgres", ["embedded"], indirect=True)

OPERATION = "CreateIndexFromFile('indexes/slow_idx.sql')"
TEXT = "CREATE INDEX CONCURRENTLY slow_idx ON item (slowly(price));\n"
PHASE = "SELECT phase FROM pg_stat_progress_create_index"
BUILDER = "SELECT pid FROM pg_stat_activity WHERE application_name = 'migrator' AND backend_type = 'client backend'"
VALID = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('slow_idx')"
INDEXES = "SELECT count(*) FROM pg_index WHERE indrelid = 'item'::regclass AND NOT indisprimary"
PATIENCE_S = 20.0
WRITE = "INSERT INTO item (price) VALUES (0)"


@pytest.fixture
def slow(project: Project) -> Project:
    """A table whose index takes half a second to build."""
    project.execute(
        "CREATE FUNCTION slowly(p integer) RETURNS integer IMMUTABLE LANGUAGE plpgsql"
        " AS 'BEGIN PERFORM pg_sleep(0.01); RETURN p; END'",
        "CREATE TABLE other (id integer)",
    )
    project.write("indexes/slow_idx.sql", TEXT)
    return project


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def phase(project: Project) -> str:
    found = project.execute(PHASE)
    return str(found[0][0]) if found else ""


def during(project: Project, moment: str, process: subprocess.Popen[str], held: list[psycopg.Connection]) -> None:
    """Bring the build to a moment, with open transactions where it would pass by itself."""
    match moment:
        case "writers before build":
            wait_for(lambda: "before build" in phase(project))
        case "building":
            wait_for(lambda: phase(project).startswith("building index"))
        case "writers before validation":
            wait_for(lambda: phase(project).startswith("building index"))
            held[0].execute(WRITE)
            wait_for(lambda: "before validation" in phase(project))
        case "old snapshots":
            wait_for(lambda: "old snapshots" in phase(project))
        case _:
            assert process.stdout is not None
            assert process.stdout.readline() == "done\n"


@pytest.mark.parametrize("backend", ["goes on", "ends too"])
@pytest.mark.parametrize(
    "moment", ["writers before build", "building", "writers before validation", "old snapshots", "before recording"]
)
def test_build_that_was_killed_ends_valid_when_run_again(slow: Project, moment: str, backend: str) -> None:
    held = [slow.session()]
    if moment == "writers before build":
        held[0].execute(WRITE)
    if moment == "old snapshots":
        held[0].execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        held[0].execute("SELECT count(*) FROM other")
    with slow.start(OPERATION) as process:
        during(slow, moment, process, held)
        process.kill()
    if backend == "ends too":
        with psycopg.connect(slow.superuser) as superuser:
            superuser.execute(f"SELECT pg_terminate_backend(pid, 5000) FROM ({BUILDER}) AS builder")
        assert slow.execute(VALID) == ([(True,)] if moment == "before recording" else [(False,)])
    # The holders stay for a while: run again, it waits for them or for the build that goes on.
    with slow.start(OPERATION) as again:
        time.sleep(0.5)
        for session in held:
            session.close()
        _, told = again.communicate(timeout=PATIENCE_S)
    assert again.returncode == 0, told
    assert slow.execute(VALID) == [(True,)]
    assert slow.value(INDEXES) == 1


def test_build_ends_valid_after_its_server_process_was_killed(slow: Project) -> None:
    """Killing one server process makes the server restart; the first run says so and fails."""
    with slow.start(OPERATION) as process:
        wait_for(lambda: phase(slow).startswith("building index"))
        os.kill(int(str(slow.value(BUILDER))), signal.SIGKILL)
        _, told = process.communicate(timeout=PATIENCE_S)
    assert process.returncode != 0
    assert "server closed the connection" in told

    def is_back() -> bool:
        try:
            return bool(slow.value("SELECT 1"))
        except OperationalError:
            return False

    wait_for(is_back)
    with slow.start(OPERATION) as again:
        _, told = again.communicate(timeout=PATIENCE_S)
    assert again.returncode == 0, told
    assert slow.execute(VALID) == [(True,)]
    assert slow.value(INDEXES) == 1


def test_two_migrators_build_it_once(slow: Project) -> None:
    with slow.start(OPERATION) as first, slow.start(OPERATION) as second:
        told = [process.communicate(timeout=PATIENCE_S)[1] for process in (first, second)]
    assert (first.returncode, second.returncode) == (0, 0), told
    assert sum("is there already" in each for each in told) == 1, told
    assert slow.execute(VALID) == [(True,)]
    assert slow.value(INDEXES) == 1
