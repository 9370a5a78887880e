"""What a rule looks at: the snapshot, what the application was seen to send, and how far counters can be trusted."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tuning.advisors.hot_loss import HotLoss, forecast
from tuning.explain.subject import Loop
from tuning.observe.relations import Table
from tuning.observe.snapshot import DAY_S, Snapshot

# pgdoctor: statistics younger than a week do not hold what runs once a week.
MIN_DAYS = 7.0


@dataclass(frozen=True, slots=True)
class Subject:
    """``loops`` is None without captures. ``updated`` has, by a table's bare name, the columns that UPDATEs set.

    ``min_days`` is how long statistics must have been gathered before a lack of use counts.
    """

    snapshot: Snapshot
    loops: tuple[Loop, ...] | None = None
    updated: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    min_days: float = MIN_DAYS

    @property
    def days(self) -> float:
        """How long the shortest of the statistics have been gathered."""
        ages = [replica.statistics_age_s for replica in self.snapshot.replicas_read]
        ages += [self.snapshot.database.statistics_age_s] if self.snapshot.database is not None else [0.0]
        return min(ages) / DAY_S

    @property
    def doubts(self) -> str:
        """Why nobody can say that something is not used; empty where one can."""
        reasons = []
        if self.days < self.min_days:
            reasons.append(f"statistics are {self.days:.1f} days old, and {self.min_days:g} are needed")
        if "replication" in self.snapshot.unreadable:
            reasons.append("whether replicas use it is unknown")
        present, were_read = self.snapshot.replication.replica_count, len(self.snapshot.replicas_read)
        if were_read < present:
            reasons.append(f"{present - were_read} of {present} replicas may use it: --replica")
        if self.snapshot.is_replica:
            reasons.append("this is a replica, and the primary may use it: give that as --dsn")
        return "; ".join(reasons)

    def hot_loss(self, table: Table, columns: frozenset[str]) -> HotLoss:
        """What an index on these columns would cost the table's updates."""
        updated = self.updated.get(table.bare_name)
        return forecast(table.name, columns, updated, table.updates, table.hot_updates, version=self.snapshot.version)
