"""What a server says of the tables that a migration touches: data alone, so that who judges reaches no connection."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Session:
    """A session with an open transaction; ``mode`` is the lock it holds on the table it was asked about."""

    pid: int
    user: str
    application: str
    age_s: float
    state: str
    query: str
    mode: str = ""

    def __str__(self) -> str:
        named = f" ({self.application})" if self.application else ""
        doing = " ".join(self.query.split())[:60]
        return f"pid {self.pid} of {self.user}{named}, {self.state}, open for {self.age_s:.0f} s: {doing}"


@dataclass(frozen=True, slots=True)
class TableFacts:
    """``rows`` is the planner's estimate, never a count; a partitioned table's figures are its partitions' sum.

    ``writes_per_s`` was sampled now, ``average_writes_per_s`` is since the statistics were reset.
    ``not_null_columns`` are proven by NOT NULL or by a validated CHECK.
    """

    table: str
    exists: bool
    is_partitioned: bool = False
    rows: int = 0
    heap_bytes: int = 0
    index_bytes: int = 0
    toast_bytes: int = 0
    writes_per_s: float = 0.0
    average_writes_per_s: float = 0.0
    holders: tuple[Session, ...] = ()
    not_null_columns: frozenset[str] = frozenset()

    @property
    def total_bytes(self) -> int:
        return self.heap_bytes + self.index_bytes + self.toast_bytes


@dataclass(frozen=True, slots=True)
class ReplicaFacts:
    name: str
    state: str
    replay_lag_s: float
    replay_lag_bytes: int


@dataclass(frozen=True, slots=True)
class FunctionFacts:
    """``arguments`` are the types of the arguments that a call gives, ``result`` what comes back."""

    arguments: str
    result: str


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """``sees_sessions`` is False where the role may not read what other users' sessions do.

    ``statistics_age_s`` is how long averages have been gathered. ``tables`` and ``functions`` go by the name that was
    asked for; an index's name leads to its table.
    """

    version: int
    sampled_s: float
    sees_sessions: bool
    statistics_age_s: float = 0.0
    oldest: Session | None = None
    replicas: tuple[ReplicaFacts, ...] = ()
    tables: dict[str, TableFacts] = field(default_factory=dict)
    functions: dict[str, tuple[FunctionFacts, ...]] = field(default_factory=dict)

    @property
    def major(self) -> int:
        return self.version // 10000
