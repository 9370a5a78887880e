"""Give a connection back to its pool before slow work that needs none, and end the pools with their process.

Django holds the connection of a request from its first query to its end. In mode ``pool`` a request
that then computes or waits keeps one from others; the next query takes one again.
"""

from django.db import DEFAULT_DB_ALIAS, connections


def give_back(alias: str = DEFAULT_DB_ALIAS) -> None:
    """Return this request's connection to the process's pool; in other modes, or in a transaction, nothing."""
    connection = connections[alias]
    if "pool" in connection.settings_dict["OPTIONS"] and not connection.in_atomic_block:
        connection.close()


def close_pools() -> None:
    """Close the pools of this process, and the connections of this thread."""
    for alias in connections:
        connections[alias].close()
        connections[alias].close_pool()  # type: ignore[attr-defined]  # of the PostgreSQL backend
