"""Updates of a table are seldom HOT.

When: under half of a table's updates were HOT, of a table with a million rows or more, or a million updates or more.
Why: an update that is not HOT writes every index of the table, and leaves dead entries in each.
Remedy: no index on a column that updates set, where it can go; else room on the page: a lower fillfactor, which holds
    for pages that are written from then on.
"""

from collections.abc import Iterator

from tuning.advisors.findings import Found
from tuning.advisors.hot_loss import SUMMARIZING_METHODS
from tuning.advisors.subject import Subject
from tuning.contract import Outcome
from tuning.observe.relations import Table

NEEDS = ("tables", "indexes")
WEIGHT = 2

# pgdoctor, tableactivity: rows. Updates are mine: a hot row is in a small table.
MIN_HOT, MIN_ROWS, MIN_UPDATES = 0.50, 1_000_000, 1_000_000
# Mine: of a large table, so many updates before a ratio means something.
MIN_UPDATES_OF_LARGE = 10_000
# Mine: room for one more version of one row in ten, and of a small hot table for one of every row.
FILL_FACTOR, HOT_FILL_FACTOR = 90, 50


def check(subject: Subject) -> Iterator[Found]:
    for table in subject.snapshot.tables:
        is_large = table.rows >= MIN_ROWS and table.updates >= MIN_UPDATES_OF_LARGE
        if table.kind == "p" or not (is_large or table.updates >= MIN_UPDATES):
            continue
        ratio = table.hot_updates / table.updates
        if ratio >= MIN_HOT:
            continue
        message = f"{table.name}: {ratio:.0%} of {table.updates:,} updates were HOT; {_why(subject, table)}"
        fill = FILL_FACTOR if is_large else HOT_FILL_FACTOR
        sql = (f"ALTER TABLE {table.name} SET (fillfactor = {fill})",)
        yield Found(Outcome.WARN, message, table.name, sql, table.updates - table.hot_updates)


def _why(subject: Subject, table: Table) -> str:
    updated = subject.updated.get(table.bare_name)
    if updated is None:
        return "no UPDATE of it was seen, so which index is in the way is unknown (--captures)"
    blocking = [
        f"{index.name} ({', '.join(sorted(index.columns & set(updated)))})"
        for index in subject.snapshot.indexes_of(table.oid)
        if index.columns & set(updated) and index.method not in SUMMARIZING_METHODS
    ]
    if blocking:
        return "updates set columns of " + ", ".join(blocking)
    return "no index reads the columns that updates set, so pages have no room: fillfactor"
