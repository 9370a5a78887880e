"""What advice is computed from, and one piece of advice."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from tuning.contract import Outcome
from tuning.diagnose.evidence import Evidence
from tuning.diagnose.evidence.pooler import Pool
from tuning.observe.chain import Pooler, Workers
from tuning.observe.server_figures import Counters, ServerFigures, Setting, Wal

RELOAD, RESTART, BY_HAND = "reload", "restart", "by hand"
# pgdoctor, as for `hotrow advise`: younger counters do not hold what runs once a week.
MIN_DAYS = 7.0
DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine that a product runs on; what is None is not known, and ``reasons`` says why."""

    memory_bytes: float | None = None
    cores: int | None = None
    storage: str | None = None
    """``ssd`` or ``hdd``."""
    reasons: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Facts:
    """``server``, ``pooler`` and ``workers`` are None where they were not given.

    ``pools`` were measured over ``pools_seconds``; ``pool_count`` is how many servers all pools may open together.
    ``evidence`` is that of a timeline. ``limits`` are the service's own, HOTROW_* without the prefix.
    """

    server: ServerFigures
    machine: Machine = field(default_factory=Machine)
    pooler: Pooler | None = None
    pools: tuple[Pool, ...] | None = None
    pools_seconds: float = 0.0
    pool_servers: int | None = None
    workers: Workers | None = None
    web_cores: int | None = None
    limits: Mapping[str, str] = field(default_factory=dict)
    evidence: Evidence | None = None
    recorded: "Recorded | None" = None
    min_days: float = MIN_DAYS

    def setting(self, name: str) -> Setting | None:
        return self.server.settings.get(name)

    def number(self, name: str) -> float:
        found = self.server.settings.get(name)
        return found.value if found is not None and isinstance(found.value, float) else 0.0

    def text(self, name: str) -> str:
        found = self.server.settings.get(name)
        return found.text if found is not None else ""

    def with_value(self, name: str, value: str | float) -> "Facts":
        """As if the setting had this value: what depends on it is computed for what will be."""
        found = self.server.settings[name]
        changed = {**self.server.settings, name: replace(found, value=value)}
        return replace(self, server=replace(self.server, settings=changed))

    @property
    def counters(self) -> Counters | None:
        """Those of the timeline where there is one, else the server's own."""
        recorded = self.recorded.counters if self.recorded is not None else None
        return recorded or self.server.counters

    @property
    def wal(self) -> Wal | None:
        recorded = self.recorded.wal if self.recorded is not None else None
        return recorded or self.server.wal

    def too_young(self, seconds: float, *, is_recorded: bool | None = None) -> str:
        """Why counters are no evidence yet; empty where they are. What a timeline recorded was meant to be typical.

        ``is_recorded`` is None for what no timeline has.
        """
        if is_recorded or seconds >= self.min_days * DAY_S:
            return ""
        return f"counters are {seconds / DAY_S:.1f} days old, and {self.min_days:g} are needed: --since-days" + (
            ", or a timeline of a typical load with --timeline" if is_recorded is not None else ""
        )


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a timeline counted: ``seconds`` from its first sample of the server to its last."""

    seconds: float
    counters: Counters | None = None
    wal: Wal | None = None
    active: float | None = None
    """Sessions in a statement at a time, on average."""


@dataclass(frozen=True, slots=True)
class Advice:
    """What is said of one setting.

    WARN and FAIL propose ``proposed`` by ``formula``, its numbers put in, because of ``evidence``; ``source`` says
    whose formula it is, ``how`` whether a reload takes it. OK and SKIP have only ``evidence``: why it stays, or what is
    not known. ``value`` is ``proposed`` as a number where one follows from it.
    """

    product: str
    name: str
    outcome: Outcome
    current: str
    evidence: str
    proposed: str = ""
    formula: str = ""
    source: str = ""
    how: str = ""
    value: str | float | None = None
    about: str = ""
    """The database of a pool."""
    ignored: str = ""

    @property
    def key(self) -> str:
        return "/".join(part for part in (self.product, self.about, self.name) if part)

    @property
    def is_proposed(self) -> bool:
        return self.outcome in (Outcome.WARN, Outcome.FAIL)
