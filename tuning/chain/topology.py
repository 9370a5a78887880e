"""Which aliases of a project connect to a PgBouncer."""

from collections.abc import Iterable

from tuning.observe.chain import Alias, Pooler

# PgBouncer's and libpq's default ports.
POOLER_PORT = "6432"
SERVER_PORT = "5432"
_HERE = {"", "localhost", "127.0.0.1", "::1"}
_ANY = {"*", "0.0.0.0", "::"}  # noqa: S104  # compared with, not bound to


def through(aliases: Iterable[Alias], pooler: Pooler, host: str | None) -> frozenset[str]:
    """The aliases with PgBouncer's port at PgBouncer's host.

    Args:
        host: Where its console was reached; None where only its file was read.
    """
    port = pooler.setting("listen_port", POOLER_PORT)
    listens = {each.strip() for each in pooler.setting("listen_addr", "").split(",")}
    known = listens | ({host} if host is not None else set())
    if known & (_HERE | _ANY):
        known |= _HERE
    # A file that listens everywhere does not say under which names it is reached: the port has to do.
    is_anywhere = host is None and bool(listens & _ANY)
    return frozenset(
        alias.name
        for alias in aliases
        if (alias.port or SERVER_PORT) == port
        and (is_anywhere or is_local(alias.host) & is_local(*known) or alias.host in known)
    )


def is_local(*hosts: str) -> bool:
    """Whether one of these is this machine; a path is a socket of it."""
    return any(host in _HERE or host.startswith("/") for host in hosts)
