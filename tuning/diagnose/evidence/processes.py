"""How much of the processors each group of processes used, and what the host had left."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tuning.diagnose.evidence.counters import growth, mean
from tuning.timeline import Sample

# The groups of the kit's own stack. GIL: a process of the interpreter runs Python on one core at a time.
WEB, POSTGRESQL, PGBOUNCER, REDIS, LOAD = "web", "postgresql", "pgbouncer", "redis", "load"


@dataclass(frozen=True, slots=True)
class Group:
    cores: float
    """Cores in use on average: CPU seconds a second."""
    busiest: float
    """Of its busiest process: at 1 a process of one thread, or of one interpreter, has no more."""
    processes: float


@dataclass(frozen=True, slots=True)
class Processors:
    seconds: float
    cores: int
    groups: Mapping[str, Group]
    idle: float | None
    """Shares of the host's time, 0 to 1; None where the host was not read."""
    steal: float | None
    iowait: float | None

    def group(self, name: str) -> Group | None:
        return self.groups.get(name)


def processors(samples: Sequence[Sample]) -> Processors | None:
    """Reduce PROCESSES; None with fewer than two samples."""
    if len(samples) < 2 or samples[-1].t <= samples[0].t:
        return None
    seconds = samples[-1].t - samples[0].t
    names = {name for sample in samples for name in sample.data.get("groups", {})}
    groups = {
        name: _group([each.data["groups"][name] for each in samples if name in each.data["groups"]], seconds)
        for name in sorted(names)
    }
    hosts = [sample.data["host"] for sample in samples if sample.data.get("host")]
    used = {
        key: growth([host["cpu_s"].get(key, 0.0) for host in hosts]) for key in (hosts[0]["cpu_s"] if hosts else ())
    }
    whole = sum(used.values())
    shares = {key: used.get(key, 0.0) / whole if whole else None for key in ("idle", "steal", "iowait")}
    cores = int(hosts[0].get("cores") or 1) if hosts else 1
    return Processors(seconds, cores, groups, shares["idle"], shares["steal"], shares["iowait"])


def _group(rows: Sequence[Mapping[str, float]], seconds: float) -> Group:
    busiest = growth([row.get("most_cpu_s", 0.0) for row in rows])
    return Group(
        cores=growth([row["cpu_s"] for row in rows]) / seconds,
        busiest=busiest / seconds,
        processes=mean(row.get("processes", 1) for row in rows),
    )
