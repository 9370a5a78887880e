"""Every rule of the chain fires on the snapshot that has its fault, and not on the one that is set right."""

from dataclasses import replace
from pathlib import Path

import pytest

from tuning.chain.judge import MISSING, judge
from tuning.chain.rules import Rule, load
from tuning.chain.topology import through
from tuning.contract import Outcome
from tuning.migrations.rules import load as load_migration_rules
from tuning.observe.chain import Alias, Chain, Pool, Pooler, PoolerDatabase, Project, Server, Workers

ROOT = Path(__file__).parents[2]
LIMITS = {"statement_timeout": "10s", "lock_timeout": "2s", "idle_in_transaction_session_timeout": "10s"}
ALIAS = Alias(
    "default",
    host="127.0.0.1",
    port="6432",
    database="shop",
    user="app",
    has_health_checks=True,
    has_server_side_cursors=False,
    time_zone="UTC",
    pool=Pool(2, 8, 2.0, 100),
    options={"connect_timeout": 3},
)
SETTINGS = {
    "auth_type": "scram-sha-256",
    "pool_mode": "transaction",
    "listen_addr": "127.0.0.1",
    "listen_port": "6432",
    "max_client_conn": "100",
    "query_wait_timeout": "5",
    "server_login_retry": "1",
}
DATABASES = (
    PoolerDatabase("shop", "127.0.0.1", "5432", "shop", "transaction", 8, 0),
    PoolerDatabase("shop_direct", "127.0.0.1", "5432", "shop", "session", 2, 0),
)
# A chain in which nothing is wrong; each case changes one thing.
GOOD = Chain(
    Project((5, 2, 1), (3, 2, 10), 170002, (ALIAS,)),
    Workers("gevent", workers=4, worker_connections=200),
    Pooler((1, 25, 2), SETTINGS, DATABASES),
    Server(180000, 100, 3, role_settings={"app": LIMITS}),
    frozenset({"default"}),
)


def with_alias(chain: Chain = GOOD, **changes: object) -> Chain:
    assert chain.project is not None
    changed = tuple(replace(each, **changes) for each in chain.project.aliases)  # type: ignore[arg-type]
    return replace(chain, project=replace(chain.project, aliases=changed))


def with_options(chain: Chain = GOOD, **options: object) -> Chain:
    return with_alias(chain, options={"connect_timeout": 3, **options})


def with_project(**changes: object) -> Chain:
    assert GOOD.project is not None
    return replace(GOOD, project=replace(GOOD.project, **changes))  # type: ignore[arg-type]


def with_workers(chain: Chain = GOOD, **changes: object) -> Chain:
    assert chain.workers is not None
    return replace(chain, workers=replace(chain.workers, **changes))  # type: ignore[arg-type]


def with_pooler(chain: Chain = GOOD, version: tuple[int, ...] | None = (1, 25, 2), **settings: str) -> Chain:
    return replace(chain, pooler=Pooler(version, SETTINGS | settings, DATABASES))


def with_databases(*databases: PoolerDatabase, **settings: str) -> Chain:
    return replace(GOOD, pooler=Pooler((1, 25, 2), SETTINGS | settings, databases))


def at_server(host: str) -> Chain:
    """The alias goes straight to a server on another machine, past PgBouncer, which has servers of its own here."""
    assert GOOD.server is not None
    return replace(STRAIGHT, pooler=None, server=replace(GOOD.server, host=host))


def with_role(**settings: str) -> Chain:
    assert GOOD.server is not None
    return replace(GOOD, server=replace(GOOD.server, role_settings={"app": LIMITS | settings}))


KEPT = with_alias(pool=None, conn_max_age_s=600)
GTHREAD = with_workers(worker_class="gthread", threads=4)
STRAIGHT = with_alias(replace(GOOD, through_pooler=frozenset()), port="5432")
PREPARING = with_options(prepare_threshold=5, server_side_binding=True)
SESSION = PoolerDatabase("shop", pool_mode="session", pool_size=8)

# The rule, a chain that has its fault, one that has not.
CASES: list[tuple[str, Chain, Chain]] = [
    ("persistent-under-greenlets", KEPT, with_workers(KEPT, worker_class="gthread")),
    ("persistent-under-greenlets", with_workers(KEPT, worker_class="uvicorn.workers.UvicornWorker"), GOOD),
    ("persistent-under-greenlets", with_alias(KEPT, conn_max_age_s=None), with_alias(KEPT, connections=1)),
    ("pool-with-connection-age", with_alias(conn_max_age_s=60), GOOD),
    ("pool-with-connection-age", with_alias(conn_max_age_s=None), KEPT),
    ("health-checks", with_alias(has_health_checks=False), GOOD),
    ("health-checks", with_alias(KEPT, has_health_checks=False), with_alias(has_health_checks=False, pool=None)),
    ("pool-timeout", with_alias(pool=Pool(2, 8, max_waiting=9)), GOOD),
    ("pool-queue", with_alias(pool=Pool(2, 8, 2.0)), with_alias(GTHREAD, pool=Pool(2, 8, 2.0))),
    ("pool-driver", with_project(psycopg=(2, 9, 10)), GOOD),
    ("pool-driver", with_project(psycopg=(3, 1, 13)), with_project(psycopg=(3, 1, 14))),
    ("driver-before-patch", with_workers(is_preloaded=True), with_workers(GTHREAD, is_preloaded=True)),
    ("driver-before-patch", with_workers(early_imports=("psycopg",)), GOOD),
    ("preloaded-pool", with_workers(GTHREAD, is_preloaded=True), GTHREAD),
    ("connect-timeout", with_alias(options={}), GOOD),
    ("connect-timeout", with_options(connect_timeout=60), with_alias(host="/run/postgresql", options={})),
    (
        "failover-target",
        with_alias(host="a,b"),
        with_options(with_alias(host="a,b"), target_session_attrs="read-write"),
    ),
    ("server-side-cursors", with_alias(has_server_side_cursors=True), GOOD),
    (
        "server-side-cursors",
        with_pooler(with_alias(has_server_side_cursors=True), pool_mode="statement"),
        replace(with_alias(has_server_side_cursors=True), through_pooler=frozenset()),
    ),
    ("prepared-statements", with_pooler(PREPARING, (1, 21)), with_pooler(PREPARING, (1, 24))),
    (
        "prepared-statements",
        with_pooler(PREPARING, (1, 22)),
        with_pooler(PREPARING, (1, 22), max_prepared_statements="9"),
    ),
    ("prepared-statements", with_pooler(PREPARING, (1, 24), max_prepared_statements="0"), PREPARING),
    ("prepared-statements", with_options(with_project(libpq=160004), prepare_threshold=5), with_project(libpq=160004)),
    ("prepared-statements", with_options(with_project(psycopg=(3, 1, 20)), prepare_threshold=5), GOOD),
    ("prepare-without-binding", with_options(prepare_threshold=5), PREPARING),
    ("prepared-max-option", with_options(prepared_max=None), GOOD),
    ("startup-parameters", with_options(options="-c statement_timeout=5s"), with_options(options="-c timezone=UTC")),
    (
        "startup-parameters",
        with_pooler(
            with_options(options="-cstatement_timeout=5s"), ignore_startup_parameters="extra_float_digits, options"
        ),
        with_pooler(ignore_startup_parameters="options"),
    ),
    (
        "startup-parameters",
        with_pooler(with_options(options="-c search_path=x"), ignore_startup_parameters="search_path"),
        with_pooler(with_options(options="--search_path=x"), track_extra_parameters="search_path"),
    ),
    (
        "startup-parameters",
        with_pooler(with_options(options="-c timezone=UTC"), (1, 19, 1)),
        with_pooler(version=(1, 19)),
    ),
    ("pool-mode", with_databases(replace(DATABASES[0], pool_mode="statement")), GOOD),
    ("pool-mode", with_databases(SESSION), with_databases(replace(SESSION, pool_size=32))),
    ("migrations-way", with_databases(DATABASES[0]), GOOD),
    ("pgbouncer-version", with_pooler(version=(1, 25, 1)), GOOD),
    ("pooler-authentication", with_pooler(auth_type="trust"), GOOD),
    (
        "pooler-authentication",
        with_pooler(auth_user="asker", auth_query="SELECT usename, passwd FROM user_search($1)"),
        with_pooler(auth_user="asker", auth_query="SELECT usename, passwd FROM public.user_search($1)"),
    ),
    ("pooler-authentication", with_pooler(version=(1, 24, 0), auth_user="asker"), with_pooler(version=(1, 24, 0))),
    ("query-wait-timeout", with_pooler(query_wait_timeout="120"), GOOD),
    ("query-wait-timeout", with_pooler(query_wait_timeout="0"), GOOD),
    ("server-login-retry", with_pooler(server_login_retry="15"), GOOD),
    ("reset-query-always", with_pooler(server_reset_query_always="1"), with_pooler(server_reset_query_always="0")),
    ("client-budget", with_pooler(max_client_conn="31"), with_pooler(max_client_conn="32")),
    ("client-budget", with_alias(pool=None), with_alias(pool=None, connections=1)),
    (
        "server-budget",
        with_databases(replace(DATABASES[0], pool_size=98)),
        with_databases(replace(DATABASES[0], pool_size=97)),
    ),
    (
        "server-budget",
        with_databases(PoolerDatabase("*"), default_pool_size="90", reserve_pool_size="10"),
        with_databases(PoolerDatabase("*"), default_pool_size="90", reserve_pool_size="10", max_db_connections="50"),
    ),
    ("server-budget", with_alias(STRAIGHT, pool=Pool(1, 22)), with_alias(STRAIGHT, pool=Pool(1, 21))),
    (
        "server-budget",
        with_alias(at_server("db.internal"), host="db.internal,db2.internal", pool=Pool(1, 25)),
        with_alias(at_server("db.internal"), host="other.internal", pool=Pool(1, 25)),
    ),
    ("role-limits", with_role(lock_timeout="0"), GOOD),
    ("role-limits", replace(GOOD, server=Server(180000, 100, 3)), with_role(lock_timeout="1min")),
    ("query-timeout", with_pooler(query_timeout="10"), with_pooler(query_timeout="12")),
    ("query-timeout", with_pooler(transaction_timeout="5"), with_pooler(transaction_timeout="0")),
    ("time-zone", with_role(timezone="Etc/UTC"), with_role(timezone="UTC")),
    ("time-zone", with_alias(time_zone="Europe/Berlin"), GOOD),
    (
        "time-zone",
        with_alias(at_server("db.internal"), host="db.internal", time_zone="Europe/Berlin"),
        with_alias(at_server("db.internal"), host="other.internal", time_zone="Europe/Berlin"),
    ),
    ("atomic-requests", with_alias(is_atomic=True), GOOD),
    ("pooler-not-used", replace(GOOD, through_pooler=frozenset()), GOOD),
    ("pooler-not-used", with_alias(database="other"), with_databases(PoolerDatabase("*"))),
]


def outcome(chain: Chain, rule: str) -> Outcome:
    return next(verdict.outcome for verdict in judge(chain, {}).verdicts if verdict.rule == rule)


@pytest.mark.parametrize(
    ("rule", "faulty", "right"), CASES, ids=[f"{number}-{case[0]}" for number, case in enumerate(CASES)]
)
def test_rule_fires_on_the_fault_and_not_on_what_is_right(rule: str, faulty: Chain, right: Chain) -> None:
    (verdict,) = (each for each in judge(faulty, {}).verdicts if each.rule == rule)
    assert verdict.outcome in (Outcome.WARN, Outcome.FAIL)
    assert verdict.findings
    assert verdict.remedy
    assert outcome(right, rule) in (Outcome.OK, Outcome.SKIP)


def test_nothing_is_found_where_all_is_right() -> None:
    assert {verdict.rule: verdict.outcome for verdict in judge(GOOD, {}).verdicts} == dict.fromkeys(
        (rule.id for rule in load()), Outcome.OK
    )


def test_every_rule_has_a_case() -> None:
    assert {case[0] for case in CASES} == {rule.id for rule in load()}


@pytest.mark.parametrize("rule", load(), ids=lambda rule: rule.id)
def test_rule_keeps_the_contract(rule: Rule) -> None:
    assert (ROOT / "tuning/chain/rules" / f"{rule.id.replace('-', '_')}.py").is_file()
    assert rule.title.endswith(".")
    assert all(text.endswith((".", ")")) for text in (rule.when, rule.why, rule.remedy))
    assert rule.needs
    assert set(rule.needs) <= set(MISSING)
    assert rule.id not in {each.id for each in load_migration_rules()}


def test_rule_is_skipped_with_the_way_to_give_what_it_needs() -> None:
    for verdict in judge(Chain(), {}).verdicts:
        assert verdict.outcome is Outcome.SKIP
        assert verdict.reason in MISSING.values()
    without_version = with_pooler(version=None)
    assert outcome(without_version, "pgbouncer-version") is Outcome.SKIP
    assert outcome(without_version, "client-budget") is Outcome.OK


def test_excluded_rule_is_skipped_with_its_reason() -> None:
    (verdict,) = (
        each
        for each in judge(with_alias(is_atomic=True), {"atomic-requests": "because"}).verdicts
        if each.reason == "because"
    )
    assert (verdict.rule, verdict.outcome) == ("atomic-requests", Outcome.SKIP)


@pytest.mark.parametrize(
    ("host", "port", "listens", "console", "expected"),
    [
        ("127.0.0.1", "6432", "127.0.0.1", "127.0.0.1", True),
        ("localhost", "6432", "127.0.0.1", "127.0.0.1", True),
        ("/tmp", "6432", "*", "127.0.0.1", True),
        ("127.0.0.1", "5432", "127.0.0.1", "127.0.0.1", False),
        ("127.0.0.1", "", "127.0.0.1", "127.0.0.1", False),
        ("db.internal", "6432", "127.0.0.1", "127.0.0.1", False),
        ("db.internal", "6432", "*", "127.0.0.1", False),
        ("db.internal", "6432", "*", "db.internal", True),
        ("db.internal", "6432", "*", None, True),
        ("db.internal", "6432", "127.0.0.1", None, False),
    ],
)
def test_alias_is_known_by_the_address_of_pgbouncer(
    host: str, port: str, listens: str, console: str | None, expected: bool
) -> None:
    pooler = Pooler(None, {"listen_port": "6432", "listen_addr": listens}, ())
    assert bool(through([Alias("default", host, port)], pooler, console)) is expected
