"""What a server knows of the tables of a plan beyond the plan: data alone, so that who judges reaches no connection."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TableStatistics:
    """``live_rows`` and ``changed_rows`` (since the last ANALYZE) are the server's own counts.

    ``analyzed_s_ago`` is None where the table was never analyzed. ``partition_root`` names the table that this is a
    partition of, ``partition_key`` its columns, ``partitions`` how many leaves it has.
    """

    table: str
    live_rows: int = 0
    changed_rows: int = 0
    analyzed_s_ago: float | None = None
    leading_columns: frozenset[str] = frozenset()
    partition_root: str = ""
    partition_key: tuple[str, ...] = ()
    partitions: int = 0
