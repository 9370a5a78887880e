"""``hotrow observe`` on the running stack, and where there is nothing to be seen."""

import json
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from tests.unit.command import hotrow
from tuning import timeline
from tuning.stack.stack import Stack

NOWHERE = "host=127.0.0.1 port=1 user=nobody dbname=x"


def test_observe_watches_the_instance_and_sums_up(stack: Stack, tmp_path: Path) -> None:
    path = tmp_path / "timeline.jsonl"
    with psycopg.connect(stack.direct) as connection:
        connection.execute("SELECT 1")
        done = hotrow("observe", "--instance", "tests", "--seconds", "1", "--out", str(path), "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    samples = {source["name"]: source["samples"] for source in told["sources"]}
    assert all(samples[name] > 0 for name in ("activity", "database", "pooler", "processes", "redis")), samples
    assert samples["statements"] == 2
    assert any(each["wait"] == "Client:ClientRead (idle in transaction)" for each in told["waits"])
    assert told["blockers"] == []
    assert told["overhead"]["cpu_s"] > 0
    assert "watching activity" in done.stderr
    groups = timeline.read(path).of("processes")[-1].data["groups"]
    assert groups["web"]["processes"] > 1
    assert groups["primary"]["processes"] > 3


def test_observe_finds_the_server_of_this_machine(stack: Stack, tmp_path: Path) -> None:
    path = tmp_path / "timeline.jsonl"
    done = hotrow("observe", "--dsn", stack.monitor, "--seconds", "0.5", "--out", str(path))
    assert done.returncode == 0, done.stderr
    assert "No session was seen waiting" in done.stdout
    assert "pooler: no PgBouncer was named" in done.stdout
    primary = next(part.pid for part in stack.parts if part.name == "primary")
    seen = timeline.read(path)
    assert seen.of("processes")[-1].data["groups"]["postgresql"]["processes"] > 1
    assert primary is not None
    assert stack._secrets.monitor not in path.read_text() + done.stdout + done.stderr


def test_observe_tells_what_cannot_be_reached_and_keeps_the_rest(stack: Stack, tmp_path: Path) -> None:
    path = tmp_path / "timeline.jsonl"
    console = make_conninfo(stack.pooled, connect_timeout=2)
    done = hotrow(
        *("observe", "--dsn", stack.monitor, "--pgbouncer", console, "--redis", "redis://127.0.0.1:1/0"),
        *("--metrics", "http://127.0.0.1:1/metrics", "--seconds", "0.5", "--out", str(path)),
    )
    assert done.returncode == 0, done.stderr
    reasons = {source.name: source.reason for source in timeline.read(path).header.sources}
    assert "admin_users or stats_users" in (reasons["pooler"] or "")
    assert reasons["redis"] == "Connection refused"
    assert "cannot be reached" in (reasons["service"] or "")
    assert reasons["activity"] is None
    for name in ("pooler", "redis", "service"):
        assert f"  {name}: {reasons[name]}" in done.stdout


def test_observe_exits_1_where_nothing_could_be_watched(tmp_path: Path) -> None:
    path = tmp_path / "timeline.jsonl"
    done = hotrow("observe", "--dsn", NOWHERE, "--seconds", "0.3", "--out", str(path))
    assert done.returncode == 1
    assert "nothing could be watched" in done.stderr
    assert "Connection refused" in done.stdout
    assert timeline.read(path).samples == ()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--dsn", NOWHERE, "--seconds", "0"), "--seconds must be more than 0"),
        (("--seconds", "1"), "nothing to watch"),
        (("--process", "web=999999999", "--seconds", "1"), "there is no process 999999999"),
        (("--process", "web", "--seconds", "1"), "write NAME=PID"),
        (("--gunicorn", "/nowhere.pid", "--seconds", "1"), "No such file"),
        (("--dsn", "host=", "--pgbouncer", "nonsense", "--seconds", "1"), "--pgbouncer is no libpq connection string"),
        (("--instance", "tests", "--dsn", NOWHERE, "--seconds", "1"), "by itself"),
        (("--instance", "absent", "--seconds", "1"), "is not running"),
    ],
)
def test_observe_refuses_what_makes_no_sense(tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    path = tmp_path / "timeline.jsonl"
    done = hotrow("observe", *arguments, "--out", str(path))
    assert done.returncode == 2
    assert message in done.stderr
    assert not path.exists()
