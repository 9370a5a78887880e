"""Load results: raw times in, HDR figures out."""

import json
import random
from pathlib import Path

import pytest
from hdrh.histogram import HdrHistogram

from tuning.lab import results
from tuning.load.recorder import Recorder


def record(directory: Path, latencies_ms: list[float], *, failed: int = 0) -> None:
    recorder = Recorder(directory)
    recorder.start()
    for index, latency in enumerate(latencies_ms):
        recorder.request("04_stock_reserve", 1_000.0, latency, index >= failed)
    recorder.reservation_sent("told", 7, 2)
    recorder.reservation_answered("told", "reserved")
    recorder.reservation_sent("no", 7, 1)
    recorder.reservation_answered("no", "refused")
    recorder.reservation_sent("broken", 7, 1)
    recorder.reservation_answered("broken", "failed")
    recorder.reservation_sent("silent", 7, 1)
    recorder.stop()
    recorder.close()


def test_percentiles_are_exact_to_three_digits(tmp_path: Path) -> None:
    chance = random.Random(42)
    latencies = [chance.lognormvariate(3, 1) for _ in range(5_000)]
    record(tmp_path, latencies)
    total = results.read(tmp_path, "s").total
    ordered = sorted(latencies)
    assert total.count == 5_000
    assert total.mean_ms == pytest.approx(sum(latencies) / 5_000, rel=0.002)
    for percentile, value in ((50, total.p50_ms), (95, total.p95_ms), (99, total.p99_ms)):
        assert value == pytest.approx(ordered[5_000 * percentile // 100 - 1], rel=0.002)
    decoded = HdrHistogram.decode(total.encoded.encode())
    assert decoded.get_total_count() == 5_000
    assert decoded.get_value_at_percentile(95) / 1000 == total.p95_ms


def test_reservations_are_sorted_by_what_is_known(tmp_path: Path) -> None:
    record(tmp_path, [1.0, 2.0], failed=1)
    load = results.read(tmp_path, "s")
    assert load.acknowledged == {"told": (7, 2)}
    assert load.unanswered == {"broken": (7, 1), "silent": (7, 1)}
    assert load.total.failures == 1


def test_rate_leaves_out_failures_and_what_was_answered_after_the_end(tmp_path: Path) -> None:
    (tmp_path / "run-1.json").write_text(json.dumps({"started": 0.0, "stopped": 10.0}))
    (tmp_path / "requests-1.csv").write_text("a,1.0,1000000,1\na,9.5,400000,1\na,9.5,600000,1\na,2.0,1000,0\n")
    load = results.read(tmp_path, "s")
    assert (load.requests_per_s, load.total.count, load.total.failures) == (0.2, 4, 1)


def test_figures_of_several_processes_are_joined(tmp_path: Path) -> None:
    for number in (1, 2):
        (tmp_path / f"run-{number}.json").write_text(json.dumps({"started": number, "stopped": 10.0 + number}))
        (tmp_path / f"requests-{number}.csv").write_text(f"a,2.0,{number}000,1\n")
    load = results.read(tmp_path, "s")
    assert (load.total.count, load.seconds, load.total.max_ms) == (2, 11.0, pytest.approx(2.0, rel=0.001))


def test_read_refuses_a_directory_without_a_run(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no finished load run"):
        results.read(tmp_path, "s")
