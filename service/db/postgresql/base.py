"""Django's PostgreSQL backend, and nothing begins for a request whose deadline has passed (service/front/deadline.py).

The deadline ends with the wait for a connection: a request that has one finishes what it does, or it could not
be said that nothing was done. The server is not told of the deadline: a ``statement_timeout`` for each request would
be one more round trip for each, since PgBouncer in transaction mode keeps no settings. The role's is the bound.
"""

from typing import Any

from django.db.backends.postgresql import base
from django.db.backends.postgresql.psycopg_any import IsolationLevel

from service.front import deadline


class DatabaseWrapper(base.DatabaseWrapper):
    """Waits for a connection of the pool no longer than the request has left."""

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        deadline.check()
        left_s = deadline.left_s()
        if self.pool is None or left_s >= self.pool.timeout:
            return super().get_new_connection(conn_params)
        # As Django does, which gives the pool no other timeout than its own.
        self.isolation_level = IsolationLevel.READ_COMMITTED
        self.pool.open()
        return self.pool.getconn(timeout=left_s)
