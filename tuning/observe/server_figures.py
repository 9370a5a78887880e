"""A server's settings as they are, and what it counted: data alone, so that who sizes by them is pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of pg_settings; ``value`` is in bytes or milliseconds where it has such a unit, ``text`` as SHOW says it.

    ``context`` ``postmaster`` needs a restart. ``source`` tells where the value comes from.
    """

    value: str | float
    text: str
    context: str
    source: str
    is_pending: bool = False


@dataclass(frozen=True, slots=True)
class Counters:
    """What happened in ``seconds``: of all databases together; None where the server has no such counter."""

    seconds: float
    commits: float = 0.0
    temp_files: float = 0.0
    temp_bytes: float = 0.0
    blocks_hit: float = 0.0
    blocks_read: float = 0.0
    deadlocks: float = 0.0
    workers_wanted: float | None = None
    workers_launched: float | None = None
    snapshot_conflicts: float = 0.0


@dataclass(frozen=True, slots=True)
class Wal:
    """The write-ahead log in ``seconds``; flushes are None where they are not counted, ``flush_ms`` where not timed."""

    seconds: float
    bytes: float
    full_page_images: float | None = None
    buffers_full: float | None = None
    flushes: float | None = None
    flush_ms: float | None = None
    commits: float | None = None
    """Transactions that ended in the same time; None where that is not known."""


@dataclass(frozen=True, slots=True)
class Checkpoints:
    seconds: float
    timed: float
    requested: float


@dataclass(frozen=True, slots=True)
class Jit:
    """Milliseconds of statements that were compiled, and of compiling them; ``compiled`` counts functions."""

    compiled: float
    compile_ms: float
    execute_ms: float


@dataclass(frozen=True, slots=True)
class Vacuum:
    """Workers of autovacuum that run, and tables of the database that are due for one."""

    running: int
    due: int


@dataclass(frozen=True, slots=True)
class ServerFigures:
    """One server; each part is None where it could not be read, and ``unreadable`` says why."""

    version: int
    is_replica: bool
    settings: Mapping[str, Setting]
    counters: Counters | None = None
    wal: Wal | None = None
    checkpoints: Checkpoints | None = None
    jit: Jit | None = None
    vacuum: Vacuum | None = None
    databases_bytes: float | None = None
    largest_table_bytes: float | None = None
    connections: int | None = None
    idle_in_transaction_s: float | None = None
    """The oldest session that is idle in a transaction now; 0 where none is."""
    clock_ns: float | None = None
    """What one reading of the server's clock costs at most."""
    has_statements_extension: bool | None = None
    """Whether pg_stat_statements can be loaded here."""
    data_directory: str = ""
    unreadable: Mapping[str, str] = field(default_factory=dict)
