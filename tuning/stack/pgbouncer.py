"""PgBouncer, its configuration rendered from ``pgbouncer/`` for the installed version."""

import signal
from collections.abc import Mapping
from pathlib import Path
from string import Template

import psycopg
from psycopg.conninfo import make_conninfo

from tuning.stack.accounts import Account
from tuning.stack.binaries import Program
from tuning.stack.children import Child, spawn
from tuning.stack.ports import HOST
from tuning.stack.secrets import write_private
from tuning.stack.tuned import configured

TEMPLATE = Path(__file__).resolve().parents[2] / "pgbouncer" / "pgbouncer.ini.template"
# Since 1.23 SIGTERM waits until every client has left, which pooled clients never do.
_SIGTERM_WAITS_SINCE = (1, 23)


def render(template: str, release: tuple[int, ...], values: Mapping[str, str]) -> str:
    """Fill in the template's values and keep the lines that this PgBouncer version knows.

    Raises:
        KeyError: The template names a value that is not given.
    """
    lines = []
    for line in template.splitlines():
        since, _, rest = line.removeprefix("@").partition(" ")
        if not line.startswith("@"):
            lines.append(line)
        elif release >= tuple(int(part) for part in since.split(".")):
            lines.append(rest)
    body = "\n".join(line for line in lines if not line.startswith(";"))
    return Template(body).substitute(values) + "\n"


def start(
    program: Program,
    directory: Path,
    log: Path,
    account: Account,
    *,
    port: int,
    values: Mapping[str, str],
    users: Mapping[str, str],
    conninfo: str,
    changes: Mapping[str, str] | None = None,
) -> Child:
    """Write the configuration and start PgBouncer; ``users`` maps a name of its own file to the password.

    ``changes`` are settings that are not the template's (see ``Tuned``).

    Raises:
        StackError: It does not start, or PostgreSQL does not answer through it.
    """
    account.own(directory)
    auth_file = directory / "userlist.txt"
    write_private(auth_file, "".join(f'"{name}" "{secret}"\n' for name, secret in users.items()))
    configuration = directory / "pgbouncer.ini"
    given = {"LISTEN_HOST": HOST, "LISTEN_PORT": str(port), "AUTH_FILE": str(auth_file), **values}
    rendered = render(TEMPLATE.read_text(), program.release, given)
    write_private(configuration, configured(rendered, changes or {}))
    account.give(auth_file)
    account.give(configuration)
    child = spawn(
        "pgbouncer",
        [str(program.path), str(configuration)],
        log=log,
        account=account,
        stop_signal=signal.SIGQUIT if program.release >= _SIGTERM_WAITS_SINCE else signal.SIGTERM,
    )
    try:
        child.wait_until(lambda: _answers(conninfo))
    except BaseException:
        child.stop()
        raise
    return child


def statistics(conninfo: str, databases: set[str]) -> dict[str, int]:
    """The totals of SHOW STATS for some databases together since PgBouncer started.

    Args:
        conninfo: A connection string of a user in ``stats_users``; its database is replaced.
        databases: The databases as clients name them.
    """
    console = make_conninfo(conninfo, dbname="pgbouncer")
    with psycopg.connect(console, autocommit=True, prepare_threshold=None) as connection:
        cursor = connection.execute("SHOW STATS")
        names = [column.name for column in cursor.description or ()]
        totals: dict[str, int] = {}
        for row in cursor:
            found = dict(zip(names, row, strict=True))
            if found["database"] in databases:
                for name in (name for name in names if name.startswith("total_")):
                    totals[name] = totals.get(name, 0) + int(found[name])
    return totals


def _answers(conninfo: str) -> bool:
    try:
        with psycopg.connect(conninfo, autocommit=True, prepare_threshold=None) as connection:
            connection.execute("SELECT 1")
    except psycopg.OperationalError:
        return False
    return True
