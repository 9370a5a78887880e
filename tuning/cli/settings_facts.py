"""Gather what settings are sized from: the server, its machine, PgBouncer, gunicorn, and a timeline."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from tuning import timeline as timelines
from tuning.diagnose import evidence
from tuning.diagnose.evidence.pooler import pools as reduced_pools
from tuning.diagnose.readers.run_folder import TIMELINE
from tuning.explain.errors import Unreadable
from tuning.observe import machine, pool_figures, poolers, tunables
from tuning.observe.chain import Pooler, Workers
from tuning.observe.local_server import postmaster
from tuning.observe.sampling.source import Unwatchable
from tuning.observe.server_figures import ServerFigures
from tuning.observe.storage import storage_of
from tuning.settings import recorded
from tuning.settings.facts import Facts, Machine
from tuning.stack import tuned
from tuning.stack.applying import Instance
from tuning.stack.profiles import PROFILES
from tuning.timeline import POOLER, Sample, Timeline

# service/config/environment.py, where a profile says nothing.
SERVICE_DEFAULTS = {"POOL_SIZE": "10", "MAX_IN_FLIGHT": "24", "THREADS": "3", "WORKER_CONNECTIONS": "1000"}


@dataclass(frozen=True, slots=True)
class Given:
    """What the command line says; a path of ``timeline`` is a file or a run's folder."""

    dsn: str
    console: str | None = None
    timeline: Path | None = None
    seconds: float = 0.0
    memory_gib: float | None = None
    cores: int | None = None
    storage: str | None = None
    workers: Workers | None = None
    web_cores: int | None = None
    limits: dict[str, str] = field(default_factory=dict)
    min_days: float = 0.0


def gather(given: Given, tell: Callable[[str], None]) -> tuple[Facts, tuple[str, ...], tuple[str, ...]]:
    """Read everything; with it go lines of what was read, and of what could not be.

    Raises:
        Unreadable: PgBouncer's console, or the timeline, cannot be read.
        psycopg.Error: The server does not answer.
    """
    seen = _timeline(given.timeline) if given.timeline is not None else None
    try:
        found = evidence.reduce(seen) if seen is not None else None
        counted = recorded.reduce(seen) if seen is not None else None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Unreadable(f"{given.timeline} holds a sample of another form: {error!r}") from error
    tell("reading the server")
    server = tunables.read(given.dsn)
    host = _machine(given, server)
    pooler, samples = None, list(seen.of(POOLER)) if seen is not None else []
    if given.console is not None:
        pooler = _pooler(given.console)
        if len(samples) < 2 and given.seconds:
            samples = _watched(given.console, given.seconds, tell)
    measured = reduced_pools(samples)
    facts = Facts(
        server=server,
        machine=host,
        pooler=pooler,
        pools=measured,
        pools_seconds=samples[-1].t - samples[0].t if measured is not None else 0.0,
        pool_servers=_servers(samples, pooler),
        workers=given.workers,
        web_cores=given.web_cores,
        limits=given.limits,
        evidence=found,
        recorded=counted,
        min_days=given.min_days,
    )
    return facts, tuple(_read(facts, seen)), tuple(f"{part}: {why}" for part, why in server.unreadable.items())


def of_instance(instance: Instance) -> tuple[Workers, dict[str, str]]:
    """gunicorn and the service's limits, as an instance of the kit's own stack has them."""
    profile = PROFILES[instance.record.profile]
    env = {**SERVICE_DEFAULTS, **profile.service, **tuned.read(instance.paths.tuned).service}
    worker_class = env.get("WORKER_CLASS", "gevent")
    workers = int(env.get("WORKERS", "0")) or machine.machine().cores
    threads = int(env["THREADS"]) if worker_class == "gthread" else 1
    return Workers(worker_class, workers, threads, int(env["WORKER_CONNECTIONS"])), env


def _timeline(path: Path) -> Timeline:
    try:
        found = timelines.read(path / TIMELINE if path.is_dir() else path)
    except timelines.TimelineError as error:
        raise Unreadable(str(error)) from error
    if not found.samples:
        raise Unreadable(f"{path} holds no sample: `hotrow observe` writes timelines")
    return found


def _machine(given: Given, server: ServerFigures) -> Machine:
    pid, why = postmaster(given.dsn)
    here = machine.machine()
    reasons = {}
    if pid is None:
        lacking = why.partition(":")[0]
        reasons = {"memory": f"{lacking}: --memory-gib", "cores": f"{lacking}: --cores"}
    storage, unknown = given.storage, ""
    if storage is None:
        storage, unknown = storage_of(server.data_directory) if pid is not None else (None, "")
        if unknown or pid is None:
            reasons["storage"] = unknown or f"{why.partition(':')[0]}: --storage ssd or hdd"
    memory = given.memory_gib * 1024**3 if given.memory_gib is not None else None
    return Machine(
        memory_bytes=memory or (here.memory_bytes if pid is not None else None),
        cores=given.cores or (here.cores if pid is not None else None),
        storage=storage,
        reasons=reasons,
    )


def _pooler(console: str) -> Pooler:
    try:
        return poolers.from_console(console)
    except psycopg.Error as error:
        hint = "--pooler takes a user of admin_users or stats_users"
        raise Unreadable(f"PgBouncer's console does not answer ({hint}): {str(error).strip()}") from error


def _watched(console: str, seconds: float, tell: Callable[[str], None]) -> list[Sample]:
    try:
        return pool_figures.watch(console, seconds, tell)
    except (Unwatchable, psycopg.Error) as error:
        raise Unreadable(f"PgBouncer's pools cannot be watched: {str(error).strip()}") from error


def _servers(samples: list[Sample], pooler: Pooler | None) -> int | None:
    """How many servers all pools together may open: a pool for each database and user that was seen."""
    by_pool: dict[tuple[str, str], int] = {}
    for sample in samples:
        for row in sample.data["pools"]:
            by_pool[row["database"], str(row.get("user"))] = int(row.get("pool_size") or 0)
    if pooler is None:
        return sum(by_pool.values()) or None
    default, reserve = int(pooler.number("default_pool_size", 20)), int(pooler.number("reserve_pool_size", 0))
    seen = {database for database, _ in by_pool}
    rest = [each for each in pooler.databases if each.name not in seen and each.name != "*"]
    known = sum(by_pool.values()) + sum(default if each.pool_size is None else each.pool_size for each in rest)
    return known + reserve * (len(by_pool) + len(rest))


def _read(facts: Facts, seen: Timeline | None) -> list[str]:
    kind = "replica" if facts.server.is_replica else "primary"
    host = facts.machine
    memory = f"{host.memory_bytes / 1024**3:.1f} GiB" if host.memory_bytes else "memory unknown"
    cores = f"{host.cores} cores" if host.cores else "cores unknown"
    told = [
        f"PostgreSQL {facts.server.version // 10000}, {kind}: {memory}, {cores}, {host.storage or 'storage unknown'}"
    ]
    if facts.pooler is not None:
        version = ".".join(map(str, facts.pooler.version or ()))
        told.append(f"PgBouncer {version}: pools measured over {facts.pools_seconds:.0f} s")
    if seen is not None:
        told.append(f"a timeline of {seen.seconds:.0f} s")
    return told
