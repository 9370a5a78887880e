"""What one run of the SQL benchmark is to measure, and what it measured."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from tuning.bench.growth import Grown
from tuning.bench.matrix import Case
from tuning.bench.overlap import Overlap
from tuning.bench.profiling import Profiled
from tuning.bench.refusal import WhileLocked
from tuning.bench.rounds import Row
from tuning.bench.sustained import BATCH, CLIENTS, Sustained
from tuning.observe.audit import InvariantResult


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be measured: the rows, and the parts beside them that were asked for."""

    cases: Sequence[Case] = ()
    rounds: int = 3
    seconds: int = 5
    sustained: int = 0
    batch: int = BATCH
    clients: int = CLIENTS
    growth: Sequence[int] = ()
    profile: bool = False
    overlap: bool = False


@dataclass(slots=True)
class Measured:
    """What was measured; a part that was not asked for is None or empty."""

    settings: dict[str, str] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    while_locked: WhileLocked | None = None
    sustained: Sustained | None = None
    growth: list[Grown] = field(default_factory=list)
    profile: Profiled | None = None
    overlap: Overlap | None = None
    audit: list[tuple[str, InvariantResult]] = field(default_factory=list)
    """Database and result."""
    notes: list[str] = field(default_factory=list)
