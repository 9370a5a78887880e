"""Functions with one thing wrong, put in the place of the real ones for the length of a block."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from tuning.stack.stack import Stack

FUNCTIONS = Path(__file__).parents[2] / "sql" / "functions"


def mutated(function: str, *changes: tuple[str, str]) -> str:
    """The statement that puts a changed function in the place of the real one."""
    source = replacing(function)
    for old, new in changes:
        assert source.count(old) == 1, f"{function} has {old!r} {source.count(old)} times"
        source = source.replace(old, new)
    return source


def replacing(function: str) -> str:
    source = (FUNCTIONS / f"{function}.sql").read_text()
    return source.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION", 1)


@contextmanager
def mutant(stack: Stack, function: str, *changes: tuple[str, str]) -> Iterator[None]:
    """Every session meets the changed function; what it breaks must be forgotten (see ``forget``)."""
    with psycopg.connect(stack.direct, autocommit=True) as owner:
        owner.execute(mutated(function, *changes))
        try:
            yield
        finally:
            owner.execute(replacing(function))


def forget(stack: Stack, products: list[int]) -> None:
    """Remove products with all that tells of them, so that no later test finds what a mutant broke."""
    with psycopg.connect(stack.superuser, dbname="hotrow", autocommit=True) as connection:
        with connection.transaction():
            _delete(connection, products)
        connection.execute("VACUUM ANALYZE stock_reservation, stock_transaction, stock_outbox, product_stock")


def _delete(cleaner: psycopg.Connection, products: list[int]) -> None:
    # The ledger is append-only for everybody else.
    cleaner.execute("SET LOCAL session_replication_role = replica")
    counters = "SELECT id FROM product_stock WHERE product_id = ANY (%s)"
    for table in ("stock_reservation", "stock_transaction", "stock_unit"):
        cleaner.execute(f"DELETE FROM {table} WHERE product_stock_id IN ({counters})", [products])  # type: ignore[arg-type]
    for table in ("stock_waitlist", "stock_user_total", "product_stock"):
        cleaner.execute(f"DELETE FROM {table} WHERE product_id = ANY (%s)", [products])  # type: ignore[arg-type]
