"""Blocks are read from outside of the server's memory.

When: under 99 % of a database's blocks came from shared_buffers since the statistics were reset: said as context. It
    warns under 95 %. At least 100,000 blocks are needed.
Why: it says how the working set and shared_buffers compare. The system's own cache may have had the rest, and a high
    share says nothing of queries that read too much.
Remedy: look at which statements read most before buying memory; then shared_buffers.
"""

from collections.abc import Iterator

from tuning.advisors.findings import Found
from tuning.advisors.subject import Subject
from tuning.contract import Outcome

NEEDS = ("tables",)
WEIGHT = 1

# pghero; pgdoctor. It fails nothing: it is context.
GOOD, POOR = 0.99, 0.95
# Mine: what a server has read since its start is cold at first.
MIN_BLOCKS = 100_000


def check(subject: Subject) -> Iterator[Found]:
    tables = [table for table in subject.snapshot.tables if table.kind != "p"]
    hit, read = sum(table.blocks_hit for table in tables), sum(table.blocks_read for table in tables)
    if hit + read < MIN_BLOCKS:
        yield Found(Outcome.SKIP, f"{hit + read:,} blocks were read so far, and {MIN_BLOCKS:,} are needed")
        return
    share = hit / (hit + read)
    most = max(tables, key=lambda table: table.blocks_read)
    message = f"{share:.1%} of the blocks came from shared_buffers; most others are {most.name}'s, {most.blocks_read:,}"
    if share < POOR:
        yield Found(Outcome.WARN, message, evidence=read)
    else:
        yield Found(Outcome.OK, message if share < GOOD else f"{share:.1%} of the blocks came from shared_buffers")
