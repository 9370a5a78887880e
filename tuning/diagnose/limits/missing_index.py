"""A large table is read from end to end again and again.

When: a table of 10,000 rows or more was read by sequential scans, at least one for ten requests, and the statements
that name it were active for a fifth of a request's time or more.
Why: without an index that fits the condition, each statement reads every row to find a few. It costs processor time
of the database that grows with the table, and no setting, pool or worker makes it smaller.
Remedy: `hotrow explain plan` on the statement names the condition that filters; build its index with CREATE INDEX
CONCURRENTLY.
"""

import re
from collections.abc import Iterator

from tuning.contract import Outcome
from tuning.diagnose.evidence.tables import Table
from tuning.diagnose.findings import Found
from tuning.diagnose.limits import outcome
from tuning.diagnose.quantities import number, share
from tuning.diagnose.run import Run
from tuning.diagnose.split import part_of_held, throughput_per_s

NEEDS = ("tables", "sessions")

# Ours: below, reading all of a table takes about a millisecond, and the planner is often right to do it.
LARGE_ROWS = 10_000
# Ours: rarer scans are of jobs beside the load.
SCANS_BY_REQUEST = 0.1


def check(run: Run) -> Iterator[Found]:
    tables, sessions = run.seen.tables, run.seen.sessions
    assert tables is not None
    assert sessions is not None
    requests = throughput_per_s(run, run.seen) * run.seen.seconds
    suspects = [
        each for each in tables if each.rows >= LARGE_ROWS and each.seq_scans >= SCANS_BY_REQUEST * requests > 0
    ]
    if not suspects:
        yield Found(
            Outcome.OK,
            f"no table of {number(LARGE_ROWS)} rows was read from end to end by requests",
            figures={"share": 0.0},
        )
        return
    for table in suspects:
        named = {text: active for text, active in sessions.by_statement.items() if _names(text, table)}
        part = part_of_held(run, sum(named.values()))
        figures = {
            "share": part,
            "scans": table.seq_scans / requests,
            "tuples": table.seq_tuples / requests,
            "rows": table.rows,
        }
        said = max(named, key=lambda text: named[text], default="no statement that names it was seen")
        message = (
            f"{table.name}, {number(table.rows)} rows, was read from end to end {number(figures['scans'])} times by "
            f"request, {number(figures['tuples'])} rows of it; its statements took {share(part)} of the time: {said}"
        )
        yield Found(outcome(part), message, "pg_stat_user_tables, by request", figures)


def _names(text: str, table: Table) -> bool:
    return re.search(rf"(?<!\w){re.escape(table.name.rpartition('.')[2])}(?!\w)", text, re.IGNORECASE) is not None
