"""The sweeper: what is due ends once, soon, and whatever happens to the connection."""

import re
import signal
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from tests import commands
from tests.integration.shop import Shop, call
from tuning.stack.ports import free_port
from tuning.stack.stack import Stack

HOLDS = 10_000
PRODUCTS = 20
OVERDUE_S = 40
MAX_LAG_S = 60

Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture(autouse=True)
def swept(shop: Shop) -> Iterator[None]:
    """Nothing is due when a test begins, and counters and ledger agree when it ends."""
    while shop.ask("expire_reservations_v1", 10_000):
        pass
    yield
    assert shop.violations() == []


@pytest.fixture
def sweeper(stack: Stack) -> Iterator[Start]:
    """A maker of sweepers that do not outlive the test."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*arguments: str, **settings: str) -> subprocess.Popen[bytes]:
        started.append(commands.start(stack, "sweep", *arguments, settings=settings))
        return started[-1]

    yield start
    for each in started:
        each.kill()
        each.communicate()


@pytest.fixture
def due(shop: Shop) -> list[int]:
    """So many due holds on a few products; their product ids."""
    products = [shop.product(HOLDS) for _ in range(PRODUCTS)]
    for start in range(0, HOLDS, 1_000):
        numbers = range(start, start + 1_000)
        orders = [uuid.uuid4() for _ in numbers]
        shop.connection.execute(
            "SELECT count(*) FROM reserve_stock_many_v1(%s, %s::bigint[], %s, %s::bigint[], %s::int[], 900)",
            [
                orders,
                [1 + number % 1_000 for number in numbers],
                [uuid.uuid4().hex for _ in numbers],
                [products[number % PRODUCTS] for number in numbers],
                [1] * len(numbers),
            ],
        )
        shop.connection.execute(
            "UPDATE stock_reservation SET created_at = created_at - interval '1 day',"
            " expires_at = clock_timestamp() - make_interval(secs => %s) WHERE order_id = ANY (%s)",
            [OVERDUE_S, orders],
        )
    assert statuses(shop, products) == {"held": HOLDS}
    return products


def statuses(shop: Shop, products: list[int]) -> dict[str, int]:
    rows = shop.connection.execute(
        "SELECT r.status, count(*) FROM stock_reservation AS r JOIN product_stock AS s ON s.id = r.product_stock_id"
        " WHERE s.product_id = ANY (%s) GROUP BY r.status",
        [products],
    )
    return dict(rows.fetchall())


def ended(output: str) -> tuple[int, float]:
    """How many holds a sweeper says that it ended, and its lag."""
    match = re.search(r"Ended ([\d,]+) holds; the oldest was ([\d.]+) s overdue", output)
    assert match, output
    return int(match[1].replace(",", "")), float(match[2])


def assert_each_ended_once(shop: Shop, products: list[int]) -> None:
    assert statuses(shop, products) == {"expired": HOLDS}
    row = shop.connection.execute(
        "SELECT sum(t.delta_available), sum(t.delta_held) FROM stock_transaction AS t"
        " JOIN product_stock AS s ON s.id = t.product_stock_id WHERE t.kind = 'expire' AND s.product_id = ANY (%s)",
        [products],
    ).fetchone()
    assert row == (HOLDS, -HOLDS)
    row = shop.connection.execute(
        "SELECT count(*), count(DISTINCT o.order_id) FROM stock_outbox AS o WHERE o.event = 'expired' AND o.order_id IN"
        " (SELECT r.order_id FROM stock_reservation AS r JOIN product_stock AS s ON s.id = r.product_stock_id"
        "   WHERE s.product_id = ANY (%s))",
        [products],
    ).fetchone()
    assert row == (HOLDS, HOLDS)
    assert {shop.counters(product) for product in products} == {(HOLDS, 0, 0)}


def hold(shop: Shop, product: int) -> uuid.UUID:
    order = call(shop.connection, [product], [1]).order_id
    assert order is not None
    return order


def await_status(shop: Shop, order: uuid.UUID, status: str) -> None:
    deadline = time.monotonic() + 20
    while shop.statuses(order) != [status]:
        assert time.monotonic() < deadline, shop.statuses(order)
        time.sleep(0.05)


def test_sweep_ends_10_000_due_holds_within_a_minute(stack: Stack, shop: Shop, due: list[int]) -> None:
    begun = time.monotonic()
    done = commands.run(stack, "sweep", "--once")
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - begun < MAX_LAG_S
    count, lag_s = ended(done.stdout)
    assert count == HOLDS
    assert OVERDUE_S <= lag_s <= OVERDUE_S + MAX_LAG_S
    assert_each_ended_once(shop, due)


def test_two_sweepers_end_each_hold_once(shop: Shop, due: list[int], sweeper: Start) -> None:
    both = [sweeper("--once", "--batch", "100") for _ in range(2)]
    counts = [ended(each.communicate(timeout=MAX_LAG_S)[0].decode())[0] for each in both]
    assert sum(counts) == HOLDS
    assert_each_ended_once(shop, due)


def test_sweep_leaves_what_is_not_due_or_is_final(stack: Stack, shop: Shop) -> None:
    product = shop.product(3)
    held, sold, over = (hold(shop, product) for _ in range(3))
    assert shop.ask("confirm_reservation_v1", 1, sold, f"pay-{sold}") == "confirmed"
    shop.make_due(sold)
    shop.make_due(over)
    assert ended(commands.run(stack, "sweep", "--once").stdout)[0] == 1
    assert [shop.statuses(order) for order in (held, sold, over)] == [["held"], ["confirmed"], ["expired"]]
    # The control: nothing is left to do.
    assert ended(commands.run(stack, "sweep", "--once").stdout) == (0, 0.0)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_sweep_goes_on_until_it_is_told_to_end(shop: Shop, sweeper: Start, number: signal.Signals) -> None:
    running = sweeper("--interval-s", "0.1")
    for _ in range(2):
        order = hold(shop, shop.product(1))
        shop.make_due(order)
        await_status(shop, order, "expired")
    running.send_signal(number)
    output = running.communicate(timeout=10)[1].decode()
    assert running.returncode == 0, output
    assert output.count("ended 1 holds; the oldest was ") == 2
    assert "Traceback" not in output


def test_sweep_ends_after_its_statement(stack: Stack, shop: Shop, watcher: psycopg.Connection, sweeper: Start) -> None:
    product = shop.product(1)
    order = hold(shop, product)
    shop.make_due(order)
    with psycopg.connect(stack.direct) as blocker:
        blocker.execute("SELECT 1 FROM product_stock WHERE product_id = %s FOR UPDATE", [product])
        running = sweeper(DATABASE_URL=make_conninfo(stack.conninfo("app"), options="-c lock_timeout=20s"))
        await_lock_wait(watcher)
        running.send_signal(signal.SIGTERM)
        with pytest.raises(subprocess.TimeoutExpired):
            running.wait(1)
    assert running.wait(10) == 0
    assert shop.statuses(order) == ["expired"]


def await_lock_wait(watcher: psycopg.Connection) -> None:
    deadline = time.monotonic() + 15
    waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%expire_reservations%'"
    while watcher.execute(waiting).fetchone() is None:
        assert time.monotonic() < deadline, "no sweeper waits for the lock"
        time.sleep(0.05)


def test_sweep_survives_a_lost_connection(
    stack: Stack, shop: Shop, watcher: psycopg.Connection, sweeper: Start
) -> None:
    name = f"sweep-{uuid.uuid4().hex[:12]}"
    running = sweeper("--interval-s", "0.1", DATABASE_URL=make_conninfo(stack.conninfo("app"), application_name=name))
    for is_lost in (False, True):
        if is_lost:
            cut = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = %s"
            assert watcher.execute(cut, [name]).fetchone() != (0,)
        order = hold(shop, shop.product(1))
        shop.make_due(order)
        await_status(shop, order, "expired")
    running.send_signal(signal.SIGTERM)
    output = running.communicate(timeout=10)[1].decode()
    assert running.returncode == 0, output
    assert "database unavailable" in output


def test_single_sweep_says_that_it_cannot_work(stack: Stack) -> None:
    nowhere = make_conninfo(stack.conninfo("app"), port=free_port())
    done = commands.run(stack, "sweep", "--once", settings={"DATABASE_URL": nowhere, "CONNECTION_MODE": "per_request"})
    assert done.returncode == 1
    assert "The database refused the sweep" in done.stderr


@pytest.mark.parametrize("options", [["--batch", "0"], ["--batch", "10001"], ["--interval-s", "0"]])
def test_sweep_refuses_options_out_of_range(stack: Stack, options: list[str]) -> None:
    done = commands.run(stack, "sweep", "--once", *options)
    assert done.returncode == 1
    assert f"{options[0]} must be" in done.stderr
