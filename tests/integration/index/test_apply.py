"""What is built or dropped on the target with --apply, what refuses it, and what a stop leaves behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg

from tests.integration.index.conftest import Lab
from tests.unit.command import ROOT

SLOW = "SELECT id FROM purchase WHERE note = 'x'"
WANTED = "CREATE INDEX applied ON purchase (note)"


def indexes(lab: Lab) -> set[str]:
    return {row[0] for row in lab.connection.execute("SELECT relname FROM pg_class WHERE relkind = 'i'").fetchall()}


def test_what_helps_is_built_when_asked_and_the_reverse_is_told(lab: Lab) -> None:
    before = indexes(lab)
    useless = "CREATE INDEX not_applied ON purchase (doubled)"
    done = lab.hotrow("prove", "--sql", SLOW, "--index", WANTED, "--index", useless, "--apply")
    try:
        assert done.returncode == 1, done.stderr
        assert "to take it back: DROP INDEX CONCURRENTLY public.applied" in done.stdout
        assert indexes(lab) == before | {"applied"}
        assert "HELPS applied" in done.stdout
        assert "USELESS not_applied" in done.stdout
        again = lab.hotrow("prove", "--sql", SLOW, "--index", WANTED, "--apply")
        assert "already exists" in again.stdout + again.stderr
        assert indexes(lab) == before | {"applied"}
    finally:
        lab.connection.execute("DROP INDEX IF EXISTS applied")


def test_what_can_go_is_dropped_when_asked_and_the_reverse_is_told(lab: Lab, capture: Path) -> None:
    before = indexes(lab)
    done = lab.hotrow("drop", str(capture), "--apply")
    assert done.returncode == 1, done.stderr
    assert before - indexes(lab) == {"purchase_created_again_idx"}
    (told,) = (line for line in done.stdout.splitlines() if "to have it back: " in line)
    statement = told.partition("to have it back: ")[2]
    assert statement.startswith("CREATE INDEX CONCURRENTLY purchase_created_again_idx")
    lab.connection.execute(statement.encode())
    assert indexes(lab) == before


def test_stop_leaves_no_server_and_no_copy(lab: Lab, tmp_path: Path) -> None:
    tmp_path = Path(os.environ["HOTROW_STATE_DIR"]) / "stopped"
    env = os.environ | {"HOTROW_STATE_DIR": str(tmp_path)}
    before = lab.state()
    command = [sys.executable, "-m", "tuning.cli.main", "index", "prove", "--dsn", lab.dsn, "--sql", SLOW]
    with subprocess.Popen(
        [*command, "--index", WANTED], cwd=ROOT, env=env, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        while "building the indexes" not in process.stderr.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "stopped by SIGINT" in said
    assert not list(tmp_path.glob("whatif-*"))
    with psycopg.connect(lab.dsn) as connection:
        deadline = time.monotonic() + 30
        while connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'hotrow index'"
        ).fetchone() != (0,):
            connection.rollback()
            assert time.monotonic() < deadline
    assert lab.state()[:3] == before[:3]
