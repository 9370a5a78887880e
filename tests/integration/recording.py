"""A timeline of real parts for tests of the diagnosis: few sources, sampled often, for a few seconds."""

import os
import re
import threading
import time
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import redis
from psycopg.rows import dict_row

from tuning import timeline

OFTEN_S, SELDOM_S = 0.05, 0.25
ACTIVITY = """
    SELECT pid, usename AS user, application_name AS application, state, wait_event_type AS wait_type, wait_event,
           extract(epoch FROM clock_timestamp() - xact_start)::float AS xact_s, query,
           CASE WHEN wait_event_type = 'Lock' THEN pg_blocking_pids(pid) END AS blocked_by
      FROM pg_stat_activity
     WHERE backend_type = 'client backend' AND state <> 'idle' AND pid <> pg_backend_pid()
       AND datname = current_database()
"""
TABLES = """
    SELECT relname AS name, seq_scan, seq_tup_read, idx_scan, n_tup_upd, n_tup_hot_upd, n_live_tup AS rows
      FROM pg_stat_user_tables
"""
STATEMENTS = """
    SELECT queryid AS query_id, query AS text, calls, total_exec_time AS total_ms, rows, shared_blks_read AS blocks
      FROM pg_stat_statements WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
METRIC = re.compile(r"^(hotrow_\w+(?:\{[^}]*\})?) (\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Targets:
    database: str
    pooler: str | None = None
    redis: str | None = None
    metrics_url: str | None = None
    processes: Mapping[str, list[int]] = field(default_factory=dict)


class Recording:
    """Records while it is entered; ``requests`` tells how many the load has made."""

    def __init__(self, targets: Targets, path: Path, requests: Callable[[], int] | None) -> None:
        self._targets, self._path, self._requests = targets, path, requests
        self._samples: list[tuple[float, str, dict[str, Any]]] = []
        self._stopped = threading.Event()
        self._began = time.monotonic()
        self._texts: dict[str, int] = {}
        self._errors: list[BaseException] = []
        self._threads: list[threading.Thread] = []
        self._opened: list[Any] = []

    def __enter__(self) -> "Recording":
        sources: list[tuple[float, Callable[[], None]]] = [
            (OFTEN_S, self._activity()),
            (SELDOM_S, self._database()),
            (SELDOM_S, self._processes),
        ]
        if self._requests:
            sources.append((OFTEN_S, self._load))
        if self._targets.pooler:
            sources.append((SELDOM_S, self._pooler(self._targets.pooler)))
        if self._targets.metrics_url:
            sources.append((SELDOM_S, self._service))
        if self._targets.redis:
            sources.append((SELDOM_S, self._redis(self._targets.redis)))
        for every_s, sample in sources:
            sample()
            self._threads.append(threading.Thread(target=self._repeat, args=(every_s, sample)))
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()
        for opened in self._opened:
            opened.close()
        header = timeline.Header(time.time(), tuple(timeline.Source(kind) for _, kind, _ in self._samples[:1]))
        with self._path.open("w", encoding="utf-8") as file:
            writer = timeline.Writer(file, header)
            for t, kind, data in sorted(self._samples, key=lambda sample: sample[0]):
                writer.add(t, kind, data)
        if self._errors:
            raise self._errors[0]

    def _repeat(self, every_s: float, sample: Callable[[], None]) -> None:
        try:
            while not self._stopped.wait(every_s):
                sample()
            sample()
        except (psycopg.Error, OSError, redis.RedisError) as error:
            self._errors.append(error)

    def _add(self, kind: str, data: dict[str, Any]) -> None:
        self._samples.append((time.monotonic() - self._began, kind, data))

    def _load(self) -> None:
        assert self._requests is not None
        self._add(timeline.LOAD, {"users": 0, "requests": self._requests(), "failures": 0})

    def _activity(self) -> Callable[[], None]:
        connection = self._connect(self._targets.database)

        def sample() -> None:
            rows = connection.execute(ACTIVITY).fetchall()
            for row in rows:
                text = row.pop("query")
                if text not in self._texts:
                    self._texts[text] = len(self._texts)
                    self._add(timeline.STATEMENT, {"number": self._texts[text], "text": text})
                row["statement"] = self._texts[text]
            self._add(timeline.ACTIVITY, {"sessions": rows, "idle": 0, "background": []})

        return sample

    def _database(self) -> Callable[[], None]:
        connection = self._connect(self._targets.database)

        def sample() -> None:
            self._add(timeline.DATABASE, {"totals": {}, "tables": connection.execute(TABLES).fetchall()})
            self._add(timeline.STATEMENTS, {"rows": connection.execute(STATEMENTS).fetchall()})

        return sample

    def _pooler(self, console: str) -> Callable[[], None]:
        connection = self._connect(console, cursor_factory=psycopg.ClientCursor)

        def told(command: str) -> list[dict[str, Any]]:
            cursor = connection.cursor(row_factory=dict_row)
            return [dict(row) for row in cursor.execute(command).fetchall()]

        sizes = {row["name"]: int(row["pool_size"]) for row in told("SHOW DATABASES")}

        def sample() -> None:
            pools = [
                {"database": row["database"], "user": row["user"], "pool_size": sizes.get(row["database"])}
                | {key: int(row[key]) for key in ("cl_active", "cl_waiting", "sv_active", "sv_idle", "maxwait")}
                for row in told("SHOW POOLS")
            ]
            totals = {
                row.pop("database"): {key: int(value) for key, value in row.items()}
                for row in told("SHOW STATS_TOTALS")
            }
            self._add(timeline.POOLER, {"pools": pools, "totals": totals})

        return sample

    def _redis(self, url: str) -> Callable[[], None]:
        client = redis.Redis.from_url(url)
        self._opened.append(client)

        def sample() -> None:
            began = time.perf_counter()
            client.ping()
            ping_ms = (time.perf_counter() - began) * 1000
            info: Any = client.info()
            cpu_s = info["used_cpu_user"] + info["used_cpu_sys"]
            self._add(timeline.REDIS, {"ping_ms": ping_ms, "ops": info["total_commands_processed"], "cpu_s": cpu_s})

        return sample

    def _service(self) -> None:
        assert self._targets.metrics_url is not None
        with urllib.request.urlopen(self._targets.metrics_url, timeout=10) as answer:
            values = {name: float(value) for name, value in METRIC.findall(answer.read().decode())}
        self._add(timeline.SERVICE, {"values": values})

    def _processes(self) -> None:
        groups = {}
        for name, roots in self._targets.processes.items():
            used = [_cpu_s(pid) for root in roots for pid in _tree(root)]
            groups[name] = {"cpu_s": sum(used), "processes": len(used), "most_cpu_s": max(used, default=0.0)}
        fields = [int(value) for value in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
        user, nice, system, idle, iowait, irq, softirq, steal = (value / os.sysconf("SC_CLK_TCK") for value in fields)
        cpu_s = {"user": user + nice, "system": system + irq + softirq, "iowait": iowait, "steal": steal, "idle": idle}
        self._add(timeline.PROCESSES, {"groups": groups, "host": {"cpu_s": cpu_s, "cores": os.cpu_count()}})

    def _connect(self, conninfo: str, **options: Any) -> psycopg.Connection[Any]:
        connection: psycopg.Connection[Any] = psycopg.connect(
            conninfo, autocommit=True, prepare_threshold=None, **options
        )
        connection.row_factory = dict_row
        self._opened.append(connection)
        return connection


def _tree(root: int) -> list[int]:
    # This process's own children are servers and loads of their own groups.
    if root == os.getpid():
        return [root]
    try:
        children = Path(f"/proc/{root}/task/{root}/children").read_text().split()
    except OSError:
        return []
    return [root, *(pid for child in children for pid in _tree(int(child)))]


def _cpu_s(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
