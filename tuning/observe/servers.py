"""Read PostgreSQL's side of the connection chain: what it has room for, and what a role's sessions begin with."""

import psycopg

from tuning.observe.chain import Server

CONNECT_TIMEOUT_S = 5

# A role's own setting in a database goes before its setting everywhere, and that before the database's (ALTER ROLE).
_ROLE_SETTINGS = """
SELECT r.rolname, setting
  FROM pg_catalog.pg_roles AS r
  JOIN pg_catalog.pg_db_role_setting AS s ON s.setrole IN (r.oid, 0)
  LEFT JOIN pg_catalog.pg_database AS d ON d.oid = s.setdatabase
 CROSS JOIN LATERAL unnest(s.setconfig) AS setting
 WHERE r.rolname = ANY (%s) AND (s.setdatabase = 0 OR d.datname = pg_catalog.current_database())
 ORDER BY r.rolname, s.setrole <> 0, s.setdatabase <> 0
"""
# reserved_connections came with PostgreSQL 16.
_RESERVED = """
SELECT sum(setting::int)::int FROM pg_catalog.pg_settings
 WHERE name IN ('superuser_reserved_connections', 'reserved_connections')
"""
LIMITS = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
_DEFAULTS = """
SELECT name, CASE WHEN unit = 'ms' THEN reset_val || 'ms' ELSE reset_val END FROM pg_catalog.pg_settings
 WHERE name = ANY (%s) AND source NOT IN ('user', 'database user', 'session', 'client')
"""


def read(dsn: str, users: list[str]) -> Server:
    """Ask the server past the pooler, about the users that the project connects as.

    Raises:
        psycopg.Error: It does not answer.
    """
    with psycopg.connect(dsn, autocommit=True, prepare_threshold=None, connect_timeout=CONNECT_TIMEOUT_S) as connection:
        defaults: dict[str, str] = dict(connection.execute(_DEFAULTS, [[*LIMITS, "TimeZone"]]).fetchall())
        zone = str(defaults.pop("TimeZone", "") or _value(connection, "SHOW timezone"))
        settings: dict[str, dict[str, str]] = {user: {**defaults} for user in users}
        for user, text in connection.execute(_ROLE_SETTINGS, [users]):
            name, _, value = text.partition("=")
            settings[user]["timezone" if name.lower() == "timezone" else name] = value
        return Server(
            version=connection.info.server_version,
            max_connections=int(_value(connection, "SHOW max_connections")),
            reserved_connections=int(_value(connection, _RESERVED)),
            host=connection.info.host,
            port=str(connection.info.port),
            time_zone=zone,
            role_settings=settings,
        )


def _value(connection: psycopg.Connection, statement: str) -> str:
    row = connection.execute(statement).fetchone()
    assert row is not None
    return str(row[0])
