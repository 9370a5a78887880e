"""Every metric of the service: its name, what it says, and its labels. docs/howto/observe.md has the same table.

Counting once costs 1.4 us, a histogram 2.9 us: the files of all workers are written behind a lock. What
happens more often than once a request is counted in a plain number, which ``service/ops/collector.py``
copies here.
"""

import os

from prometheus_client import Counter, Gauge, Histogram, values

from service.metrics.slots import DIRECTORY, SLOT

if DIRECTORY in os.environ:
    # This is imported after the fork, when gunicorn has told the worker its slot; it is asked for at every count.
    _SLOT = int(os.environ.get(SLOT, "0"))
    values.ValueClass = values.MultiProcessValue(  # type: ignore[no-untyped-call]  # the library has no type there
        lambda: _SLOT
    )

# A kept answer takes under 1 ms, a reservation 1 to 20, one that waits for its batch up to the lane's
# patience of 5 s, and the pool's timeout is 2 s.
REQUEST_SECONDS = Histogram(
    "hotrow_http_request_seconds",
    "Time from the first middleware to the answer; its count is the number of requests.",
    ["method", "route", "status"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
REQUESTS_INSIDE = Gauge(
    "hotrow_requests_inside", "Requests behind the front door, that Django works on.", multiprocess_mode="livesum"
)
REQUESTS_REFUSED = Counter(
    "hotrow_requests_refused",
    "Requests that were not done: shed by the front door, expired in a queue, or abandoned by their client.",
    ["reason"],
)
RESERVATIONS = Counter("hotrow_reservations", "Reservations by what became of them.", ["outcome"])
DATABASE_ERRORS = Counter(
    "hotrow_database_errors",
    "Requests that the database failed, by the class of the SQLSTATE; none where there is no code.",
    ["sqlstate_class"],
)
LOGINS_REFUSED = Counter("hotrow_logins_refused", "Logins refused before a hash: which limit, or queue.", ["reason"])

# Lane: powers of about two up to the largest batch there is.
BATCH_REQUESTS = Histogram(
    "hotrow_lane_batch_requests",
    "Reservations in one statement.",
    buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500, 1000),
)
BATCH_SECONDS = Histogram(
    "hotrow_lane_batch_seconds",
    "Time that one batch was in the database.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
)
LANE_WAITING = Gauge("hotrow_lane_waiting_requests", "Reservations that wait for a batch.", multiprocess_mode="livesum")

POOL_CONNECTIONS = Gauge(
    "hotrow_pool_connections", "Connections of the pools by state.", ["alias", "state"], multiprocess_mode="livesum"
)
POOL_WAITING = Gauge(
    "hotrow_pool_waiting_requests", "Requests that wait for a connection.", ["alias"], multiprocess_mode="livesum"
)
POOL_REQUESTS = Counter("hotrow_pool_requests", "Connections asked for.", ["alias"])
POOL_QUEUED = Counter("hotrow_pool_queued_requests", "Connections that were waited for.", ["alias"])
POOL_WAIT_SECONDS = Counter("hotrow_pool_wait_seconds", "Time that all requests waited for one.", ["alias"])
POOL_ERRORS = Counter("hotrow_pool_errors", "Connections that were not given: timeout, or too many waiting.", ["alias"])

REPLICA_LAG = Gauge(
    "hotrow_replica_lag_seconds", "The most that the replica is behind, as a worker knows.", multiprocess_mode="livemax"
)
REPLICA_AWAY = Gauge(
    "hotrow_replica_away_workers", "Workers that do not read on the replica at the moment.", multiprocess_mode="livesum"
)

CACHE_ANSWERS = Counter("hotrow_cache_answers", "Answers by where they came from.", ["source"])
CACHE_BREAKER_OPEN = Gauge(
    "hotrow_cache_breaker_open_workers", "Workers that leave Redis alone at the moment.", multiprocess_mode="livesum"
)
HASHES_UNDER_WAY = Gauge(
    "hotrow_login_hashes_under_way", "Password hashes computed or waited for.", multiprocess_mode="livesum"
)
HASH_CPU_SECONDS = Counter("hotrow_login_hash_cpu_seconds", "Processor time of password hashes.")
WORKERS = Gauge("hotrow_workers", "Workers that live.", multiprocess_mode="livesum")
