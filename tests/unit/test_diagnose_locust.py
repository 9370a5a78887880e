"""What the installed Locust writes is read, and agrees with raw times: a real run against a server with two slots."""

import json
import os
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.unit.command import ROOT, Done, hotrow
from tuning.diagnose import readers
from tuning.diagnose.buckets import is_bucket, width_s
from tuning.diagnose.figures import LoadFigures
from tuning.diagnose.readers.documents import Document
from tuning.lab import results

pytest.importorskip("hdrh")
SLOTS = 2
SERVICE_S = 0.03
USERS = 20
SECONDS = 4
SCENARIO = f"function_{USERS}_{USERS}"


class Handler(BaseHTTPRequestHandler):
    """The service's answers, of which so many are worked on at a time."""

    protocol_version = "HTTP/1.1"
    slots = threading.Semaphore(SLOTS)

    def do_GET(self) -> None:
        self._answer(200)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(201 if self.path == "/api/reservations" else 200)

    def log_message(self, *_: object) -> None:
        pass

    def _answer(self, status: int) -> None:
        with self.slots:
            time.sleep(SERVICE_S)
        body = b'{"access_token": "x"}'
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 2 * USERS

    def handle_error(self, *_: object) -> None:
        """Locust hangs up in the middle of answers when its time is up."""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory with everything that a run of Locust wrote."""
    directory = tmp_path_factory.mktemp("locust")
    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        words = [
            sys.executable,
            "-m",
            "locust",
            "-f",
            str(ROOT / "tuning/load/locustfile.py"),
            "--headless",
            "--skip-log",
        ]
        words += ["--host", f"http://127.0.0.1:{server.server_port}", "--scenario", SCENARIO]
        words += ["--run-time", f"{SECONDS}s", "--timings", str(directory), "--csv", str(directory / "run")]
        words += ["--json-file", str(directory / "run")]
        done = subprocess.run(words, cwd=ROOT, env=os.environ.copy(), capture_output=True, text=True, timeout=90)
        server.shutdown()
    assert done.returncode == 0, done.stderr
    return directory


def raw(directory: Path) -> list[tuple[float, float]]:
    """When each request was sent and how long it took, in s."""
    (path,) = directory.glob("requests-*.csv")
    cells = [line.split(",") for line in path.read_text().splitlines()]
    return [(float(sent), int(took_us) / 1e6) for _, sent, took_us, _ in cells]


def raw_s(directory: Path) -> list[float]:
    return sorted(took_s for _, took_s in raw(directory))


def around(ordered: list[float], percent: float) -> list[float]:
    """The times at a percentile's rank, which is counted in more than one way, and beside it."""
    rank = -(-len(ordered) * percent // 100) - 1
    return ordered[max(int(rank) - 1, 0) : int(rank) + 2]


def read(*paths: Path) -> LoadFigures:
    return readers.read([Document.open(path) for path in paths])


def diagnose(directory: Path, *options: str) -> Done:
    file = str(directory / "run_stats.csv")
    return hotrow("diagnose", file, "--seconds", str(SECONDS), "--spawn-rate", str(USERS), "--json", *options)


def test_percentiles_of_the_recorder_agree_with_raw_times_to_one_percent(run: Path) -> None:
    ordered, total = raw_s(run), results.read(run, SCENARIO).total
    assert len(ordered) == total.count > USERS
    for percent, value in ((50, total.p50_ms), (95, total.p95_ms), (99, total.p99_ms)):
        assert any(value / 1000 == pytest.approx(time_s, rel=0.01) for time_s in around(ordered, percent))
    assert total.mean_ms / 1000 == pytest.approx(sum(ordered) / len(ordered), rel=0.01)


def test_statistics_as_json_agree_with_raw_times(run: Path) -> None:
    ordered, found = raw_s(run), read(run / "run.json")
    assert found.total.count == len(ordered)
    assert found.total.mean_s == pytest.approx(sum(ordered) / len(ordered), rel=0.01)
    assert found.is_rounded
    assert found.missing == ()
    span_s = max(sent + took_s for sent, took_s in raw(run)) - min(sent for sent, _ in raw(run))
    assert found.seconds == pytest.approx(span_s, rel=0.2)
    for percent, value in found.total.percentiles_s.items():
        near = around(ordered, percent)
        assert near[0] - width_s(near[0]) <= value <= near[-1] + width_s(near[-1])
    assert not all(is_bucket(each) for each in ordered)


def test_statistics_as_csv_agree_with_raw_times(run: Path) -> None:
    found, other = read(run / "run_stats.csv"), read(run / "run.json")
    assert found.missing == ()
    assert found.is_rounded
    assert {each.name for each in found.requests} == {each.name for each in other.requests}
    # Locust writes the table once a second, so the last answers may be missing from it.
    assert USERS < found.total.count <= other.total.count
    answered = [took_s for _, took_s in raw(run)][: found.total.count]
    assert found.total.mean_s == pytest.approx(sum(answered) / len(answered), rel=0.01)
    assert found.total.max_s is not None
    assert found.total.percentiles_s[100.0] <= found.total.max_s + width_s(found.total.max_s)


def test_history_beside_the_statistics_is_found(run: Path) -> None:
    found = json.loads(diagnose(run, "--fail-on", "never").stdout)
    assert any(said.startswith("a history of") for said in found["read"])
    history = read(run / "run_stats.csv", run / "run_stats_history.csv", run / "run_failures.csv").history
    assert max(moment.users for moment in history) == USERS


def test_saturated_slots_are_diagnosed_and_slots_enough_are_not(run: Path) -> None:
    few = diagnose(run, "--slots", str(SLOTS))
    assert few.returncode == 1
    found = {each["rule"]: each for each in json.loads(few.stdout)["verdicts"]}
    assert found["slots-saturated"]["outcome"] == "FAIL"
    # A slot was held for the service time and what the machine added, and far shorter than a response took.
    figures = found["slots-saturated"]["findings"][0]["figures"]
    assert SERVICE_S <= figures["service_at_most_s"] < figures["response_s"] / 2
    for rule in ("figures-contradict", "failures", "time-outs"):
        assert found[rule]["outcome"] == "OK", found[rule]
    assert found["users-and-little"]["outcome"] != "FAIL", found["users-and-little"]
    enough = json.loads(diagnose(run, "--slots", str(2 * USERS), "--fail-on", "never").stdout)
    found = {each["rule"]: each for each in enough["verdicts"]}
    assert found["slots-saturated"]["outcome"] == "OK"
