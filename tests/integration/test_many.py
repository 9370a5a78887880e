"""reserve_stock_many_v1: a batch gives the outcomes of calling in order, and batches never deadlock."""

import random
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.integration.shop import Shop, call

Row = tuple[int, str, int, int]
"""user id, key, product id, quantity"""


def many(connection: psycopg.Connection, rows: list[Row], ttl_s: int | None = 900) -> list[Any]:
    users, keys, products, quantities = (list(column) for column in zip(*rows, strict=True)) if rows else ([],) * 4
    return connection.execute(
        "SELECT request, outcome, order_id, available, expires_at FROM reserve_stock_many_v1"
        "(%s::uuid[], %s::bigint[], %s::text[], %s::bigint[], %s::int[], %s) ORDER BY request",
        [[uuid.uuid4() for _ in rows], users, keys, products, quantities, ttl_s],
    ).fetchall()


def outcomes(connection: psycopg.Connection, rows: list[Row]) -> list[str]:
    return [row[1] for row in many(connection, rows)]


def test_batch_holds_what_it_can_and_refuses_the_rest(shop: Shop, pooled: psycopg.Connection) -> None:
    plenty, scarce, retired = shop.product(10), shop.product(2), shop.product(5, is_active=False)
    key = uuid.uuid4().hex
    rows = [
        (1, key + "a", plenty, 3),
        (2, key + "b", scarce, 3),
        (3, key + "c", scarce, 2),
        (4, key + "d", scarce, 1),
        (5, key + "e", retired, 1),
        (6, key + "f", 2**40, 1),
        (1, key + "a", plenty, 3),
        (1, key + "a", plenty, 4),
    ]
    told = many(pooled, rows)
    assert [row[0] for row in told] == list(range(1, 9))
    assert [row[1] for row in told] == [
        "reserved",
        "insufficient",
        "reserved",
        "insufficient",
        "inactive_product",
        "unknown_product",
        "replayed",
        "key_conflict",
    ]
    assert (told[6][2], told[6][4]) == (told[0][2], told[0][4])
    assert (told[1][3], told[3][3]) == (2, 0)
    assert (shop.counters(plenty), shop.counters(scarce)) == ((7, 3, 0), (0, 2, 0))
    assert outcomes(pooled, rows[:1]) == ["replayed"]
    assert shop.violations() == []


def test_batch_of_one_counter_is_one_update_and_one_ledger_row(shop: Shop, pooled: psycopg.Connection) -> None:
    product = shop.product(1_000)
    assert set(outcomes(pooled, [(n, uuid.uuid4().hex, product, 1) for n in range(1, 501)])) == {"reserved"}
    rows = shop.connection.execute(
        "SELECT t.delta_held, t.version, s.version, "
        "       (SELECT count(*) FROM stock_reservation WHERE transaction_id = t.id)"
        "  FROM stock_transaction AS t JOIN product_stock AS s ON s.id = t.product_stock_id"
        " WHERE s.product_id = %s AND t.kind = 'reserve'",
        [product],
    ).fetchall()
    assert rows == [(500, 2, 2, 500)]


def test_batch_obeys_limits_and_the_waiting_list(shop: Shop, pooled: psycopg.Connection) -> None:
    limited, wanted = shop.product(10, max_per_user=2), shop.product(1)
    assert shop.ask("join_waitlist_v1", 50, wanted, 5) == "waiting"
    rows = [(1, uuid.uuid4().hex, limited, 1), (1, uuid.uuid4().hex, limited, 2), (1, uuid.uuid4().hex, limited, 1)]
    rows += [(2, uuid.uuid4().hex, limited, 2), (3, uuid.uuid4().hex, wanted, 1)]
    assert outcomes(pooled, rows) == ["reserved", "user_limit", "reserved", "reserved", "insufficient"]


def test_batch_reclaims_due_holds_and_splits_over_warehouses(shop: Shop, pooled: psycopg.Connection) -> None:
    product = shop.product(2, 2)
    due = call(shop.connection, [product], [2], user_id=9).order_id
    shop.make_due(due)
    assert outcomes(pooled, [(1, uuid.uuid4().hex, product, 3), (2, uuid.uuid4().hex, product, 1)]) == [
        "reserved",
        "reserved",
    ]
    assert (shop.counters(product), shop.statuses(due)) == ((0, 4, 0), ["expired"])
    assert shop.violations() == []


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([], "one element for each request"),
        ([(1, "k", 1, 0)], "at least 1"),
        ([(1, "", 1, 1)], "1 to 255 characters"),
        ([(1, "k", 1, 1), (1, "k" * 256, 1, 1)], "1 to 255 characters"),
        ([(1, "k", None, 1)], "NULL"),
        ([(1, "k", 1, 1)] * 10_001, "1 to 10000"),
    ],
)
def test_bad_batch_raises_hr001(pooled: psycopg.Connection, rows: list[Any], says: str) -> None:
    with pytest.raises(psycopg.Error, match=says) as raised:
        many(pooled, rows)
    assert raised.value.sqlstate == "HR001"


requests = st.lists(
    st.tuples(st.integers(1, 3), st.sampled_from("abcdef"), st.integers(0, 2), st.integers(1, 4)),
    min_size=1,
    max_size=12,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(stock=st.lists(st.integers(0, 6), min_size=3, max_size=3), asked=requests, earlier=requests)
def test_batch_equals_the_calls_in_order(
    shop: Shop, stock: list[int], asked: list[tuple[int, str, int, int]], earlier: list[tuple[int, str, int, int]]
) -> None:
    """The same requests, once as a batch and once one by one, on twin products and twin keys."""
    told = []
    for way in ("batch", "one by one"):
        products = [shop.product(units) for units in stock]
        mark = uuid.uuid4().hex
        rows = [(user, mark + key, products[product], quantity) for user, key, product, quantity in asked]
        for user, key, product, quantity in earlier:
            call(shop.connection, [products[product]], [quantity], user_id=user, key=mark + key)
        if way == "batch":
            answers = [(row[1], row[3]) for row in many(shop.connection, rows)]
        else:
            single = [call(shop.connection, [row[2]], [row[3]], user_id=row[0], key=row[1]) for row in rows]
            answers = [(one.outcome, one.available and one.available[0]) for one in single]
        told.append((answers, [shop.counters(product) for product in products]))
    assert told[0] == told[1]


def test_batches_over_the_same_products_and_keys_never_deadlock(
    shop: Shop, connect: Callable[[], psycopg.Connection]
) -> None:
    products = [shop.product(400) for _ in range(6)]
    keys = [uuid.uuid4().hex for _ in range(60)]

    def run(seed: int) -> set[str]:
        chance, connection, told = random.Random(seed), connect(), set()
        for _ in range(30):
            rows = [
                (chance.randint(1, 3), chance.choice(keys), chance.choice(products), 1)
                if chance.random() < 0.3
                else (seed, uuid.uuid4().hex, chance.choice(products), chance.randint(1, 3))
                for _ in range(20)
            ]
            told |= set(outcomes(connection, rows))
        return told

    with ThreadPoolExecutor(8) as threads:
        told = set().union(*threads.map(run, range(100, 108)))
    assert told == {"reserved", "replayed", "key_conflict", "insufficient"}
    assert all(shop.counters(product)[0] >= 0 for product in products)
    assert shop.violations() == []
