"""How fast Redis answered, and how much it was asked."""

from collections.abc import Sequence
from dataclasses import dataclass

from tuning.diagnose.evidence.counters import growth, median
from tuning.timeline import Sample


@dataclass(frozen=True, slots=True)
class Redis:
    seconds: float
    ping_s: float
    """The median."""
    operations: float
    cores: float

    @property
    def operations_per_s(self) -> float:
        return self.operations / self.seconds


def redis(samples: Sequence[Sample]) -> Redis | None:
    """Reduce REDIS; None with fewer than two samples."""
    if len(samples) < 2 or samples[-1].t <= samples[0].t:
        return None
    seconds = samples[-1].t - samples[0].t
    return Redis(
        seconds=seconds,
        ping_s=median(float(sample.data["ping_ms"]) / 1000 for sample in samples),
        # Each sample asks PING and INFO itself.
        operations=max(growth([float(sample.data["ops"]) for sample in samples]) - 2 * (len(samples) - 1), 0.0),
        cores=growth([float(sample.data.get("cpu_s") or 0.0) for sample in samples]) / seconds,
    )
