"""The benchmark's stack: PostgreSQL sized for this machine, durable, and nothing that is not measured."""

from dataclasses import dataclass

from tuning.stack.profiles import POSTGRES_SETTINGS, Profile

# A quarter of the memory (PostgreSQL documentation, 19.4.1).
SHARED_BUFFERS_SHARE = 0.25
MIB = 2**20
GIB = 2**30
# More than a sustained run writes between two checkpoints that the clock asks for.
MAX_WAL_BYTES = 24 * GIB
# WAL may take this share of what is free: data and inputs need the rest.
WAL_SHARE = 0.25
MIN_WAL_BYTES = 1 * GIB


@dataclass(frozen=True, slots=True)
class Room:
    """What the machine has, in bytes."""

    memory_bytes: int
    free_disk_bytes: int


def postgres_settings(room: Room) -> dict[str, str]:
    """Settings of the server under test; what is promised to clients (fsync, synchronous_commit) is on."""
    wal = max(MIN_WAL_BYTES, min(MAX_WAL_BYTES, int(room.free_disk_bytes * WAL_SHARE)))
    return {
        **POSTGRES_SETTINGS,
        "fsync": "on",
        "synchronous_commit": "on",
        "full_page_writes": "on",
        "shared_buffers": f"{int(room.memory_bytes * SHARED_BUFFERS_SHARE) // MIB}MB",
        "max_wal_size": f"{wal // MIB}MB",
        "checkpoint_timeout": "30min",
        "wal_buffers": "64MB",
    }


def profile(room: Room, *, has_pgbouncer: bool) -> Profile:
    """The stack without replica, Redis and web; no limit of the role cuts a slow baseline short."""
    return Profile(
        name="bench",
        role="lab",
        service={"STRATEGY": "function", "CONNECTION_MODE": "per_request", "CACHE": "none"},
        has_pgbouncer=has_pgbouncer,
        has_redis=False,
        has_replica=False,
        has_web=False,
        postgres_settings=postgres_settings(room),
    )
