"""Look at the server from a second connection while the first one works or waits."""

import contextlib
import copy
import logging
import threading
from collections.abc import Callable, Iterator

from django.db import Error as DatabaseError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper

logger = logging.getLogger(__name__)

# What ends sooner is not worth a connection.
FIRST_LOOK_S = 0.2
# Well inside the shortest lock_timeout that is in use here, 2 s.
LOOK_INTERVAL_S = 0.25

Look = Callable[[CursorWrapper], None]


@contextlib.contextmanager
def looking(connection: BaseDatabaseWrapper, look: Look) -> Iterator[None]:
    """Call ``look`` again and again, in a thread with a connection of its own, until the block is left.

    A look that fails is told of and ends the looking, never the block: it only informs.
    """
    ended = threading.Event()
    thread = threading.Thread(target=_look, args=(connection, look, ended), name="hotrow-observer", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def backend_pid(connection: BaseDatabaseWrapper) -> int:
    """The server process of the connection, as the server says."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_catalog.pg_backend_pid()")
        return int(cursor.fetchone()[0])


def _look(connection: BaseDatabaseWrapper, look: Look, ended: threading.Event) -> None:
    if ended.wait(FIRST_LOOK_S):
        return
    settings = copy.deepcopy(connection.settings_dict)
    settings["OPTIONS"].pop("pool", None)
    second = type(connection)(settings, alias=connection.alias)
    try:
        with second.cursor() as cursor:
            look(cursor)
            while not ended.wait(LOOK_INTERVAL_S):
                look(cursor)
    except DatabaseError as error:
        logger.warning("cannot look at the server meanwhile: %s", str(error).strip())
    finally:
        second.close()
