"""Settings are far from what the machine can do.

When: shared_buffers is under half or over twice a quarter of the memory, effective_cache_size under half of three
    quarters, work_mem over four times what all connections could have at once, max_wal_size under 4 GB,
    random_page_cost over 2, or jit on. The memory is this machine's where the server is here; else --memory-gib.
Why: the defaults are for a small machine with turning disks. pgtune's formulas for a web server are the measure.
Remedy: the statements are in the findings; shared_buffers takes a restart. `hotrow settings` derives more from a
    workload. random_page_cost stays at 4 on turning disks.
"""

from collections.abc import Iterator

from tuning.advisors.findings import Found
from tuning.advisors.quantities import size
from tuning.advisors.subject import Subject
from tuning.contract import Outcome
from tuning.observe.snapshot import Snapshot
from tuning.settings import formulas

NEEDS = ("settings",)
WEIGHT = 1

# Mine: how far from a formula is a finding.
FAR, FAR_WORK_MEM = 2.0, 4.0
SLOW_PAGE_COST = 2.0
_RELOAD = "SELECT pg_reload_conf()"


def check(subject: Subject) -> Iterator[Found]:
    snapshot = subject.snapshot
    if snapshot.hardware is None:
        yield Found(Outcome.SKIP, "the server's memory is not known, so what depends on it is not judged: --memory-gib")
    else:
        yield from _memory(snapshot, snapshot.hardware.memory_bytes)
    wal = snapshot.number("max_wal_size")
    if 0 < wal < formulas.MAX_WAL_BYTES:
        yield _found("max_wal_size", f"{size(wal)}: checkpoints come more often than they need", "4GB")
    cost = snapshot.number("random_page_cost")
    if cost > SLOW_PAGE_COST:
        yield _found("random_page_cost", f"{cost:g}, for turning disks", f"{formulas.SSD_PAGE_COST}")
    if snapshot.settings.get("jit") == "on":
        yield _found("jit", "on: short queries are compiled for longer than they run", "off")


def _memory(snapshot: Snapshot, memory_bytes: int) -> Iterator[Found]:
    buffers, cache = snapshot.number("shared_buffers"), snapshot.number("effective_cache_size")
    good = formulas.shared_buffers_bytes(memory_bytes)
    if buffers and not good / FAR <= buffers <= good * FAR:
        text = f"{size(buffers)}, of {size(memory_bytes)} memory; a quarter is {size(good)}"
        yield _found("shared_buffers", text, f"{good / 1024**2:.0f}MB")
    good_cache = formulas.effective_cache_bytes(memory_bytes)
    if cache and cache < good_cache / FAR:
        text = f"{size(cache)}, of {size(memory_bytes)} memory; three quarters are {size(good_cache)}"
        yield _found("effective_cache_size", text, f"{good_cache / 1024**2:.0f}MB")
    processes = snapshot.number("max_connections", 100.0) + snapshot.number("max_worker_processes", 8.0)
    work = formulas.work_mem_bytes(memory_bytes, buffers, processes)
    if snapshot.number("work_mem") > FAR_WORK_MEM * work:
        text = f"{size(snapshot.number('work_mem'))} for each sort of each connection; all at once have {size(work)}"
        yield _found("work_mem", text, f"{work / 1024:.0f}kB")


def _found(name: str, text: str, value: str) -> Found:
    return Found(Outcome.WARN, f"{name} is {text}", name, (f"ALTER SYSTEM SET {name} = '{value}'", _RELOAD))
