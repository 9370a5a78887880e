"""How many servers, clients and seconds PgBouncer has, from what its pools were measured to hold."""

from collections.abc import Iterator

from tuning.chain.rules.client_budget import DEFAULT_CLIENTS
from tuning.chain.rules.query_wait_timeout import DEFAULT_S, MAX_WAIT_S
from tuning.chain.rules.server_budget import POOL_SIZE
from tuning.contract import Outcome
from tuning.diagnose.evidence.pooler import Pool
from tuning.diagnose.evidence.processes import PGBOUNCER
from tuning.observe.chain import Pooler
from tuning.settings import formulas
from tuning.settings.facts import BY_HAND, RELOAD, Advice, Facts
from tuning.settings.words import TOLERANCE

PRODUCT = "pgbouncer"
# The kit's name for a pool of batches: they wait for each other's rows, so two overlap one's rows with the other's
# commit, and more only wait (docs/adr/0010).
LANE, LANE_SERVERS = "_lane", 2
# docs/adr/0024 and chain's pool_timeout: whoever waits longer has lost its client.
WAIT_S = 5
# PgBouncer's defaults.
IDLE_TIMEOUT_S = 600
PREPARED = 200
PREPARED_SINCE = (1, 21)
# Ours: a server that rests for less is logged in again for the next wave.
SHORT_IDLE_S = 60
# Ours: of the one core that its one thread has.
BUSY = 0.8
# Ours: of the host's time; a pool that grows then only moves its queue to the processors.
FULL_IDLE = 0.1
# Ours: an administrator and a deployment's second set of workers' first connections.
SPARE_CLIENTS = 10
# Ours: fewer transactions say nothing of a pool.
MIN_TRANSACTIONS = 30
_MANUAL = "PgBouncer config.md"


def advise(facts: Facts) -> Iterator[Advice]:
    """Yield what is said of each setting of PgBouncer; one line where it was not given."""
    if facts.pooler is None:
        yield Advice(PRODUCT, "default_pool_size", Outcome.SKIP, "", "no PgBouncer was given: --pooler")
        return
    yield from _pools(facts, facts.pooler)
    for question in (_max_client_conn, _reserve_pool_size, _query_wait_timeout, _server_idle_timeout, _prepared):
        yield question(facts, facts.pooler)
    yield _so_reuseport(facts, facts.pooler)


def _pools(facts: Facts, pooler: Pooler) -> Iterator[Advice]:
    if facts.pools is None:
        reason = "its pools were not measured: --seconds over 0, or a timeline"
        yield _said(pooler, "default_pool_size", Outcome.SKIP, reason, POOL_SIZE)
        return
    measured = {pool.database: pool for pool in facts.pools}
    for database in pooler.databases:
        current = (
            int(pooler.number("default_pool_size", POOL_SIZE)) if database.pool_size is None else database.pool_size
        )
        if pooler.mode(database.name) == "session":
            continue
        yield _pool_size(facts, database.name, current, measured.get(database.name))


def _pool_size(facts: Facts, name: str, current: int, pool: Pool | None) -> Advice:
    """Little's law: servers in use are transactions a second times how long one holds its server."""

    def said(outcome: Outcome, evidence: str) -> Advice:
        return Advice(PRODUCT, "pool_size", outcome, str(current), evidence, about=name)

    if pool is None or pool.transactions < MIN_TRANSACTIONS:
        count = pool.transactions if pool is not None else 0
        return said(
            Outcome.SKIP,
            f"{count:.0f} transactions in {facts.pools_seconds:.0f} s, and {MIN_TRANSACTIONS} are needed: "
            "measure under load, or give a timeline",
        )
    if facts.machine.cores is None:
        return said(Outcome.SKIP, facts.machine.reasons.get("cores", "the server's cores are not known: --cores"))
    seconds = facts.pools_seconds
    rate, held_s = pool.transactions / seconds, pool.xact_s / pool.transactions
    wanted = rate * held_s
    cores_bound = formulas.servers_of_cores(facts.machine.cores)
    bound = min(LANE_SERVERS, cores_bound) if name.endswith(LANE) else cores_bound
    needed = min(formulas.servers_for(wanted), bound)
    law = f"{rate:,.1f} transactions/s x {held_s * 1000:.2f} ms = {wanted:.2f} busy"
    told = f"{law} of {current}, {pool.queue:.2f} clients waited"
    why = f"{LANE_SERVERS} for batches" if name.endswith(LANE) else f"2 x {facts.machine.cores} cores + 1 = {bound}"
    formula = f"min({law}, + 2 x sqrt -> {formulas.servers_for(wanted)}, {why}) = {needed}"
    source = "Little's law, square-root staffing; HikariCP wiki, About Pool Sizing"
    if wanted > bound < current:
        told += f": more at a time than {bound}, which make each other slower"
    elif needed <= current:
        return said(Outcome.OK, told)
    elif _is_full(facts):
        return said(Outcome.OK, f"{told}; the processors have nothing left, so more would wait for those")
    if abs(needed - current) <= max(1.0, TOLERANCE * current) and pool.queue < 1:
        return said(Outcome.OK, told)
    return Advice(
        PRODUCT,
        "pool_size",
        Outcome.WARN,
        str(current),
        told,
        str(needed),
        formula,
        source,
        RELOAD,
        float(needed),
        name,
    )


def _is_full(facts: Facts) -> bool:
    processors = facts.evidence.processors if facts.evidence is not None else None
    return processors is not None and processors.idle is not None and processors.idle < FULL_IDLE


def _max_client_conn(facts: Facts, pooler: Pooler) -> Advice:
    name, limit = "max_client_conn", int(pooler.number("max_client_conn", DEFAULT_CLIENTS))
    each = facts.limits.get("POOL_SIZE", "")
    if facts.workers is None or not each.isdigit():
        reason = "how many connections the workers open is not known: --gunicorn with --pool-size, or --instance"
        return _said(pooler, name, Outcome.SKIP, reason, DEFAULT_CLIENTS)
    # Beside its pool each worker has a connection for batches.
    wanted = facts.workers.workers * (int(each) + 1) + SPARE_CLIENTS
    formula = f"{facts.workers.workers} workers x ({each} + 1 for batches) + {SPARE_CLIENTS} = {wanted}"
    if wanted <= limit:
        return _said(pooler, name, Outcome.OK, f"{formula} of {limit}", DEFAULT_CLIENTS)
    evidence = f"the workers may open {wanted - SPARE_CLIENTS}, and the next after {limit} is refused"
    return _proposed(pooler, name, str(wanted), formula, evidence, DEFAULT_CLIENTS, outcome=Outcome.FAIL)


def _reserve_pool_size(facts: Facts, pooler: Pooler) -> Advice:
    name, current = "reserve_pool_size", pooler.number("reserve_pool_size", 0)
    if not current:
        return _said(pooler, name, Outcome.OK, "no pool grows past its size", 0)
    if facts.machine.cores is None:
        return _said(pooler, name, Outcome.SKIP, "the server's cores are not known: --cores", 0)
    size, bound = pooler.number("default_pool_size", POOL_SIZE), formulas.servers_of_cores(facts.machine.cores)
    if size + current <= bound:
        return _said(pooler, name, Outcome.OK, f"{size:.0f} + {current:.0f} servers for {facts.machine.cores} cores", 0)
    evidence = f"under a queue a pool grows to {size + current:.0f}, and {facts.machine.cores} cores work on {bound}"
    formula = f"{size:.0f} + {current:.0f} > 2 x {facts.machine.cores} + 1"
    return _proposed(pooler, name, "0", formula, evidence, 0)


def _query_wait_timeout(facts: Facts, pooler: Pooler) -> Advice:
    name, current = "query_wait_timeout", pooler.number("query_wait_timeout", DEFAULT_S)
    if 0 < current <= MAX_WAIT_S:
        return _said(pooler, name, Outcome.OK, f"a client waits {current:g} s for a server at the most", DEFAULT_S)
    how_long = f"{current:g} s" if current > 0 else "for ever"
    evidence = f"a client waits {how_long} for a server, which outlasts who asked"
    formula = f"{WAIT_S} s, under {MAX_WAIT_S} s"
    return _proposed(pooler, name, str(WAIT_S), formula, evidence, DEFAULT_S, source=f"{_MANUAL}; the length is ours")


def _server_idle_timeout(facts: Facts, pooler: Pooler) -> Advice:
    name, current = "server_idle_timeout", pooler.number("server_idle_timeout", IDLE_TIMEOUT_S)
    if current == 0 or current >= SHORT_IDLE_S:
        return _said(pooler, name, Outcome.OK, f"a server rests for {current:g} s before it is closed", IDLE_TIMEOUT_S)
    evidence = f"a server that rests for {current:g} s is closed, and the next wave logs in again"
    return _proposed(pooler, name, str(IDLE_TIMEOUT_S), f"the default, {IDLE_TIMEOUT_S} s", evidence, IDLE_TIMEOUT_S)


def _prepared(facts: Facts, pooler: Pooler) -> Advice:
    name = "max_prepared_statements"
    if pooler.version is None or pooler.version < PREPARED_SINCE:
        version = ".".join(map(str, pooler.version or ()))
        return Advice(PRODUCT, name, Outcome.SKIP, "", f"PgBouncer {version} has no such setting: 1.21 is the first")
    current = pooler.number(name, 0)
    if current > 0:
        return _said(pooler, name, Outcome.OK, f"{current:.0f} statements of each client are kept", 0)
    evidence = "in transaction mode a statement that is prepared by name is not found by the next transaction"
    return _proposed(pooler, name, str(PREPARED), f"the default since 1.24, {PREPARED}", evidence, 0)


def _so_reuseport(facts: Facts, pooler: Pooler) -> Advice:
    name = "so_reuseport"
    processors = facts.evidence.processors if facts.evidence is not None else None
    group = processors.group(PGBOUNCER) if processors is not None else None
    if group is None:
        return _said(pooler, name, Outcome.SKIP, "PgBouncer's processor time is in no timeline: --timeline", 0)
    told = f"its busiest process used {group.busiest:.0%} of the one core that it can use"
    if group.busiest <= BUSY or pooler.number(name, 0):
        return _said(pooler, name, Outcome.OK, told, 0)
    return _proposed(
        pooler,
        name,
        "1",
        f"{group.busiest:.0%}, over {BUSY:.0%}",
        f"{told}; several processes on one port, peered, have a core each",
        0,
        how=BY_HAND,
    )


def _said(pooler: Pooler, name: str, outcome: Outcome, evidence: str, default: float) -> Advice:
    return Advice(PRODUCT, name, outcome, pooler.setting(name, f"{default:g}"), evidence)


def _proposed(
    pooler: Pooler,
    name: str,
    proposed: str,
    formula: str,
    evidence: str,
    default: float,
    *,
    source: str = _MANUAL,
    how: str = RELOAD,
    outcome: Outcome = Outcome.WARN,
) -> Advice:
    current = pooler.setting(name, f"{default:g}")
    return Advice(PRODUCT, name, outcome, current, evidence, proposed, formula, source, how, float(proposed))
