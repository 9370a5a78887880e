"""What the service shows of itself: metrics of all workers, lines, Server-Timing, the API's page, statements."""

import json
import os
import re
import shutil
import signal
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.client import Client
from tests.conftest import missing
from tests.integration.shop import Shop
from tuning.stack import web
from tuning.stack.ports import HOST, free_port
from tuning.stack.stack import Stack

PATIENCE_S = 15.0
WORKERS = 2
TABLE = re.compile(r"^\| `(hotrow_\w+)` \|", re.MULTILINE)
SAMPLE = re.compile(r"^(hotrow_\w+)(\{[^}]*\})? (\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Service:
    url: str
    metrics: str
    log: Path
    statements: Path
    pid: int

    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def of_request(self, request_id: str) -> Any:
        """The request's line in the access log."""
        return eventually(lambda: next((each for each in self.lines() if each.get("request_id") == request_id), None))

    def captured(self) -> list[Any]:
        return [json.loads(line) for path in self.statements.iterdir() for line in path.read_text().splitlines()]

    def samples(self) -> dict[str, float]:
        """Every sample of a scrape, by its name and labels."""
        with Client(self.metrics) as client:
            answer = client.get("/metrics")
        assert answer.status == 200
        return {name + labels: float(value) for name, labels, value in SAMPLE.findall(answer.body.decode())}

    def workers(self) -> list[int]:
        return [int(pid) for pid in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()]


def eventually(is_so: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + PATIENCE_S
    while not (found := is_so()):
        assert time.monotonic() < deadline, is_so
        time.sleep(0.1)
    return found


def started(stack: Stack, directory: Path, **settings: str) -> Any:
    port = free_port()
    child = web.start(directory / "log", port, {**stack.service_env(), "WORKERS": str(WORKERS), **settings})
    return child, f"http://{HOST}:{port}"


@pytest.fixture(scope="module")
def service(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that shows everything."""
    directory, port = tmp_path_factory.mktemp("observed"), free_port()
    settings = {"STRATEGY": "batched", "METRICS_BIND": f"{HOST}:{port}", "SERVER_TIMING": "true", "API_DOCS": "true"}
    settings |= {"CAPTURE_DIRECTORY": str(directory / "statements"), "CAPTURE_SHARE": "1"}
    settings |= {"ACCESS_LOG_PER_S": "1000", "LOGINS_PER_ACCOUNT": "3"}
    child, url = started(stack, directory, **settings)
    yield Service(url, f"http://{HOST}:{port}", directory / "log", directory / "statements", child.pid)
    child.stop()


@pytest.fixture
def client(service: Service) -> Iterator[Client]:
    with Client(service.url) as made:
        assert made.log_in("user21").status == 200
        yield made


@pytest.fixture
def shop(stack: Stack) -> Iterator[Shop]:
    with psycopg.connect(stack.direct, autocommit=True) as direct:
        yield Shop(direct)


def test_metrics_are_those_of_the_table(service: Service, client: Client, shop: Shop, stack: Stack) -> None:
    product = shop.product(5)
    assert client.reserve(product, 1).status == 201
    assert client.reserve(product, 9).status == 409
    client.get("/api/products")
    with Client(service.url) as stranger:
        name = f"nobody-{uuid.uuid4().hex[:8]}"
        assert [stranger.log_in(name).status for _ in range(4)] == [401, 401, 401, 429]
    with psycopg.connect(stack.direct) as blocker:
        # A lock that is waited for longer than the role may: 55P03, answered with 503.
        blocker.execute("SELECT FROM product_stock WHERE product_id = %s FOR UPDATE", [product])
        assert client.reserve(product, 1).status == 503

    documented = set(TABLE.findall(Path("docs/howto/observe.md").read_text()))

    def shown() -> set[str]:
        return {re.sub(r"_(bucket|sum|count)$", "", name.partition("{")[0]) for name in service.samples()}

    eventually(lambda: shown() == documented)
    eventually(lambda: service.samples()['hotrow_reservations_total{outcome="reserved"}'] >= 1)
    samples = service.samples()
    assert samples['hotrow_logins_refused_total{reason="account"}'] == 1
    assert samples['hotrow_database_errors_total{sqlstate_class="55"}'] >= 1
    assert samples["hotrow_database_up"] == 1
    assert samples["hotrow_workers"] == WORKERS
    eventually(lambda: service.samples()['hotrow_pool_requests_total{alias="default"}'] > 0)


def requests(service: Service) -> float:
    name = 'hotrow_http_request_seconds_count{method="GET",route="healthz",status="2xx"}'
    return service.samples().get(name, 0.0)


def test_counters_outlive_the_worker_that_counted(service: Service) -> None:
    before = requests(service)
    for _ in range(20):
        # A connection each, so that both workers get some.
        with Client(service.url) as each:
            assert each.get("/healthz").status == 200
    assert requests(service) == before + 20
    directory = Path(environment_of(service.workers()[0])["PROMETHEUS_MULTIPROC_DIR"])
    assert directory.stat().st_mode & 0o777 == 0o700
    files = len(list(directory.iterdir()))
    for victim in service.workers():
        os.kill(victim, signal.SIGKILL)
        eventually(lambda: victim not in service.workers() and len(service.workers()) == WORKERS)  # noqa: B023
    eventually(lambda: service.samples().get("hotrow_workers") == WORKERS)
    assert requests(service) == before + 20
    assert len(list(directory.iterdir())) <= files


def environment_of(pid: int) -> dict[str, str]:
    """What the process was started with, and what the master added before its workers were forked."""
    listed = Path(f"/proc/{pid}/maps").read_text()
    found = re.search(r"(\S*hotrow-metrics-[^/\s]+)/", listed)
    assert found is not None
    return {"PROMETHEUS_MULTIPROC_DIR": found[1]}


def test_metrics_and_api_do_not_mix(service: Service, stack: Stack) -> None:
    with Client(service.metrics) as metrics, Client(service.url) as api, Client(stack.url) as plain:
        assert metrics.get("/metrics", {"Host": "prometheus.example.com"}).status == 200
        assert [metrics.get(path).status for path in ("/healthz", "/api/products", "/metrics/")] == [404] * 3
        assert metrics.post("/metrics", {}).status == 404
        assert [each.get("/metrics").status for each in (api, plain)] == [404, 404]


def test_request_is_found_by_its_id(service: Service, client: Client, shop: Shop) -> None:
    product, key, name = shop.product(1), uuid.uuid4().hex, f"test-{uuid.uuid4()}"
    body = {"lines": [{"product_id": product, "quantity": 1}]}
    made = client.post("/api/reservations", body, {"Idempotency-Key": key, "X-Request-Id": name})
    assert (made.status, made.headers["X-Request-Id"]) == (201, name)
    line = service.of_request(name)
    assert {each: line[each] for each in ("method", "route", "status", "user_id", "outcome", "event")} == {
        "method": "POST",
        "route": "api/reservations",
        "status": 201,
        "user_id": 21,
        "outcome": "reserved",
        "event": "request",
    }
    refused = client.reserve(product, 1)
    assert refused.json["request_id"] == refused.headers["X-Request-Id"]
    line = service.of_request(refused.json["request_id"])
    assert (line["status"], line["outcome"], len(line["key_hash"])) == (409, "insufficient", 16)
    order = made.json["order_id"]
    looked = client.get(f"/api/reservations/{order}")
    assert service.of_request(looked.headers["X-Request-Id"])["route"] == "api/reservations/<order_id>"
    # An id that could break a line or lie about its length is replaced.
    for bad in ("short", 'quo"te-12345', "x" * 200):
        assert client.get("/healthz", {"X-Request-Id": bad}).headers["X-Request-Id"] != bad
    text = service.log.read_text()
    assert client.token is not None
    for secret in (client.token, "flash-sale", key, order):
        assert secret not in text


def test_access_log_is_bounded_and_says_what_it_left_out(stack: Stack, tmp_path: Path) -> None:
    child, url = started(stack, tmp_path, WORKERS="1", ACCESS_LOG_PER_S="1")
    try:
        with Client(url) as client:
            deadline = time.monotonic() + 2.2
            count = 0
            while time.monotonic() < deadline:
                assert client.get("/healthz").status == 200
                count += 1
    finally:
        child.stop()
    told = [line for line in map(json.loads, (tmp_path / "log").read_text().splitlines()) if line["event"] == "request"]
    assert count > 20
    assert 2 <= len(told) <= 8
    assert 0 < sum(line.get("skipped", 0) for line in told) <= count


def test_time_is_told_where_it_was_asked_for(client: Client, shop: Shop, stack: Stack) -> None:
    told = client.get(f"/api/products/{shop.product(1)}/availability").headers["Server-Timing"]
    parts = dict(re.findall(r"(\w+);dur=([\d.]+)", told))
    assert set(parts) == {"app", "db", "pool", "cache"}
    assert 0 < float(parts["db"]) <= float(parts["cache"]) <= float(parts["app"])
    assert 'desc="1 statements"' in told
    with Client(stack.url) as plain:
        assert plain.get("/healthz").headers["Server-Timing"] is None


def test_api_page_takes_nothing_from_elsewhere(service: Service, stack: Stack) -> None:
    with Client(service.url) as client:
        page = client.get("/api/docs")
        policy = page.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "http" not in policy
        references = re.findall(r'(?:src|href)="([^"]+)"', page.body.decode())
        assert len(references) == 4
        for path in references:
            assert client.get(path).status == 200, path
        assert client.get("/api/docs/../settings.py").status == 404
    with Client(stack.url) as plain:
        assert plain.get("/api/docs").status == 404


def browsed(program: str, profile: Path, url: str) -> tuple[str, str]:
    """The page after its scripts have run, and what the browser's console says."""
    command = [program, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--v=0"]
    # Of other hosts the browser finds none: whatever it asked for would fail, and be told.
    command += [f"--user-data-dir={profile}", "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1"]
    command += ["--virtual-time-budget=10000", "--dump-dom", url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90)
    console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return done.stdout.replace("\u200b", ""), "\n".join(console)


def test_api_page_renders_in_a_browser(service: Service, tmp_path: Path) -> None:
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        missing("chromium")
    assert program is not None
    with Client(service.url) as client:
        paths = client.get("/api/openapi.json").json["paths"]
    page, console = browsed(program, tmp_path / "profile", f"{service.url}/api/docs")
    assert console == ""
    assert [path for path in paths if path not in page] == []
    # The control: a page that asks another host is heard of.
    other = tmp_path / "other.html"
    other.write_text("<script>fetch('http://example.com/x')</script>")
    assert browsed(program, tmp_path / "profile", other.as_uri())[1] != ""


def test_statements_of_a_request_are_captured_whole(service: Service, client: Client, shop: Shop) -> None:
    product = shop.product(3)
    made = client.reserve(product, 2)
    extended = client.post(f"/api/reservations/{made.json['order_id']}/extend", {})

    def of(request_id: str) -> list[Any]:
        return [each for each in service.captured() if each["request_id"] == request_id]

    (batch,) = of(made.headers["X-Request-Id"])
    assert (batch["alias"], batch["route"], batch["method"], batch["v"]) == ("lane", "api/reservations", "POST", 1)
    assert "reserve_stock_many_v1" in batch["sql"]
    assert batch["params"][3:5] == [f"{{{product}}}", "{2}"]
    assert (batch["rows"], batch["error"], batch["in_transaction"], batch["many"]) == (1, None, False, False)
    assert batch["caller"].startswith("service/stock/strategies/batched.py:")
    statements = of(extended.headers["X-Request-Id"])
    assert len(statements) == 2
    assert {each["route"] for each in statements} == {"api/reservations/<order_id>/extend"}
    assert all(each["caller"].startswith("service/stock/orders.py:") for each in statements)
    # What asks a server where it is goes before a read in one message, and is not what the page asked for.
    reads = of(client.get("/api/products?page=987").headers["X-Request-Id"])
    assert reads
    assert all(each["sql"].lstrip().startswith("WITH page AS") for each in reads)


def test_captured_files_are_private_and_hold_no_secret(service: Service, stack: Stack) -> None:
    with Client(service.url) as made:
        held = made.log_in("user22").json["refresh_token"]
        again = made.post("/api/auth/token/refresh", {"refresh_token": held}).json["refresh_token"]
    calls = [each for each in service.captured() if "session_v1" in each["sql"]]
    assert len(calls) >= 2
    assert all(each["params"] == [{"type": "redacted"}] * len(each["params"]) for each in calls)
    text = "".join(path.read_text() for path in service.statements.iterdir())
    for secret in (held, again, "flash-sale"):
        assert secret not in text
    for path in service.statements.iterdir():
        assert path.stat().st_mode & 0o777 == 0o600


def test_full_disk_fails_no_request(stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("where a directory should be")
    child, url = started(stack, tmp_path, WORKERS="1", CAPTURE_DIRECTORY=str(tmp_path / "file"), CAPTURE_SHARE="1")
    try:
        with Client(url) as client:
            assert client.log_in("user23").status == 200
            assert [client.get(f"/api/products?page={page}").status for page in (1, 2)] == [200, 200]
    finally:
        child.stop()
    assert (tmp_path / "log").read_text().count("statements are not captured any more") == 1
