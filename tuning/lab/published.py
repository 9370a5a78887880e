"""The figures that the report itself gives, for the table beside ours."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Published:
    """One published run, times in milliseconds."""

    source: str
    requests_per_s: float
    mean_ms: float
    p95_ms: float
    failures: int
    reservations: int
    logins: int


# Scenario optimistic_1000_50 on the report's own hardware: 1,000 users, 50/s, 60 s.
REPORT = Published(
    source="the report, 1,000 users at 50/s for 60 s on its own hardware",
    requests_per_s=41.2,
    mean_ms=16_500,
    p95_ms=24_000,
    failures=0,
    reservations=144,
    logins=1_000,
)
