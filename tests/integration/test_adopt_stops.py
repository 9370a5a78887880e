"""adopt_stock that is killed, run twice, or kept from its locks."""

import signal
import time

import psycopg

from tests.oldshop.database import HOT, HOT_UNITS, OldShop

pytest_plugins = ["tests.integration.adopting"]

# A line of its output for each step; the last comes when all is there but the end is not noted.
STOPS = ("tables: 8", "columns: 2", "triggers: 4", "backfill: 500", "indexes: 3", "functions: done")


def test_killed_adoption_goes_on_where_it_stopped(oldshop: OldShop) -> None:
    oldshop.manage("adopt_stock", "--propose", "--map", str(oldshop.map))
    for number, stop in enumerate(STOPS, start=1):
        with oldshop.start("adopt_stock", "--map", str(oldshop.map), "--apply") as process:
            assert process.stdout is not None
            seen = []
            for line in process.stdout:
                seen.append(line)
                if line.startswith(stop):
                    process.send_signal(signal.SIGKILL)
                    break
            assert process.wait() == -signal.SIGKILL, seen
            process.communicate()
        # The old code sells on, whatever there is.
        oldshop.run("UPDATE shop_productstock SET reserved_stock = reserved_stock + 1 WHERE id = %s", HOT)
        oldshop.run(
            "INSERT INTO shop_stockreservation (product_stock_id, user_id, quantity, status, created_at)"
            " VALUES (%s, 1, 1, 'reserved', now())",
            HOT,
        )
        assert oldshop.row()[1] == number
    oldshop.adopt()
    assert oldshop.breaches() == []
    assert oldshop.adopt("--check").returncode == 0
    assert oldshop.reserve(HOT_UNITS - len(STOPS))[0] == "reserved"


def test_second_run_changes_nothing(adopted: OldShop) -> None:
    before = adopted.run(
        "SELECT oid, relname, xmin::text FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1"
    )
    again = adopted.adopt()
    assert again.stdout.count("there already") == 6
    assert before == adopted.run(
        "SELECT oid, relname, xmin::text FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1"
    )


def test_writer_that_holds_the_table_is_waited_for_without_stopping_others(oldshop: OldShop) -> None:
    oldshop.manage("adopt_stock", "--propose", "--map", str(oldshop.map))
    with psycopg.connect(oldshop.conninfo) as holder, oldshop.buyers(*range(2, 12)) as told:
        holder.execute("UPDATE shop_productstock SET version = version WHERE id = 1")
        with oldshop.start("adopt_stock", "--map", str(oldshop.map), "--apply") as process:
            time.sleep(3)
            assert process.poll() is None
            waits = [row[0] for row in oldshop.run("SELECT count(*) FROM shop_stockreservation WHERE quantity = 1")]
            holder.rollback()
            out, err = process.communicate(timeout=60)
        assert process.returncode == 0, out + err
    assert waits[0] > 20
    assert told["errors"] == []
    assert oldshop.breaches() == []
