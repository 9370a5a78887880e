"""What docs/howto/lab-deployment.md runs works with the roles whose passwords the image of the tools has."""

import re
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from tuning.stack.stack import Stack

HOWTO = Path(__file__).parents[2] / "docs/howto/scale-out.md"


def hotrow(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tuning.cli.main", *arguments], capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize("command", [["verify"], ["migrations", "drift"]], ids=" ".join)
def test_reader_may_run_it(stack: Stack, command: list[str]) -> None:
    done = hotrow(*command, "--dsn", stack.conninfo("readonly"), "--json")
    # 2 is what cannot be known; that other tests have drifted something is another matter.
    assert done.returncode in (0, 1), done.stderr
    assert done.stdout.startswith(("[", "{"))


def test_monitor_may_ask_for_the_chain(stack: Stack) -> None:
    monitor = make_conninfo(stack.direct, user="hotrow_monitor", password=stack._secrets.monitor)
    done = hotrow("chain", "--pgbouncer", stack.console, "--dsn", monitor, "--fail-on", "never")
    assert done.returncode == 0, done.stderr


def test_howto_says_which_tables_carry_the_product(direct: psycopg.Connection) -> None:
    def carrying(column: str) -> set[str]:
        rows = direct.execute(
            "SELECT table_name FROM information_schema.columns WHERE column_name = %s"
            " AND table_name ~ '(stock_|_stock$)'"
            " AND table_name IN (SELECT tablename FROM pg_tables WHERE schemaname = 'public')",
            [column],
        ).fetchall()
        return {row[0] for row in rows}

    listed = {
        said.strip(): set(re.findall(r"`(\w+)`", names))
        for names, said in re.findall(r"^\| (`\w+`.*?) \| (.*) \|$", HOWTO.read_text(), re.MULTILINE)
    }
    assert listed["`product_id`"] == carrying("product_id")
    assert listed["`product_stock_id` alone"] == carrying("product_stock_id") - carrying("product_id")
    assert listed["`product_id`"]
