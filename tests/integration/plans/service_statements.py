"""Statements that the service's functions run inside, which no capture sees: each as its function has it, with values.

``HEAD`` is put where the function has SELECT ... INTO or PERFORM. Names of variables are replaced by the values.
"""

import re
from typing import NamedTuple

from tests.unit.command import ROOT

NOW = "timestamptz '2025-01-02 03:46:40'"
ORDER = "'00000000-0000-0000-0000-000000000014'::uuid"
NULL_LINES = "NULL::smallint[]"


class Inner(NamedTuple):
    function: str
    head: str
    text: str
    values: dict[str, str]

    @property
    def sql(self) -> str:
        """The statement as it is run, with values for the function's variables."""
        sql = re.sub(r"--.*", "", f"{self.head} {self.text}".strip())
        for name, value in self.values.items():
            sql = re.sub(rf"\b{re.escape(name)}(?!\w)", lambda _, value=value: value, sql)
        return " ".join(sql.split())

    def stands_in_its_function(self) -> bool:
        body = (ROOT / "sql/functions" / f"{self.function}.sql").read_text()
        return " ".join(self.text.split()) in " ".join(body.split())


INNER = (
    Inner(
        "stock_availability_v1",
        "",
        """SELECT s.product_id, sum(stock_free_units_v1(s))::bigint,
           -- Each row that is taken out of the pool counts as a change.
           sum(s.version + s.pooled - CASE WHEN s.pooled = 0 THEN 0 ELSE stock_pooled_units_v1(s.id) END)::bigint
      FROM product_stock AS s
     WHERE s.product_id = ANY (p_product_ids)
     GROUP BY s.product_id""",
        {"p_product_ids": "'{7, 42, 999999}'::bigint[]"},
    ),
    Inner(
        "expire_reservations_v1",
        "",
        """SELECT r.id FROM stock_reservation AS r
             WHERE r.status IN ('held', 'paying') AND r.expires_at <= v_now
             ORDER BY r.expires_at LIMIT p_limit
               FOR UPDATE SKIP LOCKED""",
        {"v_now": NOW, "p_limit": "500"},
    ),
    Inner(
        "stock_reclaim_v1",
        "",
        """SELECT r.id
              FROM stock_reservation AS r
              JOIN product_stock AS s ON s.id = r.product_stock_id
             WHERE r.status IN ('held', 'paying') AND r.expires_at <= v_now
               AND s.product_id = ANY (p_product_ids)
             ORDER BY r.expires_at
             LIMIT p_limit
               FOR UPDATE OF r SKIP LOCKED""",
        {"v_now": NOW, "p_limit": "100", "p_product_ids": "'{42}'::bigint[]"},
    ),
    Inner(
        "stock_lapse_v1",
        "",
        """SELECT r.id
              FROM stock_reservation AS r
              JOIN product_stock AS s ON s.id = r.product_stock_id
              JOIN product AS p ON p.id = s.product_id
             WHERE r.user_id = ANY (p_user_ids) AND s.product_id = ANY (p_product_ids) AND p.max_per_user IS NOT NULL
               AND r.status IN ('held', 'paying') AND r.expires_at <= clock_timestamp()
               FOR UPDATE OF r SKIP LOCKED""",
        {"p_user_ids": "'{77}'::bigint[]", "p_product_ids": "'{101}'::bigint[]"},
    ),
    Inner(
        "reserve_stock_v1",
        "SELECT r.order_id, r.request_hash, r.expires_at",
        """FROM stock_reservation AS r
             WHERE r.user_id = p_user_id AND hashtextextended(r.idempotency_key, 0) = hashtextextended(p_key, 0)
             LIMIT 1""",
        {"p_user_id": "77", "p_key": "'key-4000000'"},
    ),
    Inner(
        "reserve_stock_v1",
        "",
        """SELECT min(r.expires_at) FROM stock_reservation AS r
                          WHERE r.status IN ('held', 'paying')""",
        {},
    ),
    Inner(
        "stock_plan_v1",
        "",
        """SELECT candidate.product_id, candidate.stock_id,
           least(candidate.available, candidate.wanted - candidate.before)
      FROM (SELECT s.product_id, s.id AS stock_id, s.available, cart.quantity AS wanted,
                   coalesce(sum(s.available) OVER (
                       PARTITION BY s.product_id
                       ORDER BY s.available >= cart.quantity DESC, w.priority, s.id
                       ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0)::bigint AS before
              FROM unnest(p_product_ids, p_quantities) AS cart (product_id, quantity)
              JOIN product_stock AS s ON s.product_id = cart.product_id
              JOIN warehouse AS w ON w.id = s.warehouse_id
             WHERE s.available > 0) AS candidate
     WHERE candidate.before < candidate.wanted""",
        {"p_product_ids": "'{7, 9}'::bigint[]", "p_quantities": "'{2, 1}'::bigint[]"},
    ),
    Inner(
        "stock_order_state_v1",
        "SELECT 1",
        """FROM stock_reservation AS r
      WHERE r.order_id = p_order_id AND r.user_id = p_user_id AND (p_lines IS NULL OR r.line = ANY (p_lines))
      ORDER BY r.id FOR UPDATE""",
        {"p_order_id": ORDER, "p_user_id": "58381", "p_lines": NULL_LINES},
    ),
    Inner(
        "stock_offer_v1",
        "",
        """SELECT w.id, w.product_id, w.user_id, w.quantity FROM stock_waitlist AS w
         WHERE w.product_id = ANY (v_waiting) ORDER BY w.product_id, w.id LIMIT c_max_offers FOR UPDATE""",
        {"v_waiting": "'{42}'::bigint[]", "c_max_offers": "1000"},
    ),
    Inner(
        "outbox_take_v1",
        "",
        """SELECT o.id FROM stock_outbox AS o
         WHERE o.delivered_at IS NULL AND o.dead_at IS NULL AND o.next_attempt_at <= v_now
         ORDER BY o.next_attempt_at, o.id LIMIT p_limit
           FOR UPDATE SKIP LOCKED""",
        {"v_now": "timestamptz '2025-01-03'", "p_limit": "100"},
    ),
    Inner(
        "checkout_take_v1",
        "",
        """SELECT c.order_id FROM checkout AS c
         WHERE c.step IN ('authorising', 'confirming', 'voiding', 'releasing') AND c.next_attempt_at <= v_now
         ORDER BY c.next_attempt_at LIMIT p_limit
           FOR UPDATE SKIP LOCKED""",
        {"v_now": "timestamptz '2025-01-03'", "p_limit": "1"},
    ),
)
