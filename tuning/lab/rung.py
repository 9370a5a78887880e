"""One rung of the ladder: a profile of the stack, fresh, under one scenario."""

import contextlib
import importlib.util
import json
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuning.lab import results
from tuning.lab.results import LoadResult
from tuning.load.scenario import Scenario
from tuning.observe.audit import Audit, audit
from tuning.observe.watch import Targets, Watch, WatchError
from tuning.stack.children import Child, describe_exit, spawn, tail
from tuning.stack.errors import PartDied, StackError
from tuning.stack.ports import HOST, free_port
from tuning.stack.profiles import Profile
from tuning.stack.record import Part
from tuning.stack.stack import Stack
from tuning.stack.supervisor import WATCH_INTERVAL_S, running

# Requests under way when the time is up are waited for this long; their users send no more.
DRAIN_S = 10
# Locust answers SIGTERM when it is idle; a run that is over by this much hangs.
OVERTIME_S = 60
# A service without a pool goes on with what its users left behind: 1,000 logins of 0.2 s on one hub are 200 s.
AUDIT_PATIENCE_S = 240
LOCUSTFILE = Path(__file__).resolve().parents[1] / "load" / "locustfile.py"
# Locust exits with 1 when a request failed: a result, not an error of the run.
_EXIT_OK = (0, 1)
# A timeline's names for the process groups of parts.
_GROUPS = {"primary": "postgresql"}


@dataclass(frozen=True, slots=True)
class Rung:
    """What one profile did under one scenario.

    ``pool`` holds PgBouncer's totals over the run, None where none was used.
    """

    profile: str
    load: LoadResult
    audit: Audit
    parts: list[Part]
    notes: list[str]
    pool: dict[str, int] | None


@dataclass(frozen=True, slots=True)
class Driving:
    """How the load is made: ``rate`` is of open arrivals, 0 for closed users; ``processes`` are Locust's.

    ``timeline`` is where the run is recorded, None for nowhere.
    """

    rate: float = 0.0
    processes: int = 1
    timeline: Path | None = None


Report = Callable[[str], None]
Follow = Callable[[dict[str, Any]], None]


def run(
    instance: str,
    profile: Profile,
    scenario: Scenario,
    seconds: int,
    *,
    driving: Driving = Driving(),  # frozen
    postgres_bin: Path | None = None,
    report: Report = lambda message: None,
    follow: Follow = lambda figures: None,
) -> Rung:
    """Start the profile from nothing, run the load, audit, and end everything.

    Args:
        instance: Name of the instance that is made and removed.
        profile: What to run.
        scenario: Users and spawn rate.
        seconds: Length of the load; starting and draining come on top.
        driving: How the load is made, and where it is recorded.
        postgres_bin: Another PostgreSQL than the embedded one.
        report: Called with a few words at each step.
        follow: Called with the figures of the moment while the load runs.

    Raises:
        StackError: A part did not start, or ended during the run; nothing is left running.
    """
    if importlib.util.find_spec("locust") is None:
        raise StackError("Locust is not installed: install hotrow[load]")
    with (
        tempfile.TemporaryDirectory(prefix="hotrow-") as timings,
        running(instance, profile, is_fresh=True, postgres_bin=postgres_bin, report=report) as stack,
    ):
        before = stack.pool_statistics()
        report(f"load {scenario.name} for {seconds} s")
        notes = _load(stack, Path(timings), scenario, seconds, driving, report, follow)
        after = stack.pool_statistics()
        report("auditing")
        load = results.read(Path(timings), scenario.name)
        # Its connections are reserved: a service without a pool may hold all others still.
        checked = audit(stack.superuser, load.acknowledged, load.unanswered, AUDIT_PATIENCE_S)
        pool = None
        if before is not None and after is not None:
            pool = {name: after[name] - before.get(name, 0) for name in after}
        return Rung(profile.name, load, checked, stack.parts, [*stack.notes, *notes], pool)


def _load(
    stack: Stack,
    timings: Path,
    scenario: Scenario,
    seconds: int,
    driving: Driving,
    report: Report,
    follow: Follow,
) -> list[str]:
    """Run the load to its end; returns what is missing in the recording, in sentences."""
    command = [sys.executable, "-m", "locust", "--locustfile", str(LOCUSTFILE), "--host", stack.url, "--headless"]
    command += ["--skip-log", "--only-summary", "--scenario", scenario.name, "--timings", str(timings)]
    command += ["--run-time", f"{seconds}s", "--stop-timeout", str(DRAIN_S)]
    if driving.rate:
        command += ["--rate", str(driving.rate)]
    if driving.processes > 1:
        port = str(free_port())
        command += ["--processes", str(driving.processes), "--master-bind-host", HOST]
        command += ["--master-bind-port", port, "--master-port", port]
    # Whoever ends it early wants no result: no request is waited for.
    child = spawn("locust", command, log=stack.paths.log("locust"), stop_signal=signal.SIGKILL)
    notes: list[str] = []
    try:
        with contextlib.ExitStack() as recording:
            watch = None
            if driving.timeline is not None:
                try:
                    watch = recording.enter_context(Watch(_targets(stack, child), driving.timeline))
                except WatchError as error:
                    notes.append(f"the run was not recorded: {error}")
            _wait(child, stack, timings, seconds, report, follow)
        if watch is not None and watch.problem:
            notes.append(f"the recording is not whole: {watch.problem}")
    finally:
        child.stop()
    return notes


def _targets(stack: Stack, load: Child) -> Targets:
    pids = {_GROUPS.get(part.name, part.name): [part.pid] for part in stack.parts if part.pid is not None}
    has = {part.name for part in stack.parts}
    return Targets(
        database=stack.monitor,
        pooler=stack.console if "pgbouncer" in has else None,
        redis=stack.service_env()["REDIS_URL"] if "redis" in has else None,
        metrics_url=stack.metrics_url,
        processes={**pids, "load": [load.pid]},
    )


def _wait(child: Child, stack: Stack, timings: Path, seconds: int, report: Report, follow: Follow) -> None:
    is_draining = False
    started = time.monotonic()
    deadline = started + seconds + DRAIN_S + OVERTIME_S
    while True:
        stack.check()
        code = child.exit_code(WATCH_INTERVAL_S)
        if code is not None:
            break
        if time.monotonic() > deadline:
            raise StackError(f"locust did not end{tail(child.log)}")
        if not is_draining and any(timings.glob("run-*.json")):
            is_draining = True
            report("waiting for the requests under way")
        if figures := _progress(timings):
            follow(figures)
    # Asked to end by somebody else, Locust ends in good order, but too early to be a result.
    is_whole = time.monotonic() - started >= seconds and any(timings.glob("run-*.json"))
    if code not in _EXIT_OK or not is_whole:
        raise PartDied(f"locust {describe_exit(code)}{tail(child.log)}")


def _progress(timings: Path) -> dict[str, Any]:
    """The newest figures, summed over the load's processes."""
    found: dict[str, Any] = {}
    for path in timings.glob("progress-*.json"):
        figures = json.loads(path.read_text())
        for name, value in figures.items():
            found[name] = max(found.get(name, 0), value) if name == "elapsed_s" else found.get(name, 0) + value
    return found
