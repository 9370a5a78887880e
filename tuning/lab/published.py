"""The figures and the predictions that the report itself gives, for the tables beside ours."""

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


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the report expects of one remedy.

    ``figure`` is one of a rung of the ladder, ``ratio`` what it becomes in times of what it was: at least so many
    where more is better, at most where less is. None where the report says nothing that can be measured here; then
    ``elsewhere`` says what the kit has.
    """

    remedy: int
    rung: str | None
    says: str
    figure: str | None = None
    ratio: float | None = None
    is_more: bool = True
    elsewhere: str = ""


# Ratios are those of the report's figures; of a range, the end that is easier to reach.
PREDICTIONS = (
    Prediction(1, "gevent", "120-160 req/s, three to four times as many", "requests_per_s", 3.0),
    Prediction(2, "cache", "300-400 req/s, seven to ten times as many", "requests_per_s", 7.0),
    Prediction(2, "cache", "the list from 17.7 to 0.05 s", "list_mean_ms", 0.05 / 17.7, is_more=False),
    Prediction(2, "cache", "availability from 19 to 0.1 s", "availability_mean_ms", 0.1 / 19, is_more=False),
    Prediction(3, "pool", "a reservation from 19.8 to 18.5 s", "reserve_mean_ms", 18.5 / 19.8, is_more=False),
    Prediction(3, "pgbouncer", "a reservation from 19.8 to 18.5 s", "reserve_mean_ms", 18.5 / 19.8, is_more=False),
    Prediction(4, "queries", "the list from 17.7 to 12 s without a cache", "list_mean_ms", 12 / 17.7, is_more=False),
    Prediction(5, "workers", "from 120 to 200 req/s", "requests_per_s", 200 / 120),
    Prediction(6, "indexes", "30 to 50 % less query time", "database_ms_per_request", 0.7, is_more=False),
    Prediction(7, "optimistic", "two to three times the reservations", "reservations_per_s", 2.0),
    Prediction(8, "asynchronous", "30 % less response time", "mean_ms", 0.7, is_more=False),
    Prediction(9, "replica", "half the read load", "primary_transactions_per_request", 0.5, is_more=False),
    Prediction(
        10,
        None,
        "a dashboard, the test again, a comparison",
        elsewhere="docs/howto/monitoring.md, `hotrow diagnose compare`",
    ),
    Prediction(
        11,
        "hashing",
        "JWT: a cache, another algorithm",
        elsewhere="a token is checked without a query; the cost of a login is its hash",
    ),
)
