"""Check that no unit was oversold or lost: the database with itself, and with what clients were told."""

from dataclasses import dataclass

import psycopg

# Each statement returns one row, in words, for every breach.
INVARIANTS = {
    "counters_not_negative": """
        SELECT format('stock %s: available %s, held %s, sold %s', id, available, held, sold)
          FROM product_stock WHERE available < 0 OR held < 0 OR sold < 0""",
    "counters_equal_ledger": """
        SELECT format('stock %s: counters %s/%s/%s, ledger %s/%s/%s', s.id, s.available, s.held, s.sold,
                      coalesce(l.available, 0), coalesce(l.held, 0), coalesce(l.sold, 0))
          FROM product_stock AS s
          LEFT JOIN (SELECT product_stock_id, sum(delta_available) AS available, sum(delta_held) AS held,
                            sum(delta_sold) AS sold
                       FROM stock_transaction WHERE version IS NOT NULL GROUP BY product_stock_id) AS l
            ON l.product_stock_id = s.id
         WHERE (s.available, s.held, s.sold)
               <> (coalesce(l.available, 0), coalesce(l.held, 0), coalesce(l.sold, 0))""",
    "stocked_equals_available_held_sold": """
        SELECT format('product %s: %s stocked, %s accounted for', s.product_id, sum(coalesce(l.stocked, 0)),
                      sum(s.available + s.held + s.sold + coalesce(u.free, 0) + coalesce(r.pooled, 0)))
          FROM product_stock AS s
          LEFT JOIN (SELECT product_stock_id, sum(delta_available + delta_held + delta_sold) AS stocked
                       FROM stock_transaction WHERE kind IN ('restock', 'adjust', 'repair')
                      GROUP BY product_stock_id) AS l ON l.product_stock_id = s.id
          LEFT JOIN (SELECT product_stock_id, count(*) AS free FROM stock_unit GROUP BY product_stock_id) AS u
            ON u.product_stock_id = s.id
          LEFT JOIN (SELECT product_stock_id, sum(quantity) AS pooled FROM stock_reservation
                      WHERE is_pooled AND status IN ('held', 'paying') GROUP BY product_stock_id) AS r
            ON r.product_stock_id = s.id
         GROUP BY s.product_id
        HAVING sum(s.available + s.held + s.sold + coalesce(u.free, 0) + coalesce(r.pooled, 0))
               <> sum(coalesce(l.stocked, 0))""",
    "moves_cancel_out": """
        SELECT format('product %s: moves between its counters add up to %s', s.product_id, sum(t.delta_available))
          FROM stock_transaction AS t JOIN product_stock AS s ON s.id = t.product_stock_id
         WHERE t.kind = 'move' GROUP BY s.product_id HAVING sum(t.delta_available) <> 0""",
    "free_rows_equal_ledger": """
        SELECT format('stock %s: %s free rows, %s in the ledger', s.id, coalesce(u.free, 0), coalesce(l.free, 0))
          FROM product_stock AS s
          LEFT JOIN (SELECT product_stock_id, count(*) AS free FROM stock_unit GROUP BY product_stock_id) AS u
            ON u.product_stock_id = s.id
          LEFT JOIN (SELECT product_stock_id,
                            sum(CASE kind WHEN 'pool' THEN -delta_available ELSE delta_available END) AS free
                       FROM stock_transaction WHERE kind = 'pool' OR version IS NULL
                      GROUP BY product_stock_id) AS l ON l.product_stock_id = s.id
         WHERE coalesce(u.free, 0) <> coalesce(l.free, 0)""",
    "held_equals_open_reservations": """
        SELECT format('stock %s: %s held, %s in open reservations', s.id, s.held, coalesce(r.held, 0))
          FROM product_stock AS s
          LEFT JOIN (SELECT product_stock_id, sum(quantity) AS held
                       FROM stock_reservation WHERE status IN ('held', 'paying') AND NOT is_pooled
                      GROUP BY product_stock_id) AS r
            ON r.product_stock_id = s.id
         WHERE s.held <> coalesce(r.held, 0)""",
    "one_version_for_each_change": """
        SELECT format('stock %s: version %s after %s changes, %s of them distinct', s.id, s.version, l.changes,
                      l.versions)
          FROM product_stock AS s
          JOIN (SELECT product_stock_id, count(*) AS changes, count(DISTINCT version) AS versions,
                       max(version) AS newest
                  FROM stock_transaction WHERE version IS NOT NULL GROUP BY product_stock_id) AS l
            ON l.product_stock_id = s.id
         WHERE s.version <> l.changes OR l.versions <> l.changes OR l.newest <> s.version""",
    "ledger_row_equals_its_reservations": """
        SELECT format('ledger row %s of stock %s: %s units taken, %s in its reservations', t.id, t.product_stock_id,
                      t.delta_held, coalesce(r.units, 0))
          FROM stock_transaction AS t
          LEFT JOIN (SELECT transaction_id, product_stock_id, sum(quantity) AS units FROM stock_reservation
                      WHERE transaction_id IS NOT NULL GROUP BY transaction_id, product_stock_id) AS r
            ON r.transaction_id = t.id AND r.product_stock_id = t.product_stock_id
         WHERE t.kind = 'reserve' AND (t.reservation_id IS NULL OR r.units IS NOT NULL)
           AND t.delta_held <> coalesce(r.units, 0)""",
    # Two questions, not one with OR: that would compare every pair of a hot row.
    "every_reservation_is_in_the_ledger": """
        SELECT format('reservation %s of %s units is in no ledger row', r.id, r.quantity)
          FROM stock_reservation AS r
         WHERE NOT EXISTS (SELECT FROM stock_transaction AS t
                            WHERE t.kind = 'reserve' AND t.product_stock_id = r.product_stock_id
                              AND t.id = r.transaction_id)
           AND NOT EXISTS (SELECT FROM stock_transaction AS t
                            WHERE t.kind = 'reserve' AND t.product_stock_id = r.product_stock_id
                              AND t.reservation_id = r.id AND t.delta_held = r.quantity)""",
}

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


def audit(conninfo: str, acknowledged: dict[str, tuple[int, int]], unanswered: dict[str, tuple[int, int]]) -> Audit:
    """Check every invariant in one snapshot.

    Args:
        conninfo: A connection that may read the stock tables.
        acknowledged: Key to product id and quantity of each reservation that a client was told of.
        unanswered: The same of those whose answer never came: they may stand or not.
    """
    with _snapshot(conninfo) as connection:
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


def _snapshot(conninfo: str) -> psycopg.Connection:
    connection = psycopg.connect(conninfo)
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    connection.read_only = True
    return connection
