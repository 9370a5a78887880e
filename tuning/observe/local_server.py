"""Whether a PostgreSQL runs on this machine, and as which process."""

import psycopg

from tuning.observe.chain import is_here
from tuning.observe.sampling.process_group import read
from tuning.observe.sampling.sessions import Session

PROGRAMS = (b"postgres", b"postmaster")


def postmaster(conninfo: str) -> tuple[int | None, str]:
    """The pid of the server's first process, or None, and why it is not known here.

    A server in a container may answer at a local address: its processes have other numbers there.
    """
    session = Session(conninfo)
    try:
        connection = session.open()
        if not is_here(connection.info.host):
            return (
                None,
                f"the database runs on another host ({connection.info.host}): name what runs here with --process",
            )
        backend = read(int(session.ask("SELECT pg_backend_pid() AS pid")[0]["pid"]))
    except psycopg.Error:
        return None, "the database does not answer, and no process was named"
    finally:
        session.close()
    if backend is None or backend.program not in PROGRAMS:
        return None, "the database runs in a container or behind a proxy: name its processes with --process"
    return backend.parent, ""
