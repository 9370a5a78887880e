"""What is no change of a plan never fails a check: load, vacuum, caches, workers, estimates, other figures."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from tests.integration.plans.conftest import CALLS, Lab

RERUNS = 20
PARALLEL = """
ALTER DATABASE lab SET min_parallel_table_scan_size = 0;
ALTER DATABASE lab SET parallel_setup_cost = 0;
ALTER DATABASE lab SET parallel_tuple_cost = 0;
ALTER DATABASE lab SET jit_above_cost = 0;
"""
SCAN = ("/scan", "SELECT status, count(*), sum(length(note)) FROM purchase WHERE note > %s GROUP BY status", ["a"])
FIRST = ("/first", "SELECT id FROM purchase WHERE note > %s LIMIT 50", ["f"])


@contextmanager
def load(dsn: str) -> Iterator[list[int]]:
    """Writes to hot and to many rows, and scans, until the end of the block; counts its rounds."""
    is_over = threading.Event()
    rounds = [0]

    def work() -> None:
        with psycopg.connect(dsn, autocommit=True) as connection:
            while not is_over.is_set():
                n = rounds[0]
                connection.execute("UPDATE purchase SET total = total + 1 WHERE id = 7")
                connection.execute("UPDATE purchase SET note = md5(note) WHERE id BETWEEN %s AND %s", [n, n + 20])
                connection.execute("INSERT INTO purchase VALUES (%s, 1, 'done', '2024-01-01', 5, 'n')", [200_000 + n])
                connection.execute("DELETE FROM purchase WHERE id = %s", [200_000 + n])
                connection.execute("SELECT count(*) FROM purchase WHERE note < 'b'")
                rounds[0] += 1

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield rounds
    finally:
        is_over.set()
        thread.join()


@pytest.mark.timeout(400)
def test_unchanged_plans_never_fail_under_load_and_vacuum(lab: Lab) -> None:
    lab.run(PARALLEL)
    assert lab.save(lab.capture(*CALLS, SCAN, FIRST)).returncode == 0
    with load(lab.dsn) as rounds:
        for number in range(RERUNS):
            if number % 3 == 1:
                lab.run("VACUUM purchase")
            if number % 5 == 2:
                lab.run("ANALYZE purchase")
            done = lab.check()
            assert done.returncode == 0, f"{number}: {done.stdout}"
    assert rounds[0] > RERUNS
    # The control: under the same conditions what is a change is found.
    with load(lab.dsn):
        lab.run("DROP INDEX purchase_customer_idx")
        assert lab.check().returncode == 1


def test_workers_that_are_not_launched_change_nothing(lab: Lab) -> None:
    lab.run(PARALLEL)
    lab.save(lab.capture(SCAN))
    assert "Gather" in lab.baseline.read_text()
    lab.run("ALTER DATABASE lab SET max_parallel_workers = 0")
    assert lab.check("--fail-on", "warn").returncode == 0
    assert lab.findings() == {}


def test_batches_of_a_hash_and_memory_of_a_sort_change_nothing(lab: Lab) -> None:
    join = ("/join", "SELECT count(*) FROM purchase a JOIN purchase b ON a.note = b.note AND a.id <> b.id", [])
    lab.run("ALTER DATABASE lab SET enable_mergejoin = off; ALTER DATABASE lab SET enable_nestloop = off")
    lab.run("ALTER DATABASE lab SET max_parallel_workers_per_gather = 0")
    lab.save(lab.capture(join))
    lab.run("ALTER DATABASE lab SET work_mem = '256kB'")
    assert lab.check("--fail-on", "warn").returncode == 0


def test_cold_cache_changes_nothing(saved: Lab) -> None:
    # Of the 64 MB of shared buffers nothing of before is left.
    saved.run("CREATE TABLE big AS SELECT repeat('x', 2000) FROM generate_series(1, 50000); SELECT count(*) FROM big")
    assert saved.check("--fail-on", "warn").returncode == 0
    assert saved.findings() == {}


def test_rows_that_no_vacuum_has_seen_are_told_and_no_fault(saved: Lab) -> None:
    # Index-only scans look each of them up.
    saved.run("UPDATE purchase SET note = note WHERE total BETWEEN 90 AND 120")
    done = saved.check()
    assert done.returncode == 0, done.stdout
    found = saved.findings()["/total"]
    assert found["outcome"] == "OK"
    assert "looked up in the table: VACUUM" in " ".join(found["causes"])


def test_new_statistics_of_the_same_data_change_nothing(saved: Lab) -> None:
    for target in (10, 1000):
        saved.run(f"ALTER DATABASE lab SET default_statistics_target = {target}")
        with psycopg.connect(saved.dsn, autocommit=True) as connection:
            connection.execute("ANALYZE")
        assert saved.check("--fail-on", "warn").returncode == 0


def test_one_worse_run_is_repeated_before_it_fails(saved: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    # Another session makes the plan a bad one for a moment.
    saved.run("ALTER DATABASE lab SET enable_indexscan = off; ALTER DATABASE lab SET enable_bitmapscan = off")
    done = saved.check("--json")
    assert '"runs": 3' in done.stdout
    assert done.returncode == 1


def test_lock_that_is_held_for_long_cannot_be_said_to_be_a_change(saved: Lab) -> None:
    with psycopg.connect(saved.dsn) as other:
        other.execute("LOCK TABLE customer")
        began = time.monotonic()
        done = saved.check("--lock-timeout", "0.05")
        assert time.monotonic() - began < 10
    assert done.returncode == 2
    assert "could not be checked" in done.stderr
    assert saved.check().returncode == 0
