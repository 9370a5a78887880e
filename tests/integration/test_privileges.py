"""What each kind of role may do, seen by trying it."""

from collections.abc import Callable

import psycopg
import pytest

from tests.integration.shop import Shop, call
from tuning.stack.postgres import GRANTED_ROLES, OWNER_ROLE
from tuning.stack.stack import Stack

STOCK_TABLES = [
    "product_stock",
    "stock_unit",
    "stock_reservation",
    "stock_transaction",
    "stock_payment",
    "stock_user_total",
    "stock_waitlist",
    "stock_outbox",
    "stock_notification",
    "checkout",
]
Attempt = Callable[[str], str]


def as_role(stack: Stack, kind: str, statement: str) -> str:
    """Run a statement as a kind of role and undo it: done, or the SQLSTATE."""
    with psycopg.connect(stack.conninfo(kind)) as connection:
        try:
            connection.execute(statement)  # type: ignore[arg-type]
        except psycopg.Error as error:
            return str(error.sqlstate)
        finally:
            connection.rollback()
    return "done"


DENIED = "42501"
WRITES = ["INSERT INTO {} DEFAULT VALUES", "UPDATE {} SET {column} = NULL", "DELETE FROM {}", "TRUNCATE {}"]


@pytest.mark.parametrize("kind", ["app", "admin", "readonly"])
@pytest.mark.parametrize("table", STOCK_TABLES)
def test_stock_is_read_and_never_written(stack: Stack, kind: str, table: str) -> None:
    assert as_role(stack, kind, f"SELECT * FROM {table} LIMIT 1") == "done"
    others = {"stock_payment": "order_id", "stock_user_total": "units", "stock_notification": "event"}
    column = {**others, "checkout": "amount"}.get(table, "id")
    for write in WRITES:
        assert as_role(stack, kind, write.format(table, column=column)) == DENIED, write


def test_lab_may_write_stock_so_the_denials_are_real(stack: Stack) -> None:
    assert as_role(stack, "lab", "UPDATE product_stock SET id = id") == "done"
    assert as_role(stack, "lab", "TRUNCATE product_stock") == DENIED


@pytest.mark.parametrize(
    ("kind", "statement", "told"),
    [
        ("app", "SELECT password FROM account_user LIMIT 1", "done"),
        ("app", "UPDATE account_user SET password = password", "done"),
        ("app", "UPDATE account_user SET is_superuser = true", DENIED),
        ("app", "UPDATE product SET price = 0", DENIED),
        ("app", "DELETE FROM django_migrations", DENIED),
        ("app", "CREATE TABLE mine (id int)", DENIED),
        ("admin", "UPDATE product SET price = price", "done"),
        ("admin", "UPDATE account_user SET is_staff = is_staff", "done"),
        ("readonly", "SELECT password FROM account_user", DENIED),
        ("readonly", "UPDATE product SET price = 0", DENIED),
    ],
)
def test_other_tables_are_open_as_far_as_the_kind_needs(stack: Stack, kind: str, statement: str, told: str) -> None:
    assert as_role(stack, kind, statement) == told


@pytest.mark.parametrize(
    ("kind", "function", "told"),
    [
        ("app", "restock_v1('k', 1, 'MAIN', 1)", "done"),
        ("app", "outbox_take_v1()", "done"),
        ("app", "checkout_take_v1()", "done"),
        ("readonly", "outbox_take_v1()", DENIED),
        ("app", "stock_change_v1(1, 'restock', NULL, 1, 0, 0)", DENIED),
        ("app", "set_stock_mode_v1(1, 'counter', 1)", DENIED),
        ("app", "repair_stock_v1()", DENIED),
        ("app", "grant_access_v1('hotrow_app', 'lab')", DENIED),
        ("readonly", "check_stock_v1()", "done"),
        ("readonly", "stock_availability_v1('{1}')", "done"),
        ("readonly", "restock_v1('k', 1, 'MAIN', 1)", DENIED),
    ],
)
def test_functions_are_granted_one_by_one(stack: Stack, kind: str, function: str, told: str) -> None:
    assert as_role(stack, kind, f"SELECT * FROM {function}") == told


def test_owner_cannot_log_in_and_owns_everything(shop: Shop) -> None:
    (can_login,) = shop._one("SELECT rolcanlogin FROM pg_roles WHERE rolname = %s", OWNER_ROLE)
    assert not can_login
    others = shop.connection.execute(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'S', 'i')"
        " AND pg_get_userbyid(relowner) <> %s AND relname NOT LIKE 'pg_stat_statements%%'"
        " UNION ALL SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
        " AND pg_get_userbyid(proowner) <> %s AND proname ~ '_v[0-9]+$'",
        [OWNER_ROLE, OWNER_ROLE],
    ).fetchall()
    assert others == []


def test_rights_are_taken_away_with_the_kind(stack: Stack, shop: Shop) -> None:
    product, role = shop.product(1), GRANTED_ROLES["admin"]
    shop.connection.execute("SELECT grant_access_v1(%s, 'none')", [role])
    try:
        assert as_role(stack, "admin", "SELECT * FROM product") == DENIED
        with (
            psycopg.connect(stack.conninfo("admin")) as connection,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            call(connection, [product], [1])
    finally:
        shop.connection.execute("SELECT grant_access_v1(%s, 'admin')", [role])
    with psycopg.connect(stack.conninfo("admin")) as connection:
        assert call(connection, [product], [1]).outcome == "reserved"


@pytest.mark.parametrize(
    ("role", "kind", "says"), [("nobody_here", "app", "no role"), ("hotrow_app", "root", "kind is root")]
)
def test_bad_grant_raises_hr001(shop: Shop, role: str, kind: str, says: str) -> None:
    with pytest.raises(psycopg.Error, match=says) as raised:
        shop.connection.execute("SELECT grant_access_v1(%s, %s)", [role, kind])
    assert raised.value.sqlstate == "HR001"
