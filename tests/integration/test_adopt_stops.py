"""adopt_stock that is killed, run twice, or kept from its locks."""

import signal
import time

import psycopg

from tests.oldshop.database import HOT, HOT_UNITS, OldShop

pytest_plugins = ["tests.integration.adopting"]

PATIENCE_S = 30
# A line of its output for each step; the last comes when all is there but the end is not noted.
STOPS = ("tables: ", "columns: ", "triggers: ", "backfill: 500", "indexes: ", "functions: done")


def test_killed_adoption_goes_on_where_it_stopped(oldshop: OldShop) -> None:
    oldshop.manage("adopt_stock", "--propose", "--map", str(oldshop.map))
    for number, stop in enumerate(STOPS, start=1):
        with oldshop.running("adopt_stock", "--map", str(oldshop.map), "--apply") as process:
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
        with oldshop.running("adopt_stock", "--map", str(oldshop.map), "--apply") as process:
            time.sleep(3)
            assert process.poll() is None
            waits = [row[0] for row in oldshop.run("SELECT count(*) FROM shop_stockreservation WHERE quantity = 1")]
            holder.rollback()
            out, err = process.communicate(timeout=60)
        assert process.returncode == 0, out + err
    assert waits[0] > 20
    assert told["errors"] == []
    assert oldshop.breaches() == []


def test_row_that_is_locked_at_every_look_is_filled_in_at_last(oldshop: OldShop) -> None:
    oldshop.manage("adopt_stock", "--propose", "--map", str(oldshop.map))
    with oldshop.running("adopt_stock", "--map", str(oldshop.map), "--apply") as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("triggers: done"):
                process.kill()
                break
        process.communicate()
    with psycopg.connect(oldshop.conninfo) as holder:
        holder.execute("SELECT 1 FROM shop_productstock WHERE id = 5 FOR UPDATE")
        with oldshop.running("adopt_stock", "--apply") as process:
            deadline = time.monotonic() + PATIENCE_S
            while oldshop.run("SELECT 1 FROM shop_productstock WHERE hotrow_version = 0 AND id <> 5"):
                assert time.monotonic() < deadline
            while not oldshop.run("SELECT 1 FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'"):
                assert time.monotonic() < deadline
            holder.rollback()
            out, err = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0, out + err
    assert oldshop.breaches() == []


def test_revert_waits_for_a_hold_that_is_being_made_and_then_refuses(adopted: OldShop) -> None:
    with psycopg.connect(adopted.conninfo) as buyer:
        buyer.execute("SELECT * FROM reserve_stock_v1(gen_random_uuid(), 1, 'k', '{1}', '{2}', 900)")
        with adopted.running("adopt_stock", "--revert") as process:
            while not adopted.run("SELECT 1 FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock'"):
                assert process.poll() is None
            buyer.commit()
            _, err = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 1
        assert "new holds were made meanwhile" in err
    assert adopted.row()[:2] == (HOT_UNITS, 2)
    assert adopted.breaches() == []
