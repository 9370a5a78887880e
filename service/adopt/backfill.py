"""Fill in the free units of every row, in small batches, while others write."""

import time
from collections.abc import Callable

from django.db.backends.base.base import BaseDatabaseWrapper

from service.adopt import facts
from service.adopt.inspection import Adopted

# Passes that step over locked rows; what is locked each time is then waited for, one row at a time.
PATIENT_PASSES = 5
PASS_PAUSE_S = 0.2


def run(connection: BaseDatabaseWrapper, adopted: Adopted, progress: Callable[[int], None]) -> None:
    """Go on until no row is behind; a batch is a transaction, so a stop loses none that are done.

    Args:
        progress: Is told after each batch how many rows were filled in.
    """
    done = 0
    passes = 0
    while facts.value(connection, f"SELECT EXISTS (SELECT FROM {_table(adopted)} WHERE {adopted.is_behind})"):
        passes += 1
        statement = adopted.backfill if passes <= PATIENT_PASSES else adopted.stragglers
        last = -1
        while last is not None:
            started = time.monotonic()
            ((reached, rows),) = facts.rows(connection, statement, [last])
            if rows:
                done += rows
                progress(done)
                # As long as the batch took: others have half of the server's time at the least.
                time.sleep(time.monotonic() - started)
            last = reached
        time.sleep(PASS_PAUSE_S if passes > 1 else 0)


def _table(adopted: Adopted) -> str:
    return adopted.counter.identifier.as_string(None)
