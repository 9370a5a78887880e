"""What a failover is decided by: both servers and PgBouncer as they are now."""

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Address:
    host: str
    port: str

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Replica:
    """The server that is to be the primary. Positions are bytes of the write-ahead log since its beginning.

    ``received``, ``replayed`` and ``heard`` are None where it is a replica no more; ``heard`` is how long ago the
    primary last sent something, None where no receiver runs. ``last_commit_at`` is when the newest transaction
    that is here was committed on the primary, None where none was replayed since the start. ``timeline`` counts
    promotions.
    """

    is_in_recovery: bool
    system: int
    timeline: int | None
    received: int | None
    replayed: int | None
    last_commit_at: datetime | None
    heard: timedelta | None
    asked_at: datetime
    may_promote: bool


@dataclass(frozen=True, slots=True)
class Primary:
    """The server that PgBouncer goes to now, as it answered.

    ``next_transaction`` is the id that the next writing transaction gets: while it stands still, nothing is written.
    """

    is_in_recovery: bool
    system: int
    timeline: int | None
    flushed: int | None
    next_transaction: int | None


@dataclass(frozen=True, slots=True)
class PooledDatabase:
    """A database of PgBouncer, as clients name it."""

    name: str
    database: str
    address: Address
    is_paused: bool


@dataclass(frozen=True, slots=True)
class Facts:
    """``primary`` is None where it did not answer, with the reason in ``silence``.

    ``alive`` says that it turned the caller away: a server that answers so lives.
    """

    replica: Replica
    target: Address
    databases: tuple[PooledDatabase, ...]
    primary: Primary | None
    silence: str = ""
    alive: bool = False

    @property
    def old(self) -> Address | None:
        """Where PgBouncer still goes; None once all of it goes to the target."""
        return next((one.address for one in self.databases if one.address != self.target), None)
