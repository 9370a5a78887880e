"""Who comes in through PgBouncer: what its auth_query may see, and that passwords change without it."""

import re
import secrets
from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from tests.integration.shop import Shop, call
from tuning.stack import postgres
from tuning.stack.stack import Stack

# A role made for these tests, as a team would make one to change a password.
NEXT = "hotrow_app_next"
LOOKUP = "SELECT name, secret FROM pooler.user_lookup(%s)"
DEFINERS = """
    SELECT p.oid::regprocedure::text FROM pg_proc AS p
     WHERE p.prosecdef AND p.pronamespace::regnamespace::text NOT IN ('pg_catalog', 'information_schema')
       AND (NOT EXISTS (SELECT FROM unnest(p.proconfig) AS c WHERE c ~ '^search_path=.*pg_temp$')
            OR p.proacl IS NULL OR EXISTS (SELECT FROM aclexplode(p.proacl) AS a WHERE a.grantee = 0)
            OR EXISTS (SELECT FROM pg_roles AS r WHERE r.oid = p.proowner AND r.rolcanlogin))
"""


@pytest.fixture
def pooler(stack: Stack) -> Iterator[psycopg.Connection]:
    """PgBouncer's own user, past PgBouncer."""
    conninfo = make_conninfo(stack.direct, user=postgres.POOLER_ROLE, password=stack._secrets.pooler)
    with psycopg.connect(conninfo, autocommit=True) as connection:
        yield connection


@pytest.fixture
def named(watcher: psycopg.Connection, shop: Shop) -> Iterator[str]:
    """A second role of the kind app, with the password that is returned."""
    password = secrets.token_urlsafe()
    watcher.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(NEXT), sql.Literal(password)))
    shop.connection.execute("SELECT grant_access_v1(%s, 'app')", [NEXT])
    yield password
    shop.connection.execute("SELECT grant_access_v1(%s, 'none')", [NEXT])
    watcher.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", [NEXT])
    watcher.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(NEXT)))


def through(stack: Stack, user: str, password: str) -> psycopg.Connection:
    return psycopg.connect(make_conninfo(stack.pooled, user=user, password=password), autocommit=True)


def refused(stack: Stack, user: str, password: str) -> bool:
    try:
        through(stack, user, password).close()
    except psycopg.OperationalError as error:
        return re.search("authentication failed|no password supplied|no such user", str(error)) is not None
    return False


def test_lookup_tells_secrets_of_those_who_may_come_in(pooler: psycopg.Connection, watcher: psycopg.Connection) -> None:
    def told(name: str) -> list[tuple[str, str]]:
        return pooler.execute(LOOKUP, [name]).fetchall()

    stored = watcher.execute("SELECT rolpassword FROM pg_authid WHERE rolname = 'hotrow_app'").fetchall()
    assert told("hotrow_app") == [("hotrow_app", stored[0][0])]
    assert stored[0][0].startswith("SCRAM-SHA-256$")
    for name in ("postgres", "hotrow_replicator", "hotrow_owner", "hotrow_lookup", "nobody_here", "' OR true --"):
        assert told(name) == [], name


def test_lookup_forgets_whose_time_is_over(pooler: psycopg.Connection, watcher: psycopg.Connection, named: str) -> None:
    assert len(pooler.execute(LOOKUP, [NEXT]).fetchall()) == 1
    for change in ("VALID UNTIL '2020-01-01'", "VALID UNTIL 'infinity' NOLOGIN", "LOGIN SUPERUSER"):
        watcher.execute(sql.SQL("ALTER ROLE {} {}").format(sql.Identifier(NEXT), sql.SQL(change)))
        assert pooler.execute(LOOKUP, [NEXT]).fetchall() == [], change
    watcher.execute(sql.SQL("ALTER ROLE {} NOSUPERUSER").format(sql.Identifier(NEXT)))


@pytest.mark.parametrize("kind", ["app", "admin", "lab", "readonly"])
def test_nobody_else_may_ask(stack: Stack, kind: str) -> None:
    with psycopg.connect(stack.conninfo(kind)) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(LOOKUP, ["hotrow_app"])


def test_poolers_user_may_do_nothing_else(pooler: psycopg.Connection) -> None:
    for statement in (
        "SELECT * FROM pg_authid",
        "SELECT * FROM product",
        "SET ROLE hotrow_lookup",
        "CREATE TABLE x ()",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            pooler.execute(statement)


def test_lookup_cannot_be_led_elsewhere(pooler: psycopg.Connection) -> None:
    honest = pooler.execute(LOOKUP, ["hotrow_app"]).fetchall()
    pooler.execute(
        "CREATE TEMP TABLE pg_authid AS SELECT 'hotrow_app'::name AS rolname, 'SCRAM-SHA-256$1' AS rolpassword,"
        " true AS rolcanlogin, false AS rolsuper, false AS rolreplication, NULL::timestamptz AS rolvaliduntil"
    )
    pooler.execute("SET search_path = pg_temp, public, pg_catalog")
    # The control: who names the table without its schema is led to the false one.
    assert pooler.execute("SELECT rolpassword FROM pg_authid").fetchall() == [("SCRAM-SHA-256$1",)]
    assert pooler.execute(LOOKUP, ["hotrow_app"]).fetchall() == honest


def test_functions_with_their_owners_rights_are_closed(watcher: psycopg.Connection) -> None:
    assert watcher.execute("SELECT count(*) FROM pg_proc WHERE proname = 'user_lookup' AND prosecdef").fetchone() == (
        1,
    )
    assert watcher.execute(DEFINERS).fetchall() == []
    with watcher.transaction(force_rollback=True):
        watcher.execute("CREATE FUNCTION public.open() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'")
        assert watcher.execute(DEFINERS).fetchall() == [("open()",)]


def test_no_password_is_kept_as_md5(watcher: psycopg.Connection) -> None:
    kinds = "SELECT DISTINCT split_part(rolpassword, '$', 1) FROM pg_authid WHERE rolpassword IS NOT NULL"
    assert watcher.execute(kinds).fetchall() == [("SCRAM-SHA-256",)]


def test_wrong_password_and_unknown_user_are_refused(stack: Stack) -> None:
    assert refused(stack, "hotrow_app", "wrong")
    assert refused(stack, "hotrow_app", "")
    assert refused(stack, "nobody_here", "wrong")
    assert refused(stack, "postgres", stack._secrets.superuser)
    assert not refused(stack, "hotrow_app", stack._secrets.app)


def test_passwords_change_while_pgbouncer_runs(
    stack: Stack, shop: Shop, watcher: psycopg.Connection, named: str
) -> None:
    product = shop.product(10)
    with through(stack, NEXT, named) as early:
        assert call(early, [product], [1]).outcome == "reserved"
        later = secrets.token_urlsafe()
        watcher.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(NEXT), sql.Literal(later)))
        assert refused(stack, NEXT, named)
        with through(stack, NEXT, later) as late:
            assert call(late, [product], [1]).outcome == "reserved"
        # Who is in stays in.
        assert call(early, [product], [1]).outcome == "reserved"
    assert refused(stack, "hotrow_app", later)


def test_console_is_open_to_its_user_alone(stack: Stack) -> None:
    with psycopg.connect(stack.console, autocommit=True, prepare_threshold=None) as console:
        shown = {row[0]: row[1] for row in console.execute("SHOW CONFIG")}
        databases = {row[0] for row in console.execute("SHOW DATABASES")}
    assert shown["auth_type"] == "scram-sha-256"
    assert shown["auth_query"] == "SELECT name, secret FROM pooler.user_lookup($1)"
    assert shown["pool_mode"] == "transaction"
    assert databases >= {"hotrow", "hotrow_lane", "hotrow_direct"}
    assert (shown["admin_users"], shown["stats_users"]) == (postgres.MONITOR_ROLE, postgres.MONITOR_ROLE)
