"""For each question about a setting: figures that ask for a change, and the twin that asks for none."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from tuning.diagnose.evidence import Evidence
from tuning.diagnose.evidence.pooler import Pool
from tuning.diagnose.evidence.processes import Group, Processors
from tuning.diagnose.evidence.service import Route, Service
from tuning.observe.chain import Pooler, PoolerDatabase, Workers
from tuning.observe.server_figures import Checkpoints, Counters, Jit, ServerFigures, Setting, Vacuum, Wal
from tuning.settings.facts import Facts, Machine, Recorded

MB, GB, WEEK_S = 1024.0**2, 1024.0**3, 8 * 86_400.0
# The defaults of PostgreSQL 17 that are asked about.
VALUES: Mapping[str, str | float] = {
    "max_connections": 100.0,
    "superuser_reserved_connections": 3.0,
    "reserved_connections": 0.0,
    "max_worker_processes": 8.0,
    "shared_buffers": 128 * MB,
    "effective_cache_size": 4 * GB,
    "work_mem": 4 * MB,
    "maintenance_work_mem": 64 * MB,
    "autovacuum_work_mem": -1.0,
    "autovacuum_max_workers": 3.0,
    "autovacuum_vacuum_cost_limit": -1.0,
    "vacuum_cost_limit": 200.0,
    "checkpoint_completion_target": 0.9,
    "checkpoint_timeout": 300_000.0,
    "max_wal_size": 1 * GB,
    "wal_buffers": 4 * MB,
    "wal_writer_delay": 200.0,
    "synchronous_commit": "on",
    "commit_delay": 0.0,
    "commit_siblings": 5.0,
    "random_page_cost": 4.0,
    "effective_io_concurrency": 1.0,
    "max_parallel_workers": 8.0,
    "max_parallel_workers_per_gather": 2.0,
    "jit": "on",
    "track_io_timing": "off",
    "shared_preload_libraries": "",
    "log_lock_waits": "off",
    "idle_in_transaction_session_timeout": 0.0,
    "statement_timeout": 0.0,
    "lock_timeout": 0.0,
    "hot_standby_feedback": "off",
}
_AT_START = {"max_connections", "shared_buffers", "wal_buffers", "shared_preload_libraries", "autovacuum_max_workers"}


def settings(**values: str | float) -> dict[str, Setting]:
    merged = {**VALUES, **values}
    return {
        name: Setting(value, str(value), "postmaster" if name in _AT_START else "sighup", "default")
        for name, value in merged.items()
    }


QUIET = Counters(seconds=WEEK_S, commits=1e6, blocks_hit=1e6, blocks_read=1e6)
SERVER = ServerFigures(
    version=170000,
    is_replica=False,
    settings=settings(),
    counters=QUIET,
    wal=Wal(WEEK_S, 1e9, full_page_images=100.0, buffers_full=0.0),
    checkpoints=Checkpoints(WEEK_S, 1000, 10),
    jit=Jit(0, 0, 0),
    vacuum=Vacuum(0, 0),
    databases_bytes=100 * GB,
    largest_table_bytes=1 * GB,
    connections=10,
    idle_in_transaction_s=0.0,
    clock_ns=50.0,
    has_statements_extension=True,
)
POOLER = Pooler(
    (1, 25, 2),
    {"pool_mode": "transaction", "query_wait_timeout": "5", "max_prepared_statements": "200"},
    (PoolerDatabase("shop", pool_size=8), PoolerDatabase("shop_lane", pool_size=2)),
)


def pool(name: str = "shop", **figures: float) -> Pool:
    values = {"size": 8.0, "transactions": 10_000.0, "utilisation": 0.5, "queue": 0.0, "queue_sampled": 0.0}
    values |= {"full": 0.0, "wait_s": 0.0, "xact_s": 10.0, "query_s": 10.0} | figures
    return Pool(database=name, **values)


def service(count: float = 10_000, mean_s: float = 0.02, wait_s: float = 0.0) -> Service:
    route = Route("GET", "/", count, count * mean_s, ())
    return Service(10.0, (route,), count, count * wait_s, 10.0, {}, 0.0, None, 0.0, 2.0)


def evidence(busiest: float = 0.1, **figures: float) -> Evidence:
    groups = {"pgbouncer": Group(busiest, busiest, 1)}
    return Evidence(10.0, Processors(10.0, 4, groups, 0.5, 0.0, 0.0), service=service(**figures))


FACTS = Facts(
    server=SERVER,
    machine=Machine(16 * GB, 4, "ssd"),
    pooler=POOLER,
    pools=(pool(), pool("shop_lane", xact_s=1.0)),
    pools_seconds=10.0,
    pool_servers=20,
    workers=Workers("gevent", 4),
    web_cores=4,
    limits={"POOL_SIZE": "10", "MAX_IN_FLIGHT": "24"},
    evidence=evidence(),
    recorded=None,
)
Change = Callable[[Facts], Facts]


def server(**figures: Any) -> Change:
    return lambda facts: replace(facts, server=replace(facts.server, **figures))


def values(**given: str | float) -> Change:
    return lambda facts: replace(facts, server=replace(facts.server, settings=settings(**given)))


def facts(**figures: Any) -> Change:
    return lambda found: replace(found, **figures)


def pooler(**given: str) -> Change:
    return facts(pooler=replace(POOLER, settings={**POOLER.settings, **given}))


def pools(size: int, **figures: float) -> Change:
    databases = (PoolerDatabase("shop", pool_size=size), POOLER.databases[1])
    changed = replace(POOLER, databases=databases)
    return facts(pooler=changed, pools=(pool(size=float(size), **figures), FACTS.pools[1] if FACTS.pools else pool()))


def counted(**figures: float) -> Change:
    return server(counters=replace(QUIET, **figures))


def flushes(per_flush: float, active: float) -> Change:
    wal = Wal(60.0, 1e8, flushes=1000.0, flush_ms=4000.0, commits=1000.0 * per_flush)
    return facts(recorded=Recorded(60.0, None, wal, active))


def both(*changes: Change) -> Change:
    def change(found: Facts) -> Facts:
        for each in changes:
            found = each(found)
        return found

    return change


@dataclass(frozen=True, slots=True)
class Case:
    """``wrong`` makes ``proposed`` of a setting, with these words in its formula or evidence; ``right`` nothing."""

    key: str
    wrong: Change
    right: Change
    proposed: str
    told: str


CASES = (
    Case("postgresql/max_connections", facts(pool_servers=120), facts(pool_servers=60), "143", "120 + direct 20"),
    Case("postgresql/max_connections", values(max_connections=2000.0), values(max_connections=200.0), "200", "2000"),
    Case("postgresql/shared_buffers", values(), values(shared_buffers=4 * GB), "4GB", "16GB x 0.25"),
    Case("postgresql/shared_buffers", values(shared_buffers=9 * GB), values(shared_buffers=6 * GB), "4GB", "56%"),
    Case("postgresql/shared_buffers", values(), server(databases_bytes=100 * MB), "4GB", "100GB do not fit"),
    Case("postgresql/shared_buffers", counted(blocks_hit=2e6), counted(blocks_hit=2e8), "4GB", "66.7% of block reads"),
    Case("postgresql/effective_cache_size", values(), values(effective_cache_size=12 * GB), "12GB", "16GB x 0.75"),
    Case("postgresql/work_mem", values(work_mem=1 * GB), values(), "37MB", "over 4 times"),
    Case(
        "postgresql/work_mem", counted(temp_files=1e5, temp_bytes=1e5 * 8 * MB), counted(temp_files=100), "16MB", "8MB"
    ),
    Case("postgresql/maintenance_work_mem", values(), server(largest_table_bytes=MB), "1GB", "16GB / 16"),
    Case(
        "postgresql/autovacuum_work_mem",
        values(maintenance_work_mem=2 * GB),
        server(largest_table_bytes=MB),
        "682MB",
        "3 workers x 1GB = 3GB",
    ),
    Case("postgresql/checkpoint_completion_target", values(checkpoint_completion_target=0.5), values(), "0.9", "50%"),
    Case(
        "postgresql/checkpoint_timeout",
        server(wal=replace(SERVER.wal, full_page_images=1e5)),  # type: ignore[type-var]
        values(),
        "15min",
        "82%",
    ),
    Case(
        "postgresql/max_wal_size",
        server(wal=Wal(WEEK_S, 10 * MB * WEEK_S, 0.0, 0.0), checkpoints=Checkpoints(WEEK_S, 10, 1000)),
        server(wal=Wal(WEEK_S, 10 * MB * WEEK_S, 0.0, 0.0), checkpoints=Checkpoints(WEEK_S, 1000, 10)),
        "7GB",
        "10MB/s x checkpoint_timeout 300 s x (1 + 0.9) x 1.2",
    ),
    Case(
        "postgresql/wal_buffers",
        server(wal=Wal(WEEK_S, 1e9, 0.0, 5e4)),
        server(wal=Wal(WEEK_S, 1e9, 0.0, 5e3)),
        "64MB",
        "0.050 times",
    ),
    Case("postgresql/commit_delay", flushes(1.0, 8.0), flushes(3.0, 8.0), "2000", "half of a flush, 4.00 ms"),
    Case("postgresql/commit_delay", flushes(1.0, 8.0), flushes(1.0, 2.0), "2000", "8.0 sessions active"),
    Case("postgresql/random_page_cost", values(), values(random_page_cost=1.1), "1.1", "believes 4"),
    Case("postgresql/effective_io_concurrency", values(), values(effective_io_concurrency=16.0), "200", "1 pages"),
    Case("postgresql/max_parallel_workers", values(), values(max_parallel_workers=4.0), "4", "share 4 cores"),
    Case(
        "postgresql/max_parallel_workers",
        both(values(max_parallel_workers=2.0), counted(workers_wanted=100, workers_launched=50)),
        both(values(max_parallel_workers=2.0), counted(workers_wanted=100, workers_launched=95)),
        "4",
        "50 of 100 workers",
    ),
    Case(
        "postgresql/max_parallel_workers_per_gather",
        values(max_parallel_workers_per_gather=4.0),
        values(),
        "2",
        "4 cores / 2",
    ),
    Case("postgresql/jit", server(jit=Jit(9, 500, 1000)), server(jit=Jit(9, 50, 1000)), "off", "500 / 1,000 = 50%"),
    Case(
        "postgresql/autovacuum_vacuum_cost_limit",
        server(vacuum=Vacuum(3, 9)),
        server(vacuum=Vacuum(2, 9)),
        "600",
        "200 x 3",
    ),
    Case("postgresql/track_io_timing", values(), server(clock_ns=900.0), "on", "50 ns"),
    Case(
        "postgresql/shared_preload_libraries",
        values(shared_preload_libraries="auto_explain"),
        values(shared_preload_libraries="auto_explain, pg_stat_statements"),
        "auto_explain,pg_stat_statements",
        "can be loaded",
    ),
    Case("postgresql/log_lock_waits", counted(deadlocks=2), values(), "on", "2 deadlocks"),
    Case(
        "postgresql/idle_in_transaction_session_timeout",
        server(idle_in_transaction_s=4000.0),
        server(idle_in_transaction_s=20.0),
        "5min",
        "4,000 s",
    ),
    Case(
        "postgresql/hot_standby_feedback",
        both(server(is_replica=True), counted(snapshot_conflicts=3)),
        server(is_replica=True),
        "on",
        "3 statements were ended",
    ),
    Case("pgbouncer/shop/pool_size", pools(2, xact_s=30.0), pools(8, xact_s=30.0), "7", "3.00 ms = 3.00 busy"),
    Case("pgbouncer/shop/pool_size", pools(40, xact_s=200.0), pools(40, xact_s=30.0), "9", "more at a time than 9"),
    Case("pgbouncer/max_client_conn", pooler(max_client_conn="40"), pooler(max_client_conn="60"), "54", "4 workers x"),
    Case(
        "pgbouncer/reserve_pool_size",
        pooler(reserve_pool_size="5"),
        pooler(reserve_pool_size="5", default_pool_size="4"),
        "0",
        "20 + 5 > 2 x 4 + 1",
    ),
    Case("pgbouncer/query_wait_timeout", pooler(query_wait_timeout="120"), pooler(), "5", "120 s"),
    Case("pgbouncer/query_wait_timeout", pooler(query_wait_timeout="0"), pooler(), "5", "for ever"),
    Case("pgbouncer/server_idle_timeout", pooler(server_idle_timeout="10"), pooler(), "600", "10 s"),
    Case("pgbouncer/max_prepared_statements", pooler(max_prepared_statements="0"), pooler(), "200", "by name"),
    Case("pgbouncer/so_reuseport", facts(evidence=evidence(0.95)), facts(evidence=evidence(0.5)), "1", "95%"),
    Case(
        "gunicorn/workers", facts(workers=Workers("gevent", 9)), facts(workers=Workers("gevent", 4)), "4", "9 workers"
    ),
    Case(
        "gunicorn/workers",
        facts(workers=Workers("gthread", 2)),
        facts(workers=Workers("gthread", 9)),
        "9",
        "2 x 4 cores",
    ),
    Case(
        "gunicorn/threads",
        facts(workers=Workers("gthread", 9, 1)),
        facts(workers=Workers("gthread", 9, 4)),
        "4",
        "1,000.0 requests/s x 20.0 ms = 20.0 inside",
    ),
    Case(
        "gunicorn/HOTROW_MAX_IN_FLIGHT",
        facts(evidence=evidence(count=80_000.0)),
        facts(evidence=evidence(count=20_000.0)),
        "40",
        "8,000 requests/s / 4 workers x 20 ms",
    ),
    Case(
        "gunicorn/HOTROW_POOL_SIZE",
        facts(evidence=evidence(wait_s=0.005)),
        facts(evidence=evidence(wait_s=0.0001)),
        "16",
        "5.00 ms",
    ),
)
