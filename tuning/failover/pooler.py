"""PgBouncer's console and its file: hold clients, lead them elsewhere, let them go on."""

import os
import re
import threading
import time
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo

from tuning.failover.facts import Address, PooledDatabase

CONSOLE_DATABASE = "pgbouncer"
CONNECT_TIMEOUT_S = 5
# Longer than the roles' statement_timeout of 10 s (postgres/limits.sql): what still runs then is not theirs.
HOLD_TIMEOUT_S = 15.0
RELOAD_TIMEOUT_S = 5.0


class Console:
    """PgBouncer's console. Each command has a connection of its own: a PAUSE that waits keeps none busy."""

    def __init__(self, dsn: str) -> None:
        self.dsn = make_conninfo(dsn, dbname=CONSOLE_DATABASE)

    def databases(self) -> tuple[PooledDatabase, ...]:
        """All but the console itself.

        Raises:
            psycopg.Error: PgBouncer does not answer, or does not let this user in.
        """
        with self._connect() as connection:
            cursor = connection.execute("SHOW DATABASES")
            names = [column.name for column in cursor.description or ()]
            rows = [dict(zip(names, row, strict=True)) for row in cursor]
        return tuple(
            PooledDatabase(
                row["name"], row["database"], Address(row["host"] or "", str(row["port"])), bool(int(row["paused"]))
            )
            for row in rows
            if row["name"] != CONSOLE_DATABASE
        )

    def command(self, text: str) -> None:
        with self._connect() as connection:
            connection.execute(text)

    def hold(self, names: list[str]) -> None:
        """Let running transactions end and no other begin: clients wait.

        Raises:
            TimeoutError: One did not end; the databases stay held.
            psycopg.Error: PgBouncer refused.
        """
        for name in names:
            failed: list[psycopg.Error] = []
            waiter = threading.Thread(target=self._pause, args=(name, failed), daemon=True)
            waiter.start()
            waiter.join(HOLD_TIMEOUT_S)
            if waiter.is_alive():
                raise TimeoutError(f"transactions on {name} did not end within {HOLD_TIMEOUT_S:g} s")
            if failed and not self._is_paused(name):
                raise failed[0]

    def cut(self, names: list[str]) -> None:
        """Close every connection to the server at once, those in a transaction too; clients wait for RESUME."""
        for name in names:
            self.command(f"KILL {_quoted(name)}")

    def resume(self, names: list[str]) -> None:
        """Let clients go on; a database that does so already is left alone."""
        for one in self.databases():
            if one.name in names and one.is_paused:
                self.command(f"RESUME {_quoted(one.name)}")

    def reload(self, names: list[str], target: Address) -> None:
        """Read the file again.

        Raises:
            TimeoutError: PgBouncer still goes elsewhere: the file is not the one that it reads.
        """
        self.command("RELOAD")
        deadline = time.monotonic() + RELOAD_TIMEOUT_S
        while elsewhere := [one for one in self.databases() if one.name in names and one.address != target]:
            if time.monotonic() > deadline:
                raise TimeoutError(
                    f"PgBouncer has read its file again and still goes to {elsewhere[0].address}: "
                    "--config names another file"
                )
            time.sleep(0.05)

    def _pause(self, name: str, failed: list[psycopg.Error]) -> None:
        try:
            self.command(f"PAUSE {_quoted(name)}")
        except psycopg.Error as error:
            failed.append(error)

    def _is_paused(self, name: str) -> bool:
        return any(one.name == name and one.is_paused for one in self.databases())

    def _connect(self) -> psycopg.Connection:
        return psycopg.connect(
            self.dsn,
            autocommit=True,
            prepare_threshold=None,
            connect_timeout=CONNECT_TIMEOUT_S,
            cursor_factory=psycopg.ClientCursor,
        )


def repointed(text: str, names: list[str], target: Address) -> str:
    """The text of pgbouncer.ini in which these databases lead to another server; all else stays as it is.

    Raises:
        ValueError: One of them has no entry with host and port.
    """
    for name in names:
        entry = re.compile(rf'^("?{re.escape(name)}"?\s*=)(.*)$', re.MULTILINE)
        found = entry.search(text)
        parts = found[2] if found else ""
        if found is None or not (re.search(r"\bhost=\S+", parts) and re.search(r"\bport=\S+", parts)):
            raise ValueError(
                f"the file has no entry of database {name} with host= and port=: --config names another file"
            )
        changed = re.sub(r"\bport=\S+", f"port={target.port}", re.sub(r"\bhost=\S+", f"host={target.host}", parts))
        text = text[: found.start(2)] + changed + text[found.end(2) :]
    return text


def replace(file: Path, text: str) -> None:
    """Put a text in a file's place, whole or not at all; owner and rights stay where this user may keep them."""
    before = file.stat()
    staging = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(staging, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as written:
            written.write(text)
            if os.geteuid() == 0:
                os.fchown(written.fileno(), before.st_uid, before.st_gid)
            os.fchmod(written.fileno(), before.st_mode & 0o777)
            written.flush()
            os.fsync(written.fileno())
        staging.replace(file)
    finally:
        staging.unlink(missing_ok=True)
    directory = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
