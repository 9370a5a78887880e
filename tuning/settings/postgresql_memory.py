"""How PostgreSQL divides the machine's memory."""

from tuning.settings import formulas
from tuning.settings.facts import Advice, Facts
from tuning.settings.words import is_near, keep, memory, memory_unknown, propose, skip, unread

# PostgreSQL's manual, Resource Consumption: more than 40 % is unlikely to work better than less.
MOST_BUFFERS_SHARE = 0.4
# pghero: above it reads do not go past the buffers.
GOOD_HIT_RATIO = 0.99
# pgdoctor, as the rule temp-files.
TEMP_FILES_PER_HOUR = 5
# Ours: rows in memory carry headers and pointers that a file lacks; EXPLAIN tells what a statement's sort takes.
MEMORY_OF_DISK = 2.0
# Ours, as the rule server-settings: so many times too large is a danger and no preference.
FAR_WORK_MEM = 4.0
_MANUAL = "PostgreSQL manual, Memory; pgtune"


def shared_buffers(facts: Facts) -> Advice:
    name = "shared_buffers"
    if facts.machine.memory_bytes is None:
        return skip(facts, name, memory_unknown(facts))
    current, all_bytes = facts.number(name), facts.machine.memory_bytes
    wanted = formulas.shared_buffers_bytes(all_bytes)
    numbers = f"memory {memory(all_bytes)} x {formulas.BUFFERS_SHARE:g} = {memory(wanted)}"
    if current > formulas.shared_buffers_bytes(all_bytes) and current <= MOST_BUFFERS_SHARE * all_bytes:
        return keep(facts, name, f"{current / all_bytes:.0%} of the memory; the manual's range is 25 to 40 %")
    if current > wanted and not is_near(current, wanted):
        evidence = f"{current / all_bytes:.0%} of the memory; over 40 % is unlikely to work better"
        return propose(facts, name, memory(wanted), wanted, formula=numbers, evidence=evidence, source=_MANUAL)
    if is_near(current, wanted):
        return keep(facts, name, f"within a quarter of the formula: {numbers}")
    data = facts.server.databases_bytes
    if data is None:
        return skip(facts, name, unread(facts, "sizes"))
    if data <= current:
        return keep(facts, name, f"all databases ({memory(data)}) fit")
    counters = facts.counters
    reads = counters.blocks_hit + counters.blocks_read if counters is not None else 0.0
    hit = counters.blocks_hit / reads if counters is not None and reads else None
    is_recorded = facts.recorded is not None and facts.recorded.counters is not None
    is_old = counters is not None and not facts.too_young(counters.seconds, is_recorded=is_recorded)
    if is_old and hit is not None and hit >= GOOD_HIT_RATIO:
        return keep(facts, name, f"{hit:.2%} of {reads:,.0f} block reads were answered from it")
    told = f", {hit:.1%} of block reads hit" if hit is not None else ""
    evidence = f"databases of {memory(data)} do not fit into {memory(current)}{told}"
    return propose(facts, name, memory(wanted), wanted, formula=numbers, evidence=evidence, source=_MANUAL)


def effective_cache_size(facts: Facts) -> Advice:
    name = "effective_cache_size"
    if facts.machine.memory_bytes is None:
        return skip(facts, name, memory_unknown(facts))
    current, wanted = facts.number(name), formulas.effective_cache_bytes(facts.machine.memory_bytes)
    numbers = f"memory {memory(facts.machine.memory_bytes)} x {formulas.CACHE_SHARE:g} = {memory(wanted)}"
    if is_near(current, wanted):
        return keep(facts, name, f"within a quarter of the formula: {numbers}")
    evidence = f"the planner is told of {memory(current)}, of {memory(facts.machine.memory_bytes)} that are there"
    source = "PostgreSQL manual, Planner Cost Constants; pgtune"
    return propose(facts, name, memory(wanted), wanted, formula=numbers, evidence=evidence, source=source)


def work_mem(facts: Facts) -> Advice:
    """Lower it where all together would not fit; raise it where statements went to disk, up to what fits."""
    name, all_bytes = "work_mem", facts.machine.memory_bytes
    if all_bytes is None:
        return skip(facts, name, memory_unknown(facts))
    current, buffers = facts.number(name), facts.number("shared_buffers")
    processes = facts.number("max_connections") + facts.number("max_worker_processes")
    most = formulas.work_mem_bytes(all_bytes, buffers, processes)
    sessions = f"{facts.number('max_connections'):.0f} connections + {facts.number('max_worker_processes'):.0f} workers"
    numbers = f"({memory(all_bytes)} - shared_buffers {memory(buffers)}) / (({sessions}) x {formulas.WORK_MEM_PARTS})"
    numbers += f", at least {memory(formulas.MIN_WORK_MEM_BYTES)} = {memory(most)}"
    if current > FAR_WORK_MEM * most:
        evidence = f"{memory(current)} for each sort of each connection is over {FAR_WORK_MEM:g} times what fits"
        return propose(facts, name, memory(most), most, formula=numbers, evidence=evidence, source=_MANUAL)
    counters = facts.counters
    if counters is None:
        return skip(facts, name, unread(facts, "counters"))
    is_recorded = facts.recorded is not None and facts.recorded.counters is not None
    if young := facts.too_young(counters.seconds, is_recorded=is_recorded):
        return skip(facts, name, young)
    per_hour = counters.temp_files / counters.seconds * 3600
    if per_hour < TEMP_FILES_PER_HOUR:
        return keep(facts, name, f"{per_hour:.1f} temporary files an hour, and {TEMP_FILES_PER_HOUR} would be many")
    mean_bytes = counters.temp_bytes / counters.temp_files
    wanted = min(MEMORY_OF_DISK * mean_bytes, most)
    told = f"{per_hour:,.0f} temporary files an hour of {memory(mean_bytes)} on average"
    if wanted <= current or is_near(current, wanted):
        return keep(facts, name, f"{told}; more would not fit ({numbers}): SET LOCAL work_mem for those statements")
    formula = f"min({MEMORY_OF_DISK:g} x mean file {memory(mean_bytes)}, {numbers}) = {memory(wanted)}"
    return propose(facts, name, memory(wanted), wanted, formula=formula, evidence=told, source=f"{_MANUAL}; Ours")


def maintenance_work_mem(facts: Facts) -> Advice:
    name = "maintenance_work_mem"
    if facts.machine.memory_bytes is None:
        return skip(facts, name, memory_unknown(facts))
    largest = facts.server.largest_table_bytes
    if largest is None:
        return skip(facts, name, unread(facts, "largest table"))
    current, wanted = facts.number(name), formulas.maintenance_bytes(facts.machine.memory_bytes)
    numbers = (
        f"min(memory {memory(facts.machine.memory_bytes)} / {formulas.MAINTENANCE_PARTS}, "
        f"{memory(formulas.MAX_MAINTENANCE_BYTES)}) = {memory(wanted)}"
    )
    if current <= wanted and largest <= current:
        return keep(facts, name, f"the largest table ({memory(largest)}) is not larger")
    if is_near(current, wanted):
        return keep(facts, name, f"within a quarter of the formula: {numbers}")
    if current > wanted:
        evidence = f"{memory(current)} for one build of an index, and as much for each worker of autovacuum"
    else:
        evidence = f"the largest table has {memory(largest)}: building an index of it sorts on disk"
    return propose(facts, name, memory(wanted), wanted, formula=numbers, evidence=evidence, source=_MANUAL)


def autovacuum_work_mem(facts: Facts) -> Advice:
    name, all_bytes = "autovacuum_work_mem", facts.machine.memory_bytes
    if all_bytes is None:
        return skip(facts, name, memory_unknown(facts))
    workers = facts.number("autovacuum_max_workers")
    each = facts.number(name) if facts.number(name) >= 0 else facts.number("maintenance_work_mem")
    wanted = formulas.vacuum_bytes(all_bytes, workers)
    numbers = f"memory {memory(all_bytes)} / {formulas.VACUUM_PARTS} / {workers:.0f} workers = {memory(wanted)}"
    if each <= wanted or is_near(each, wanted):
        return keep(facts, name, f"{workers:.0f} workers have {memory(each)} each, and {memory(wanted)} would fit")
    evidence = f"{workers:.0f} workers x {memory(each)} = {memory(workers * each)} of {memory(all_bytes)}"
    source = "PostgreSQL manual, Memory (autovacuum_work_mem); the share is ours"
    return propose(facts, name, memory(wanted), wanted, formula=numbers, evidence=evidence, source=source)


QUESTIONS = (shared_buffers, effective_cache_size, maintenance_work_mem, autovacuum_work_mem, work_mem)
