"""What an index would cost in HOT updates, before anybody suggests it.

An UPDATE that changes no indexed column, and finds room on the row's page, writes no index at all (HOT). An index on a
column that UPDATEs set ends that for each of them: every other index of the table gets an entry as well.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

# PostgreSQL 16 release notes: an UPDATE of a column that only BRIN indexes may be HOT.
SUMMARIZING_METHODS = ("brin",)
SUMMARIZING_SINCE = 160000


@dataclass(frozen=True, slots=True)
class HotLoss:
    """``columns`` are those that UPDATEs set; ``share`` of the HOT updates (0 to 1) is lost at most.

    ``share`` and ``updates`` are None where no UPDATE of the table is known, and nothing can be forecast.
    """

    table: str
    columns: tuple[str, ...]
    share: float | None
    updates: int | None
    hot_ratio: float | None
    """Of the updates so far, how many were HOT (0 to 1); None where there were none."""

    @property
    def is_harmful(self) -> bool:
        return bool(self.columns) and self.updates != 0

    def __str__(self) -> str:
        if self.share is None or self.updates is None:
            return f"no UPDATE of {self.table} was seen, so what it costs in HOT updates is unknown"
        if not self.columns:
            return f"costs {self.table} no HOT update: no UPDATE that was seen sets its columns"
        names = ", ".join(self.columns)
        if not self.updates:
            return f"UPDATEs set {names}, but {self.table} has had no HOT update to lose"
        return (
            f"up to {self.share:.0%} of {self.table}'s HOT updates ({self.updates:,} so far) end: UPDATEs set {names}"
        )


def forecast(
    table: str,
    columns: Collection[str],
    updated_columns: Collection[str] | None,
    n_tup_upd: int,
    n_tup_hot_upd: int,
    *,
    method: str = "btree",
    version: int = 180000,
) -> HotLoss:
    """Forecast the HOT updates that an index on these columns ends.

    Args:
        columns: Every column that the index reads: its keys, INCLUDE, and those of its predicate and expressions.
        updated_columns: Columns that UPDATEs of the table set, as names, or a mapping from each to the share of the
            UPDATEs (0 to 1) that set it; None where no UPDATE was seen. Names alone count as set by every UPDATE.
        n_tup_upd: Updates of the table since its statistics were reset.
        n_tup_hot_upd: Those of them that were HOT.
        method: The index's access method; BRIN keeps updates HOT from PostgreSQL 16 on.
        version: ``server_version_num``.
    """
    ratio = n_tup_hot_upd / n_tup_upd if n_tup_upd > 0 else None
    if method in SUMMARIZING_METHODS and version >= SUMMARIZING_SINCE:
        return HotLoss(table, (), 0.0, 0, ratio)
    if updated_columns is None:
        return HotLoss(table, (), None, None, ratio)
    set_columns = tuple(sorted(set(columns) & set(updated_columns)))
    if isinstance(updated_columns, Mapping):
        # Two columns may be set by the same UPDATE: their sum is a bound.
        share = min(1.0, sum(float(updated_columns[column]) for column in set_columns))
    else:
        share = 1.0 if set_columns else 0.0
    return HotLoss(table, set_columns, share, round(share * n_tup_hot_upd), ratio)
