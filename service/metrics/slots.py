"""Where the workers of one gunicorn keep their numbers, so that any of them can show those of all.

Each worker has a slot, the smallest that is free, and prometheus-client writes the files of that slot.
So a worker that takes the place of another goes on with its counters, and there are never more files
than there were workers at a time; named by process id, as is usual, they would grow with every restart.

gunicorn's master reads this: nothing here may import prometheus-client, Django or psycopg.
"""

import os
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

# prometheus-client's name for it: it reads the variable when it is imported, in each worker.
DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"
SLOT = "HOTROW_WORKER_SLOT"


def make_directory() -> None:
    """Make a directory that only this user can read, and tell the workers of it."""
    os.environ[DIRECTORY] = tempfile.mkdtemp(prefix="hotrow-metrics-")


def remove_directory() -> None:
    shutil.rmtree(os.environ.pop(DIRECTORY), ignore_errors=True)


def free_slot(taken: Iterable[int]) -> int:
    """The smallest that no worker has."""
    used = set(taken)
    return next(slot for slot in range(len(used) + 1) if slot not in used)


def forget(slot: int) -> None:
    """Drop the gauges of a worker that has ended; its counters stay, and whoever gets the slot goes on with them."""
    for path in Path(os.environ[DIRECTORY]).glob(f"gauge_live*_{slot}.db"):
        path.unlink(missing_ok=True)
