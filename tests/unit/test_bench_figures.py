"""What the benchmarks read from their programs, and what they make of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuning.bench import figures, pgbench, settings, wrk
from tuning.bench.figures import Spread
from tuning.bench.inputs import Supply
from tuning.bench.matrix import Case
from tuning.bench.measure import Sample
from tuning.bench.pgbench import Load
from tuning.bench.plan import Measured
from tuning.bench.rounds import Row
from tuning.bench.settings import GIB, Room
from tuning.observe.audit import InvariantResult
from tuning.observe.machine import Machine
from tuning.reports import bench_sql
from tuning.stack.errors import StackError

MACHINE = Machine(cpu="cpu", cores=2, memory_bytes=2**34, system="Linux", python="3.11.7")
REPORT = """\
pgbench (18.6)
transaction type: function.sql
number of clients: 4
number of transactions actually processed: 8000
number of failed transactions: 3 (0.037%)
latency average = 1.000 ms
initial connection time = 12.000 ms
tps = 4000.000000 (without initial connection time)
"""


def row(case: Case, *counts: int) -> Row:
    return Row(case, "prepared", [Sample(count, 2.0, count, 0, 0) for count in counts])


def test_pgbench_report_gives_the_timed_seconds_and_the_errors() -> None:
    found = pgbench.parse(REPORT, wall_s=9.0)
    assert (found.transactions, found.seconds, found.errors) == (8000, 2.0, 3)


def test_pgbench_report_counts_clients_that_gave_up() -> None:
    text = "pgbench: error: client 3 script 0 aborted in command 4 query 0: ERROR\n" + REPORT
    assert pgbench.parse(text, wall_s=9.0).errors == 4


def test_pgbench_report_without_a_transaction_takes_the_wall_clock() -> None:
    found = pgbench.parse("number of transactions actually processed: 0\n", wall_s=5.5)
    assert (found.transactions, found.seconds) == (0, 5.5)


def test_pgbench_that_reports_nothing_is_an_error() -> None:
    with pytest.raises(StackError, match="connection refused"):
        pgbench.parse("pgbench: error: connection refused", wall_s=1.0)


def test_pgbench_command_keeps_the_password_to_the_environment() -> None:
    words, env = pgbench.command(
        "pgbench",
        "host=127.0.0.1 port=1 user=u password=secret dbname=d",
        Load({"function": 1}, 4, "prepared", seconds=2, settings={"synchronous_commit": "off"}),
    )
    assert "secret" not in " ".join(words)
    assert env["PGPASSWORD"] == "secret"
    assert env["PGOPTIONS"] == "-c synchronous_commit=off"
    assert "--time=2" in words


@pytest.mark.parametrize(
    ("path", "pgbouncer", "expected"),
    [
        ("direct", "", "prepared"),
        ("pgbouncer", "1.18.0", "extended"),
        ("pgbouncer", "1.21.0", "prepared"),
        ("pgbouncer", "1.24.1", "prepared"),
    ],
)
def test_protocol_is_what_the_path_carries(path: str, pgbouncer: str, expected: str) -> None:
    assert pgbench.protocol(path, pgbouncer) == expected


def test_every_strategy_has_its_script() -> None:
    for name in ("pessimistic", "optimistic", "conditional", "function", "batched", "neveroversell", "commit_alone"):
        assert (pgbench.SCRIPTS / f"{name}.sql").is_file()


def test_wrk_result_leaves_out_what_was_refused() -> None:
    line = '{"requests":100,"seconds":2.0,"p50_ms":1,"p99_ms":2,"max_ms":3,"non_2xx":20,"broken":0,"timeouts":0}'
    assert wrk.parse(f"Running\n\nRESULT {line}\n").answered_per_s == 40.0
    with pytest.raises(StackError, match="unable to connect"):
        wrk.parse("unable to connect")


def test_ratio_is_made_round_by_round() -> None:
    # Twice in every round, though the least of one is half the most of the other.
    assert figures.ratio([20, 40, 80], [10, 20, 40]) == Spread(2.0, 2.0, 2.0)


def test_ratio_over_nothing_is_no_figure() -> None:
    assert figures.ratio([1, 2], [0, 0]) is None
    assert figures.ratio([1, 2], [0, 1]) == Spread(2.0, 2.0, 2.0)


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=50), st.floats(0, 1))
def test_percentile_is_one_of_the_values(values: list[float], share: float) -> None:
    found = figures.percentile(values, share)
    assert found in values
    assert figures.percentile(values, 0.0) == min(values)
    assert figures.percentile(values, 1.0) == max(values)


def test_settings_follow_the_machine_and_stay_durable() -> None:
    large = settings.postgres_settings(Room(64 * GIB, 500 * GIB))
    small = settings.postgres_settings(Room(2 * GIB, 4 * GIB))
    assert (large["shared_buffers"], large["max_wal_size"]) == ("16384MB", "24576MB")
    assert (small["shared_buffers"], small["max_wal_size"]) == ("512MB", "1024MB")
    for found in (large, small):
        assert (found["fsync"], found["synchronous_commit"], found["full_page_writes"]) == ("on", "on", "on")


def test_document_compares_each_row_with_the_baselines_under_the_same_conditions() -> None:
    rows = [
        row(Case("pessimistic", 50), 1_000, 2_000),
        row(Case("function", 50), 4_000, 6_000),
        row(Case("function", 50, path="pgbouncer"), 4_000, 6_000),
        row(Case("batched", 4, 1_000), 100_000, 120_000),
    ]
    found = {each["of"]: each for each in bench_sql.ratios(rows)}
    assert found["function, 50 clients, direct, hot"]["ratio"] == {"min": 3.0, "median": 3.5, "max": 4.0}
    assert found["batched, 4 clients, direct, hot, batch 1,000"]["over"] == "pessimistic, 50 clients, direct, hot"
    assert "function, 50 clients, pgbouncer, hot" not in found


def test_document_keeps_refusals_out_of_the_rates_of_reservations() -> None:
    rows = [row(Case("function", 4), 1_000), row(Case("function", 4, refused=True), 5_000)]
    found = bench_sql.document(Measured(rows=rows), MACHINE, rounds=1, seconds=2)
    assert [each["strategy"] for each in found["rows"]] == ["function"]
    assert found["refusal"]["rates"][0]["ratio_to_acceptance"]["median"] == 5.0


def test_document_shows_violations() -> None:
    broken = InvariantResult("counters_not_negative", "SELECT", ["stock 1: available -1"])
    found = bench_sql.document(Measured(audit=[("hotrow", broken)]), MACHINE, rounds=1, seconds=2)
    assert bench_sql.violations(found) == 1
    assert "- hotrow: counters_not_negative: stock 1: available -1" in bench_sql.markdown(found)


def test_supply_follows_what_was_used_and_doubles_what_ran_out() -> None:
    supply = Supply()
    first = supply.batches("row", 200, seconds=5)
    supply.double("row", 200)
    assert supply.batches("row", 200, seconds=5) == 2 * first
    supply.learn("row", 200, used_per_s=100_000)
    assert supply.batches("row", 200, seconds=5) == pytest.approx(100_000 * 1.4 * 5 / 200, rel=0.01)
    supply.learn("row", 200, used_per_s=10)
    assert supply.batches("row", 200, seconds=5) >= first / 4


def test_supply_makes_a_few_batches_however_large_they_are() -> None:
    assert Supply().batches("row", 10_000, seconds=0.1) >= 20
