"""``hotrow bench sql`` in its smallest shape, and that it tells of a counter that was falsified meanwhile."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.conftest import missing
from tests.e2e.processes import Finished, Hotrow, alive

pytest_plugins = ["tests.e2e.instances"]

SINGLE = ("--only", "function", "--only", "commit_alone")
SMALL = (*SINGLE, "--only", "batched", "--clients", "2", "--batch", "20", "--rounds", "1")
TIMEOUT_S = 90
PARTS = {"machine", "settings", "rows", "ratios", "refusal", "growth", "sustained", "profile", "overlap", "audit"}


class Measured:
    """A benchmark that has run to its end; tests read it."""

    def __init__(self, hotrow: Hotrow, out: Path) -> None:
        options = ("--refusal", "--sustained", "2000", "--overlap", "--json", "--out", str(out), "--seconds", "1")
        self.done: Finished = hotrow.run("bench", "sql", *SMALL, "--matrix", *options, timeout_s=TIMEOUT_S)
        self.left = alive(hotrow.running())
        self.out = out
        self.hotrow = hotrow
        assert self.done.code == 0, self.done.err
        self.document: dict[str, Any] = json.loads(self.done.out)


@pytest.fixture(scope="module")
def measured(make_session_hotrow: Callable[..., Hotrow], tmp_path_factory: pytest.TempPathFactory) -> Measured:
    return Measured(make_session_hotrow("bench"), tmp_path_factory.mktemp("out"))


def test_bench_sql_has_every_part(measured: Measured) -> None:
    assert set(measured.document) >= PARTS
    assert json.loads((measured.out / "bench-sql.json").read_text()) == measured.document
    assert "| function | hot | prepared | 2 |" in (measured.out / "bench-sql.md").read_text()


def test_bench_sql_counts_reservations(measured: Measured) -> None:
    rows = {(row["strategy"], row["batch"]): row for row in measured.document["rows"]}
    assert set(rows) == {("function", 0), ("commit_alone", 0), ("batched", 20)}
    for row in rows.values():
        assert row["reservations_per_s"]["min"] > 0
        assert (row["errors"], row["deadlocks"], row["not_reserved"]) == (0, 0, 0)


def test_bench_sql_refuses_without_waiting_for_the_lock(measured: Measured) -> None:
    refusal = measured.document["refusal"]
    assert refusal["rates"][0]["refusals_per_s"]["min"] > 0
    assert refusal["while_locked"]["waited"] == 0
    assert refusal["while_locked"]["refused"] == refusal["while_locked"]["calls"]


def test_bench_sql_sustains_what_was_asked_for(measured: Measured) -> None:
    sustained = measured.document["sustained"]
    assert sustained["reservations"] >= 2_000
    assert sustained["wal_bytes_per_reservation"] > 0
    assert sustained["size_bytes"]["stock_reservation"] > 0


def test_bench_sql_overlaps_without_deadlocks_or_errors(measured: Measured) -> None:
    overlap = measured.document["overlap"]
    assert overlap["reservations"] > 0
    assert (overlap["deadlocks"], overlap["errors"]) == (0, 0)


def test_bench_sql_audits_every_invariant(measured: Measured) -> None:
    assert len(measured.document["audit"]) >= 7
    assert all(each["violations"] == [] for each in measured.document["audit"])


def test_bench_sql_leaves_nothing_behind(measured: Measured) -> None:
    assert measured.left == []
    assert not (measured.hotrow.root / "data").exists()
    assert list(measured.hotrow.scratch.iterdir()) == []


def test_bench_sql_fails_when_a_counter_was_falsified(
    make_session_hotrow: Callable[..., Hotrow], tmp_path: Path
) -> None:
    hotrow = make_session_hotrow("bench")
    options = ("--only", "function", "--clients", "1", "--rounds", "1", "--seconds", "3", "--out", str(tmp_path))
    command = hotrow.start("bench", "sql", *options)
    command.says("round 1 of 1")
    with psycopg.connect(hotrow.address("primary")) as connection:
        connection.execute("UPDATE product_stock SET available = available + 5 WHERE id = 7")
    done = command.wait(TIMEOUT_S)
    assert done.code == 1
    assert "violations" in done.err
    assert "stock 7" in (tmp_path / "bench-sql.md").read_text()


def test_bench_sql_refuses_a_strategy_that_it_does_not_know(
    make_session_hotrow: Callable[..., Hotrow], tmp_path: Path
) -> None:
    done = make_session_hotrow("bench-unknown").run("bench", "sql", "--only", "magic", "--out", str(tmp_path))
    assert done.code == 1
    assert "choose one of pessimistic" in done.err


def test_bench_http_measures_the_service_alone_where_no_peer_is_installed(
    make_session_hotrow: Callable[..., Hotrow], tmp_path: Path
) -> None:
    if shutil.which("wrk") is None:
        missing("wrk")
    hotrow = make_session_hotrow("bench-http")
    options = ("--connections", "4", "--rounds", "1", "--seconds", "1", "--peers", str(tmp_path / "none"))
    done = hotrow.run("bench", "http", *options, "--json", "--out", str(tmp_path), timeout_s=TIMEOUT_S)
    assert done.code == 0, done.err
    document = json.loads(done.out)
    rows = {row["load"]: row for row in document["rows"]}
    assert set(rows) == {"empty", "list", "hot", "spread"}
    assert all(row["non_2xx"] == row["broken"] == 0 for row in rows.values())
    # wrk stops counting when its time is up; what was under way is reserved all the same.
    for load in ("hot", "spread"):
        assert 0 < rows[load]["requests"] <= rows[load]["reserved"] <= rows[load]["requests"] + 8
    assert rows["empty"]["reserved"] == rows["list"]["reserved"] == 0
    assert "service list, 4 connections" in {each["of"] for each in document["ratios"]}
    assert "FastAPI is left out" in document["notes"][0]
    assert alive(hotrow.running()) == []


def test_bench_logins_measures_reads_and_both_hashers(
    make_session_hotrow: Callable[..., Hotrow], tmp_path: Path
) -> None:
    hotrow = make_session_hotrow("bench-logins")
    options = ("--rounds", "1", "--seconds", "1", "--json", "--out", str(tmp_path))
    done = hotrow.run("bench", "logins", *options, timeout_s=TIMEOUT_S)
    assert done.code == 0, done.err
    document = json.loads(done.out)
    assert json.loads((tmp_path / "bench-logins.json").read_text()) == document
    assert document["machine"]["cores"] >= 1
    for name, requests in (("reads_alone", 200), ("reads_beside_logins", 200), ("logins_beside_reads", 20)):
        assert (document[name]["requests"], document[name]["failed"]) == (requests, 0)
    assert set(document["logins_per_s"]) == {"argon2id", "django"}
    # Django's default costs more than ten times as much; the rest is for the benchmark to say.
    assert document["ratio"]["median"] > 2
    assert document["worker_timeouts"] == 0
    assert "| what logins add, ms |" in (tmp_path / "bench-logins.md").read_text()
    assert alive(hotrow.running()) == []


def test_bench_overload_tells_of_shedding_and_of_none(
    make_session_hotrow: Callable[..., Hotrow], tmp_path: Path
) -> None:
    hotrow = make_session_hotrow("bench-overload")
    options = ("--strategy", "function", "--seconds", "1", "--json", "--out", str(tmp_path))
    done = hotrow.run("bench", "overload", *options, timeout_s=TIMEOUT_S)
    assert done.code == 0, done.err
    document = json.loads(done.out)
    assert json.loads((tmp_path / "bench-overload.json").read_text()) == document
    rows = {row["shedding"]: row for row in document["rows"]}
    assert set(rows) == {"on", "off"}
    for row in rows.values():
        (flood,) = row["floods"]
        assert flood["offered"] == pytest.approx(3 * row["peak_before_per_s"]["median"], rel=0.01)
        assert flood["good"] > 0
        assert flood["failed"] == 0
    assert rows["on"]["floods"][0]["refused"] > 0
    # The control: without a door nobody is refused.
    assert rows["off"]["floods"][0]["refused"] == 0
    assert "| function | on |" in (tmp_path / "bench-overload.md").read_text()
    assert alive(hotrow.running()) == []
