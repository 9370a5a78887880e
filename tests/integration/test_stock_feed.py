"""The stock feed: each line is applied once, as a whole, or refused with a reason."""

import json
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from tests import commands
from tests.integration.shop import Shop, call
from tuning.stack.stack import Stack


@pytest.fixture(autouse=True)
def balanced(shop: Shop) -> Iterator[None]:
    yield
    assert shop.violations() == []


def feed(stack: Stack, *lines: Any) -> subprocess.CompletedProcess[str]:
    """Feed lines on standard input; text as it stands, all else as JSON."""
    text = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
    return commands.run(stack, "stock_feed", "-", "--json", stdin=text.encode())


def reports(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.stdout.splitlines()]


def delivery(product: int, delta: int, **rest: Any) -> dict[str, Any]:
    return {"key": uuid.uuid4().hex, "product_id": product, "warehouse": "MAIN", "delta": delta, **rest}


def ledger(shop: Shop, key: str) -> list[tuple[Any, ...]]:
    statement = "SELECT kind, delta_available, version FROM stock_transaction WHERE feed_key = %s"
    return shop.connection.execute(statement, [key]).fetchall()


def test_delivery_is_applied_by_id_and_by_sku(stack: Stack, shop: Shop) -> None:
    product = shop.product(5)
    (sku,) = shop.connection.execute("SELECT sku FROM product WHERE id = %s", [product]).fetchone() or ("",)
    first = delivery(product, 3)
    second = {"key": uuid.uuid4().hex, "sku": sku, "warehouse": "RESERVE", "delta": 2}
    done = feed(stack, first, second)
    assert done.returncode == 0, done.stderr
    assert reports(done) == [
        {"line": 1, "key": first["key"], "outcome": "applied", "available": 8, "version": 2},
        {"line": 2, "key": second["key"], "outcome": "applied", "available": 2, "version": 1},
    ]
    assert shop.counters(product) == (10, 0, 0)
    assert ledger(shop, first["key"]) == [("restock", 3, 2)]


def test_replayed_feed_changes_nothing(stack: Stack, shop: Shop) -> None:
    product = shop.product(5)
    lines = [delivery(product, 3), delivery(product, -1)]
    assert [each["outcome"] for each in reports(feed(stack, *lines))] == ["applied", "applied"]
    again = feed(stack, *lines)
    assert again.returncode == 0
    assert [each["outcome"] for each in reports(again)] == ["replayed", "replayed"]
    assert shop.counters(product) == (7, 0, 0)
    # The control: the same change under another key is another change.
    assert [each["outcome"] for each in reports(feed(stack, delivery(product, 3)))] == ["applied"]
    assert shop.counters(product) == (10, 0, 0)


def test_units_that_are_held_are_not_taken(stack: Stack, shop: Shop) -> None:
    product = shop.product(5)
    call(shop.connection, [product], [4])
    line = delivery(product, -2)
    done = feed(stack, line)
    assert done.returncode == 1
    assert reports(done)[0]["outcome"] == "below_committed"
    assert shop.counters(product) == (1, 4, 0)
    assert ledger(shop, line["key"]) == []


def test_stocktake_needs_the_version_that_was_counted(stack: Stack, shop: Shop) -> None:
    product = shop.product(5)
    rest = {"product_id": product, "warehouse": "MAIN", "available": 9}
    stale = {"key": uuid.uuid4().hex, "expected_version": 0, **rest}
    fresh = {"key": uuid.uuid4().hex, "expected_version": 1, **rest}
    done = feed(stack, stale, fresh)
    assert done.returncode == 1
    assert [each["outcome"] for each in reports(done)] == ["version_conflict", "applied"]
    assert ledger(shop, fresh["key"]) == [("adjust", 4, 2)]


def test_feed_goes_on_after_bad_lines_and_names_them(stack: Stack, shop: Shop) -> None:
    product = shop.product(1)
    good = delivery(product, 1)
    done = feed(
        stack,
        "{",
        "",
        delivery(product, 0),
        delivery(2**40, 1),
        {**delivery(product, 1), "warehouse": "NOWHERE"},
        {**delivery(product, 1), "available": 3},
        {**delivery(product, 1), "typo": 1},
        delivery(product, 1, key="k" * 256),
        delivery(product, 1, key="a\x00b"),
        {**delivery(product, 1), "sku": "x"},
        '{"key": "x", "product_id": 1, "delta": 1.5}',
        {key: value for key, value in delivery(product, 1).items() if key != "warehouse"},
        good,
    )
    assert done.returncode == 1
    assert "11 of 12 lines were refused" in done.stderr
    outcomes = {each["line"]: each["outcome"] for each in reports(done)}
    refused = {1: "malformed", 4: "unknown_product", 5: "unknown_product", 12: "unknown_product"}
    assert outcomes == {**dict.fromkeys((3, 6, 7, 8, 9, 10, 11), "malformed"), **refused, 13: "applied"}
    assert all(each["detail"] for each in reports(done)[:-1])
    assert shop.counters(product) == (2, 0, 0)


def test_feed_reads_a_file_and_speaks_to_people(stack: Stack, shop: Shop, tmp_path: Path) -> None:
    product = shop.product(1)
    file = tmp_path / "feed.jsonl"
    file.write_text(json.dumps(delivery(product, 1_999)) + "\nnonsense\n")
    done = commands.run(stack, "stock_feed", str(file))
    assert done.returncode == 1
    first, second = done.stdout.splitlines()
    assert first == "line 1: applied; available 2,000, version 2"
    assert second.startswith("line 2: malformed; the line is no JSON")


def test_line_without_end_is_refused_and_the_next_is_read(stack: Stack, shop: Shop) -> None:
    product = shop.product(1)
    done = feed(stack, "x" * 300_000, delivery(product, 1))
    assert [each["outcome"] for each in reports(done)] == ["malformed", "applied"]
    assert [each["line"] for each in reports(done)] == [1, 2]


def test_missing_file_is_a_sentence(stack: Stack, tmp_path: Path) -> None:
    done = commands.run(stack, "stock_feed", str(tmp_path / "none.jsonl"))
    assert done.returncode == 1
    assert "none.jsonl cannot be read: No such file or directory" in done.stderr


def test_line_after_a_lost_connection_is_applied_once(stack: Stack, shop: Shop, watcher: psycopg.Connection) -> None:
    product, name = shop.product(1), f"feed-{uuid.uuid4().hex[:12]}"
    settings = {"DATABASE_URL": make_conninfo(stack.conninfo("app"), application_name=name)}
    process = commands.start(stack, "stock_feed", "-", "--json", settings=settings)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(json.dumps(delivery(product, 1)).encode() + b"\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["outcome"] == "applied"
        cut = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = %s"
        assert watcher.execute(cut, [name]).fetchone() != (0,)
        out, err = process.communicate(json.dumps(delivery(product, 1)).encode(), timeout=30)
    finally:
        process.kill()
        process.wait()
    assert (process.returncode, json.loads(out)["outcome"]) == (0, "applied")
    assert b"database unavailable" in err
    assert shop.counters(product) == (3, 0, 0)


def test_feed_that_reaches_no_database_says_how_to_go_on(stack: Stack, shop: Shop) -> None:
    nowhere = {"DATABASE_URL": make_conninfo(stack.conninfo("app"), password="wrong"), "CONNECTION_MODE": "per_request"}
    line = json.dumps(delivery(shop.product(1), 1)).encode()
    done = commands.run(stack, "stock_feed", "-", stdin=line, settings=nowhere)
    assert done.returncode == 1
    assert "line 1: the database does not answer" in done.stderr
    assert "Run the same file again" in done.stderr
    assert "Traceback" not in done.stderr
