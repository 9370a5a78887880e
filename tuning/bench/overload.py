"""Three times as many requests as the service can serve, with shedding and without; then half as many."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import psycopg

from tuning.bench import tokens
from tuning.bench.figures import percentile
from tuning.bench.flood import Heard, Phase, Plan
from tuning.observe import audit
from tuning.observe.audit import InvariantResult
from tuning.stack import web
from tuning.stack.children import Child
from tuning.stack.errors import StackError
from tuning.stack.ports import HOST, free_port
from tuning.stack.profiles import KIT, NO_DOOR
from tuning.stack.stack import Stack
from tuning.stack.supervisor import running

INSTANCE = "bench-overload"
STRATEGIES = ("batched", "pessimistic")
ON, OFF = "on", "off"
OVERLOAD = 3.0
AFTERWARDS = 0.5
AFTERWARDS_S = 15
# Half of it before a flood and half after it, since the machine's pace drifts. Over 5 s alone it was up to a tenth more
# than what the same service kept up for a minute.
PEAK_S = 30
WARM_UP_S = 2
# For each worker: enough to keep it busy, and as many as it lets in.
CALLERS = 24
# What a buyer takes for an answer; later ones are no goodput.
GOOD_S = 1.0
# Afterwards a slot of this length is normal when as many of its requests as this share are good.
SLOT_S = 0.5
NORMAL_SHARE = 0.99
BUYERS = 200
PRODUCT = 1
UNITS = 10**9
Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Flooded:
    """One flood; rates are per second, times in ms, and None where nothing was answered so.

    ``lost`` had no answer within the client's patience, ``late`` a good one after ``GOOD_S``. ``normal_s`` is
    when the service was normal again after the flood; None if it was not. ``generator_cpu`` is the share of
    one core that the load took, ``generator_lag_ms`` how late it sent a request at the most.
    """

    offered: float
    good: float
    late: float
    refused: float
    lost: float
    failed: int
    good_p50_ms: float | None
    good_p99_ms: float | None
    refused_p50_ms: float | None
    refused_p99_ms: float | None
    normal_s: float | None
    generator_cpu: float
    generator_lag_ms: float


@dataclass(slots=True)
class Row:
    """A strategy, with shedding or without; ``peaks`` are means of before and after each round's flood.

    ``before`` are the peaks that the floods were made from.
    """

    strategy: str
    shedding: str
    peaks: list[float] = field(default_factory=list)
    before: list[float] = field(default_factory=list)
    floods: list[Flooded] = field(default_factory=list)


@dataclass(slots=True)
class Measured:
    rows: list[Row] = field(default_factory=list)
    audit: list[InvariantResult] = field(default_factory=list)
    parts: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def measure(
    strategies: Sequence[str],
    *,
    rounds: int,
    seconds: int,
    is_apart: bool,
    postgres_bin: Path | None,
    step: Report,
    figures: Report,
) -> Measured:
    """Flood a service with the door's defaults and one without a door, in turns, on the same stack.

    Args:
        strategies: The service's ways to reserve; each has a stack of its own.
        rounds: How often each is measured.
        seconds: The length of a flood; the peak before it and the calm after it are no longer.
        is_apart: Give the load a core of its own, and the stack the others: as on two machines, what it costs to ask
            is not taken from the service.
        postgres_bin: Another PostgreSQL than the embedded one.
        step: Called when something begins.
        figures: Called with what is measured.

    Raises:
        StackError: A part did not start, or ended; or there is one core alone to share.
    """
    found = Measured()
    cores = sorted(os.sched_getaffinity(0))
    if is_apart and len(cores) < 2:
        raise StackError("there is one core: leave out --apart")
    core = cores.pop() if is_apart else None
    with _on(cores):
        _measure(found, strategies, rounds, seconds, core, postgres_bin, step, figures)
    return found


@contextmanager
def _on(cores: Sequence[int]) -> Iterator[None]:
    """Keep this process, and those that it starts meanwhile, on these cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _measure(
    found: Measured,
    strategies: Sequence[str],
    rounds: int,
    seconds: int,
    core: int | None,
    postgres_bin: Path | None,
    step: Report,
    figures: Report,
) -> None:
    afterwards_s = min(AFTERWARDS_S, seconds)
    calm = [Phase(0, min(PEAK_S, seconds) / 2, CALLERS * len(os.sched_getaffinity(0)))]

    def peak_per_s(stack: Stack, port: int) -> float:
        (heard,) = _flood(stack, port, core, calm)
        return len(heard.good) / calm[0].seconds

    for strategy in strategies:
        role = "lab" if strategy in ("pessimistic", "optimistic", "conditional") else KIT.role
        workers = len(os.sched_getaffinity(0))
        service = {**KIT.service, "STRATEGY": strategy, "WORKERS": str(workers)}
        profile = replace(KIT, role=role, has_replica=False, has_web=False, service=service)
        with running(INSTANCE, profile, is_fresh=True, postgres_bin=postgres_bin, report=step) as stack:
            _stock(stack)
            rows = {shedding: Row(strategy, shedding) for shedding in (ON, OFF)}
            with _served(stack, {}, "on") as on, _served(stack, NO_DOOR, "off") as off:
                ports = {ON: on, OFF: off}
                _flood(stack, off, core, [Phase(0, WARM_UP_S, CALLERS * workers)])
                for number in range(rounds):
                    step(f"{strategy}, round {number + 1} of {rounds}: two floods of {seconds} s")
                    for shedding in (ON, OFF) if number % 2 == 0 else (OFF, ON):
                        figures(f"{strategy}, shedding {shedding}")
                        # The capacity is that of the service which refuses nobody.
                        before = peak_per_s(stack, off)
                        if not before:
                            raise StackError(f"no request succeeded: see {stack.paths.log('off')}")
                        phases = [Phase(OVERLOAD * before, seconds), Phase(AFTERWARDS * before, afterwards_s)]
                        heard = _flood(stack, ports[shedding], core, phases)
                        rows[shedding].before.append(before)
                        rows[shedding].peaks.append((before + peak_per_s(stack, off)) / 2)
                        rows[shedding].floods.append(_summed(phases, *heard))
                        stack.check()
            found.rows += rows.values()
            step("auditing")
            found.audit += audit.check(stack.superuser)
            found.parts = {part.name: part.version for part in stack.parts}
            found.notes += [note for note in stack.notes if note not in found.notes]


def normal_after_s(heard: Heard, per_s: float, seconds: float) -> float | None:
    """When the first slot began from which on enough requests were good; None if there was none."""
    slots = int(seconds / SLOT_S)
    good = [0] * slots
    for due, latency_s in heard.good:
        if latency_s <= GOOD_S:
            good[min(slots - 1, int((due - heard.start) / SLOT_S))] += 1
    # One request more or less falls into a slot by rounding.
    wanted = per_s * SLOT_S * NORMAL_SHARE - 1
    bad = [number for number, count in enumerate(good) if count < wanted]
    normal = bad[-1] + 1 if bad else 0
    return normal * SLOT_S if normal < slots else None


def _summed(phases: Sequence[Phase], flooded: Heard, afterwards: Heard) -> Flooded:
    seconds = phases[0].seconds
    times = [latency_s for _, latency_s in flooded.good]
    refused = [latency_s for _, latency_s in flooded.refused]
    good = sum(latency_s <= GOOD_S for latency_s in times)
    return Flooded(
        offered=phases[0].per_s,
        good=good / seconds,
        late=(len(times) - good) / seconds,
        refused=len(refused) / seconds,
        lost=len(flooded.lost) / seconds,
        failed=flooded.failed + afterwards.failed,
        good_p50_ms=_ms(times, 0.5),
        good_p99_ms=_ms(times, 0.99),
        refused_p50_ms=_ms(refused, 0.5),
        refused_p99_ms=_ms(refused, 0.99),
        normal_s=normal_after_s(afterwards, phases[1].per_s, phases[1].seconds),
        generator_cpu=flooded.cpu_s / seconds,
        generator_lag_ms=flooded.lag_s * 1_000,
    )


def _ms(times_s: Sequence[float], share: float) -> float | None:
    return percentile(times_s, share) * 1_000 if times_s else None


def _stock(stack: Stack) -> None:
    with psycopg.connect(stack.superuser, autocommit=True) as database:
        database.execute("SELECT restock_v1('bench-overload', %s, 'MAIN', %s)", [PRODUCT, UNITS])


@contextmanager
def _served(stack: Stack, changes: dict[str, str], name: str) -> Iterator[int]:
    """One more service on the stack, with the settings' defaults where the profile has no door."""
    settings = {key: value for key, value in stack.service_env().items() if key not in NO_DOOR}
    port = free_port()
    child: Child = web.start(stack.paths.log(name), port, settings | changes)
    try:
        yield port
        child.check()
    finally:
        child.stop()


def _flood(stack: Stack, port: int, core: int | None, phases: Sequence[Phase]) -> list[Heard]:
    """Run the phases in a process of their own, whose work is not this one's to disturb."""
    kid, key = tokens.first_key(stack.service_env()["JWT_KEYS"])
    issued = [tokens.issue(user, kid, key) for user in range(1, BUYERS + 1)]
    plan = Plan(port, [*phases], issued, PRODUCT, str(time.time_ns()), host=HOST, core=core)
    done = subprocess.run(
        [sys.executable, "-m", "tuning.bench.flood"],
        input=json.dumps(asdict(plan)),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise StackError(f"the load failed:\n  {done.stderr.strip()[-2000:]}")
    return [Heard(**heard) for heard in json.loads(done.stdout)]
