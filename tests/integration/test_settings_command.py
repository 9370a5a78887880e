"""``hotrow settings`` on real servers: what it proposes is taken, what is refused changes nothing, all comes back."""

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from tests.conftest import INSTANCE, debian_postgres, missing
from tests.unit.command import hotrow
from tests.unit.settings_cases import CASES, FACTS
from tuning.observe import poolers, tunables
from tuning.settings.judge import judge
from tuning.stack import applying, postgres, tuned
from tuning.stack.applying import Instance
from tuning.stack.errors import StackError
from tuning.stack.profiles import KIT
from tuning.stack.stack import Stack
from tuning.stack.supervisor import running

# What only a start takes is told as if it could not be applied.
FILE_ERRORS = """
    SELECT f.name, f.error FROM pg_file_settings AS f LEFT JOIN pg_settings AS s ON s.name = f.name
     WHERE f.error IS NOT NULL AND s.context IS DISTINCT FROM 'postmaster'"""
AUTO = "SELECT name FROM pg_file_settings WHERE sourcefile LIKE '%postgresql.auto.conf'"
# Every value that any case proposes, so that each setting's spelling is tried.
PROPOSED = [
    (advice.name, advice.proposed)
    for case in CASES
    for advice in judge(case.wrong(FACTS)).advice
    if advice.key == case.key and advice.product == "postgresql" and advice.is_proposed
]


@pytest.fixture(scope="module", params=["embedded", "debian"])
def own(request: pytest.FixtureRequest) -> Iterator[Stack]:
    """A PostgreSQL of these tests' own, 18 and then Debian's 15."""
    directory = None
    if request.param == "debian":
        directory = debian_postgres()
        if directory is None:
            missing("Debian's PostgreSQL")
    profile = replace(KIT, has_pgbouncer=False, has_redis=False, has_replica=False, has_web=False)
    with running(f"settings-{request.param}", profile, is_fresh=True, postgres_bin=directory) as stack:
        yield stack


@pytest.fixture
def instance(own: Stack) -> Iterator[Instance]:
    found = Instance.of(own.paths.root.name)
    yield found
    applying.undo(found)


def ask(instance: Instance, statement: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(instance.superuser(), autocommit=True) as connection:
        return connection.execute(statement.encode()).fetchall()


def settings(*arguments: str) -> dict[str, Any]:
    done = hotrow("settings", "--json", *arguments)
    assert done.returncode in (0, 1), done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize(("name", "value"), PROPOSED, ids=[f"{name}-{value}" for name, value in PROPOSED])
def test_server_takes_what_is_proposed(instance: Instance, name: str, value: str) -> None:
    applying.apply(instance, {name: value}, {}, {})
    assert (ask(instance, FILE_ERRORS), ask(instance, AUTO)) == ([], [(name,)])


def test_refused_value_leaves_none_of_the_others(instance: Instance) -> None:
    with pytest.raises(StackError, match="work_mem"):
        applying.apply(instance, {"random_page_cost": "1.5", "work_mem": "much"}, {}, {})
    assert ask(instance, AUTO) == []
    assert not instance.paths.tuned.exists()


def test_undo_brings_back_what_was_altered_before(instance: Instance) -> None:
    ask_nothing = "ALTER SYSTEM SET work_mem = '7MB'"
    with psycopg.connect(instance.superuser(), autocommit=True) as connection:
        connection.execute(ask_nothing)
        connection.execute("SELECT pg_reload_conf()")
    wait_for(instance, "work_mem", "7MB")
    reverse = applying.apply(instance, {"work_mem": "9MB", "jit": "off"}, {}, {})
    assert "ALTER SYSTEM SET work_mem = '7MB'" in reverse
    wait_for(instance, "work_mem", "9MB")
    applying.undo(instance)
    wait_for(instance, "work_mem", "7MB")
    assert ask(instance, AUTO) == [("work_mem",)]
    with psycopg.connect(instance.superuser(), autocommit=True) as connection:
        connection.execute("ALTER SYSTEM RESET work_mem")


def test_applied_settings_are_in_force_after_a_restart_and_ask_for_nothing_more(own: Stack, instance: Instance) -> None:
    address = ("--dsn", instance.superuser(), "--storage", "ssd", "--memory-gib", "8", "--cores", "2", "--seconds", "0")
    # So that its restart is tried as well: too large, and not so that the machine lacks it.
    before = settings(*address)
    proposed = {each["name"]: each["proposed"] for each in before["advice"] if each["outcome"] in ("WARN", "FAIL")}
    assert {"random_page_cost", "effective_cache_size"} <= set(proposed)
    applying.apply(instance, {**proposed, "shared_buffers": "300MB"}, {}, {})
    own.end("primary")
    own.begin("primary")
    assert ask(instance, "SHOW shared_buffers") == [("300MB",)]
    after = settings(*address)
    assert [each["name"] for each in after["advice"] if each["outcome"] in ("WARN", "FAIL")] == []
    # What is in force until the next restart is not what was set before.
    applying.undo(instance)
    applying.apply(instance, {"shared_buffers": "200MB"}, {}, {})
    applying.undo(instance)
    assert ask(instance, AUTO) == []


def test_every_part_of_a_server_is_read(instance: Instance) -> None:
    found = tunables.read(instance.superuser())
    assert found.unreadable == {}
    assert None not in (found.counters, found.wal, found.checkpoints, found.jit, found.vacuum, found.clock_ns)


def test_role_without_rights_is_told_what_to_grant(own: Stack) -> None:
    found = settings("--dsn", own.conninfo("readonly"), "--storage", "ssd")
    assert any("pg_monitor" in note for note in found["notes"])


def test_exit_code_follows_fail_on_and_the_ignore_file(instance: Instance, tmp_path: Path) -> None:
    address = ("settings", "--dsn", instance.superuser(), "--storage", "ssd")
    declined = tmp_path / "declined.toml"
    declined.write_text('[[ignore]]\nkey = "postgresql/*"\nreason = "shared host"\nuntil = 2999-01-01\n')
    assert hotrow(*address).returncode == 0
    page = tmp_path / "settings.html"
    assert hotrow(*address, "--fail-on", "warn", "--html", str(page)).returncode == 1
    assert "<td>postgresql/random_page_cost</td>" in page.read_text()
    done = hotrow(*address, "--fail-on", "warn", "--ignore", str(declined))
    assert (done.returncode, "(ignored: shared host)" in done.stdout, "+++" in done.stdout) == (0, True, False)


def wait_for(instance: Instance, name: str, value: str) -> None:
    deadline = time.monotonic() + 10
    while ask(instance, f"SHOW {name}") != [(value,)]:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_pgbouncer_takes_its_settings_and_gives_them_back(stack: Stack) -> None:
    instance = Instance.of(INSTANCE)
    pools = f"{postgres.DATABASE}/pool_size"
    before = poolers.from_console(stack.console)
    applying.apply(instance, {}, {pools: "5", "query_wait_timeout": "4", "reserve_pool_timeout": "2"}, {})
    try:
        changed = poolers.from_console(stack.console)
        database = changed.database(postgres.DATABASE)
        assert database is not None
        assert (database.pool_size, changed.number("query_wait_timeout", 0)) == (5, 4)
        assert tuned.read(instance.paths.tuned).pgbouncer_before == {pools: "8", "query_wait_timeout": "5"}
    finally:
        applying.undo(instance)
    assert poolers.from_console(stack.console).databases == before.databases


def test_busy_pool_is_measured_and_an_idle_one_is_not_sized(stack: Stack) -> None:
    address = ("--dsn", make_conninfo(stack.superuser, dbname=postgres.DATABASE), "--pooler", stack.console)
    key = f"pgbouncer/{postgres.DATABASE}/pool_size"
    stop = threading.Event()

    def hold() -> None:
        with psycopg.connect(stack.pooled, autocommit=True, prepare_threshold=None) as connection:
            while not stop.is_set():
                connection.execute("SELECT pg_sleep(0.02)")

    threads = [threading.Thread(target=hold) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        busy = settings(*address, "--seconds", "2")
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    (told,) = (each["evidence"] for each in busy["advice"] if each["key"] == key)
    in_use = float(told.partition(" = ")[2].partition(" busy")[0])
    # Three hold a server nearly all of the time.
    assert 2 < in_use <= 3.2, told
    idle = settings(*address, "--seconds", "1", "--cores", "2")
    (lane,) = (each for each in idle["advice"] if each["key"] == f"pgbouncer/{postgres.LANE_DATABASE}/pool_size")
    assert (lane["outcome"], "are needed" in lane["evidence"]) == ("SKIP", True)
