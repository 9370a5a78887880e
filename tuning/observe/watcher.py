"""The process that watches: one thread a source, one file; it ends when its input does.

``python -m tuning.observe.watcher PATH`` reads the targets, a line of JSON, from its standard input, answers with a
line that names the sources once it has opened them, and with a line that says what it cost when the input is closed.
See ``watch``, which starts it.
"""

import json
import os
import select
import sys
import time
from dataclasses import asdict
from pathlib import Path

from tuning.observe.sampling import activity, database, pooler, processes, redis, service, statements
from tuning.observe.sampling.loop import Loop
from tuning.observe.sampling.recorder import Recorder
from tuning.observe.sampling.source import ANSWER_TIMEOUT_S, Sampler
from tuning.observe.targets import Targets
from tuning.timeline import Header, Source

# How often hanging calls are looked for, and the file is brought up to date.
CHECK_S = 0.25
# A name, a connection and a few questions, each of which may take the whole time.
OPEN_TIMEOUT_S = 3 * ANSWER_TIMEOUT_S
LAST_SAMPLES_S = 2 * ANSWER_TIMEOUT_S
_NOT_NAMED = {
    activity.NAME: "no database was named",
    database.NAME: "no database was named",
    statements.NAME: "no database was named",
    pooler.NAME: "no PgBouncer was named",
    processes.NAME: "no process was named",
    service.NAME: "no address of /metrics was named",
    redis.NAME: "no Redis was named",
}
_OF_DATABASE = (activity.NAME, database.NAME, statements.NAME)


def samplers(targets: Targets) -> list[Sampler]:
    """The sources that were given."""
    totals_s = 1 / targets.totals_hz
    found: list[Sampler] = []
    if targets.database is not None:
        found.append(activity.Activity(targets.database, 1 / targets.activity_hz))
        found.append(database.Database(targets.database, totals_s))
        found.append(statements.Statements(targets.database))
    if targets.pooler is not None:
        found.append(pooler.Pooler(targets.pooler, totals_s))
    if targets.processes:
        found.append(processes.Processes(targets.processes, 1 / targets.processes_hz))
    if targets.metrics_url is not None:
        found.append(service.Service(targets.metrics_url, totals_s))
    if targets.redis is not None:
        found.append(redis.Redis(targets.redis, totals_s))
    return found


def main() -> int:
    targets = Targets.of_json(sys.stdin.readline())
    path = Path(sys.argv[1])
    with path.open("w", encoding="utf-8") as file:
        recorder = Recorder(file)
        loops = [Loop(sampler, recorder) for sampler in samplers(targets)]
        sources = _open(loops, targets)
        facts = {"cores": os.cpu_count() or 1}
        for loop in loops:
            facts |= loop.sampler.facts
        recorder.begin(Header(time.time(), sources, facts))
        _say({"sources": [asdict(source) for source in sources]})
        started, cpu = time.monotonic(), time.process_time()
        for loop in loops:
            loop.run()
        while not _is_over(CHECK_S) and recorder.problem is None:
            for loop in loops:
                loop.check()
            recorder.flush()
        _end(loops)
        seconds, cpu_s = time.monotonic() - started, time.process_time() - cpu
        recorder.end()
    database_s = sum(loop.spent_s for loop in loops if loop.sampler.name in _OF_DATABASE)
    _say(
        {
            "problem": recorder.problem,
            "seconds": round(seconds, 3),
            "cpu_s": round(cpu_s, 3),
            "core_share": round(cpu_s / seconds, 5),
            "database_s": round(database_s, 3),
            "database_share": _share(loops, database_s),
        }
    )
    return 0


def _open(loops: list[Loop], targets: Targets) -> tuple[Source, ...]:
    for loop in loops:
        loop.begin()
    deadline = time.monotonic() + OPEN_TIMEOUT_S
    opened: dict[str, Source] = {}
    while len(opened) < len(loops):
        for loop in loops:
            loop.check()
            if loop.sampler.name not in opened and (loop.is_opened or time.monotonic() > deadline):
                opened[loop.sampler.name] = loop.opened()
        time.sleep(0.01)
    given = {**_NOT_NAMED, **targets.reasons}
    return tuple(opened.get(name) or Source(name, given[name]) for name in _NOT_NAMED)


def _end(loops: list[Loop]) -> None:
    """Let each take its last sample; who hangs is given up."""
    for loop in loops:
        loop.stop()
    deadline = time.monotonic() + LAST_SAMPLES_S
    for loop in loops:
        while loop.is_running and time.monotonic() < deadline:
            loop.check()
            loop.join(CHECK_S)


def _share(loops: list[Loop], database_s: float) -> float | None:
    """The watcher's part of the time that all sessions spent in statements."""
    active_s = sum(loop.sampler.active_s for loop in loops if isinstance(loop.sampler, database.Database))
    return min(1.0, round(database_s / active_s, 5)) if active_s > 0 else None


def _is_over(wait_s: float) -> bool:
    """Whether the caller has closed the input, or has ended."""
    return bool(select.select([sys.stdin], [], [], wait_s)[0])


def _say(document: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
