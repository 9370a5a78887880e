"""Captured files of any length are read in a time that grows with their lines and in memory that does not."""

import json
import resource
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests import captured_traffic
from tests.captured_traffic import Written
from tests.unit.command import hotrow
from tests.unit.test_capture import FIELDS
from tuning.explain import captures, loops
from tuning.explain.fingerprints import _PLACEHOLDER, _shape, _value
from tuning.explain.inputs import sort_out
from tuning.explain.requests import Calls, Key, Requests

FEW, MANY = 40_000, 160_000
# Four times as many lines, and half as much again for what a busy machine adds; the square would be sixteen.
MOST_TIMES = 4 * 1.5
# What may differ between two runs of the same: pages of the allocator, dictionaries that doubled.
MOST_GROWTH_MIB = 24
# Runs the command in a process of its own and prints its seconds of processor time and its peak in KiB. The peak that
# getrusage tells is that of the process it was forked from where that was larger.
CHILD = """
import re, sys, time
from pathlib import Path
from tests.unit.command import hotrow
done = hotrow("explain", "--json", *sys.argv[1:])
assert done.returncode == 0, done.stderr
print(time.process_time(), re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
"""


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Written, Written]]:
    few, many = tmp_path_factory.mktemp("few"), tmp_path_factory.mktemp("many")
    yield captured_traffic.write(few, FEW), captured_traffic.write(many, MANY)
    for directory in (few, many):
        for path in directory.iterdir():
            path.unlink()


def measured(program: str, *arguments: str) -> tuple[float, float]:
    """Seconds of processor time, and peak MiB."""
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True)
    cpu_s, peak_kib = done.stdout.split()
    return float(cpu_s), int(peak_kib) / 1024


def test_four_times_the_lines_take_four_times_as_long_in_the_same_memory(written: tuple[Written, Written]) -> None:
    few, many = written
    start_s, base_mib = measured(CHILD.replace("--json", "--help"))
    few_s, few_mib = measured(CHILD, *few.files)
    many_s, many_mib = measured(CHILD, *many.files)
    assert many_s - start_s < (few_s - start_s) * MOST_TIMES
    assert few_mib > base_mib
    assert many_mib < few_mib + MOST_GROWTH_MIB
    # The control: who keeps the lines needs more.
    keeping = CHILD.replace("done = ", "kept = [line for path in sys.argv[1:] for line in open(path)]\ndone = ")
    assert measured(keeping, *many.files)[1] > few_mib + MOST_GROWTH_MIB


def test_groups_are_those_of_a_naive_count(tmp_path: Path) -> None:
    few = captured_traffic.write(tmp_path, 8_000)
    naive: Counter[Key] = Counter()
    ms: Counter[Key] = Counter()
    repeated: dict[Key, Counter[str]] = {}
    broken = 0
    for call in _parsed(few):
        if call is None:
            broken += 1
            continue
        key = (_shape(_PLACEHOLDER.sub(_value, call["sql"]))[0], call["route"])
        naive[key] += 1
        ms[key] += call["duration_ms"]
        repeated.setdefault(key, Counter())[call["request_id"]] += 1
    groups, counted = captures.group(sort_out(few.files).calls())
    found = {(each.fingerprint, each.route): each for each in groups}
    assert counted == broken == few.broken > 0
    assert {key: each.calls for key, each in found.items()} == naive
    assert {key: each.total_ms for key, each in found.items()} == pytest.approx(ms)
    for key, each in found.items():
        most = [calls for _, calls in repeated[key].most_common(captures.REQUESTS_TOLD)]
        assert [one.calls for one in each.statement().repeats or ()] == most
    routes: Counter[str] = Counter()
    for each in groups:
        routes[each.route] += each.calls
    assert routes == few.calls
    looped = {(each.fingerprint, each.route): each.calls for each in loops.read(sort_out(few.files).calls()).loops()}
    assert looped == {
        key: sum(calls for calls in each.values() if calls >= 3)
        for key, each in repeated.items()
        if any(calls >= 3 for calls in each.values())
    }
    # The controls: texts that are not folded are other groups, and a lost line shows.
    assert len({call["sql"] for call in _parsed(few) if call}) > 5 * len({each.fingerprint for each in groups})
    first, *_ = few.files
    assert {each.calls for each in captures.group(sort_out([first]).calls())[0]} != set(naive.values())


def _parsed(written: Written) -> Iterator[dict[str, Any] | None]:
    for path in written.files:
        for line in Path(path).read_text().splitlines():
            try:
                call = json.loads(line)
            except ValueError:
                call = None
            yield call if isinstance(call, dict) and "sql" in call else None


def test_requests_beyond_those_under_way_are_handed_over() -> None:
    done: list[tuple[str, int]] = []
    requests = Requests(lambda request, _, calls: done.append((request, calls.count)), most_open=2)
    for request in ("a", "b", "a", "c", "a"):
        requests.add(request, ("shape", "route"), {"params": [1]})
    # b was silent for longest when c came.
    assert done == [("b", 1)]
    requests.close()
    assert done == [("b", 1), ("c", 1), ("a", 3)]


@pytest.mark.parametrize("ms", [10**400, float("nan"), float("inf"), True, "5", None, [1]])
def test_duration_that_is_none_counts_as_nothing(ms: Any) -> None:
    seen: list[Calls] = []
    requests = Requests(lambda request, key, calls: seen.append(calls))
    requests.add("a", ("shape", "route"), {"duration_ms": ms, "at": "9" * 400})
    requests.close()
    assert (seen[0].count, seen[0].database_ms) == (1, 0.0)


def test_statements_are_grouped_over_all_files(tmp_path: Path) -> None:
    """Two processes of one service: what is slow in each alone is not what is slow in both."""
    call = {"v": 1, "route": "both/", "sql": "SELECT 1 WHERE %s = 1", "params": [1], "duration_ms": 4}
    alone = call | {"route": "alone/", "duration_ms": 6}
    for number, lines in enumerate(([call, alone], [call])):
        told = [json.dumps(each | {"request_id": f"r{number}"}) for each in lines]
        (tmp_path / f"{number}.jsonl").write_text("\n".join(told))
    files = [str(path) for path in sorted(tmp_path.iterdir())]

    def ranked(*given: str) -> list[tuple[str, int]]:
        done = hotrow("explain", "--json", *given)
        return [
            (each["statement"]["route"], each["statement"]["calls"]) for each in json.loads(done.stdout)["statements"]
        ]

    assert ranked(*files) == [("both/", 2), ("alone/", 1)]
    assert ranked(*files, "--top", "1") == [("both/", 2)]
    # The control: one file alone ranks them otherwise.
    assert ranked(files[0]) == [("alone/", 1), ("both/", 1)]


def test_more_files_than_a_process_may_open_are_read(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    line = json.dumps({"v": 1, "sql": "SELECT 1", "params": None, "duration_ms": 1})
    files = [tmp_path / f"{number}.jsonl" for number in range(300)]
    for path in files:
        path.write_text(line)
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, hard))
    try:
        done = hotrow("explain", "--json", *map(str, files))
        (found,) = json.loads(done.stdout)["statements"]
        assert found["statement"]["calls"] == len(files)
        with ExitStack() as opened, pytest.raises(OSError, match="open files"):
            for path in files:
                opened.enter_context(path.open())
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_lines_of_the_traffic_have_the_middlewares_fields(tmp_path: Path) -> None:
    files = captured_traffic.write(tmp_path, 50).files
    for text in (text for path in files for text in Path(path).read_text().splitlines()):
        assert list(json.loads(text)) == FIELDS.split()
