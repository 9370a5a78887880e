"""Both languages of an adopted counter: what one side writes, the other reads; and what neither may do."""

import uuid

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from tests.integration.sessions import two_sessions
from tests.oldshop.database import HOT, HOT_UNITS, OldShop
from tuning.stack.stack import Stack

pytest_plugins = ["tests.integration.adopting"]

LEDGER = (
    "SELECT kind, delta_available, delta_held, delta_sold"
    " FROM stock_transaction WHERE product_stock_id = %s ORDER BY id"
)


def ask(shop: OldShop, function: str, *arguments: object) -> object:
    ((outcome, *_),) = shop.run(f"SELECT * FROM {function}({', '.join(['%s'] * len(arguments))})", *arguments)
    return outcome


def test_functions_move_the_projects_columns(adopted: OldShop) -> None:
    assert adopted.row() == (HOT_UNITS, 0, 7)
    _, order = adopted.reserve(5)
    assert adopted.row() == (HOT_UNITS, 5, 8)
    assert ask(adopted, "confirm_reservation_v1", 1, order, "paid") == "confirmed"
    assert adopted.row() == (HOT_UNITS - 5, 0, 9)
    _, order = adopted.reserve(4)
    assert ask(adopted, "release_reservation_v1", 1, order) == "released"
    assert adopted.row() == (HOT_UNITS - 5, 0, 11)
    assert ask(adopted, "restock_v1", "delivery", HOT, "MAIN", 20) == "applied"
    assert adopted.row() == (HOT_UNITS + 15, 0, 12)
    assert adopted.breaches() == []


def test_call_that_frees_the_counter_early_moves_them_too(adopted: OldShop) -> None:
    ((outcome, *_),) = adopted.run(
        "CALL reserve_and_commit_v1(%s, 1, 'early', ARRAY[%s::bigint], '{2}', 900)", uuid.uuid4(), HOT
    )
    assert outcome == "reserved"
    assert adopted.row() == (HOT_UNITS, 2, 8)
    assert adopted.breaches() == []


def test_project_moves_the_free_units_and_the_ledger_tells(adopted: OldShop) -> None:
    adopted.run("UPDATE shop_productstock SET total_stock = total_stock + 5 WHERE id = %s", HOT)
    adopted.run("UPDATE shop_productstock SET reserved_stock = reserved_stock + 2 WHERE id = %s", HOT)
    # Sold by the old code: no free unit came or went.
    adopted.run(
        "UPDATE shop_productstock SET total_stock = total_stock - 2, reserved_stock = reserved_stock - 2 WHERE id = 1"
    )
    adopted.run("UPDATE shop_productstock SET created_at = now() WHERE id = %s", HOT)
    assert adopted.kit_row() == (HOT_UNITS + 3, 0, 0, 3)
    assert adopted.run(LEDGER, HOT) == [("adjust", HOT_UNITS, 0, 0), ("adjust", 5, 0, 0), ("adjust", -2, 0, 0)]
    assert adopted.breaches() == []


def test_counter_that_the_project_makes_is_known_at_once(adopted: OldShop) -> None:
    insert = (
        "INSERT INTO shop_productstock (product_id, warehouse_id, total_stock, reserved_stock, version, created_at)"
        " VALUES (5, 2, 8, 0, 0, now())"
    )
    adopted.run(insert)
    before = adopted.run("SELECT count(*) FROM stock_transaction")
    adopted.run(f"{insert} ON CONFLICT DO NOTHING")
    assert adopted.run("SELECT count(*) FROM stock_transaction") == before
    assert adopted.reserve(15, product_id=5)[0] == "reserved"
    assert adopted.breaches() == []


def test_counter_that_restock_makes_is_whole_for_the_project(adopted: OldShop) -> None:
    assert ask(adopted, "restock_v1", "first", 5, "SOUTH", 9) == "applied"
    assert adopted.run(
        "SELECT total_stock, reserved_stock, version, created_at IS NOT NULL FROM shop_productstock"
        " WHERE product_id = 5 AND warehouse_id = 2"
    ) == [(9, 0, 1, True)]
    assert adopted.breaches() == []


def test_old_comparison_of_versions_sees_what_a_function_wrote(adopted: OldShop) -> None:
    _, _, version = adopted.row()
    adopted.reserve()
    statement = (
        "UPDATE shop_productstock SET reserved_stock = 1, version = version + 1"
        " WHERE id = 1 AND version = %s RETURNING id"
    )
    assert adopted.run(statement, version) == []
    # The control: with the version of now it is let through, to hold what both sides hold.
    statement = statement.replace("reserved_stock = 1", "reserved_stock = 2")
    assert adopted.run(statement, version + 1) == [(HOT,)]
    assert adopted.kit_row()[:2] == (HOT_UNITS - 2, 1)


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ("reserved_stock = 301", "product_stock_counters_not_negative"),
        ("total_stock = 4", "product_stock_counters_not_negative"),
        ("reserved_stock = 4", "hotrow_holds_kept"),
        ("hotrow_held = 6, reserved_stock = 6", "hotrow_one_language"),
        ("hotrow_available = -1", "product_stock_counters_not_negative"),
        ("hotrow_held = -1", "product_stock_counters_not_negative"),
    ],
)
def test_write_that_would_oversell_is_refused(adopted: OldShop, change: str, constraint: str) -> None:
    adopted.reserve(5)
    before = adopted.row(), adopted.kit_row()
    with pytest.raises(psycopg.errors.CheckViolation) as refused:
        adopted.run(f"UPDATE shop_productstock SET {change} WHERE id = {HOT}")
    assert refused.value.diag.constraint_name == constraint
    assert (adopted.row(), adopted.kit_row()) == before
    # The control: as much as there is may be reserved.
    adopted.run(f"UPDATE shop_productstock SET reserved_stock = {HOT_UNITS} WHERE id = {HOT}")
    assert adopted.reserve()[0] == "insufficient"


def test_function_that_waited_for_old_code_looks_again(adopted: OldShop) -> None:
    with two_sessions(adopted.conninfo, adopted.connection) as (old, kit):
        old.run("BEGIN")
        old.run("SELECT id FROM shop_productstock WHERE id = 1 FOR UPDATE")
        kit.start(
            "SELECT outcome FROM reserve_stock_v1(gen_random_uuid(), 1, 'late', '{1}', '{1}', 900)",
        )
        assert kit.is_waiting
        old.run(f"UPDATE shop_productstock SET reserved_stock = {HOT_UNITS} WHERE id = 1")
        old.run("COMMIT")
        assert kit.result() == "insufficient"
    assert adopted.row()[1] == HOT_UNITS


def test_every_kind_of_call_works_through_the_views(adopted: OldShop) -> None:
    cart = uuid.uuid4()
    reserve = "SELECT outcome FROM reserve_stock_v1(%s, %s, %s, %s::bigint[], %s::integer[], 900, %s)"
    assert adopted.run(reserve, cart, 1, "cart", [9, 2], [1, 2], "new") == [("reserved",)]
    assert adopted.run(reserve, uuid.uuid4(), 1, "cart", [9, 2], [1, 2], "new") == [("replayed",)]
    assert adopted.run(reserve, uuid.uuid4(), 1, "again", [9, 2], [3, 3], "replace") == [("reserved",)]
    assert adopted.run(
        "SELECT outcome FROM reserve_stock_many_v1(%s, '{1,2,3}', '{a,b,c}', '{3,3,4}', '{4,3,8}', 900)",
        [uuid.uuid4() for _ in range(3)],
    ) == [("reserved",), ("reserved",), ("insufficient",)]
    _, paid = adopted.reserve(2)
    assert ask(adopted, "extend_reservation_v1", 1, paid, 900) == "extended"
    assert ask(adopted, "begin_payment_v1", 1, paid, 1800) == "paying"
    _, late = adopted.reserve(3)
    adopted.run(
        "UPDATE stock_reservation SET created_at = created_at - interval '1 day', expires_at = now() - interval '1 s'"
        " WHERE order_id = %s",
        late,
    )
    assert ask(adopted, "expire_reservations_v1") == 1
    assert ask(adopted, "confirm_reservation_v1", 1, late, "late", None, "reacquire") == "confirmed"
    _, all_units = adopted.reserve(7, product_id=6)
    assert ask(adopted, "join_waitlist_v1", 2, 6, 2) == "waiting"
    assert ask(adopted, "join_waitlist_v1", 3, 6, 2) == "waiting"
    assert ask(adopted, "leave_waitlist_v1", 3, 6) == "left"
    assert ask(adopted, "release_reservation_v1", 1, all_units) == "released"
    assert adopted.run("SELECT available FROM stock_availability_v1('{6}')") == [(5,)]
    assert ask(adopted, "adjust_stock_v1", "count", 6, "MAIN", 1, 0) == "version_conflict"
    ((version,),) = adopted.run("SELECT version FROM product_stock WHERE product_id = 6")
    assert ask(adopted, "adjust_stock_v1", "count 2", 6, "MAIN", 1, version) == "applied"
    assert adopted.breaches() == []


def test_counter_is_not_spread(adopted: OldShop) -> None:
    for mode in ("buckets", "units"):
        with pytest.raises(psycopg.errors.FeatureNotSupported, match="cannot update column"):
            adopted.run("SELECT set_stock_mode_v1(1, %s)", mode)
    assert adopted.breaches() == []


def test_repair_sets_the_projects_columns_right_too(adopted: OldShop) -> None:
    adopted.reserve(5)
    adopted.run("DELETE FROM stock_reservation")
    assert adopted.breaches() != []
    assert "differs from its ledger" in adopted.adopt("--check", check=False).stderr
    assert ask(adopted, "repair_stock_v1") == HOT
    assert adopted.row()[:2] == (HOT_UNITS, 0)
    assert adopted.run("SELECT * FROM check_stock_v1()") == []


def test_roles_need_no_right_on_the_other_sides_tables(adopted: OldShop, stack: Stack) -> None:
    adopted.run("GRANT SELECT, UPDATE ON shop_productstock TO hotrow_lab")
    adopted.run("SELECT grant_access_v1('hotrow_app', 'app')")
    with psycopg.connect(
        make_conninfo(stack.superuser, dbname=adopted.connection.info.dbname), autocommit=True
    ) as connection:
        connection.execute("SET ROLE hotrow_lab")
        connection.execute("UPDATE shop_productstock SET reserved_stock = 2 WHERE id = 1")
        connection.execute("SET ROLE hotrow_app")
        connection.execute("SELECT * FROM reserve_stock_v1(gen_random_uuid(), 1, 'k', '{1}', '{1}', 900)")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("UPDATE shop_productstock SET reserved_stock = 0 WHERE id = 1")
    assert adopted.kit_row() == (HOT_UNITS - 3, 1, 0, 3)


def test_updates_of_the_hot_row_stay_hot(adopted: OldShop) -> None:
    def share() -> float:
        statistics = (
            "SELECT pg_stat_get_tuples_hot_updated(c.oid), pg_stat_get_tuples_updated(c.oid) FROM pg_class AS c"
            " WHERE c.relname = 'shop_productstock'"
        )
        seen = []
        for calls in (1, 100):
            for _ in range(calls):
                adopted.reserve()
            adopted.run("SELECT pg_stat_force_next_flush()")
            seen.append(adopted.run(statistics)[0])
        (hot_before, before), (hot, after) = seen
        return (hot - hot_before) / (after - before)

    assert share() > 0.95
    # The control.
    adopted.run("CREATE INDEX ON shop_productstock (reserved_stock)")
    assert share() < 0.05


def test_shop_without_warehouses_that_counts_free_units(oldshop: OldShop) -> None:
    oldshop.run(
        "CREATE TABLE plain (id serial PRIMARY KEY,"
        " item_id integer NOT NULL UNIQUE, units integer NOT NULL CHECK (units >= 0))"
    )
    oldshop.run("INSERT INTO plain (item_id, units) VALUES (1, 10), (2, 20)")
    oldshop.map.write_text(
        '[counter]\ntable = "plain"\nstock = "units"\nstock_means = "free"\nproduct = "item_id"\n'
        '[product]\ntable = "shop_product"\n'
    )
    oldshop.adopt()
    assert oldshop.reserve(4)[0] == "reserved"
    oldshop.run("UPDATE plain SET units = units - 3 WHERE id = 1")
    assert oldshop.run("SELECT units FROM plain ORDER BY id") == [(3,), (20,)]
    assert oldshop.reserve(4)[0] == "insufficient"
    assert ask(oldshop, "restock_v1", "k", 2, "MAIN", 5) == "applied"
    assert ask(oldshop, "restock_v1", "l", 3, "MAIN", 6) == "applied"
    assert oldshop.run("SELECT units FROM plain ORDER BY id") == [(3,), (25,), (6,)]
    assert oldshop.run("SELECT * FROM check_stock_v1()") == []
    oldshop.adopt("--revert", "--release-holds")
    assert oldshop.run("SELECT units FROM plain ORDER BY id") == [(7,), (25,), (6,)]
