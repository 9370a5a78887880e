"""Where the time of a batch goes: the plans of the statements inside, and the server's own totals."""

import re
from dataclasses import dataclass
from typing import Any

import psycopg

from tuning.bench import inputs
from tuning.bench.pgbench import Load
from tuning.bench.rig import Rig
from tuning.bench.shop import Shop

BATCH = 1_000
CLIENTS = 4
SECONDS = 5
TOP = 12
_CALL = (
    "SELECT count(*) FROM bench.inp, LATERAL reserve_stock_many_v1(o, u, k, p, q, 900) AS r"
    " WHERE id = (SELECT nextval('bench.inp_seq')) AND r.outcome = 'reserved'"
)
_EXPLAIN = {
    "log_min_duration": "0",
    "log_analyze": "on",
    "log_buffers": "on",
    "log_wal": "on",
    "log_nested_statements": "on",
    "log_level": "notice",
}
_STATEMENTS = """
    SELECT regexp_replace(query, '\\s+', ' ', 'g') AS statement, calls, round(total_exec_time::numeric, 1)::float8
           AS total_ms, rows, wal_bytes::bigint AS wal_bytes, shared_blks_hit AS blocks_hit,
           shared_blks_read AS blocks_read
      FROM pg_stat_statements
     WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND query NOT LIKE '%%pg_stat%%'
     ORDER BY total_exec_time DESC LIMIT %s"""
_PLAN = re.compile(r"duration: ([\d.]+) ms\s+plan:\nQuery Text: (.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Profiled:
    """``plans`` are of one batch, slowest first; ``statements`` of several seconds of them, nested ones too."""

    batch: int
    plans: list[dict[str, Any]]
    statements: list[dict[str, Any]]
    wal_bytes_per_reservation: float


def run(rig: Rig, shop: Shop) -> Profiled:
    """Explain one warm batch, then let four clients send batches and read pg_stat_statements."""
    product = shop.products("profile")
    with shop.connect() as connection:
        inputs.make(connection, product, run=rig.next_run(), batches=SECONDS * 300, size=BATCH)
        for _ in range(5):
            connection.execute(_CALL)
        plans = _explain(connection)
        connection.execute("SELECT pg_stat_statements_reset()")
        load = Load({"batched": 1}, CLIENTS, "prepared", seconds=SECONDS, settings={"pg_stat_statements.track": "all"})
        rig.pgbench(load, conninfo=rig.stack.superuser)
        cursor = connection.execute(_STATEMENTS, [TOP])
        names = [column.name for column in cursor.description or ()]
        statements = [dict(zip(names, row, strict=True)) for row in cursor]
    whole = next((each for each in statements if "reserve_stock_many_v1" in each["statement"]), None)
    per = whole["wal_bytes"] / (whole["calls"] * BATCH) if whole and whole["calls"] else 0.0
    return Profiled(BATCH, plans, statements, round(per, 1))


def _explain(connection: psycopg.Connection) -> list[dict[str, Any]]:
    """The plan of each statement of one batch, as auto_explain gives them."""
    notices: list[str] = []
    connection.execute("LOAD 'auto_explain'")
    for name, value in _EXPLAIN.items():
        connection.execute(f"SET auto_explain.{name} = '{value}'")
    connection.add_notice_handler(lambda notice: notices.append(notice.message_primary or ""))
    connection.execute(_CALL)
    connection.execute("SET auto_explain.log_min_duration = -1")
    matches = [match for notice in notices if (match := _PLAN.match(notice))]
    found = [{"ms": float(match[1]), "plan": match[2]} for match in matches]
    return sorted(found, key=lambda each: -float(each["ms"]))
