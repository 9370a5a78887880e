"""Sessions, replicas and what else holds old rows, as a server sees them at one moment: data alone."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backend:
    """Ages are in seconds and None where there is nothing to be old; ``blockers`` are pids that it waits for.

    ``xmin_age`` counts the transactions since the oldest that it holds: a snapshot, or its own."""

    pid: int
    user: str
    application: str
    database: str
    kind: str
    state: str
    wait: str
    query: str
    session_age_s: float | None = None
    transaction_age_s: float | None = None
    query_age_s: float | None = None
    state_age_s: float | None = None
    waited_s: float | None = None
    xmin_age: int | None = None
    blockers: tuple[int, ...] = ()

    @property
    def is_client(self) -> bool:
        return self.kind == "client backend"

    def __str__(self) -> str:
        named = f" ({self.application})" if self.application else ""
        return f"pid {self.pid} of {self.user}{named}, {self.state or 'no state'}: {' '.join(self.query.split())[:80]}"


@dataclass(frozen=True, slots=True)
class Replica:
    name: str
    state: str
    xmin_age: int | None = None


@dataclass(frozen=True, slots=True)
class Slot:
    """Ages are counts of transactions; ``retained_bytes`` is the log that it keeps from being removed."""

    name: str
    kind: str
    is_active: bool
    xmin_age: int | None = None
    catalog_xmin_age: int | None = None
    retained_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Prepared:
    """A prepared transaction, which no session owns."""

    name: str
    user: str
    age_s: float
    xid_age: int


@dataclass(frozen=True, slots=True)
class Replication:
    replicas: tuple[Replica, ...] = ()
    slots: tuple[Slot, ...] = ()
    prepared: tuple[Prepared, ...] = ()

    @property
    def replica_count(self) -> int:
        """Replicas that stream, and physical slots whose replica is away just now."""
        away = sum(slot.kind == "physical" and not slot.is_active for slot in self.slots)
        return len(self.replicas) + away
