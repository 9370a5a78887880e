"""A cause that is planted into real parts is named first, and its twin without the cause does not name it."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from tests.client import Client
from tests.integration.cache_server import CacheServer
from tests.integration.planted import SECONDS, Load, Request, diagnosed, slow_way
from tests.integration.planted_parts import Generator, pooler, port_of, seen, service, through
from tests.integration.shop import Shop
from tuning.contract import Outcome
from tuning.diagnose.findings import Diagnosis
from tuning.diagnose.split import ALL, LOCKED, POOL, POOLER, QUEUE
from tuning.stack import postgres
from tuning.stack.stack import Stack

CLIENTS = 6
WAY_S = 0.008
ROWS = 150_000
LOCK_LIMITS = ("blocking-session", "hot-row-queue")
TABLE = """
    DROP TABLE IF EXISTS planted;
    CREATE TABLE planted (id int PRIMARY KEY, code int NOT NULL, units int NOT NULL DEFAULT 0);
    INSERT INTO planted SELECT n, n, 0 FROM generate_series(1, {rows}) AS n;
"""


@pytest.fixture(scope="module")
def owner(stack: Stack) -> Iterator[str]:
    """The owner's connection string, with a table of this module's own."""
    with psycopg.connect(stack.direct, autocommit=True) as connection:
        connection.execute(TABLE.format(rows=ROWS))
        connection.execute("ANALYZE planted")
    yield stack.direct
    with psycopg.connect(stack.direct, autocommit=True) as connection:
        connection.execute("DROP TABLE planted")


@pytest.fixture
def sessions(stack: Stack, owner: str) -> Iterator[Callable[[str], psycopg.Connection[Any]]]:
    with ExitStack() as opened:
        yield lambda conninfo: opened.enter_context(
            psycopg.connect(conninfo, autocommit=True, prepare_threshold=None, application_name="planted")
        )


def is_named(found: Diagnosis, rule: str) -> None:
    assert found.limit is not None, said(found)
    assert (found.limit.rule, found.limit.outcome) == (rule, Outcome.FAIL), said(found)
    assert found.answer.startswith(f"The limit is {rule}: ")
    adds_up(found)


def is_not_named(found: Diagnosis, rule: str) -> None:
    assert found.limit is None or found.limit.rule != rule, said(found)
    adds_up(found)


def said(found: Diagnosis) -> str:
    return "\n".join(f"{each.outcome} {each.rule}: {[f.message for f in each.findings]}" for each in found.limits)


def adds_up(found: Diagnosis) -> None:
    for split in found.splits:
        known = sum(part.seconds for part in split.parts if part.seconds is not None)
        assert known == pytest.approx(split.mean_s, rel=1e-6)


def blames_no_lock(found: Diagnosis) -> None:
    for each in found.limits:
        if each.rule in LOCK_LIMITS:
            assert each.outcome in (Outcome.OK, Outcome.SKIP), said(found)


def asks(connection: psycopg.Connection[Any], statement: str, name: str = "GET ask") -> Request:
    def ask() -> str:
        connection.execute(statement.encode())
        return name

    return ask


@contextmanager
def availability(url: str, product: int, clients: int = CLIENTS) -> Iterator[list[Request]]:
    with ExitStack() as opened:
        asking = [opened.enter_context(Client(url)) for _ in range(clients)]
        assert asking[0].log_in("user40").status == 200
        for each in asking:
            each.token = asking[0].token
        yield [_availability(each, product) for each in asking]


def _availability(client: Client, product: int) -> Request:
    path = f"/api/products/{product}/availability"

    def ask() -> str:
        answer = client.get(path)
        assert answer.status == 200, answer
        return f"GET {path}"

    return ask


@pytest.fixture
def product(shop: Shop) -> int:
    return shop.product(50)


@pytest.mark.parametrize(("threads", "is_planted"), [(1, True), (12, False)])
def test_workers_too_few(stack: Stack, product: int, tmp_path: Path, threads: int, is_planted: bool) -> None:
    with (
        slow_way(port_of(stack.pooled), WAY_S) as port,
        service(
            stack,
            tmp_path,
            WORKER_CLASS="gthread",
            THREADS=str(threads),
            POOL_SIZE="12",
            DATABASE_URL=through(stack.pooled, port),
        ) as (url, targets, slots),
        availability(url, product) as clients,
    ):
        found = diagnosed(tmp_path, Load(clients), targets, slots=slots)
    (is_named if is_planted else is_not_named)(found, "workers-too-few")
    blames_no_lock(found)
    whole = next(each for each in found.splits if each.request == ALL)
    assert (whole.of(QUEUE) > whole.mean_s / 2) is is_planted


@pytest.mark.parametrize(("size", "is_planted"), [(1, True), (12, False)])
def test_pool_of_one(stack: Stack, product: int, tmp_path: Path, size: int, is_planted: bool) -> None:
    with (
        slow_way(port_of(stack.pooled), WAY_S) as port,
        service(stack, tmp_path, POOL_SIZE=str(size), DATABASE_URL=through(stack.pooled, port)) as (
            url,
            targets,
            slots,
        ),
        availability(url, product) as clients,
    ):
        found = diagnosed(tmp_path, Load(clients), targets, slots=slots)
    (is_named if is_planted else is_not_named)(found, "pool-bound")
    blames_no_lock(found)
    whole = next(each for each in found.splits if each.request == ALL)
    assert (whole.of(POOL) > whole.mean_s / 2) is is_planted


@pytest.mark.parametrize(("delay_s", "is_planted"), [(0.01, True), (0.0, False)])
def test_slow_redis(stack: Stack, product: int, tmp_path: Path, delay_s: float, is_planted: bool) -> None:
    # Its own, so that all commands are those of the requests.
    server = CacheServer()
    server.start()
    with ExitStack() as ending:
        ending.callback(server.end)
        port = ending.enter_context(slow_way(server.port, delay_s)) if delay_s else server.port
        near = server.url.replace(f":{server.port}/", f":{port}/")
        with (
            service(stack, tmp_path, CACHE="redis", REDIS_URL=near) as (url, targets, slots),
            # Several would wait for each other's question, which no source counts.
            availability(url, product, clients=1) as clients,
        ):
            found = diagnosed(tmp_path, Load(clients), targets, slots=slots)
    (is_named if is_planted else is_not_named)(found, "slow-redis")
    blames_no_lock(found)


@pytest.mark.parametrize("is_planted", [True, False])
def test_hash_on_the_hub(stack: Stack, product: int, tmp_path: Path, is_planted: bool) -> None:
    settings = {"HASHER": "django"} if is_planted else {}
    with (
        service(stack, tmp_path, **settings) as (url, targets, slots),
        availability(url, product, clients=3) as clients,
        ExitStack() as opened,
    ):
        for user in (41, 42, 43) if is_planted else ():
            clients.append(_logins(opened.enter_context(Client(url)), f"user{user}"))
        found = diagnosed(tmp_path, Load(clients, seconds=4.0), targets, slots=slots)
    (is_named if is_planted else is_not_named)(found, "hash-on-the-hub")
    blames_no_lock(found)


def _logins(client: Client, user: str) -> Request:
    def ask() -> str:
        assert client.log_in(user).status == 200
        return "POST /api/auth/token"

    return ask


@pytest.mark.parametrize(("size", "is_planted"), [(1, True), (12, False)])
def test_pgbouncer_pool_of_one(
    stack: Stack, sessions: Callable[[str], psycopg.Connection[Any]], tmp_path: Path, size: int, is_planted: bool
) -> None:
    with slow_way(port_of(stack.direct), WAY_S) as way, pooler(stack, size, way) as (pooled, console):
        clients = [asks(sessions(pooled), "SELECT 1") for _ in range(CLIENTS)]
        found = diagnosed(tmp_path, Load(clients), seen(stack, pooler=console))
    (is_named if is_planted else is_not_named)(found, "pooler-bound")
    blames_no_lock(found)
    whole = found.splits[0]
    assert (whole.of(POOLER) > whole.mean_s / 2) is is_planted


HOT = "UPDATE planted SET units = units + 1 WHERE id = 1"


@pytest.mark.parametrize("is_planted", [True, False])
def test_session_that_holds_the_hot_row(
    stack: Stack, sessions: Callable[[str], psycopg.Connection[Any]], tmp_path: Path, is_planted: bool
) -> None:
    holder = sessions(make_conninfo(stack.direct, application_name="report of the month"))
    clients = [asks(sessions(stack.direct), HOT, "POST reserve") for _ in range(CLIENTS)]
    is_held = threading.Event()

    def hold() -> None:
        with holder.transaction():
            holder.execute("SELECT units FROM planted WHERE id = 1 FOR UPDATE")
            is_held.set()
            # The load's length is the cause's own: most of it.
            time.sleep(0.8 * SECONDS)

    found = diagnosed(tmp_path, Load(clients), seen(stack), during=hold if is_planted else None)
    (is_named if is_planted else is_not_named)(found, "blocking-session")
    if is_planted:
        pid = holder.info.backend_pid
        assert f"pid {pid}, user " in found.answer
        for told in ("planted", "idle in transaction", "SELECT units FROM planted WHERE id = 1 FOR UPDATE"):
            assert told in found.answer
        (lock,) = (part for part in found.splits[0].parts if part.name == LOCKED)
        assert f"pid {pid}" in lock.source


@pytest.mark.parametrize("is_planted", [True, False])
def test_missing_index(
    stack: Stack, owner: str, sessions: Callable[[str], psycopg.Connection[Any]], tmp_path: Path, is_planted: bool
) -> None:
    if not is_planted:
        sessions(owner).execute("CREATE INDEX planted_code ON planted (code)")
    clients = [asks(sessions(owner), "SELECT units FROM planted WHERE code = 77") for _ in range(3)]
    found = diagnosed(tmp_path, Load(clients), seen(stack))
    if not is_planted:
        sessions(owner).execute("DROP INDEX planted_code")
    (is_named if is_planted else is_not_named)(found, "missing-index")
    blames_no_lock(found)


@pytest.mark.parametrize("is_planted", [True, False])
def test_repeated_queries(
    stack: Stack, owner: str, sessions: Callable[[str], psycopg.Connection[Any]], tmp_path: Path, is_planted: bool
) -> None:
    def page(connection: psycopg.Connection[Any]) -> Request:
        def ask() -> str:
            ids = [row[0] for row in connection.execute("SELECT id FROM planted WHERE id < 41").fetchall()]
            if is_planted:
                for each in ids:
                    connection.execute("SELECT units FROM planted WHERE id = %s", [each])
            else:
                connection.execute("SELECT id, units FROM planted WHERE id = ANY(%s)", [ids])
            return "GET page"

        return ask

    found = diagnosed(tmp_path, Load([page(sessions(owner)) for _ in range(2)]), seen(stack))
    (is_named if is_planted else is_not_named)(found, "repeated-queries")
    blames_no_lock(found)


@pytest.mark.parametrize("is_planted", [True, False])
def test_wal_flush(
    stack: Stack, owner: str, sessions: Callable[[str], psycopg.Connection[Any]], tmp_path: Path, is_planted: bool
) -> None:
    superuser = make_conninfo(stack.superuser, dbname=postgres.DATABASE)
    clients = []
    for client in range(4):
        connection = sessions(superuser)
        # Each flush is as slow as that of a disk without a write cache; the twin waits for none.
        connection.execute("SET commit_siblings = 0")
        connection.execute("SET commit_delay = 30000" if is_planted else "SET synchronous_commit = off")
        clients.append(asks(connection, f"UPDATE planted SET units = units + 1 WHERE id = {100 + client}", "POST add"))
    found = diagnosed(tmp_path, Load(clients), seen(stack))
    (is_named if is_planted else is_not_named)(found, "wal-flush-bound")
    blames_no_lock(found)


@pytest.mark.parametrize("is_planted", [True, False])
def test_load_generator_saturated(stack: Stack, owner: str, tmp_path: Path, is_planted: bool) -> None:
    load = Generator(owner, pause_s=0.0, busy=3_000_000 if is_planted else 0)
    found = diagnosed(tmp_path, load, seen(stack, processes={"load": [load.pid]}))
    (is_named if is_planted else is_not_named)(found, "load-generator-saturated")
    blames_no_lock(found)


@pytest.mark.parametrize("is_planted", [True, False])
def test_think_time(stack: Stack, owner: str, tmp_path: Path, is_planted: bool) -> None:
    load = Generator(owner, pause_s=0.1 if is_planted else 0.0, busy=0)
    found = diagnosed(tmp_path, load, seen(stack, processes={"load": [load.pid]}))
    (is_named if is_planted else is_not_named)(found, "think-time")
    blames_no_lock(found)
