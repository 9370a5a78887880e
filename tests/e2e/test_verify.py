"""``hotrow verify`` on the running stack: it holds, a fault, found, repaired, it holds."""

import json
import subprocess
import sys
import uuid

import psycopg
import pytest

from tests.integration.shop import Shop, call
from tuning.observe.audit import INVARIANTS
from tuning.stack.stack import Stack


def verify(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tuning.cli.main", "verify", *arguments]
    return subprocess.run(command, capture_output=True, text=True)


def test_verify_finds_drift_and_repairs_it(stack: Stack) -> None:
    with psycopg.connect(stack.direct, autocommit=True) as connection:
        shop = Shop(connection)
        product = shop.product(5)
        call(connection, [product], [2], key=uuid.uuid4().hex)
        clean = verify("--dsn", stack.direct, "--json")
        assert clean.returncode == 0, clean.stdout
        results = {result["invariant"]: result["violations"] for result in json.loads(clean.stdout)}
        assert results == {name: [] for name in INVARIANTS}
        connection.execute("UPDATE product_stock SET available = available + 1 WHERE product_id = %s", [product])
        broken = verify("--dsn", stack.direct)
        assert broken.returncode == 1
        assert "counters_equal_ledger" in broken.stdout
        assert "invariants do not hold" in broken.stderr
        mended = verify("--dsn", stack.direct, "--repair")
        assert mended.returncode == 0, mended.stdout
        assert "Repaired the counters of stock" in mended.stderr
        assert shop.counters(product) == (3, 2, 0)


@pytest.mark.parametrize("dsn", ["host=127.0.0.1 port=1", "no connection string"])
def test_verify_says_why_it_cannot_check(dsn: str) -> None:
    done = verify("--dsn", dsn)
    assert done.returncode == 1
    assert "cannot be checked" in done.stderr
    assert "Traceback" not in done.stderr
