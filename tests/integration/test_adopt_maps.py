"""What adopt_stock says before it changes anything: proposals, plans, maps that do not fit, and drift."""

import json

import pytest
from psycopg.conninfo import make_conninfo

from tests.oldshop.database import HOT, HOT_UNITS, OldShop
from tuning.stack.stack import Stack

pytest_plugins = ["tests.integration.adopting"]

GOOD = """\
[counter]
table = "shop_productstock"
stock = "total_stock"
stock_means = "on_hand"
warehouse = "warehouse_id"
reserved = "reserved_stock"
version = "version"

[product]
table = "shop_product"

[warehouse]
table = "shop_warehouse"
"""
COUNTER = (
    "INSERT INTO shop_productstock (product_id, warehouse_id, total_stock, reserved_stock, version, created_at)"
    " VALUES ({}, 1, 1, 0, 0, now())"
)
OBJECTS = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1"


def test_proposal_names_the_projects_tables_and_is_not_overwritten(oldshop: OldShop) -> None:
    oldshop.manage("adopt_stock", "--propose", "--map", str(oldshop.map))
    text = oldshop.map.read_text()
    assert 'reserved = "reserved_stock"' in text
    assert 'created_at = "now()"' in text
    assert text == oldshop.manage("adopt_stock", "--propose").stdout
    again = oldshop.manage("adopt_stock", "--propose", "--map", str(oldshop.map), check=False)
    assert again.returncode == 1
    assert "is not overwritten" in again.stderr


def test_plan_tells_every_statement_and_changes_nothing(oldshop: OldShop) -> None:
    oldshop.map.write_text(GOOD)
    before = oldshop.run(OBJECTS)
    told = oldshop.adopt("--map", str(oldshop.map)).stdout
    assert "ACCESS EXCLUSIVE on public.shop_productstock" in told
    assert told.count("CREATE FUNCTION public.") >= 35
    plan = json.loads(oldshop.adopt("--map", str(oldshop.map), "--json").stdout)
    assert [step["name"] for step in plan["steps"]] == [
        "tables",
        "columns",
        "triggers",
        "backfill",
        "indexes",
        "functions",
    ]
    assert all(step["statements"] and step["lock"] and step["undo"] for step in plan["steps"])
    assert oldshop.run(OBJECTS) == before


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("[counter]", "[counter", "not valid TOML"),
        ("shop_productstock", "shop_stock", "there is no table shop_stock; there are auth_group"),
        ('"reserved_stock"', '"held"', "shop_productstock has no column held; it has id, total_stock"),
        (
            '"total_stock"',
            '"created_at"',
            "shop_productstock.created_at is timestamp with time zone; the functions need",
        ),
        (
            'table = "shop_product"',
            'table = "shop_product"\nis_active = "sku"',
            "shop_product.sku is character varying",
        ),
        ("[product]", '[counter.fill]\ncreated_at = "now("\n[product]', "'now(' is no SQL expression"),
    ],
)
def test_map_that_does_not_fit_is_refused(oldshop: OldShop, old: str, new: str, says: str) -> None:
    assert old in GOOD
    oldshop.map.write_text(GOOD.replace(old, new, 1))
    before = oldshop.run(OBJECTS)
    refused = oldshop.adopt("--map", str(oldshop.map), "--apply", check=False)
    assert refused.returncode == 1
    assert says in refused.stderr
    assert oldshop.run(OBJECTS) == before


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("CREATE TABLE stock_outbox ()", "stock_outbox: the project has tables of these names"),
        ("ALTER TABLE shop_productstock ALTER reserved_stock DROP NOT NULL", "reserved_stock allows NULL"),
        (
            "ALTER TABLE shop_productstock DROP CONSTRAINT UNIQUE_KEY;" + COUNTER.format(7),
            "several rows for (product_id, warehouse_id) = (7,1)",
        ),
    ],
)
def test_project_that_cannot_be_adopted_is_refused(oldshop: OldShop, fault: str, says: str) -> None:
    ((unique,),) = oldshop.run(
        "SELECT conname FROM pg_constraint WHERE conrelid = 'shop_productstock'::regclass AND contype = 'u'"
    )
    oldshop.run(fault.replace("UNIQUE_KEY", unique))
    oldshop.map.write_text(GOOD)
    refused = oldshop.adopt("--map", str(oldshop.map), "--apply", check=False)
    assert refused.returncode == 1
    assert says in refused.stderr
    assert oldshop.run("SELECT to_regclass('hotrow_adoption')") == [(None,)]


def test_oversold_row_is_told_and_may_only_rise(oldshop: OldShop) -> None:
    oldshop.run("UPDATE shop_productstock SET reserved_stock = %s WHERE id = %s", HOT_UNITS + 5, HOT)
    oldshop.map.write_text(GOOD)
    assert "1 rows of shop_productstock are oversold already" in oldshop.adopt().stderr
    assert oldshop.reserve()[0] == "insufficient"
    oldshop.run("UPDATE shop_productstock SET reserved_stock = reserved_stock - 2 WHERE id = %s", HOT)
    assert oldshop.kit_row()[0] == -3
    assert oldshop.run("SELECT * FROM check_stock_v1()") == []


def test_index_on_a_counted_column_is_told(oldshop: OldShop) -> None:
    oldshop.run("CREATE INDEX slow ON shop_productstock (reserved_stock)")
    oldshop.map.write_text(GOOD)
    assert "index slow has a column that each reservation changes" in oldshop.adopt("--map", str(oldshop.map)).stderr


def test_check_finds_a_changed_function_and_apply_refuses_it(oldshop: OldShop) -> None:
    oldshop.map.write_text(GOOD)
    oldshop.adopt()
    oldshop.run(
        "CREATE OR REPLACE FUNCTION stock_pooled_units_v1(p_stock_id bigint) RETURNS bigint LANGUAGE sql STABLE"
        " AS 'SELECT 0::bigint'"
    )
    checked = oldshop.adopt("--check", "--json", check=False)
    assert checked.returncode == 1
    assert json.loads(checked.stdout) == {
        "ok": False,
        "problems": ["functions: missing or changed: stock_pooled_units_v1"],
    }
    refused = oldshop.adopt("--apply", check=False)
    assert refused.returncode == 1
    assert "stock_pooled_units_v1: there is a function of this name" in refused.stderr
    oldshop.run("DROP FUNCTION stock_pooled_units_v1")
    oldshop.adopt("--apply")
    assert json.loads(oldshop.adopt("--check", "--json").stdout) == {"ok": True, "problems": []}


def test_other_map_than_the_one_begun_with_is_refused(oldshop: OldShop) -> None:
    oldshop.map.write_text(GOOD)
    oldshop.adopt()
    oldshop.map.write_text(GOOD.replace('version = "version"\n', ""))
    refused = oldshop.adopt(check=False)
    assert refused.returncode == 1
    assert "begun with another map" in refused.stderr


@pytest.mark.parametrize("option", ["--apply", "--check", "--revert"])
def test_nothing_adopted_and_no_map_says_what_to_do(oldshop: OldShop, option: str) -> None:
    oldshop.map.write_text(GOOD)
    refused = oldshop.adopt(option, check=False)
    assert refused.returncode == 1
    assert "name a map with --map" in refused.stderr


def test_role_that_does_not_own_the_table_is_told_whose_it_is(oldshop: OldShop, stack: Stack) -> None:
    oldshop.map.write_text(GOOD)
    oldshop.env["OLDSHOP_DATABASE_URL"] = make_conninfo(stack.conninfo("lab"), dbname=oldshop.connection.info.dbname)
    refused = oldshop.adopt("--map", str(oldshop.map), "--apply", check=False)
    assert refused.returncode == 1
    assert "shop_productstock belongs to hotrow_owner: run this as that role" in refused.stderr


def test_project_without_a_model_that_counts_stock_gets_no_guess(oldshop: OldShop) -> None:
    refused = oldshop.manage(
        "adopt_stock", "--propose", "--map", str(oldshop.map), check=False, settings="settings_without_stock"
    )
    assert refused.returncode == 1
    assert "those that might are: none. Write the map by hand" in refused.stderr
    assert not oldshop.map.exists()
