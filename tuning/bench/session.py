"""One run of the SQL benchmark, from a fresh instance to the audit."""

import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from psycopg.conninfo import make_conninfo

from tuning.bench import growth, matrix, neveroversell, overlap, profiling, refusal, rounds, settings, sustained
from tuning.bench.matrix import HOT_ONLY, Case
from tuning.bench.measure import Meter
from tuning.bench.plan import Measured, Plan
from tuning.bench.rig import Rig, one
from tuning.bench.settings import Room
from tuning.bench.shop import MODES, Shop
from tuning.observe import audit
from tuning.observe.audit import InvariantResult
from tuning.observe.machine import machine
from tuning.stack import binaries
from tuning.stack.paths import state_root
from tuning.stack.postgres import DATABASE
from tuning.stack.supervisor import running

INSTANCE = "bench"
OVERLAP_S = 10
_SHOWN = (
    "server_version fsync synchronous_commit full_page_writes wal_level shared_buffers max_wal_size"
    " checkpoint_timeout wal_buffers"
)
_END_SESSIONS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
# Figures of tables that grew within seconds are old; and a nested loop over a hot row's rows is quadratic.
_AUDIT_OPTIONS = "-c work_mem=256MB -c enable_nestloop=off"
Report = Callable[[str], None]


def run(plan: Plan, *, postgres_bin: Path | None, peers: Path, step: Report, figures: Report) -> Measured:
    """Start the stack, measure what is planned, check every invariant, and end everything.

    Args:
        plan: What to measure.
        postgres_bin: Another PostgreSQL than the embedded one.
        peers: The peers' virtual environment, which need not exist.
        step: Called when something begins.
        figures: Called often while rows are measured.

    Raises:
        StackError: A part did not start, or ended.
    """
    state_root().mkdir(parents=True, exist_ok=True)
    room = Room(machine().memory_bytes, shutil.disk_usage(state_root()).free)
    wants_pgbouncer = any(case.path == "pgbouncer" for case in plan.cases)
    has_pgbouncer = wants_pgbouncer and binaries.find("pgbouncer") is not None
    profile = settings.profile(room, has_pgbouncer=has_pgbouncer)
    found = Measured()
    with (
        tempfile.TemporaryDirectory(prefix="hotrow-") as scratch,
        running(INSTANCE, profile, is_fresh=True, postgres_bin=postgres_bin, report=step) as stack,
    ):
        rig = Rig.of(stack, postgres_bin, Path(scratch))
        if wants_pgbouncer and not has_pgbouncer:
            rig.notes.append("pgbouncer is not installed: the rows through it are left out")
        found.settings = _settings(rig)
        if plan.growth:
            _grow(rig, plan, found, step)
        shop = Shop(rig)
        cases = _possible(rig, shop, plan.cases, peers, has_pgbouncer=has_pgbouncer)
        has_peer = any(case.strategy == "neveroversell" for case in cases)
        if has_peer:
            interpreter = neveroversell.python(peers)
            assert interpreter is not None
            step("installing neveroversell beside it")
            targets = [shop.target(Case("neveroversell", 1, scope=scope), 0) for scope in matrix.SCOPES]
            neveroversell.install(rig, interpreter, targets)
        found.rows = rounds.run(
            Meter(rig, shop), cases, rounds=plan.rounds, seconds=plan.seconds, step=step, figures=figures
        )
        if any(case.refused for case in cases):
            step("refusing while another session holds the row lock")
            found.while_locked = refusal.while_locked(rig, shop)
        if plan.overlap:
            step(f"overlapping batches and calls for {OVERLAP_S} s")
            found.overlap = overlap.run(rig, shop, OVERLAP_S)
        if plan.profile:
            step("profiling a batch")
            found.profile = profiling.run(rig, shop)
        if plan.sustained:
            step(f"reserving {plan.sustained:,} units of one hot row")
            found.sustained = sustained.run(rig, shop, plan.sustained, step, batch=plan.batch, clients=plan.clients)
        step("auditing")
        found.audit += _audit(rig, DATABASE)
        if has_peer:
            result = InvariantResult(
                "neveroversell_has_no_drift", "SELECT * FROM nos_check()", neveroversell.drift(rig)
            )
            found.audit.append(("neveroversell", result))
        found.notes = [*stack.notes, *rig.notes]
    return found


def _possible(rig: Rig, shop: Shop, cases: Sequence[Case], peers: Path, *, has_pgbouncer: bool) -> list[Case]:
    """The rows that can be measured here; a note says which cannot and why."""
    strategies = set(matrix.STRATEGIES)
    asked = {case.strategy for case in cases}
    if not shop.has_modes and asked.intersection(HOT_ONLY):
        strategies -= set(HOT_ONLY)
        rig.notes.append(f"{' and '.join(HOT_ONLY)} are left out: this database has no {MODES}")
    if "neveroversell" in asked and neveroversell.python(peers) is None:
        strategies.discard("neveroversell")
        rig.notes.append(f"neveroversell is left out: it is not installed in {peers} (`make bench-peers` does)")
    return matrix.of(cases, strategies, has_pgbouncer=has_pgbouncer)


def _grow(rig: Rig, plan: Plan, found: Measured, step: Report) -> None:
    with rig.connect("postgres") as connection:
        # A template must have no session, and PgBouncer kept one.
        connection.execute(_END_SESSIONS, [DATABASE])
        found.growth, names = growth.run(rig, plan.growth, rounds=plan.rounds, seconds=plan.seconds, step=step)
        for name in names:
            step(f"auditing {name}")
            found.audit += _audit(rig, name)
            connection.execute(f"DROP DATABASE {name}")


def _audit(rig: Rig, dbname: str) -> list[tuple[str, InvariantResult]]:
    with rig.connect(dbname) as connection:
        connection.execute("ANALYZE")
    conninfo = make_conninfo(rig.stack.superuser, dbname=dbname, options=_AUDIT_OPTIONS)
    return [(dbname, result) for result in audit.check(conninfo)]


def _settings(rig: Rig) -> dict[str, str]:
    with rig.connect() as connection:
        found = {name: str(one(connection, "SELECT current_setting(%s)", [name])) for name in _SHOWN.split()}
    return found | {part.name: part.version for part in rig.stack.parts}
