"""The parts of planted causes: service and PgBouncer with settings of a test's own, and a load of its own process."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tests.integration.planted import Load
from tuning.observe.watch import Targets
from tuning.stack import binaries, pgbouncer, postgres, web
from tuning.stack.accounts import server_account
from tuning.stack.ports import HOST, free_port
from tuning.stack.stack import Stack


def seen(stack: Stack, **more: Any) -> Targets:
    """The database, whose clients come without the service: they are threads of this process."""
    database = make_conninfo(stack.superuser, dbname=postgres.DATABASE)
    processes = {"postgresql": [postmaster(stack)], **more.pop("processes", {})}
    return Targets(database, processes=processes, **more)


def postmaster(stack: Stack) -> int:
    with psycopg.connect(stack.superuser, dbname=postgres.DATABASE) as connection:
        row = connection.execute("SELECT pg_read_file('postmaster.pid')").fetchone()
    assert row is not None
    return int(row[0].split()[0])


@contextmanager
def service(stack: Stack, folder: Path, **settings: str) -> Iterator[tuple[str, Targets, int]]:
    """The service with settings of its own, and what watches it: its address, targets and slots."""
    port, metrics = free_port(), free_port()
    given = stack.service_env() | {"METRICS_BIND": f"{HOST}:{metrics}", "STRATEGY": "function", "CACHE": "none"}
    given |= {"WORKERS": "1", "MAX_IN_FLIGHT": "0", "REQUEST_DEADLINE_S": "0", "DRAIN_S": "0", "POOL_TIMEOUT_S": "20"}
    given |= {"LOGINS_PER_ADDRESS": "0", "LOGINS_PER_ACCOUNT": "0"} | settings
    child = web.start(folder / "log", port, given)
    try:
        targets = Targets(
            make_conninfo(stack.superuser, dbname=postgres.DATABASE),
            pooler=stack.console,
            redis=given["REDIS_URL"],
            metrics_url=f"http://{HOST}:{metrics}/metrics",
            processes={"web": [child.pid], "postgresql": [postmaster(stack)], "load": [os.getpid()]},
        )
        slots = int(given.get("THREADS", "1")) if given.get("WORKER_CLASS") == "gthread" else 1000
        yield f"http://{HOST}:{port}", targets, slots
    finally:
        child.stop()


def through(conninfo: str, port: int) -> str:
    return make_conninfo(conninfo, host=HOST, hostaddr=HOST, port=port)


def port_of(conninfo: str) -> int:
    return int(str(conninfo_to_dict(conninfo)["port"]))


@contextmanager
def pooler(stack: Stack, size: int, server: int) -> Iterator[tuple[str, str]]:
    """A PgBouncer of the test's own: for its clients, and its console."""
    program = binaries.find("pgbouncer")
    assert program is not None
    port, secrets = free_port(), stack._secrets
    directory = stack.paths.root / f"planted-{port}"
    directory.mkdir()
    pooled = through(stack.pooled, port)
    child = pgbouncer.start(
        program,
        directory,
        directory / "log",
        server_account(),
        port=port,
        values={
            "DATABASE": postgres.DATABASE,
            "POSTGRES_HOST": HOST,
            "POSTGRES_PORT": str(server),
            "POOL_SIZE": str(size),
            "LANE_POOL_SIZE": "1",
            "DIRECT_POOL_SIZE": "1",
            "MAX_CLIENT_CONN": "50",
            "ADMIN_USER": postgres.MONITOR_ROLE,
            "AUTH_USER": postgres.POOLER_ROLE,
        },
        users={postgres.POOLER_ROLE: secrets.pooler, postgres.MONITOR_ROLE: secrets.monitor},
        conninfo=pooled,
    )
    try:
        yield pooled, through(stack.console, port)
    finally:
        child.stop()


GENERATOR = """
import json, sys, time
import psycopg
conninfo, pause_s, busy, wait_s = sys.argv[1], float(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
connection = psycopg.connect(conninfo, autocommit=True)
began, took = time.monotonic(), []
while (start := time.monotonic()) < began + 3:
    connection.execute(f"SELECT pg_sleep({wait_s})")
    # What a client does with an answer before it has timed it.
    sum(range(busy))
    ended = time.monotonic()
    took.append(("GET ask", ended - began, ended - start))
    time.sleep(pause_s)
print(json.dumps(took))
"""


class Generator(Load):
    """A load in a process of its own, so that its processor time is its own."""

    def __init__(self, conninfo: str, *, pause_s: float, busy: int) -> None:
        super().__init__([lambda: ""])
        command = [sys.executable, "-c", GENERATOR, conninfo, str(pause_s), str(busy), str(0.0 if busy else 0.01)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.pid = self._process.pid
        # On a busy host it would share its core; where that is not allowed, it does.
        with contextlib.suppress(PermissionError):
            os.setpriority(os.PRIO_PROCESS, self.pid, -10)

    def run(self) -> None:
        out, _ = self._process.communicate(timeout=30)
        self.took = [(name, ended, took) for name, ended, took in json.loads(out)]
