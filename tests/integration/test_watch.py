"""What a watch sees of real servers and processes, and what it does when they fail: nothing else is disturbed."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from tests.conftest import debian_postgres, missing
from tests.integration.cache_server import CacheServer
from tests.integration.parts import eventually
from tuning import timeline
from tuning.observe.watch import Targets, Watch, WatchError
from tuning.stack import postgres
from tuning.stack.profiles import KIT
from tuning.stack.stack import Stack
from tuning.stack.supervisor import running
from tuning.timeline import Sample, Timeline

# Children that burn and end: the group has their time, and no process in it has used much.
BUSY = "import subprocess, sys\nwhile True: subprocess.run([sys.executable, '-S', '-c', 'for _ in range(10**6): pass'])"
IDLE = "import time; time.sleep(600)"


class Seen:
    """A watch that runs, and what it has written so far."""

    def __init__(self, watch: Watch) -> None:
        self.watch = watch

    @property
    def timeline(self) -> Timeline:
        return timeline.read(self.watch.path)

    def of(self, kind: str) -> tuple[Sample, ...]:
        return self.timeline.of(kind)

    def first(self, kind: str, is_so: Callable[[Any], Any], what: str, after: float = -1.0) -> Sample:
        """Wait for a sample, later than ``after``, of which something is so."""

        def found() -> Sample | None:
            return next((each for each in self.of(kind) if each.t > after and is_so(each.data)), None)

        sample: Sample = eventually(found, what)
        return sample

    def reason(self, name: str) -> str | None:
        return next(source.reason for source in self.timeline.header.sources if source.name == name)


@contextmanager
def watching(path: Path, **targets: Any) -> Iterator[Seen]:
    with Watch(Targets(**targets), path / "timeline.jsonl") as watch:
        yield Seen(watch)
    assert watch.problem is None


def sessions(data: dict[str, Any], pid: int) -> list[dict[str, Any]]:
    return [session for session in data["sessions"] if session["pid"] == pid]


def test_blocker_is_seen_with_its_statement_while_it_blocks(stack: Stack, tmp_path: Path) -> None:
    with (
        watching(tmp_path, database=stack.monitor) as seen,
        psycopg.connect(stack.direct) as blocker,
        psycopg.connect(stack.direct, autocommit=True) as waiter,
    ):
        pids = blocker.info.backend_pid, waiter.info.backend_pid
        blocker.execute("SELECT name FROM product WHERE id = 1 FOR UPDATE")
        quiet = seen.first("activity", lambda data: sessions(data, pids[0]), "the blocker before anybody waits")
        assert all(not session["blocked_by"] for session in quiet.data["sessions"])
        thread = threading.Thread(target=lambda: waiter.execute("SELECT 1 FROM product WHERE id = 1 FOR SHARE"))
        thread.start()
        found = seen.first(
            "activity", lambda data: any(each["blocked_by"] == [pids[0]] for each in sessions(data, pids[1])), "a block"
        )
        locks = seen.first("locks", lambda data: any(each["pid"] == pids[1] for each in data["waits"]), "the lock")
        blocker.rollback()
        thread.join()
        gone = seen.first("activity", lambda data: not sessions(data, pids[1]), "the end of the wait", found.t)
        seen.first("activity", lambda data: data["asked_blockers"], "another look at blockers", gone.t)
        later = [each for each in seen.of("activity") if each.t >= gone.t]
    (session,) = sessions(found.data, pids[0])
    assert session["state"] == "idle in transaction"
    texts = {each.data["number"]: each.data["text"] for each in seen.of("statement")}
    assert "FOR UPDATE" in texts[session["statement"]]
    assert sessions(found.data, pids[1])[0]["wait_type"] == "Lock"
    (wait,) = [each for each in locks.data["waits"] if each["pid"] == pids[1]]
    assert (wait["blocker"], wait["relation"]) == (pids[0], "product")
    assert all(not sessions(each.data, pids[1]) for each in later)
    texts_written = [each.data["text"] for each in seen.of("statement")]
    assert len(texts_written) == len(set(texts_written))


def test_wait_events_are_seen_and_end(stack: Stack, tmp_path: Path) -> None:
    def waits(data: dict[str, Any], pid: int) -> set[tuple[str, str, str]]:
        return {(each["state"], each["wait_type"], each["wait_event"]) for each in sessions(data, pid)}

    with watching(tmp_path, database=stack.monitor) as seen, psycopg.connect(stack.direct) as connection:
        pid = connection.info.backend_pid
        thread = threading.Thread(target=lambda: connection.execute("SELECT pg_sleep(1)"))
        thread.start()
        asleep = seen.first("activity", lambda data: ("active", "Timeout", "PgSleep") in waits(data, pid), "a sleep")
        thread.join()
        idle = ("idle in transaction", "Client", "ClientRead")
        after = seen.first("activity", lambda data: idle in waits(data, pid), "an idle transaction", asleep.t)
        connection.rollback()
        seen.first("activity", lambda data: not sessions(data, pid) and data["idle"] > 0, "its end", after.t)


def test_watcher_leaves_its_own_sessions_out(stack: Stack, tmp_path: Path) -> None:
    with watching(tmp_path, database=stack.monitor) as seen:
        eventually(lambda: len(seen.of("activity")) > 5, "some samples")
    users = {session["user"] for each in seen.of("activity") for session in each.data["sessions"]}
    assert postgres.MONITOR_ROLE not in users


def test_clients_that_wait_for_the_pooler_are_seen(stack: Stack, tmp_path: Path) -> None:
    conninfo = make_conninfo(stack.pooled, dbname=postgres.DIRECT_DATABASE)

    def serving(data: dict[str, Any]) -> int:
        return sum(each["sv_active"] for each in data["pools"] if each["database"] == postgres.DIRECT_DATABASE)

    def waiting(data: dict[str, Any]) -> int:
        return sum(each["cl_waiting"] for each in data["pools"] if each["database"] == postgres.DIRECT_DATABASE)

    def ask() -> None:
        with psycopg.connect(conninfo) as connection:
            connection.execute("SELECT 1")

    with watching(tmp_path, pooler=stack.console, totals_hz=10) as seen:
        holders = [psycopg.connect(conninfo) for _ in range(2)]
        try:
            for each in holders:
                each.execute("SELECT 1")
            quiet = seen.first("pooler", lambda data: serving(data) == 2 and not waiting(data), "two and nobody behind")
            thread = threading.Thread(target=ask)
            thread.start()
            found = seen.first("pooler", lambda data: waiting(data) == 1, "a client that waits", quiet.t)
        finally:
            for each in holders:
                each.close()
        thread.join()
        seen.first("pooler", lambda data: waiting(data) == 0, "its end", found.t)
    pool = next(each for each in found.data["pools"] if each["database"] == postgres.DIRECT_DATABASE)
    assert pool["pool_size"] == 2
    assert pool["sv_active"] == 2
    assert found.data["totals"][postgres.DIRECT_DATABASE]["query_count"] >= 0
    assert seen.timeline.header.facts["pgbouncer"]["pool_sizes"][postgres.DIRECT_DATABASE] == 2


def test_busy_group_has_the_processor_time_of_children_that_have_ended(tmp_path: Path) -> None:
    with (
        subprocess.Popen([sys.executable, "-c", BUSY]) as busy,
        subprocess.Popen([sys.executable, "-c", IDLE]) as idle,
    ):
        try:
            with watching(tmp_path, processes={"busy": [busy.pid], "idle": [idle.pid]}) as seen:
                first = seen.first("processes", lambda data: True, "a sample").data["groups"]
                last = seen.first(
                    "processes",
                    lambda data: data["groups"]["busy"]["cpu_s"] > first["busy"]["cpu_s"] + 1,
                    "a second of processor time",
                ).data["groups"]
        finally:
            # The child of the moment ends by itself.
            busy.kill()
            idle.kill()
    assert last["idle"]["cpu_s"] - first["idle"]["cpu_s"] < 0.5
    assert last["busy"]["most_cpu_s"] < last["busy"]["cpu_s"]
    totals = [each.data["groups"]["busy"]["cpu_s"] for each in seen.of("processes")]
    assert totals == sorted(totals)


def test_process_is_in_one_group_though_another_began_it(tmp_path: Path) -> None:
    """As in a suite whose process makes the load and is the parent of the service."""
    with subprocess.Popen([sys.executable, "-c", BUSY]) as busy:
        try:
            groups = {"busy": [busy.pid], "parent": [os.getpid()]}
            with watching(tmp_path, processes=groups) as seen:
                first = seen.first("processes", lambda data: True, "a sample").data["groups"]
                last = seen.first(
                    "processes",
                    lambda data: data["groups"]["busy"]["cpu_s"] > first["busy"]["cpu_s"] + 1,
                    "a second of processor time",
                ).data["groups"]
            # The control: where the child is not a group of its own, it is its parent's.
            (tmp_path / "alone").mkdir()
            with watching(tmp_path / "alone", processes={"parent": [os.getpid()]}) as seen:
                alone = seen.first("processes", lambda data: True, "a sample").data["groups"]
                seen.first(
                    "processes",
                    lambda data: data["groups"]["parent"]["cpu_s"] > alone["parent"]["cpu_s"] + 1,
                    "a second of processor time",
                )
        finally:
            busy.kill()
    assert last["parent"]["cpu_s"] - first["parent"]["cpu_s"] < 0.5
    # What this process did before it was watched is not told as its share.
    assert last["parent"]["most_cpu_s"] < 0.5


def test_source_that_dies_is_lost_and_comes_back(state_directory: Path, tmp_path: Path) -> None:
    server = CacheServer()
    server.start()
    try:
        with watching(tmp_path, redis=server.url, totals_hz=10) as seen:
            seen.first("redis", lambda data: data["ops"] > 0, "a sample")
            server.kill()
            lost = seen.first("lost", lambda data: data["source"] == "redis", "its loss")
            server.start()
            seen.first("redis", lambda data: data["ops"] > 0, "its return", lost.t)
        assert len(seen.of("lost")) == 1
    finally:
        server.end()


def test_source_that_hangs_delays_no_other(stack: Stack, tmp_path: Path) -> None:
    pooler = next(part.pid for part in stack.parts if part.name == "pgbouncer")
    server = CacheServer()
    server.start()
    assert pooler is not None
    try:
        targets = {"redis": server.url, "database": stack.monitor, "pooler": stack.console}
        with watching(tmp_path, **targets, totals_hz=10) as seen:
            seen.first("redis", lambda data: True, "Redis")
            seen.first("pooler", lambda data: True, "PgBouncer")
            server.signal(signal.SIGSTOP)
            os.kill(pooler, signal.SIGSTOP)
            lost = [
                seen.first("lost", lambda data, name=name: data["source"] == name, f"the loss of {name}")
                for name in ("redis", "pooler")
            ]
            server.signal(signal.SIGCONT)
            os.kill(pooler, signal.SIGCONT)
            last = max(each.t for each in lost)
            seen.first("redis", lambda data: True, "Redis again", last)
            seen.first("pooler", lambda data: True, "PgBouncer again", last)
        for each in lost:
            assert "did not answer within" in each.data["reason"]
            silent = [other.t for other in seen.of(each.data["source"]) if other.t < each.t][-1]
            # Ten a second were asked for; a machine that has other work may be slow, but not silent.
            assert sum(silent < other.t < each.t for other in seen.of("activity")) >= 5
    finally:
        os.kill(pooler, signal.SIGCONT)
        server.end()


def test_missing_privilege_is_told(stack: Stack, tmp_path: Path) -> None:
    with psycopg.connect(stack.direct) as other:
        other.execute("SELECT 1")
        for conninfo, is_blind in ((stack.conninfo("readonly"), True), (stack.monitor, False)):
            with watching(tmp_path, database=conninfo) as seen:
                sample = seen.first("activity", lambda data: True, "a sample")
            assert ("pg_monitor" in (seen.reason("activity") or "")) is is_blind
            assert bool(sample.data["hidden"]) is is_blind
            assert bool(sessions(sample.data, other.info.backend_pid)) is not is_blind
            assert ("pg_monitor" in (seen.reason("statements") or "")) is is_blind


def test_older_server_has_the_same_counters(stack: Stack, tmp_path: Path) -> None:
    directory = debian_postgres()
    if directory is None:
        missing("Debian's PostgreSQL")
    profile = replace(
        KIT,
        name="older",
        has_pgbouncer=False,
        has_redis=False,
        has_replica=False,
        has_web=False,
        postgres_settings={**KIT.postgres_settings, "track_wal_io_timing": "on"},
    )
    with (
        running("older", profile, is_fresh=True, postgres_bin=directory) as older,
        watching(tmp_path, database=older.monitor) as seen,
    ):
        seen.first("database", lambda data: True, "a sample")
        seen.first("activity", lambda data: True, "a sample")
    old = seen.of("database")[-1].data
    assert seen.reason("database") is None
    (tmp_path / "new").mkdir()
    with watching(tmp_path / "new", database=stack.monitor) as seen:
        seen.first("database", lambda data: True, "a sample")
    new = seen.of("database")[-1].data
    assert old["totals"]["wal_bytes"] > 0
    assert old["totals"].keys() >= {"wal_bytes", "wal_syncs", "wal_sync_ms", "active_time", "xact_commit"}
    # Without track_wal_io_timing there is no such time, rather than one of 0.
    assert "wal_sync_ms" not in new["totals"]
    assert "track_wal_io_timing" in (seen.reason("database") or "")
    assert {each["name"] for each in old["tables"]} == {each["name"] for each in new["tables"]}


def test_watch_ends_with_its_caller(tmp_path: Path) -> None:
    path = tmp_path / "timeline.jsonl"
    code = (
        "import sys, time; from pathlib import Path; from tuning.observe.watch import *\n"
        f"with Watch(Targets(processes={{'me': [{os.getpid()}]}}), Path({str(path)!r})) as watch:\n"
        "    print(watch._process.pid, flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as caller:
        assert caller.stdout is not None
        pid = int(caller.stdout.readline())
        eventually(lambda: timeline.read(path).of("processes"), "a sample")
        assert Path(f"/proc/{pid}").exists()
        caller.kill()
    eventually(lambda: _has_ended(pid), "the watcher's end")
    assert timeline.read(path).notes == ()


def _has_ended(pid: int) -> bool:
    """Gone, or waiting for the machine's first process to take note of it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].startswith("Z")
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_full_disk_is_told(tmp_path: Path) -> None:
    with pytest.raises(WatchError, match="No space left"), Watch(Targets(processes={"me": [1]}), Path("/dev/full")):
        pass


def test_overhead_is_measured(stack: Stack, tmp_path: Path) -> None:
    with watching(tmp_path, database=stack.monitor) as seen:
        seen.first("database", lambda data: True, "a sample")
        eventually(lambda: len(seen.of("activity")) > 5, "some samples")
    overhead = seen.watch.overhead
    assert overhead is not None
    assert 0 < overhead.cpu_s <= overhead.seconds * 2
    assert overhead.core_share == pytest.approx(overhead.cpu_s / overhead.seconds, abs=0.001)
    assert overhead.database_s > 0
