"""Read PgBouncer's side of the connection chain: from its console, or from its file."""

import configparser
import re
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tuning.observe.chain import Pooler, PoolerDatabase
from tuning.observe.projects import Unreadable

CONSOLE_DATABASE = "pgbouncer"
CONNECT_TIMEOUT_S = 5
_VERSION = re.compile(r"\d+(?:\.\d+)+")


def release(text: str) -> tuple[int, ...]:
    """The numbers of a version such as "PgBouncer 1.18.0".

    Raises:
        Unreadable: There are none.
    """
    match = _VERSION.search(text)
    if match is None:
        raise Unreadable(f"{text!r} is no version of PgBouncer: write it as 1.25.2")
    return tuple(int(part) for part in match[0].split("."))


def from_console(dsn: str) -> Pooler:
    """Ask the console; the user of ``dsn`` is in ``admin_users`` or ``stats_users``.

    Raises:
        psycopg.Error: It does not answer, or does not let this user in.
    """
    console = make_conninfo(dsn, dbname=CONSOLE_DATABASE)
    timeout = conninfo_to_dict(console).get("connect_timeout") or CONNECT_TIMEOUT_S
    with psycopg.connect(
        console,
        autocommit=True,
        prepare_threshold=None,
        connect_timeout=int(timeout),
        cursor_factory=psycopg.ClientCursor,
    ) as connection:
        version = _told(connection, "SHOW VERSION")[0]
        settings = {row["key"] or "": row["value"] or "" for row in _told(connection, "SHOW CONFIG")}
        databases = tuple(
            PoolerDatabase(
                name=row["name"] or "",
                host=row["host"] or "",
                port=row["port"] or "",
                database=row["database"] or "",
                pool_mode=row.get("pool_mode") or "",
                pool_size=_count(row.get("pool_size")),
                # SHOW DATABASES called it reserve_pool before 1.24.
                reserve_size=_count(row.get("reserve_pool_size") or row.get("reserve_pool")),
                max_connections=_count(row.get("max_connections")) or None,
            )
            for row in _told(connection, "SHOW DATABASES")
            if row["name"] != CONSOLE_DATABASE
        )
    return Pooler(release(next(iter(version.values())) or ""), settings, databases)


def from_file(path: Path, version: str | None) -> Pooler:
    """Read pgbouncer.ini, which does not tell its program's version.

    Raises:
        OSError: It is not there.
        Unreadable: It is no such file, or includes another.
    """
    parser = configparser.ConfigParser(interpolation=None, strict=False, comment_prefixes=(";", "#"))
    text = path.read_text(encoding="utf-8")
    if re.search(r"^\s*%include", text, re.MULTILINE):
        raise Unreadable(f"{path} includes other files: give PgBouncer's console with --pgbouncer instead")
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # as the library's manual says; names keep case
    try:
        parser.read_string(text)
        settings = {key.lower(): value for key, value in parser["pgbouncer"].items()}
    except (configparser.Error, KeyError) as error:
        raise Unreadable(f"{path} is no pgbouncer.ini: {str(error).splitlines()[0]}") from error
    entries = parser["databases"].items() if parser.has_section("databases") else ()
    databases = tuple(_entry(path, name, value) for name, value in entries)
    return Pooler(release(version) if version else None, settings, databases)


def _entry(path: Path, name: str, value: str) -> PoolerDatabase:
    pairs = dict(re.findall(r"(\w+)\s*=\s*('(?:[^']|'')*'|\S+)", value))
    given = {key: text.strip("'") for key, text in pairs.items()}
    try:
        return PoolerDatabase(
            name=name.strip('"'),
            host=given.get("host", ""),
            port=given.get("port", ""),
            database=given.get("dbname", name.strip('"')),
            pool_mode=given.get("pool_mode", ""),
            pool_size=_count(given.get("pool_size")),
            reserve_size=_count(given.get("reserve_pool_size") or given.get("reserve_pool")),
            max_connections=_count(given.get("max_db_connections")) or None,
        )
    except ValueError as error:
        raise Unreadable(f"{path}: the entry of database {name} has a size that is no number") from error


def _told(connection: psycopg.Connection, command: str) -> list[dict[str, str | None]]:
    cursor = connection.execute(command)
    names = [column.name for column in cursor.description or ()]
    return [
        {name: None if value is None else str(value) for name, value in zip(names, row, strict=True)} for row in cursor
    ]


def _count(value: str | None) -> int | None:
    return int(value) if value not in (None, "") else None
