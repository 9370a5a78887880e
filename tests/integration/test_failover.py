"""`hotrow failover` on real servers under traffic: what it promises before, and what is there after."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tests.client import Client
from tests.conftest import missing
from tests.integration.replicas import ReadReplica, eventually
from tests.integration.shop import Shop
from tests.integration.test_faults import MAIN, served
from tests.integration.traffic import Traffic
from tuning.failover import pooler, run
from tuning.failover.plan import Plan, decide
from tuning.failover.pooler import Console
from tuning.failover.run import Done, Failover, Request
from tuning.failover.servers import address
from tuning.observe import audit
from tuning.stack import binaries, postgres
from tuning.stack.profiles import KIT
from tuning.stack.stack import Stack
from tuning.stack.supervisor import running

# Only so that a hang ends; how long it takes is said by the command.
PATIENCE_S = 30.0
CLIENTS = 6
UNITS = 1_000_000
FEW = 40


class Site:
    """A stack whose replica takes over, and the command as a person types it."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.port = str(conninfo_to_dict(stack.conninfo("app", "replica"))["port"])
        self.config = stack.paths.data("pgbouncer") / "pgbouncer.ini"
        self.replica = make_conninfo(stack.console, port=self.port, dbname=postgres.DATABASE)
        self.superuser = make_conninfo(stack.superuser, port=self.port, dbname=postgres.DATABASE)

    def command(self, *arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
        with self.start(*arguments, **changes) as process:
            out, err = process.communicate(timeout=120)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def start(self, *arguments: str, **changes: str) -> subprocess.Popen[str]:
        given = {"replica": self.replica, "pgbouncer": self.stack.console, "config": str(self.config), **changes}
        options = [word for name, value in given.items() for word in (f"--{name}", value)]
        whole = [sys.executable, "-m", "tuning.cli.main", "failover", *options, *arguments]
        return subprocess.Popen(whole, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def result(self, *arguments: str) -> dict[str, Any]:
        done = self.command("--json", *arguments)
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def replica_is_one(self) -> bool:
        return bool(ReadReplica(self.stack).execute("SELECT pg_is_in_recovery()"))

    def pooled_port(self) -> str:
        """Which server takes what comes through PgBouncer."""
        with psycopg.connect(self.stack.pooled, autocommit=True, prepare_threshold=None) as connection:
            return str((connection.execute("SELECT inet_server_port()").fetchone() or ("",))[0])

    def orders(self, ids: list[str]) -> set[str]:
        with psycopg.connect(self.superuser) as connection:
            rows = connection.execute(
                "SELECT DISTINCT order_id::text FROM stock_reservation WHERE order_id = ANY (%s::uuid[])", [ids]
            )
            return {row[0] for row in rows}

    def violations(self) -> list[str]:
        return [f"{one.invariant}: {text}" for one in audit.check(self.superuser) for text in one.violations]


@contextmanager
def started(instance: str) -> Iterator[Site]:
    if binaries.find("pgbouncer") is None:
        missing("pgbouncer")
    with running(instance, replace(KIT, has_redis=False, has_web=False), is_fresh=True) as stack:
        yield Site(stack)


@pytest.fixture
def site(state_directory: Path) -> Iterator[Site]:
    """A stack of the test's own: its replica is promoted."""
    with started("failover") as made:
        yield made


@pytest.fixture(scope="module")
def unharmed(state_directory: Path) -> Iterator[Site]:
    """A stack whose replica stays one."""
    with started("refused") as made:
        yield made


@contextmanager
def traffic_on(site: Site, tmp_path: Path) -> Iterator[tuple[Traffic, int]]:
    """Buyers of a product that lasts and of one that sells out; the second is returned."""
    with psycopg.connect(site.stack.direct, autocommit=True) as connection:
        many, few = Shop(connection).product(UNITS), Shop(connection).product(FEW)
    with served(site.stack, MAIN, tmp_path / "web.log") as url:
        with Client(url) as client:
            assert client.log_in("user1").status == 200
            assert client.token is not None
            token = client.token
        with Traffic(url, token, [many, many, many, few], CLIENTS) as traffic:
            yield traffic, few


def sold(site: Site, product: int) -> tuple[int, int]:
    """What the counters of a product say is reserved, and how many units are accounted for."""
    with psycopg.connect(site.superuser, autocommit=True) as connection:
        available, held, sold = Shop(connection).counters(product)
        return held, available + held + sold


def test_switchover_loses_nothing_and_fails_nobody(site: Site, tmp_path: Path) -> None:
    with traffic_on(site, tmp_path) as (traffic, few):
        refused = site.command("--yes")
        assert refused.returncode == 1
        assert "still answers: a failover would lose" in refused.stderr
        plan = site.result("--switchover")
        assert plan["plan"]["loss"]["size_bytes"] == 0
        assert plan["plan"]["steps"] == ["hold", "catch up", "promote", "repoint", "resume", "write"]
        # Nothing was done by either.
        assert plan["result"] is None
        assert site.replica_is_one()
        assert site.pooled_port() != site.port
        done = site.result("--switchover", "--yes")
        traffic.await_success(time.monotonic(), PATIENCE_S)
        # Autovacuum may have ended a transaction there, clients none.
        assert done["result"]["target"] == f"127.0.0.1:{site.port}"
        assert site.pooled_port() == site.port
    assert traffic.told.wrong == []
    assert site.orders(list(traffic.told.acked)) == set(traffic.told.acked)
    assert sold(site, few) == (FEW, FEW)
    assert site.violations() == []
    again = site.command("--switchover", "--yes")
    assert (again.returncode, "nothing is left to do" in again.stdout) == (0, True), again.stderr


def test_failover_loses_no_more_than_it_says(site: Site, tmp_path: Path) -> None:
    with traffic_on(site, tmp_path) as (traffic, few):
        # What the primary commits from here on reaches nobody: such is the loss of a replica that is behind.
        ReadReplica(site.stack).execute("ALTER SYSTEM SET primary_conninfo = ''", "SELECT pg_reload_conf()")
        eventually(lambda: _is_alone(site), PATIENCE_S, "the replica receives nothing")
        told_of = len(traffic.told.acked)
        eventually(lambda: len(traffic.told.acked) > told_of + 50, PATIENCE_S, "reservations that will be lost")
        site.stack.end("primary", is_killed=True)
        eventually(lambda: traffic.told.statuses[503] > 0, PATIENCE_S, "clients are told to come back")
        plan = site.result()["plan"]
        assert plan["loss"]["size_bytes"] is None
        since = datetime.fromisoformat(plan["loss"]["since"]).timestamp()
        site.result("--yes")
        traffic.await_success(time.monotonic(), PATIENCE_S)
    assert traffic.told.wrong == []
    there = site.orders(list(traffic.told.acked))
    lost = {order: when for order, when in traffic.told.acked.items() if order not in there}
    # The control: something was lost, and all of it after the moment that was said before.
    assert lost
    assert min(lost.values()) > since
    assert sold(site, few)[1] == FEW
    assert site.violations() == []
    _the_old_primary_gets_no_writes(site)


def _is_alone(site: Site) -> bool:
    return not ReadReplica(site.stack).execute("SELECT count(*) FROM pg_stat_wal_receiver")


def _the_old_primary_gets_no_writes(site: Site) -> None:
    # In place of its own stack, which would lead PgBouncer back: PgBouncer reads the file that the command left.
    (pid,) = [part.pid for part in site.stack.parts if part.name == "pgbouncer"]
    site.stack.begin("primary")
    assert site.pooled_port() == site.port
    assert pid is not None
    os.kill(pid, signal.SIGHUP)
    eventually(lambda: site.pooled_port() == site.port, PATIENCE_S, "PgBouncer has read its file again")
    assert site.result("--yes")["result"] is None
    # The control: a PgBouncer whose file was rendered anew leads to the old primary, and the command says so.
    site.stack.end("pgbouncer")
    site.stack.begin("pgbouncer")
    assert site.pooled_port() != site.port
    assert site.result("--yes")["plan"]["steps"] == ["cut", "repoint", "resume", "write"]
    assert site.pooled_port() == site.port


def test_run_that_was_ended_is_finished_by_another(site: Site) -> None:
    """Ended after each step in turn, on one stack: what a run leaves is where the next one begins."""
    request = Request(site.replica, site.stack.console, site.config, address(site.replica), is_switchover=True)
    console = Console(site.stack.console)

    def plan() -> Plan:
        return decide(run.read(request), is_switchover=True)

    def take(steps: int, report: run.Report = lambda message: None) -> Done:
        begun = plan()
        return Failover(request, run.read(request), replace(begun, steps=begun.steps[:steps]), report).run()

    def is_held() -> bool:
        return any(one.is_paused for one in console.databases())

    whole = plan().steps
    take(1)
    assert is_held()
    assert plan().steps == whole
    # Somebody writes past PgBouncer between the last look and the promotion.
    done = take(3, lambda message: _write_directly(site) if message.startswith("promoting") else None)
    assert done.written_late is not None
    assert done.written_late >= 1
    assert not site.replica_is_one()
    assert is_held()
    assert [str(step) for step in plan().steps] == ["cut", "repoint", "resume", "write"]
    take(1)
    # The file is written, and PgBouncer was not told.
    target = address(site.replica)
    names = [one.name for one in console.databases()]
    pooler.replace(site.config, pooler.repointed(site.config.read_text(), names, target))
    assert [str(step) for step in plan().steps] == ["cut", "repoint", "resume", "write"]
    take(2)
    assert is_held()
    assert [str(step) for step in plan().steps] == ["resume", "write"]
    take(2)
    assert plan().steps == ()
    assert not is_held()
    assert site.pooled_port() == site.port


def test_failure_before_the_promotion_lets_clients_go_on(unharmed: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site = unharmed
    request = Request(site.replica, site.stack.console, site.config, address(site.replica), is_switchover=True)

    def attempt() -> None:
        facts = run.read(request)
        Failover(request, facts, decide(facts, is_switchover=True), lambda message: None).run()

    def is_held() -> bool:
        return any(one.is_paused for one in Console(site.stack.console).databases())

    # Somebody's transaction does not end.
    monkeypatch.setattr(pooler, "HOLD_TIMEOUT_S", 0.5)
    with psycopg.connect(site.stack.pooled, prepare_threshold=None) as open_transaction:
        open_transaction.execute("SELECT 1")
        with pytest.raises(TimeoutError, match=r"did not end within 0\.5 s"):
            attempt()
        assert not is_held()
        # The same where a person loses patience.
        with site.start("--switchover", "--yes") as command:
            eventually(is_held, PATIENCE_S, "clients are held")
            command.send_signal(signal.SIGINT)
            assert "stopped by SIGINT" in command.communicate(timeout=PATIENCE_S)[1]
        assert not is_held()
    # The replica does not get on.
    monkeypatch.setattr(pooler, "HOLD_TIMEOUT_S", PATIENCE_S)
    monkeypatch.setattr(run, "CATCH_UP_TIMEOUT_S", 0.5)
    replica = ReadReplica(site.stack)
    replica.execute("SELECT pg_wal_replay_pause()")
    try:
        eventually(lambda: replica.execute("SELECT pg_get_wal_replay_pause_state()") == "paused", PATIENCE_S, "a pause")
        _write_directly(site)
        with pytest.raises(TimeoutError, match="did not catch up"):
            attempt()
    finally:
        replica.execute("SELECT pg_wal_replay_resume()")
    assert not is_held()
    assert site.replica_is_one()


def test_command_says_in_one_line_why_it_does_nothing(unharmed: Site, tmp_path: Path) -> None:
    site = unharmed
    other = tmp_path / "pgbouncer.ini"
    other.write_text("[databases]\nelsewhere = host=127.0.0.1 port=1\n")
    nobody = make_conninfo(site.replica, port="1")
    primary = site.stack.superuser
    for arguments, changes, says in (
        (["--switchover"], {"config": str(other)}, "has no entry of database hotrow"),
        (["--switchover"], {"config": str(tmp_path / "none")}, "No such file"),
        (["--switchover"], {"replica": nobody}, "a server does not answer as is needed"),
        (["--switchover"], {"primary": make_conninfo(primary, password="wrong")}, "lives, but lets nobody in"),
        (["--switchover"], {"primary": make_conninfo(primary, port="1")}, "does not answer"),
        ([], {"primary": make_conninfo(primary, port="1")}, "the replica heard from its primary"),
        (["--switchover"], {"replica": site.stack.conninfo("app", "replica")}, "may not promote"),
        (["--switchover", "--target", "nowhere"], {}, "is no HOST:PORT"),
    ):
        done = site.command("--yes", *arguments, **changes)
        assert done.returncode == 1, (says, done.stdout)
        assert says in done.stderr, done.stderr
        assert len(done.stderr.splitlines()) == 1, done.stderr
    assert site.replica_is_one()
    assert site.pooled_port() != site.port


def _write_directly(site: Site) -> None:
    with psycopg.connect(site.stack.direct, autocommit=True) as connection:
        connection.execute("SELECT pg_current_xact_id()")
        connection.execute("SELECT pg_logical_emit_message(true, 'test', 'late')")
