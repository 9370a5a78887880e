"""The audit finds what is wrong and nothing else: none, a fault, found, mended, none."""

import contextlib
import threading
import uuid

import psycopg
import pytest

from tests.integration.shop import Shop, call
from tuning.observe.audit import INVARIANTS, audit
from tuning.stack.stack import Stack

FAULTS = {
    "moves_cancel_out": (
        "INSERT INTO stock_transaction (product_stock_id, kind, delta_available, delta_held, delta_sold, version)"
        " SELECT id, 'move', 1, 0, 0, version + 1 FROM product_stock WHERE product_id = {product}"
    ),
    "free_rows_equal_ledger": (
        "INSERT INTO stock_unit (product_stock_id) SELECT id FROM product_stock WHERE product_id = {product}"
    ),
    "counters_equal_ledger": "UPDATE product_stock SET available = available - 1 WHERE product_id = {product}",
    "stocked_equals_available_held_sold": "UPDATE product_stock SET sold = sold + 1 WHERE product_id = {product}",
    "held_equals_open_reservations": (
        "UPDATE stock_reservation SET status = 'released' WHERE product_stock_id IN"
        " (SELECT id FROM product_stock WHERE product_id = {product})"
    ),
    "one_version_for_each_change": "UPDATE product_stock SET version = version + 1 WHERE product_id = {product}",
    "ledger_row_equals_its_reservations": (
        "UPDATE stock_reservation SET quantity = quantity + 1 WHERE product_stock_id IN"
        " (SELECT id FROM product_stock WHERE product_id = {product})"
    ),
    "every_reservation_is_in_the_ledger": (
        "DELETE FROM stock_transaction WHERE kind = 'reserve' AND product_stock_id IN"
        " (SELECT id FROM product_stock WHERE product_id = {product})"
    ),
    "counters_not_negative": (
        "ALTER TABLE product_stock DROP CONSTRAINT product_stock_counters_not_negative;"
        "UPDATE product_stock SET available = -1 WHERE product_id = {product}"
    ),
}


def test_every_invariant_has_a_fault() -> None:
    assert set(FAULTS) == set(INVARIANTS)


@pytest.mark.parametrize("invariant", sorted(FAULTS))
def test_invariant_finds_its_fault(stack: Stack, shop: Shop, invariant: str) -> None:
    product = shop.product(5)
    call(shop.connection, [product], [2])
    assert shop.connection.execute(INVARIANTS[invariant]).fetchall() == []
    # Only a superuser can break the ledger; he can.
    with psycopg.connect(stack.superuser, dbname="hotrow") as breaker, breaker.transaction(force_rollback=True):
        breaker.execute("SET LOCAL session_replication_role = replica")
        breaker.execute(FAULTS[invariant].format(product=product))  # type: ignore[arg-type]
        assert len(breaker.execute(INVARIANTS[invariant]).fetchall()) == 1
    assert shop.connection.execute(INVARIANTS[invariant]).fetchall() == []


def test_direct_update_that_oversells_is_rejected(shop: Shop) -> None:
    product = shop.product(1)
    with pytest.raises(psycopg.errors.CheckViolation):
        shop.connection.execute("UPDATE product_stock SET available = -1 WHERE product_id = %s", [product])


def test_audit_compares_with_what_clients_were_told(stack: Stack, shop: Shop) -> None:
    product = shop.product(5)
    told, lost, silent = (uuid.uuid4().hex for _ in range(3))
    call(shop.connection, [product], [2], key=told)
    call(shop.connection, [product], [1], key=silent)
    known = {
        key: (product_id, units)
        for key, product_id, units in shop.connection.execute(
            "SELECT r.idempotency_key, s.product_id, sum(r.quantity)::bigint FROM stock_reservation AS r"
            " JOIN product_stock AS s ON s.id = r.product_stock_id"
            " WHERE r.idempotency_key <> ALL (%s) GROUP BY 1, 2",
            [[told, silent]],
        )
    }
    good = audit(stack.direct, known | {told: (product, 2)}, {silent: (product, 1), lost: (product, 1)})
    assert good.violations == []
    bad = audit(stack.direct, known | {told: (product, 1), lost: (product, 1)}, {})
    assert [violation.invariant for violation in bad.violations] == [
        "acknowledged_reservations_exist",
        "acknowledged_reservations_exist",
        "reservations_were_asked_for",
        "reservations_were_asked_for",
    ]


def test_audit_waits_for_a_place_where_even_reserved_ones_are_taken(stack: Stack) -> None:
    """The control has no patience."""
    with contextlib.ExitStack() as held:
        with pytest.raises(psycopg.OperationalError, match="too many clients already"):
            while True:
                held.enter_context(psycopg.connect(stack.superuser))
        with pytest.raises(psycopg.OperationalError, match="too many clients already"):
            audit(stack.superuser, {}, {})
        releasing = threading.Timer(0.5, held.close)
        releasing.start()
        try:
            done = audit(stack.superuser, {}, {}, patience_s=20)
        finally:
            releasing.join()
    assert done.acknowledged == 0
