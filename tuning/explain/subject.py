"""What a rule looks at: one statement, its plan, and what else is known of both."""

from collections.abc import Mapping
from dataclasses import dataclass

from tuning.explain.node import Node
from tuning.explain.plan import Plan
from tuning.observe.statistics import TableStatistics

# pev2 and depesz colour a node from a tenth of the time on; what takes less is not what a statement waits for.
MIN_SHARE = 0.10
# Mine: blocks are the same from run to run, times are not.
MOST_BLOCKS = 0.5
# Mine: below a millisecond the round trip and the driver cost more than the plan.
MIN_MS = 1.0


@dataclass(frozen=True, slots=True)
class Repeats:
    """How one request asked the same again; ``same_values`` of its calls repeated values that it had asked for."""

    request: str
    route: str
    calls: int
    same_values: int
    callers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Loop:
    """A statement that requests of one route send again and again; figures are over the captured requests.

    ``pool_ms`` is how long connections were held between the first and the last of them in each request.
    """

    route: str
    caller: str
    sql: str
    fingerprint: str
    requests: int
    calls: int
    most_calls: int
    database_ms: float
    pool_ms: float


@dataclass(frozen=True, slots=True)
class Statement:
    """Calls of one shape: ``text`` is the shape, ``sql`` a real one of them; times are over all calls.

    ``repeats`` is None where the input does not tell requests apart.
    """

    fingerprint: str
    text: str
    sql: str
    route: str = ""
    calls: int = 1
    total_ms: float = 0.0
    callers: tuple[str, ...] = ()
    repeats: tuple[Repeats, ...] | None = None


@dataclass(frozen=True, slots=True)
class Subject:
    """``plan`` is the run that is kept, ``first`` the one before it; ``before`` a plan of an earlier day.

    ``tables`` goes by the name that the plan has, with its schema where it tells it; None without a server.
    """

    plan: Plan | None = None
    statement: Statement | None = None
    first: Plan | None = None
    before: Plan | None = None
    tables: Mapping[str, TableStatistics] | None = None

    @property
    def calls(self) -> int:
        return self.statement.calls if self.statement is not None else 1

    def statistics(self, node: Node) -> TableStatistics | None:
        if not self.tables or not node.relation:
            return None
        return self.tables.get(node.relation) or self.tables.get(node.relation.rpartition(".")[2])

    def matters(self, node: Node) -> bool:
        """Whether the node and what is below it take a part of the time that somebody could notice."""
        plan = self.plan
        is_short = plan is not None and plan.has_timing and plan.total_ms * self.calls < MIN_MS
        return self.is_notable(node) and not is_short

    def is_notable(self, node: Node) -> bool:
        """Whether it takes a part of the time that shows, or most of the blocks, however short the whole is.

        On a busy machine a Gather may wait so long for its workers that their work does not show in the time.
        """
        if self.plan is None or not self.plan.has_timing or self.plan.share(node) >= MIN_SHARE:
            return True
        touched = self.plan.touched_blocks
        return touched > 0 and node.blocks.touched >= MOST_BLOCKS * touched
