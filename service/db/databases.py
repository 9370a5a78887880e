"""Turn the environment into Django's ``DATABASES``."""

from typing import Any

from psycopg.conninfo import conninfo_to_dict

from service.config.environment import ConnectionMode, Environment
from service.db.router import LANE, REPLICA

# Django's, with an eye on the deadline of the request at hand.
ENGINE = "service.db.postgresql"
# Recycled often enough to follow a failover, seldom enough not to be seen in a profile.
PERSISTENT_MAX_AGE_S = 600
# A host that is gone answers nothing: the next try, at another address perhaps, is to come soon.
CONNECT_TIMEOUT_S = 3
# The pool doubles the pause between its tries up to this. With its default of five minutes the service was away for up
# to half as long again as the database; after it, the next request tries at once.
RECONNECT_TIMEOUT_S = 2.0
# A replica that takes longer is left to its own: the primary knows as much. libpq waits no shorter than this
# for a connection, and a pool for one of its own so long.
REPLICA_CONNECT_TIMEOUT_S = 2
REPLICA_POOL_TIMEOUT_S = 0.5
# Beyond this a request would wait longer than the pool's timeout: refuse it at once.
WAITING_PER_CONNECTION = 100

_DJANGO_NAMES = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}


def databases(env: Environment) -> dict[str, dict[str, Any]]:
    """Build ``DATABASES``: ``default``, ``lane`` for the batches of the hot rows, ``replica`` where there is one."""
    lane = env.lane_database_url or env.database_url
    entries = {
        "default": database(env, env.database_url.get_secret_value(), env.pool_size),
        LANE: _lane(env, lane.get_secret_value()),
    }
    if env.replica_url is not None:
        entries[REPLICA] = _replica(env, env.replica_url.get_secret_value())
    return entries


def _lane(env: Environment, url: str) -> dict[str, Any]:
    """One connection that stays open; a batch that finds it dead is sent again with the same keys."""
    entry = database(env, url, pool_size=1)
    entry["OPTIONS"].pop("pool", None)
    # The requests of a batch have deadlines of their own, which the lane looks at.
    entry["ENGINE"] = "django.db.backends.postgresql"
    return {**entry, "CONN_MAX_AGE": None, "CONN_HEALTH_CHECKS": False}


def _replica(env: Environment, url: str) -> dict[str, Any]:
    """As the primary, but nobody waits long for it."""
    entry = database(env, url, env.pool_size)
    entry["ENGINE"] = "service.db.bounded_postgresql"
    entry["OPTIONS"]["connect_timeout"] = REPLICA_CONNECT_TIMEOUT_S
    if env.connection_mode is ConnectionMode.PERSISTENT:
        # A check that fails would be followed by a new connection, and its timeout; a read that fails is not.
        entry["CONN_HEALTH_CHECKS"] = False
    if "pool" in entry["OPTIONS"]:
        entry["OPTIONS"]["pool"]["timeout"] = REPLICA_POOL_TIMEOUT_S
    return entry


def database(env: Environment, url: str, pool_size: int) -> dict[str, Any]:
    """Build one entry for the connection mode of ``env``.

    Server-side cursors are off in every mode: PgBouncer may hand the next statement to another
    server connection.

    Raises:
        psycopg.ProgrammingError: ``url`` is no libpq connection string.
    """
    given = conninfo_to_dict(url)
    entry: dict[str, Any] = {
        "ENGINE": ENGINE,
        "CONN_MAX_AGE": 0,
        "CONN_HEALTH_CHECKS": env.connection_mode is not ConnectionMode.PER_REQUEST,
        "DISABLE_SERVER_SIDE_CURSORS": True,
    }
    entry |= {_DJANGO_NAMES[name]: value for name, value in given.items() if name in _DJANGO_NAMES}
    options: dict[str, Any] = {name: value for name, value in given.items() if name not in _DJANGO_NAMES}
    options.setdefault("connect_timeout", CONNECT_TIMEOUT_S)
    if env.connection_mode is ConnectionMode.PERSISTENT:
        entry["CONN_MAX_AGE"] = PERSISTENT_MAX_AGE_S
    if env.connection_mode is ConnectionMode.POOL:
        options["pool"] = {
            "min_size": min(2, pool_size),
            "max_size": pool_size,
            "timeout": env.pool_timeout_s,
            "max_waiting": WAITING_PER_CONNECTION * pool_size,
            "reconnect_timeout": RECONNECT_TIMEOUT_S,
        }
    entry["OPTIONS"] = options
    return entry
