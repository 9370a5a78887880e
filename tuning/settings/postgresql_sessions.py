"""How many sessions there may be, how long one may rest, and what is measured and logged of them."""

from tuning.contract import Outcome
from tuning.settings.facts import Advice, Facts
from tuning.settings.words import is_near, keep, propose, skip, storage_unknown, unread

# Ours: migrations, backups, exporters, and somebody at work.
DIRECT_CONNECTIONS = 20
# pgtune's number for the web: fewer cost little.
MANY_CONNECTIONS = 200
# Ours: so many times what all pools can open is a wish, not a size.
FAR = 4
# pgdoctor, as the rule idle-in-transaction.
LONG_IDLE_S = 300.0
IDLE_LIMIT = "5min"
# pg_test_timing's manual: a good clock takes under 100 ns; what is measured here has the executor's part in it.
QUICK_CLOCK_NS = 500.0
STATEMENTS = "pg_stat_statements"
_LOGGING = "PostgreSQL manual, What to Log"


def max_connections(facts: Facts) -> Advice:
    """What all pools open at the most, and those who come past them."""
    name = "max_connections"
    if facts.pool_servers is None:
        return skip(facts, name, "what the pools open is not known: --pooler, or a timeline with PgBouncer in it")
    current = facts.number(name)
    reserved = facts.number("superuser_reserved_connections") + facts.number("reserved_connections")
    wanted = facts.pool_servers + DIRECT_CONNECTIONS + reserved
    numbers = f"pools {facts.pool_servers} + direct {DIRECT_CONNECTIONS} + reserved {reserved:.0f} = {wanted:.0f}"
    source = "the chain's rule server-budget; the direct share is ours"
    now = f", {facts.server.connections} are open now" if facts.server.connections is not None else ""
    if current < wanted:
        return propose(
            facts,
            name,
            f"{wanted:.0f}",
            float(wanted),
            formula=numbers,
            evidence=f"the pools and those who come past them may open {wanted:.0f}, and {current:.0f} are let in{now}",
            source=source,
            outcome=Outcome.FAIL,
        )
    open_now = facts.server.connections
    if current <= max(MANY_CONNECTIONS, FAR * wanted) or open_now is None or open_now > wanted:
        return keep(facts, name, f"{current:.0f} have room for {numbers}{now}")
    lowered = max(FAR * wanted / 2, float(MANY_CONNECTIONS))
    return propose(
        facts,
        name,
        f"{lowered:.0f}",
        lowered,
        formula=f"max(2 x ({numbers}), {MANY_CONNECTIONS}) = {lowered:.0f}",
        evidence=f"{current:.0f} is over {FAR} times what the pools open{now}; work_mem is bounded by all of them",
        source=source,
    )


def autovacuum_vacuum_cost_limit(facts: Facts) -> Advice:
    """More work a round where all workers are busy and tables wait: more workers would share the same limit."""
    name, found = "autovacuum_vacuum_cost_limit", facts.server.vacuum
    if found is None:
        return skip(facts, name, unread(facts, "vacuum"))
    workers = facts.number("autovacuum_max_workers")
    told = f"{found.due} tables are due, {found.running} of {workers:.0f} workers run"
    if found.running < workers or found.due <= workers:
        return keep(facts, name, told)
    if facts.machine.storage != "ssd":
        return skip(facts, name, f"{told}; {storage_unknown(facts)}")
    base = facts.number("vacuum_cost_limit")
    current = facts.number(name) if facts.number(name) > 0 else base
    wanted = base * workers
    if current >= wanted or is_near(current, wanted):
        return keep(facts, name, told)
    return propose(
        facts,
        name,
        f"{wanted:.0f}",
        wanted,
        formula=f"vacuum_cost_limit {base:.0f} x {workers:.0f} workers, who share it = {wanted:.0f}",
        evidence=told,
        source="PostgreSQL manual, Vacuuming (autovacuum_vacuum_cost_limit); the factor is ours",
    )


def autovacuum_max_workers(facts: Facts) -> Advice:
    """Never proposed: workers share one cost limit, so more of them are slower each."""
    name, found = "autovacuum_max_workers", facts.server.vacuum
    if found is None:
        return skip(facts, name, unread(facts, "vacuum"))
    return keep(facts, name, f"{found.due} tables are due, {found.running} of {facts.number(name):.0f} workers run")


def track_io_timing(facts: Facts) -> Advice:
    name, clock = "track_io_timing", facts.server.clock_ns
    if facts.text(name) == "on":
        return keep(facts, name, "reads and writes are timed")
    if clock is None:
        return skip(facts, name, unread(facts, "clock"))
    told = f"reading this server's clock takes {clock:.0f} ns at the most"
    if clock > QUICK_CLOCK_NS:
        return keep(facts, name, f"{told}, which each read of a page would pay twice: pg_test_timing")
    return propose(
        facts,
        name,
        "on",
        "on",
        formula=f"{clock:.0f} ns, under {QUICK_CLOCK_NS:.0f}",
        evidence=f"{told}: EXPLAIN and pg_stat_io can tell how long the disk takes",
        source="PostgreSQL manual, Run-time Statistics, pg_test_timing; the bound is ours",
    )


def shared_preload_libraries(facts: Facts) -> Advice:
    name = "shared_preload_libraries"
    libraries = [each.strip().strip('"') for each in facts.text(name).split(",") if each.strip()]
    if STATEMENTS in libraries:
        return keep(facts, name, f"{STATEMENTS} is loaded")
    if not facts.server.has_statements_extension:
        return skip(facts, name, f"{STATEMENTS} is not installed on the server's machine")
    proposed = ",".join([*libraries, STATEMENTS])
    return propose(
        facts,
        name,
        proposed,
        proposed,
        formula=f"what is there, and {STATEMENTS}",
        evidence=f"{STATEMENTS} can be loaded and is not: which statements take the time is not counted",
        source="PostgreSQL manual, F.32 pg_stat_statements",
    )


def log_lock_waits(facts: Facts) -> Advice:
    name, counters = "log_lock_waits", facts.counters
    if facts.text(name) == "on":
        return keep(facts, name, "who waits for longer than deadlock_timeout is logged")
    if counters is None:
        return skip(facts, name, unread(facts, "counters"))
    if not counters.deadlocks:
        return keep(facts, name, "no deadlock was counted")
    return propose(
        facts,
        name,
        "on",
        "on",
        formula="over 0 deadlocks",
        evidence=f"{counters.deadlocks:,.0f} deadlocks, and who waited for whom is in no log",
        source=_LOGGING,
    )


def idle_in_transaction_session_timeout(facts: Facts) -> Advice:
    name, longest_s = "idle_in_transaction_session_timeout", facts.server.idle_in_transaction_s
    if facts.number(name) > 0:
        return keep(facts, name, f"a session that rests in a transaction is ended after {facts.text(name)}")
    if longest_s is None:
        return skip(facts, name, unread(facts, "sessions"))
    if longest_s < LONG_IDLE_S:
        return keep(facts, name, f"the longest rests in its transaction for {longest_s:.0f} s now; better on the role")
    return propose(
        facts,
        name,
        IDLE_LIMIT,
        LONG_IDLE_S * 1000,
        formula=f"{longest_s:.0f} s, over {LONG_IDLE_S:.0f} s",
        evidence=f"a session rests in its transaction for {longest_s:,.0f} s: VACUUM and its locks wait for it",
        source="PostgreSQL manual, Statement Behavior; pgdoctor",
    )


def statement_timeout(facts: Facts) -> Advice:
    return keep(facts, "statement_timeout", "belongs on the role, for backups need longer: `hotrow chain`, role-limits")


def lock_timeout(facts: Facts) -> Advice:
    return keep(facts, "lock_timeout", "belongs on the role, for migrations set their own: `hotrow chain`, role-limits")


def hot_standby_feedback(facts: Facts) -> Advice:
    name, counters = "hot_standby_feedback", facts.server.counters
    if not facts.server.is_replica:
        return skip(facts, name, "this server is no replica")
    if facts.text(name) == "on":
        return keep(facts, name, "the primary keeps rows that statements here still read")
    if counters is None:
        return skip(facts, name, unread(facts, "counters"))
    if not counters.snapshot_conflicts:
        return keep(facts, name, "no statement was ended because the primary had vacuumed what it read")
    return propose(
        facts,
        name,
        "on",
        "on",
        formula="over 0 conflicts of snapshots",
        evidence=f"{counters.snapshot_conflicts:,.0f} statements were ended; with it the primary's tables may bloat",
        source="PostgreSQL manual, Standby Servers",
    )


# As max_connections is asked first: work_mem divides by it.
FIRST = (max_connections,)
QUESTIONS = (
    autovacuum_max_workers,
    autovacuum_vacuum_cost_limit,
    track_io_timing,
    shared_preload_libraries,
    log_lock_waits,
    idle_in_transaction_session_timeout,
    statement_timeout,
    lock_timeout,
    hot_standby_feedback,
)
