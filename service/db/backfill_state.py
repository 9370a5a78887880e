"""How far each backfill is, in a table of the project's database.

A batch and its line here are one transaction, so a run that was killed goes on exactly behind the
last batch that was committed.
"""

from dataclasses import dataclass

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper

TABLE = "hotrow_backfill"


@dataclass(frozen=True, slots=True)
class Progress:
    """The state of one backfill; ``last_key`` is the text of the last key that is done."""

    digest: str
    last_key: str | None
    rows: int
    is_finished: bool


def begin(connection: BaseDatabaseWrapper, path: str, digest: str) -> Progress:
    """Return the state of a backfill, which is a new one where there is none."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"CREATE TABLE IF NOT EXISTS {TABLE} (path text PRIMARY KEY, digest text NOT NULL, last_key text,"
            " row_count bigint NOT NULL DEFAULT 0, started_at timestamptz NOT NULL DEFAULT now(),"
            " updated_at timestamptz NOT NULL DEFAULT now(), finished_at timestamptz)"
        )
        cursor.execute(
            f"INSERT INTO {TABLE} (path, digest) VALUES (%s, %s) ON CONFLICT (path) DO NOTHING",  # noqa: S608
            [path, digest],
        )
        cursor.execute(
            f"SELECT digest, last_key, row_count, finished_at IS NOT NULL FROM {TABLE} WHERE path = %s",  # noqa: S608
            [path],
        )
        return Progress(*cursor.fetchone())


def advance(cursor: CursorWrapper, path: str, last_key: str, rows: int) -> None:
    cursor.execute(
        f"UPDATE {TABLE} SET last_key = %s, row_count = row_count + %s, updated_at = now() WHERE path = %s",  # noqa: S608
        [last_key, rows, path],
    )


def finish(connection: BaseDatabaseWrapper, path: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {TABLE} SET finished_at = now(), updated_at = now() WHERE path = %s",  # noqa: S608
            [path],
        )


def forget(connection: BaseDatabaseWrapper, path: str) -> None:
    """Forget a backfill, so that it runs again from the start; the last one takes the table with it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_catalog.to_regclass(%s) IS NOT NULL", [TABLE])
        if not cursor.fetchone()[0]:
            return
        cursor.execute(f"DELETE FROM {TABLE} WHERE path = %s", [path])  # noqa: S608
        cursor.execute(f"SELECT count(*) FROM {TABLE}")  # noqa: S608
        if cursor.fetchone()[0] == 0:
            cursor.execute(f"DROP TABLE {TABLE}")
