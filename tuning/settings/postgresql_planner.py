"""What the planner believes of the storage and the cores."""

from tuning.settings import formulas
from tuning.settings.facts import Advice, Facts
from tuning.settings.words import cores_unknown, is_near, keep, propose, skip, storage_unknown, unread

# Ours, as the rule server-settings: up to here the planner takes the storage for one without turning disks.
SLOW_PAGE_COST = 2.0
# PostgreSQL 18's default, with its own asynchronous reads.
GOOD_IO_CONCURRENCY = 16
# Ours: a tenth of the time of statements that were compiled; below it somebody may still gain by it.
MUCH_COMPILING = 0.1
# Ours: one of ten workers that a plan wanted did not come.
FEW_MISSING = 0.1


def random_page_cost(facts: Facts) -> Advice:
    name, storage = "random_page_cost", facts.machine.storage
    if storage is None:
        return skip(facts, name, storage_unknown(facts))
    current = facts.number(name)
    is_fast = storage == "ssd"
    wanted = formulas.SSD_PAGE_COST if is_fast else formulas.DISK_PAGE_COST
    if current <= SLOW_PAGE_COST if is_fast else current > SLOW_PAGE_COST:
        return keep(facts, name, f"{current:g} is of {storage}")
    return propose(
        facts,
        name,
        f"{wanted:g}",
        wanted,
        formula=f"{wanted:g} for {storage}",
        evidence=f"the storage is {storage}, and the planner believes {current:g}",
        source="PostgreSQL manual, Planner Cost Constants; pgtune",
    )


def effective_io_concurrency(facts: Facts) -> Advice:
    name, storage = "effective_io_concurrency", facts.machine.storage
    if storage is None:
        return skip(facts, name, storage_unknown(facts))
    current = facts.number(name)
    wanted = formulas.SSD_IO_CONCURRENCY if storage == "ssd" else formulas.DISK_IO_CONCURRENCY
    least = min(wanted, GOOD_IO_CONCURRENCY)
    if current >= least:
        return keep(facts, name, f"{current:.0f} reads at a time, on {storage}")
    return propose(
        facts,
        name,
        f"{wanted}",
        float(wanted),
        formula=f"{wanted} for {storage}",
        evidence=f"a bitmap scan asks for {current:.0f} pages at a time, and the storage is {storage}",
        source="PostgreSQL manual, I/O; pgtune",
    )


def max_parallel_workers(facts: Facts) -> Advice:
    name, cores = "max_parallel_workers", facts.machine.cores
    if cores is None:
        return skip(facts, name, cores_unknown(facts))
    current, room = facts.number(name), facts.number("max_worker_processes")
    source = "PostgreSQL manual, Worker Processes; pgtune"
    if current > cores and not is_near(current, cores):
        evidence = f"{current:.0f} parallel workers share {cores} cores with the sessions that they work for"
        formula = f"as many as cores: {cores}"
        return propose(facts, name, f"{cores}", float(cores), formula=formula, evidence=evidence, source=source)
    counters = facts.counters
    if counters is None or counters.workers_wanted is None or counters.workers_launched is None:
        return keep(facts, name, f"{current:.0f} for {cores} cores")
    missed = counters.workers_wanted - counters.workers_launched
    told = f"{missed:,.0f} of {counters.workers_wanted:,.0f} workers that plans wanted did not come"
    if current >= min(cores, room) or missed <= FEW_MISSING * counters.workers_wanted:
        return keep(facts, name, told)
    wanted = min(float(cores), room)
    formula = f"min({cores} cores, max_worker_processes {room:.0f}) = {wanted:.0f}"
    return propose(facts, name, f"{wanted:.0f}", wanted, formula=formula, evidence=told, source=source)


def max_parallel_workers_per_gather(facts: Facts) -> Advice:
    name, cores = "max_parallel_workers_per_gather", facts.machine.cores
    if cores is None:
        return skip(facts, name, cores_unknown(facts))
    current, wanted = facts.number(name), formulas.per_gather(cores)
    if current <= wanted:
        return keep(facts, name, f"{current:.0f} for {cores} cores, and {wanted} would be the most")
    return propose(
        facts,
        name,
        f"{wanted}",
        float(wanted),
        formula=f"min({cores} cores / 2, {formulas.MAX_PER_GATHER}) = {wanted}",
        evidence=f"one statement takes {current:.0f} workers and its session's own core, of {cores}",
        source="PostgreSQL manual, Worker Processes; pgtune",
    )


def jit(facts: Facts) -> Advice:
    """Off where compiling is measured to take much of the time of those that were compiled."""
    name, measured = "jit", facts.server.jit
    if facts.text(name) == "off":
        return keep(facts, name, "no statement is compiled")
    if measured is None:
        return skip(facts, name, unread(facts, "statements"))
    if not measured.compiled:
        return keep(facts, name, "no statement in pg_stat_statements was compiled")
    share = measured.compile_ms / max(measured.execute_ms, 1e-9)
    told = f"{measured.compile_ms:,.0f} of {measured.execute_ms:,.0f} ms of compiled statements went into compiling"
    if share < MUCH_COMPILING:
        return keep(facts, name, told)
    return propose(
        facts,
        name,
        "off",
        "off",
        formula=f"{measured.compile_ms:,.0f} / {measured.execute_ms:,.0f} = {share:.0%}, over {MUCH_COMPILING:.0%}",
        evidence=told,
        source="PostgreSQL manual, When to JIT; pgtune turns it off for web and OLTP; the share is ours",
    )


QUESTIONS = (
    random_page_cost,
    effective_io_concurrency,
    max_parallel_workers,
    max_parallel_workers_per_gather,
    jit,
)
