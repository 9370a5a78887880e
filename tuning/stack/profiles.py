"""Named configurations of the whole stack: which parts run, and how the service is set."""

import os
import re
from dataclasses import dataclass, field, replace

from tuning.stack.postgres import FILES

# The deployment's server has the same file.
POSTGRES_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    **dict(re.findall(r"^(\w+) = '(.*)'$", (FILES / "postgresql.conf").read_text(), re.MULTILINE)),
}

# PgBouncer's servers: what two to four cores and their disk work on at a time
# ((2 x cores) + 1 spindle, rounded up: HikariCP wiki, About Pool Sizing).
POOL_SIZE = 8
# Batches on the same rows wait for each other: two overlap the rows of one with the commit of the
# other, and more of them only wait (docs/adr/0010).
LANE_POOL_SIZE = 2


# A laboratory measures queues as they are: nobody is refused before they end, and no load balancer waits for a stop.
NO_DOOR = {"MAX_IN_FLIGHT": "0", "REQUEST_DEADLINE_S": "0", "DRAIN_S": "0"}
# The load logs in all its users from one address, and some of them at the same time.
NO_LOGIN_LIMITS = {"LOGINS_PER_ADDRESS": "0", "LOGINS_PER_ACCOUNT": "0"}


@dataclass(frozen=True, slots=True)
class Profile:
    """One configuration of the stack.

    ``role`` is the kind of role that the service connects as (sql/functions/grant_access).
    ``service`` holds ``HOTROW_*`` variables without their prefix. ``migrate_to`` names the last
    migration of an application where not all of them are wanted. ``role_settings`` are set on the
    service's role, because PgBouncer in transaction mode keeps no session settings.
    """

    name: str
    service: dict[str, str]
    role: str = "app"
    has_pgbouncer: bool = True
    pool_size: int = POOL_SIZE
    lane_pool_size: int = LANE_POOL_SIZE
    has_redis: bool = True
    has_replica: bool = True
    has_replica_reads: bool = True
    """Whether the service reads lists and availability on the replica."""
    has_web: bool = True
    has_metrics: bool = False
    """Whether the service serves /metrics, on an address of its own."""
    has_worker: bool = False
    """Whether a Celery worker, beat and a fake payment provider run; they need Redis."""
    migrate_to: dict[str, str] = field(default_factory=dict)
    role_settings: dict[str, str] = field(default_factory=dict)
    postgres_settings: dict[str, str] = field(default_factory=lambda: dict(POSTGRES_SETTINGS))


REPORT = Profile(
    name="report",
    service={
        "STRATEGY": "pessimistic",
        "CONNECTION_MODE": "per_request",
        "HASHER": "django",
        "CACHE": "none",
        "WORKER_CLASS": "gthread",
        "WORKERS": "3",
        "THREADS": "3",
        "MAX_REQUESTS": "1200",
        **NO_LOGIN_LIMITS,
        **NO_DOOR,
    },
    # Its strategy writes from Python.
    role="lab",
    has_pgbouncer=False,
    has_redis=False,
    has_replica=False,
    # The migrations behind this one build the indexes that the report recommends.
    migrate_to={"accounts": "0003_session_functions", "stock": "0003_functions"},
)

KIT = Profile(
    name="kit",
    service={
        "STRATEGY": "function",
        "CONNECTION_MODE": "pool",
        # The scenario's users have no think time and wait as long as it takes. At 1,000 of them and 400
        # requests/s the queue alone is 2.5 s: the default of 2 s would refuse most.
        "POOL_TIMEOUT_S": "15",
        "LOGIN_QUEUE": "1000",
        "HASHER": "argon2id",
        "CACHE": "redis",
        "WORKER_CLASS": "gevent",
        "WORKERS": str(os.cpu_count() or 1),
        **NO_LOGIN_LIMITS,
        **NO_DOOR,
    },
    # A waiter for the hot row gives up long before its client does; a lost client holds nothing.
    role_settings={
        "lock_timeout": "2s",
        "statement_timeout": "10s",
        "idle_in_transaction_session_timeout": "10s",
    },
)

# What the kit's is measured without: on two cores three more processes are part of every figure (ADR 21).
SHOP = replace(KIT, name="shop", has_worker=True)

PROFILES = {profile.name: profile for profile in (REPORT, KIT, SHOP)}
