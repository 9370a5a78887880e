"""Which rows are measured: the full matrix, a quick one, or exactly what was asked for."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import product

# One statement for each trip, or one call; buckets and units change the product, not the call.
SINGLE = ("pessimistic", "optimistic", "conditional", "function", "buckets", "units", "neveroversell")
# The function as `function` calls it, but with the row locked until its commit is on disk (ADR 18).
HELD = "one_transaction"
# A call that commits and reserves nothing: what no single call can exceed, however little it did.
NOTHING = "commit_alone"
STRATEGIES = (*SINGLE, HELD, NOTHING, "batched")
PATHS = ("direct", "pgbouncer")
SCOPES = ("hot", "spread")
# Modes of one product: they would need a thousand products converted, and relieve what is not hot.
HOT_ONLY = ("buckets", "units")
CLIENTS = (1, 4, 16, 50)
MANY = 50
FEW = 4
# Batch size, and with how many clients: fifty of the large ones would only queue.
BATCHES = {10: (4, 50), 50: (4, 50), 200: (1, 4, 16, 50), 1_000: (1, 4, 16), 8_000: (1, 4)}
DEFAULT_BATCH = 1_000


@dataclass(frozen=True, slots=True)
class Case:
    """One row of the table. ``batch`` is in requests, 0 for single calls; ``refused`` is a sold-out product."""

    strategy: str
    clients: int
    batch: int = 0
    path: str = "direct"
    scope: str = "hot"
    synchronous_commit: str = "on"
    refused: bool = False

    @property
    def title(self) -> str:
        """The row in words."""
        words = [self.strategy, f"{self.clients} client{'s' if self.clients > 1 else ''}", self.path, self.scope]
        words += [f"batch {self.batch:,}"] if self.batch else []
        words += ["synchronous_commit off"] if self.synchronous_commit == "off" else []
        return ", ".join([*words, "sold out"] if self.refused else words)


def full() -> list[Case]:
    """The default: about 60 rows, each cheap way on every number of clients, the rest where it tells most."""
    rows = [Case(strategy, clients) for strategy in SINGLE for clients in CLIENTS]
    rows += [Case("batched", clients, size) for size, several in BATCHES.items() for clients in several]
    rows += [Case(name, MANY, path="pgbouncer") for name in SINGLE if name not in ("optimistic", "conditional")]
    rows += [Case(name, MANY, path=path) for name in (HELD, NOTHING) for path in PATHS]
    rows += [Case("batched", MANY, 200, path="pgbouncer")]
    rows += [Case(name, clients, scope="spread") for name in ("pessimistic", "function") for clients in (FEW, MANY)]
    rows += [Case("neveroversell", MANY, scope="spread"), Case("batched", FEW, 200, scope="spread")]
    rows += [Case(name, MANY, synchronous_commit="off") for name in ("pessimistic", "function")]
    rows += [Case("batched", FEW, DEFAULT_BATCH, synchronous_commit="off")]
    return rows + [Case("function", clients, refused=True) for clients in (FEW, MANY)]


def quick() -> list[Case]:
    """A dozen rows: each strategy once on one hot row, and the two that the targets compare at fifty clients."""
    rows = [Case(strategy, FEW) for strategy in SINGLE]
    rows += [Case("batched", FEW, 200), Case("batched", FEW, DEFAULT_BATCH)]
    rows += [Case("pessimistic", MANY), Case("function", MANY)]
    return [*rows, Case("function", FEW, refused=True)]


def exact(clients: Sequence[int], batches: Sequence[int], paths: Sequence[str], scopes: Sequence[str]) -> list[Case]:
    """Every combination of what is given; what is not given has one value: 4, 1,000, direct, hot."""
    found = []
    for number, path, scope in product(clients or (FEW,), paths or ("direct",), scopes or ("hot",)):
        found += [
            Case(strategy, number, path=path, scope=scope)
            for strategy in (*SINGLE, HELD, NOTHING)
            if scope == "hot" or strategy not in HOT_ONLY
        ]
        found += [Case("batched", number, size, path=path, scope=scope) for size in batches or (DEFAULT_BATCH,)]
    return found


def of(cases: Sequence[Case], strategies: Collection[str], *, has_pgbouncer: bool) -> list[Case]:
    """The rows of these strategies that can be measured here, each once."""
    return [
        case
        for case in dict.fromkeys(cases)
        if case.strategy in strategies and (has_pgbouncer or case.path != "pgbouncer")
    ]


def rotated(cases: Sequence[Case], number: int, rounds: int) -> list[Case]:
    """The order of one round (the first is 0): no row is always measured right after the same start."""
    start = number * len(cases) // max(rounds, 1)
    return [*cases[start:], *cases[:start]]


def rotated_numbers(count: int, number: int) -> list[int]:
    """0 to ``count`` - 1, beginning one later in each round."""
    return [(number + position) % count for position in range(count)]
