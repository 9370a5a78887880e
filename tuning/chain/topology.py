"""Which aliases of a project connect to a PgBouncer."""

from collections.abc import Iterable

from tuning.observe.chain import SERVER_PORT, Alias, Pooler, is_here

# PgBouncer's default.
POOLER_PORT = "6432"
_ANY = {"*", "0.0.0.0", "::"}  # noqa: S104  # compared with, not bound to


def through(aliases: Iterable[Alias], pooler: Pooler, host: str | None) -> frozenset[str]:
    """The aliases with PgBouncer's port at PgBouncer's host.

    Args:
        host: Where its console was reached; None where only its file was read.
    """
    port = pooler.setting("listen_port", POOLER_PORT)
    listens = {each.strip() for each in pooler.setting("listen_addr", "").split(",")}
    known = listens | ({host} if host is not None else set())
    is_near = any(is_here(each) or each in _ANY for each in known)
    # A file that listens everywhere does not say under which names it is reached: the port has to do.
    is_anywhere = host is None and bool(listens & _ANY)
    return frozenset(
        alias.name
        for alias in aliases
        if (alias.port or SERVER_PORT) == port
        and (is_anywhere or alias.host in known or (is_here(alias.host) and is_near))
    )
