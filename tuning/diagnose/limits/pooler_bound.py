"""Requests wait for a server connection of PgBouncer.

When: clients waited for a server for a fifth of a request's time in the service or more, and the pool's servers were in
transactions for four fifths of the time, or none was idle while they waited.
Why: a pool hands a server to one transaction at a time. A queue in front of it means that it is too small or that its
transactions are too long, and only pg_stat_activity tells which: while sessions work or wait for a lock, more servers
help nothing; while they rest, the pool is the limit.
Remedy: where sessions rest, raise pool_size (`hotrow chain` says how far), and shorten what the client does inside a
transaction; where they work, make the statements cheaper.
"""

from collections.abc import Iterator

from tuning.contract import Outcome
from tuning.diagnose import laws
from tuning.diagnose.cores_taken import BUSY
from tuning.diagnose.findings import Found
from tuning.diagnose.limits import outcome
from tuning.diagnose.quantities import number, share
from tuning.diagnose.run import Run
from tuning.diagnose.split import QUEUE, splits, throughput_per_s

NEEDS = ("pools",)

# Ours: sampled and counted queues of the same time agree within so much.
AGREE = 0.5


def check(run: Run) -> Iterator[Found]:
    pools = run.seen.pools
    assert pools is not None
    if not pools:
        yield Found(Outcome.OK, "PgBouncer had no pool in use", figures={"share": 0.0})
        return
    pool, whole = pools[0], splits(run)[0]
    inside_s = max(whole.mean_s - whole.of(QUEUE), 0.0)
    part = min(pool.queue / throughput_per_s(run, run.seen) / inside_s, 1.0) if inside_s else 0.0
    figures = {
        "share": part,
        "utilisation": pool.utilisation,
        "queue": pool.queue,
        "queue_sampled": pool.queue_sampled,
        "pool_size": pool.size,
        "client_share": pool.client_share,
    }
    message = (
        f"pool {pool.database} of {number(pool.size)}: its servers were in transactions {share(pool.utilisation)} of "
        f"the time, and {number(pool.queue)} clients waited on average ({number(pool.queue_sampled)} in samples)"
    )
    if pool.utilisation < BUSY and pool.full < BUSY:
        yield Found(Outcome.OK, message, laws.UTILISATION, figures)
        return
    message += f", {share(part)} of a request's time"
    if run.seen.sessions is not None:
        figures["active"] = run.seen.sessions.active
        message += f"; {number(run.seen.sessions.active)} sessions of the database were active"
    if pool.client_share >= AGREE:
        message += f", and for {share(pool.client_share)} of a transaction its client was not in a statement"
    allowed = (
        ""
        if abs(pool.queue - pool.queue_sampled) <= AGREE * max(pool.queue, 1.0)
        else ("totals and samples differ: waits that had not ended are in samples alone")
    )
    yield Found(outcome(part), message, f"{laws.UTILISATION}; {laws.LITTLE}", figures, allowed)
