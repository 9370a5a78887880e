"""The asynchronous parts: Celery's worker and beat, and a payment provider to try checkouts with."""

import sys
from collections.abc import Mapping
from pathlib import Path

from tuning.stack.children import Child, spawn
from tuning.stack.paths import InstancePaths
from tuning.stack.web import answers, environment

# One that a slow payment provider may keep, and one for all else.
PROCESSES = 2
QUEUES = "stock,checkout"
# Each process has one task at a time, so one connection that stays open is all it needs.
_SETTINGS = {"CONNECTION_MODE": "persistent", "WORKER_CLASS": "sync"}
_CELERY = [sys.executable, "-m", "celery", "-A", "service.config.worker"]


def start_worker(paths: InstancePaths, env: Mapping[str, str]) -> Child:
    """Start a worker; it takes tasks as soon as it is ready, which nobody waits for.

    Raises:
        StackError: It cannot be started.
    """
    options = ["--queues", QUEUES, "--concurrency", str(PROCESSES), "--hostname", f"{paths.root.name}@%h"]
    options += ["--without-gossip", "--without-mingle", "--loglevel", "INFO"]
    return _spawn("worker", "worker", options, paths.log("worker"), env)


def start_beat(paths: InstancePaths, env: Mapping[str, str]) -> Child:
    """Start the process that sends the ticks; any number may run.

    Raises:
        StackError: It cannot be started.
    """
    return _spawn("beat", "beat", ["--loglevel", "WARNING"], paths.log("beat"), env)


def start_provider(log: Path, port: int) -> Child:
    """Start the fake payment provider, and wait until it answers.

    Raises:
        StackError: It does not start.
    """
    command = [sys.executable, "-m", "service.checkout.fake_provider", "--port", str(port)]
    child = spawn("payments", command, log=log, env=environment({}))
    try:
        child.wait_until(lambda: answers(port, "/state"))
    except BaseException:
        child.stop()
        raise
    return child


def _spawn(name: str, command: str, options: list[str], log: Path, env: Mapping[str, str]) -> Child:
    return spawn(name, [*_CELERY, command, *options], log=log, env=environment({**env, **_SETTINGS}))
