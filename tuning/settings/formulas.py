"""The formulas, once, for `hotrow settings` and for the rule server-settings of `hotrow advise`."""

import math

# pgtune, configurationSlice.js.
BUFFERS_SHARE, CACHE_SHARE = 0.25, 0.75
WORK_MEM_PARTS, MIN_WORK_MEM_BYTES = 3, 4 * 1024**2
MAINTENANCE_PARTS, MAX_MAINTENANCE_BYTES = 16, 2 * 1024**3
MAX_WAL_BYTES = 4 * 1024**3
SSD_PAGE_COST, DISK_PAGE_COST = 1.1, 4.0
SSD_IO_CONCURRENCY, DISK_IO_CONCURRENCY = 200, 2
MAX_PER_GATHER = 4
# Ours: the checkpointer is not hurried by a peak that is a fifth above what was measured.
WAL_HEADROOM = 1.2
# Ours: vacuum has an eighth of the memory at most, all of its workers together.
VACUUM_PARTS = 8


def shared_buffers_bytes(memory_bytes: float) -> float:
    """A quarter of the memory (PostgreSQL's manual, Resource Consumption, and pgtune)."""
    return BUFFERS_SHARE * memory_bytes


def effective_cache_bytes(memory_bytes: float) -> float:
    """What the server's buffers and the kernel's cache hold together (pgtune)."""
    return CACHE_SHARE * memory_bytes


def work_mem_bytes(memory_bytes: float, buffers_bytes: float, processes: float) -> float:
    """What each sort may have if all processes sort in three nodes at once (pgtune)."""
    return max(MIN_WORK_MEM_BYTES, (memory_bytes - buffers_bytes) / (max(processes, 1) * WORK_MEM_PARTS))


def maintenance_bytes(memory_bytes: float) -> float:
    """A sixteenth of the memory, 2 GB at most (pgtune)."""
    return min(memory_bytes / MAINTENANCE_PARTS, MAX_MAINTENANCE_BYTES)


def vacuum_bytes(memory_bytes: float, workers: float) -> float:
    """What each of autovacuum's workers may have."""
    return memory_bytes / VACUUM_PARTS / max(workers, 1)


def max_wal_bytes(wal_bytes_per_s: float, checkpoint_timeout_s: float, completion_target: float) -> float:
    """How large the log may become so that time begins the checkpoints, not size.

    One begins when max_wal_size / (1 + checkpoint_completion_target) was written since the last (xlog.c,
    CalculateCheckpointSegments).
    """
    return wal_bytes_per_s * checkpoint_timeout_s * (1 + completion_target) * WAL_HEADROOM


def per_gather(cores: int) -> int:
    """Half of the cores, 4 at most (pgtune)."""
    return min(math.ceil(cores / 2), MAX_PER_GATHER)


def servers_of_cores(cores: int) -> int:
    """Sessions that cores and one disk work on at a time (HikariCP's wiki, About Pool Sizing)."""
    return 2 * cores + 1


def servers_for(concurrency: float) -> int:
    """Servers for so many busy at a time on average, by Little's law, with room for chance.

    The square-root rule of staffing with beta = 2: load + 2 x sqrt(load) keeps those who wait rare (Halfin and Whitt,
    1981).
    """
    return max(1, math.ceil(concurrency + 2 * math.sqrt(concurrency)))
