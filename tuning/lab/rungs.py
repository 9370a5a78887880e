"""The rungs of the ladder: the report's configuration, and each of its remedies as one named change.

Stacked, a rung is the profile before it with its change; alone, it is the baseline with its change. A change also
names what it cannot be without, so that it means the same in both: where that is there already, nothing changes.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tuning.stack.errors import StackError
from tuning.stack.profiles import REPORT, Profile

BASELINE = "baseline"
# The report's users wait as long as it takes; so the ladder measures queues, and no pool refuses (30 s is its most).
POOL_TIMEOUT_S = "30"
LOGIN_QUEUE = "10000"


@dataclass(frozen=True, slots=True)
class Change:
    """One remedy. ``service`` and ``parts`` are what it sets: ``HOTROW_*`` variables, and fields of the profile.

    ``remedy`` is its number in the report, None where the report has no such. ``moves`` says what it should change.
    """

    name: str
    says: str
    remedy: int | None
    moves: str
    service: Mapping[str, str] = field(default_factory=dict)
    parts: Mapping[str, Any] = field(default_factory=dict)

    def of(self, profile: Profile) -> Profile:
        """The profile with this change."""
        return replace(profile, name=self.name, service={**profile.service, **self.service}, **self.parts)


@dataclass(frozen=True, slots=True)
class Rung:
    """A profile to be measured, and the change that makes it."""

    change: Change
    profile: Profile

    @property
    def name(self) -> str:
        return self.change.name


# The report's list read without select_related, prefetch_related and paging: it names them as remedies.
_BASELINE = Change(
    BASELINE,
    "the report's configuration: 3 x 3 threads, a connection for each request, PBKDF2, no cache, N+1 queries",
    None,
    "what all others are compared with",
    {"QUERIES": "n_plus_one"},
    {"has_metrics": True},
)

CHANGES = (
    Change("gevent", "gevent workers of 1,000 connections", 1, "waiting for a worker", {"WORKER_CLASS": "gevent"}),
    Change(
        "workers",
        "2 x cores + 1 workers, none replaced after 1,200 requests",
        5,
        "use of the cores",
        {"WORKERS": str(2 * (os.cpu_count() or 1) + 1), "MAX_REQUESTS": "0"},
    ),
    Change(
        "hashing",
        "Argon2id instead of PBKDF2, in threads beside the hub",
        11,
        "logins, and all that waits behind them",
        {"HASHER": "argon2id", "LOGIN_QUEUE": LOGIN_QUEUE},
    ),
    Change("cache", "list and availability in Redis", 2, "reads", {"CACHE": "redis"}, {"has_redis": True}),
    Change(
        "pool",
        "a pool of connections in each process, statements end after 30 s",
        3,
        "time to connect, failures at the limit of connections",
        {"CONNECTION_MODE": "pool", "POOL_TIMEOUT_S": POOL_TIMEOUT_S},
        {"role_settings": {"statement_timeout": "30s"}},
    ),
    Change("pgbouncer", "PgBouncer with 8 servers", 3, "sessions in the database", parts={"has_pgbouncer": True}),
    Change("queries", "the list in one statement", 4, "a list that is not cached", {"QUERIES": "one_statement"}),
    Change("indexes", "all indexes", 6, "reads of old rows", parts={"migrate_to": {}}),
    Change("optimistic", "compare and set, three tries", 7, "reservations", {"STRATEGY": "optimistic"}),
    Change("conditional", "one conditional UPDATE", None, "reservations", {"STRATEGY": "conditional"}),
    Change("function", "one call of a function", None, "reservations", {"STRATEGY": "function"}, {"role": "app"}),
    Change(
        "batched",
        "reservations of a worker in batches",
        None,
        "reservations",
        {"STRATEGY": "batched"},
        {"role": "app"},
    ),
    Change(
        "replica",
        "list and availability on a replica",
        9,
        "reads that are not cached",
        parts={"has_replica": True},
    ),
    Change(
        "asynchronous",
        "a Celery worker delivers events, ends holds and pays",
        8,
        "nothing of these requests: the work is beside them",
        parts={"has_redis": True, "has_worker": True, "migrate_to": {}},
    ),
)
NAMES = (BASELINE, *(change.name for change in CHANGES))


def stacked() -> list[Rung]:
    """Each rung with all the changes before it."""
    rungs = [_first()]
    for change in CHANGES:
        rungs.append(Rung(change, change.of(rungs[-1].profile)))
    return rungs


def alone() -> list[Rung]:
    """The baseline, and each change upon it."""
    first = _first()
    return [first, *(Rung(change, change.of(first.profile)) for change in CHANGES)]


def chosen(rungs: Sequence[Rung], only: Sequence[str]) -> list[Rung]:
    """The rungs of these names in their own order; all where none is named.

    Raises:
        StackError: There is no rung of such a name.
    """
    for name in only:
        if name not in NAMES:
            raise StackError(f"--only {name}: choose of {', '.join(NAMES)}")
    return [rung for rung in rungs if not only or rung.name in only]


def slots(profile: Profile) -> int:
    """How many requests gunicorn takes at a time."""
    service = profile.service
    workers = int(service["WORKERS"]) or os.cpu_count() or 1
    each = {"gthread": int(service["THREADS"]), "gevent": int(service.get("WORKER_CONNECTIONS", "1000"))}
    return workers * each.get(service["WORKER_CLASS"], 1)


def _first() -> Rung:
    return Rung(_BASELINE, _BASELINE.of(REPORT))
