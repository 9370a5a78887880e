"""adopt_stock on a live project: its old code sells before, while and after, and nothing is oversold or lost."""

import threading
import time
from collections import Counter

import psycopg

from tests.oldshop.database import HOT, HOT_UNITS, PRODUCTS, OldShop

pytest_plugins = ["tests.integration.adopting"]

PATIENCE_S = 30


def confirmed(shop: OldShop) -> int:
    ((units,),) = shop.run("SELECT coalesce(sum(quantity), 0) FROM shop_stockreservation WHERE status = 'confirmed'")
    return int(units)


def test_adoption_disturbs_no_reservation_of_the_old_code(oldshop_anywhere: OldShop) -> None:
    oldshop = oldshop_anywhere
    with oldshop.buyers(HOT, *range(2, 12)) as told:
        oldshop.adopt()
        # The old code sells on under the triggers.
        time.sleep(1)
    assert told["errors"] == []
    assert told["reserved"] > 0
    assert oldshop.breaches() == []
    ((made,),) = oldshop.run("SELECT count(*) FROM shop_stockreservation WHERE quantity = 1")
    assert made == told["reserved"]
    ((total,),) = oldshop.run("SELECT sum(total_stock) FROM shop_productstock")
    assert total == HOT_UNITS + 10 * (PRODUCTS - 1) - confirmed(oldshop)
    assert oldshop.adopt("--check").stdout == "All of it is there, and both sides agree.\n"


def test_old_code_and_functions_sell_the_same_units_once(oldshop_anywhere: OldShop) -> None:
    adopted = oldshop_anywhere
    adopted.adopt()
    outcomes: Counter[str] = Counter()

    def buy(number: int) -> None:
        with psycopg.connect(adopted.conninfo, autocommit=True) as connection:
            for turn in range(10_000):
                row = connection.execute(
                    "SELECT outcome, order_id"
                    " FROM reserve_stock_v1(gen_random_uuid(), 1, %s, %s::bigint[], '{1}', 900)",
                    [f"{number}-{turn}", [HOT]],
                ).fetchone()
                assert row is not None
                outcomes[row[0]] += 1
                if row[0] == "insufficient":
                    return
                if turn % 5 == 0:
                    connection.execute("SELECT confirm_reservation_v1(1, %s, %s)", [row[1], f"pay-{number}-{turn}"])
                elif turn % 5 == 1:
                    connection.execute("SELECT release_reservation_v1(1, %s)", [row[1]])

    with adopted.buyers(HOT) as told:
        while adopted.row()[1] == 0:
            # The old code has begun to sell.
            time.sleep(0.01)
        threads = [threading.Thread(target=buy, args=(number,)) for number in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        deadline = time.monotonic() + PATIENCE_S
        while adopted.kit_row()[0] > 0 and time.monotonic() < deadline:
            time.sleep(0.05)
    assert told["errors"] == []
    assert set(outcomes) == {"reserved", "insufficient"}
    assert told["reserved"] > 0
    assert adopted.breaches() == []
    total, reserved, _ = adopted.row()
    _, _, sold, _ = adopted.kit_row()
    assert total == HOT_UNITS - sold - confirmed(adopted)
    assert reserved <= total


def test_buyers_find_the_breach_when_the_trigger_is_gone(adopted: OldShop) -> None:
    """The control of the two tests above."""
    adopted.run("ALTER TABLE shop_productstock DISABLE TRIGGER zz_hotrow_translate")
    with adopted.buyers(HOT):
        for _ in range(20):
            adopted.reserve()
    assert adopted.breaches() != []
    checked = adopted.adopt("--check", check=False)
    assert checked.returncode == 1
    assert "zz_hotrow_translate is disabled" in checked.stderr


def test_revert_leaves_the_table_as_it_was_with_its_data_of_now(oldshop: OldShop) -> None:
    columns = (
        "SELECT column_name, data_type, column_default, is_nullable FROM information_schema.columns"
        " WHERE table_name = 'shop_productstock' ORDER BY ordinal_position"
    )
    things = (
        "SELECT indexrelid::regclass::text FROM pg_index WHERE indrelid = 'shop_productstock'::regclass"
        " UNION ALL SELECT tgname FROM pg_trigger WHERE tgrelid = 'shop_productstock'::regclass AND NOT tgisinternal"
        " UNION ALL SELECT array_to_string(reloptions, ',') FROM pg_class WHERE oid = 'shop_productstock'::regclass"
        " UNION ALL SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
        " UNION ALL SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
    )
    before = oldshop.run(columns), sorted(map(str, oldshop.run(things)))
    oldshop.adopt()
    _, order = oldshop.reserve(5)
    oldshop.run("SELECT confirm_reservation_v1(1, %s, 'paid')", order)
    oldshop.reserve(7)
    refused = oldshop.adopt("--revert", check=False)
    assert refused.returncode == 1
    assert "1 holds of the kit are open" in refused.stderr
    assert oldshop.row()[:2] == (HOT_UNITS - 5, 7)
    with oldshop.buyers(*range(2, 12)) as told:
        done = oldshop.adopt("--revert", "--release-holds")
    assert told["errors"] == []
    assert (oldshop.run(columns), sorted(map(str, oldshop.run(things)))) == before
    assert oldshop.row()[:2] == (HOT_UNITS - 5, 0)
    archive = done.stdout.split("in the schema ")[1].split(":")[0]
    assert oldshop.run(f"SELECT status FROM {archive}.stock_reservation ORDER BY id") == [("confirmed",), ("released",)]
    oldshop.adopt()
    assert oldshop.breaches() == []
