"""A session that plans while a table is empty must not read all of it when it has grown (ADR 19)."""

import uuid

import psycopg

from tests.integration.bare import bare
from tests.integration.shop import Shop

CALLS = 30
CALL = "SELECT outcome FROM reserve_stock_v1(gen_random_uuid(), 1, %s, ARRAY[%s::bigint], '{1}', 900)"
_READ = "SELECT seq_tup_read FROM pg_stat_user_tables WHERE relname = 'stock_reservation'"


def rows_read_whole(conninfo: str, product: int) -> int:
    """Rows of stock_reservation that one session's calls read by scanning all of them."""
    with psycopg.connect(conninfo, autocommit=True) as session:
        (before,) = session.execute(_READ).fetchone() or (0,)
        for number in range(CALLS):
            key = f"{uuid.uuid4()}-{number}"
            # The second time the key is looked for among all reservations.
            for outcome in ("reserved", "replayed"):
                assert session.execute(CALL, [key, product]).fetchone() == (outcome,)
        session.execute("SELECT pg_stat_force_next_flush()")
        (after,) = session.execute(_READ).fetchone() or (0,)
        return int(after) - int(before)


def test_calls_never_read_the_whole_table_that_was_empty_when_they_were_planned() -> None:
    with bare("new-tables", autovacuum="off") as stack, psycopg.connect(stack.direct, autocommit=True) as owner:
        product = Shop(owner).product(1_000)
        assert rows_read_whole(stack.direct, product) == 0
        # The control: the same calls, planned as the planner likes.
        owner.execute("ALTER FUNCTION reserve_stock_v1 RESET enable_seqscan")
        assert rows_read_whole(stack.direct, product) >= CALLS * CALLS / 2
