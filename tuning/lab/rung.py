"""One rung of the ladder: a profile of the stack, fresh, under one scenario."""

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
from tuning.stack.children import Child, describe_exit, spawn, tail
from tuning.stack.errors import PartDied, StackError
from tuning.stack.profiles import Profile
from tuning.stack.record import Part
from tuning.stack.stack import Stack
from tuning.stack.supervisor import WATCH_INTERVAL_S, running

# Requests under way when the time is up are waited for this long; their users send no more.
DRAIN_S = 10
# Locust answers SIGTERM when it is idle; a run that is over by this much hangs.
OVERTIME_S = 60
LOCUSTFILE = Path(__file__).resolve().parents[1] / "load" / "locustfile.py"
# Locust exits with 1 when a request failed: a result, not an error of the run.
_EXIT_OK = (0, 1)


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


Report = Callable[[str], None]
Follow = Callable[[dict[str, Any]], None]


def run(
    instance: str,
    profile: Profile,
    scenario: Scenario,
    seconds: int,
    *,
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
        _load(stack, Path(timings), scenario, seconds, report, follow)
        after = stack.pool_statistics()
        report("auditing")
        load = results.read(Path(timings), scenario.name)
        checked = audit(stack.direct, load.acknowledged, load.unanswered)
        pool = None
        if before is not None and after is not None:
            pool = {name: after[name] - before.get(name, 0) for name in after}
        return Rung(profile.name, load, checked, stack.parts, stack.notes, pool)


def _load(stack: Stack, timings: Path, scenario: Scenario, seconds: int, report: Report, follow: Follow) -> None:
    command = [sys.executable, "-m", "locust", "--locustfile", str(LOCUSTFILE), "--host", stack.url, "--headless"]
    command += ["--skip-log", "--only-summary", "--scenario", scenario.name, "--timings", str(timings)]
    command += ["--run-time", f"{seconds}s", "--stop-timeout", str(DRAIN_S)]
    # Whoever ends it early wants no result: no request is waited for.
    child = spawn("locust", command, log=stack.paths.log("locust"), stop_signal=signal.SIGKILL)
    try:
        _wait(child, stack, timings, seconds, report, follow)
    finally:
        child.stop()


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
