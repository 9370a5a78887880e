"""A timeline reduced to figures that rules may conclude from: pure, one module for each source."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tuning import timeline as forms
from tuning.diagnose.evidence.cache import Redis, redis
from tuning.diagnose.evidence.pooler import Pool, pools
from tuning.diagnose.evidence.processes import Processors, processors
from tuning.diagnose.evidence.service import REQUESTS, Service, service
from tuning.diagnose.evidence.sessions import Sessions, sessions
from tuning.diagnose.evidence.tables import Statement, Table, statements, tables
from tuning.timeline import Sample, Timeline

# What a limit needs, and what is said where it was not seen.
UNSEEN = {
    "load": "the timeline has no processor time of the load generator",
    "web": "the timeline has no processor time of the service",
    "postgresql": "the timeline has no processor time of PostgreSQL",
    "sessions": "the timeline has no sessions of PostgreSQL",
    "tables": "the timeline has no counters of tables",
    "statements": "the timeline has no pg_stat_statements",
    "pools": "the timeline has no PgBouncer",
    "service": "the timeline has no metrics of the service",
    "redis": "the timeline has no Redis",
}
# The watcher's names for the sources of these.
_SOURCES = {
    "sessions": "activity",
    "tables": "database",
    "pools": "pooler",
    "load": "processes",
    "web": "processes",
    "postgresql": "processes",
}


@dataclass(frozen=True, slots=True)
class Evidence:
    """Each source is None where it was not watched, or too short to take differences."""

    seconds: float
    processors: Processors | None = None
    sessions: Sessions | None = None
    tables: tuple[Table, ...] | None = None
    statements: tuple[Statement, ...] | None = None
    pools: tuple[Pool, ...] | None = None
    service: Service | None = None
    redis: Redis | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    """What the timeline should have told and did not, a sentence each."""
    reasons: Mapping[str, str] = field(default_factory=dict)
    """By source, why it was not watched."""

    def lacks(self, need: str) -> bool:
        if need in ("load", "web", "postgresql"):
            return self.processors is None or self.processors.group(need) is None
        return getattr(self, need) is None

    def why(self, need: str) -> str:
        reason = self.reasons.get(need) or self.reasons.get(_SOURCES.get(need, ""))
        return f"{UNSEEN[need]}: {reason}" if reason else UNSEEN[need]


def reduce(timeline: Timeline) -> Evidence:
    """Take the figures of the time in which the service was asked, or of the whole where that is not known."""
    begun, ended = _asked(timeline)
    by_kind: dict[str, list[Sample]] = {kind: [] for kind in forms.KINDS}
    for sample in timeline.samples:
        is_always = sample.kind in (forms.STATEMENT, forms.STATEMENTS, forms.LOST)
        if is_always or begun <= sample.t <= ended:
            by_kind.setdefault(sample.kind, []).append(sample)
    sources = timeline.header.sources
    reasons = {source.name: source.reason for source in sources if source.reason and source.interval_s is None}
    partly = {source.name: source.reason for source in sources if source.reason and source.interval_s is not None}
    lost = {str(sample.data.get("source")): str(sample.data.get("reason")) for sample in by_kind[forms.LOST]}
    return Evidence(
        seconds=max(ended - begun, 0.0),
        processors=processors(by_kind[forms.PROCESSES]),
        sessions=sessions(by_kind[forms.ACTIVITY], by_kind[forms.STATEMENT]),
        tables=tables(by_kind[forms.DATABASE]),
        statements=statements(by_kind[forms.STATEMENTS]),
        pools=pools(by_kind[forms.POOLER]),
        service=service(by_kind[forms.SERVICE]),
        redis=redis(by_kind[forms.REDIS]),
        facts=timeline.header.facts,
        missing=(
            *timeline.notes,
            *(f"{name} was not watched: {reason}" for name, reason in reasons.items()),
            *(f"{name} was watched in part: {reason}" for name, reason in partly.items()),
            *(f"{name} did not answer for a while: {reason}" for name, reason in lost.items()),
            *(() if timeline.samples else ("the timeline has no sample",)),
        ),
        reasons=lost | reasons,
    )


def _asked(timeline: Timeline) -> tuple[float, float]:
    """From the first request to the last, as far as answers or sessions of the database tell of them.

    Answers alone would leave out a stall at the beginning: who waits for a lock has none.
    """
    whole = (timeline.samples[0].t, timeline.samples[-1].t) if timeline.samples else (0.0, 0.0)
    totals = [(sample.t, float(sample.data.get("requests", 0))) for sample in timeline.of(forms.LOAD)] or [
        (sample.t, _answers(sample.data["values"])) for sample in timeline.of(forms.SERVICE)
    ]
    if len(totals) < 2 or totals[-1][1] <= totals[0][1]:
        return whole
    busy = [sample.t for sample in timeline.of(forms.ACTIVITY) if sample.data["sessions"]]
    begun = min([max(t for t, value in totals if value <= totals[0][1]), *busy])
    ended = max([min(t for t, value in totals if value >= totals[-1][1]), *busy])
    return (begun, ended) if ended > begun else whole


def _answers(values: Mapping[str, float]) -> float:
    return sum(
        float(value) for name, value in values.items() if name.startswith(f"{REQUESTS}_count") and "readyz" not in name
    )
