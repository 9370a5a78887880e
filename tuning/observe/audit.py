"""Check that no unit was oversold or lost: the database with itself, and with what clients were told."""

import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import LiteralString, cast

import psycopg

# Each statement returns one row, in words, for every breach. The image that checks backups has the same file.
_FILE = Path(__file__).resolve().parents[2] / "postgres" / "invariants.sql"
INVARIANTS: dict[str, LiteralString] = {
    name: cast("LiteralString", statement.strip())
    for name, statement in re.findall(r"^-- invariant: (\w+)\n(.*?);$", _FILE.read_text(), re.MULTILINE | re.DOTALL)
}

# Too short to be felt, and long enough for a slot to come free.
_RETRY_S = 0.05
# PostgreSQL's words where there is no place for a session to be refused in: on a start there is no SQLSTATE to read.
_NO_PLACE = "too many clients already"
_RESERVATIONS = """
    SELECT r.idempotency_key, s.product_id, sum(r.quantity)::bigint
      FROM stock_reservation AS r JOIN product_stock AS s ON s.id = r.product_stock_id
     GROUP BY r.idempotency_key, s.product_id"""


@dataclass(frozen=True, slots=True)
class InvariantResult:
    """One invariant, the statement that checked it, and a sentence for each breach."""

    invariant: str
    statement: str
    violations: list[str]


@dataclass(frozen=True, slots=True)
class Violation:
    invariant: str
    detail: str


@dataclass(frozen=True, slots=True)
class Audit:
    """``reservations`` and ``units`` are what the database holds, ``acknowledged`` what clients were told."""

    violations: list[Violation]
    reservations: int
    units: int
    acknowledged: int
    unanswered: int


def check(conninfo: str) -> list[InvariantResult]:
    """Check every invariant in one read-only snapshot.

    Raises:
        psycopg.Error: The database does not answer, or has no stock tables.
    """
    with _snapshot(conninfo) as connection:
        return [
            InvariantResult(name, statement.strip(), [row[0] for row in connection.execute(statement)])
            for name, statement in INVARIANTS.items()
        ]


def repair(conninfo: str) -> list[int]:
    """Set drifted counters to what ledger and reservations say; returns the ids of their rows.

    Raises:
        psycopg.Error: The database does not answer, or the role is not the owner of the tables.
    """
    with psycopg.connect(conninfo, autocommit=True) as connection:
        return [row[0] for row in connection.execute("SELECT repair_stock_v1()")]


def audit(
    conninfo: str,
    acknowledged: dict[str, tuple[int, int]],
    unanswered: dict[str, tuple[int, int]],
    patience_s: float = 0.0,
) -> Audit:
    """Check every invariant in one snapshot.

    Args:
        conninfo: A connection that may read the stock tables.
        acknowledged: Key to product id and quantity of each reservation that a client was told of.
        unanswered: The same of those whose answer never came: they may stand or not.
        patience_s: For so long a place is waited for where sessions that are refused themselves have even those that
            are reserved.

    Raises:
        psycopg.Error: The database does not answer, has no place in time, or has no stock tables.
    """
    with _snapshot(conninfo, patience_s) as connection:
        violations = [
            Violation(name, row[0]) for name, statement in INVARIANTS.items() for row in connection.execute(statement)
        ]
        found = {key: (product_id, units) for key, product_id, units in connection.execute(_RESERVATIONS)}
    for key, asked in acknowledged.items():
        if found.get(key) != asked:
            violations.append(Violation("acknowledged_reservations_exist", f"{key}: told {asked}, is {found.get(key)}"))
    for key, made in found.items():
        if acknowledged.get(key, unanswered.get(key)) != made:
            violations.append(Violation("reservations_were_asked_for", f"{key}: {made} was not asked for"))
    return Audit(
        violations=violations,
        reservations=len(found),
        units=sum(units for _, units in found.values()),
        acknowledged=len(acknowledged),
        unanswered=len(unanswered),
    )


def _snapshot(conninfo: str, patience_s: float = 0.0) -> psycopg.Connection:
    deadline = time.monotonic() + patience_s
    while True:
        try:
            connection = psycopg.connect(conninfo)
            break
        except psycopg.OperationalError as error:
            if _NO_PLACE not in str(error) or time.monotonic() > deadline:
                raise
        time.sleep(_RETRY_S)
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    connection.read_only = True
    return connection
