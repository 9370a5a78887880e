"""Make the copy that a proof is had in: the schema by pg_dump, the tables concerned by COPY, statistics by ANALYZE."""

import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tuning.observe.metering import cursors, timed
from tuning.observe.spent import Spent
from tuning.stack.children import run
from tuning.stack.errors import StackError
from tuning.stack.paths import state_root
from tuning.whatif.errors import Unproven
from tuning.whatif.scratch import Scratch
from tuning.whatif.target import Relation

DATABASE = "hotrow_copy"
# 8 GiB is copied and indexed in some minutes; mine.
MAX_BYTES = 8 << 30
# A copy grows while its indexes are built: sorts on disk, and the index that is tried.
_ROOM = 1.5
_LOCK_WAIT = "5s"
# What stands behind the data in a dump and changes plans. Foreign keys and triggers are left out: their other side
# may not be copied.
_POST_DATA = re.compile(r"^\d+; \d+ \d+ (?:INDEX ATTACH|INDEX|CONSTRAINT|STATISTICS) ")
_LOCALE = """
    SELECT pg_catalog.pg_encoding_to_char(encoding), datcollate, datctype, datlocprovider::text,
           to_jsonb(d) ->> CASE WHEN current_setting('server_version_num')::int >= 170000
                                THEN 'datlocale' ELSE 'daticulocale' END
      FROM pg_catalog.pg_database AS d WHERE datname = pg_catalog.current_database()"""
_SETTINGS = """
    SELECT name, current_setting(name) FROM pg_catalog.pg_settings
     WHERE context IN ('user', 'superuser') AND name !~ '^(debug|log|trace)_'
       AND (category LIKE 'Query Tuning%%' OR name IN ('work_mem', 'hash_mem_multiplier', 'maintenance_work_mem',
            'max_parallel_workers_per_gather', 'max_parallel_maintenance_workers', 'temp_buffers', 'TimeZone',
            'DateStyle', 'IntervalStyle', 'default_text_search_config'))"""
_COLUMNS = """
    SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_catalog.pg_attribute
     WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped AND attgenerated = ''"""


@dataclass(frozen=True, slots=True)
class Bounds:
    """``sample_rows`` is how many rows of a table are copied at the most, None all of them."""

    max_bytes: int = MAX_BYTES
    sample_rows: int | None = None


def refuse_too_large(relations: Sequence[Relation], bounds: Bounds) -> None:
    """Refuse a copy that would be larger than what was allowed, or than the disk.

    Raises:
        Unproven: It says the size and what to do.
    """
    sizes = {each: int(each.bytes * _share(each, bounds)) for each in relations}
    total = sum(sizes.values())
    if total > bounds.max_bytes:
        largest = ", ".join(f"{each.shown} {told(size)}" for each, size in sorted(sizes.items(), key=_size)[:3])
        raise Unproven(
            f"the copy would take {told(total)} ({largest}), and --max-bytes allows {told(bounds.max_bytes)}: allow "
            "more, or copy a part of the rows with --sample-rows"
        )
    free = shutil.disk_usage(_existing(state_root())).free
    if total * _ROOM > free:
        raise Unproven(
            f"the copy would take {told(total)}, and {state_root()} has {told(free)} left: set HOTROW_STATE_DIR to a "
            "larger disk, or copy a part of the rows with --sample-rows"
        )


@contextmanager
def from_target(
    dsn: str,
    relations: Sequence[Relation],
    scratch: Scratch,
    bounds: Bounds,
    tell: Callable[[str], None],
    spent: Spent,
) -> Iterator[tuple[str, list[str]]]:
    """Copy what is concerned into an empty server; what that costs the target is added to ``spent``.

    Yields:
        The address of the copy, and sentences about how it differs from the target.

    Raises:
        Unproven: A part that the proof needs cannot be copied.
        StackError: pg_dump or pg_restore cannot do it.
        psycopg.Error: One of the servers refuses.
    """
    copy = make_conninfo(scratch.conninfo, dbname=DATABASE)
    notes: list[str] = []
    with (
        tempfile.TemporaryDirectory(prefix="hotrow-dump-") as folder,
        psycopg.connect(
            dsn,
            application_name="hotrow index",
            autocommit=True,
            prepare_threshold=None,
            cursor_factory=cursors(spent),
        ) as source,
    ):
        # One snapshot for all tables, and nothing that could write.
        source.execute("BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        _create_database(source, scratch)
        tell("copying the schema")
        dump = Path(folder) / "schema.dump"
        address, env = _for_program(dsn)
        with timed(spent):
            run(
            [scratch.binaries.program("pg_dump"), "--format=custom", "--schema-only", "--no-owner", "--no-privileges",
             "--no-publications", "--no-subscriptions", "--no-security-labels", "--no-tablespaces", "--no-comments",
             f"--lock-wait-timeout={_LOCK_WAIT}", f"--file={dump}", f"--dbname={address}"],
            doing="pg_dump of the target's schema", env=env,
            )  # fmt: skip
        _restore(scratch, copy, dump, ["--section=pre-data"], notes)
        with psycopg.connect(copy, autocommit=True) as made:
            for each in relations:
                if each.kind == "r":
                    tell(f"copying {each.shown}, {told(int(each.bytes * _share(each, bounds)))}")
                    _copy_rows(source, made, each, bounds, notes, spent)
            source.execute("ROLLBACK")
            tell("building the indexes of the copy")
            listed = run([scratch.binaries.program("pg_restore"), "--list", str(dump)], doing="pg_restore --list")
            toc = Path(folder) / "toc"
            toc.write_text("".join(f"{line}\n" for line in listed.splitlines() if _POST_DATA.match(line)))
            _restore(scratch, copy, dump, ["--section=post-data", f"--use-list={toc}"], notes)
            tell("gathering statistics of the copy")
            for each in relations:
                if each.kind == "r":
                    made.execute(f"{'VACUUM (ANALYZE)' if each.is_vacuumed else 'ANALYZE'} {each.sql}".encode())
                    if not each.is_analyzed:
                        notes.append(
                            f"{each.shown} was never analyzed on the target: its copy is, and plans may differ"
                        )
                elif each.kind == "p":
                    made.execute(f"ANALYZE {each.sql}".encode())
    yield copy, notes


def told(size: int) -> str:
    """Bytes as a person reads them."""
    value = float(size)
    for unit in ("B", "KiB", "MiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} GiB"


def _size(item: tuple[Relation, int]) -> int:
    return -item[1]


def _share(relation: Relation, bounds: Bounds) -> float:
    if bounds.sample_rows is None or relation.rows <= bounds.sample_rows:
        return 1.0
    return bounds.sample_rows / relation.rows


def _existing(path: Path) -> Path:
    while not path.exists():
        path = path.parent
    return path


def _for_program(dsn: str) -> tuple[str, dict[str, str]]:
    """A connection string without its password, which others would read in the list of processes, and where it goes."""
    given = conninfo_to_dict(dsn)
    password = given.pop("password", None)
    env = dict(os.environ) | ({"PGPASSWORD": str(password)} if password else {})
    return make_conninfo("", **given, application_name="hotrow index"), env


def _create_database(source: psycopg.Connection, scratch: Scratch) -> None:
    """An empty database that sorts and plans as the target does."""
    row = source.execute(_LOCALE).fetchone()
    assert row is not None
    encoding, collate, ctype, provider, locale = row
    parts = [
        sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING {} LC_COLLATE {} LC_CTYPE {}").format(
            sql.Identifier(DATABASE), encoding, collate, ctype
        )
    ]
    if provider == "i":
        parts.append(sql.SQL("LOCALE_PROVIDER icu ICU_LOCALE {}").format(locale))
    elif provider == "b":
        parts.append(sql.SQL("LOCALE_PROVIDER builtin BUILTIN_LOCALE {}").format(locale))
    settings = source.execute(_SETTINGS).fetchall()
    path = source.execute(
        "SELECT string_agg(quote_ident(s), ', ' ORDER BY o)"
        "  FROM unnest(current_schemas(false)) WITH ORDINALITY AS u (s, o)"
    ).fetchone()
    with psycopg.connect(scratch.conninfo, autocommit=True) as connection:
        try:
            connection.execute(sql.SQL(" ").join(parts))
        except psycopg.Error as error:
            raise Unproven(
                f"a database with the target's locale {collate} cannot be made on this machine: {str(error).strip()}"
            ) from error
        for name, value in [*settings, *([("search_path", path[0])] if path and path[0] else [])]:
            connection.execute("SELECT set_config(%s, %s, false)", [name, value])
            connection.execute(
                sql.SQL("ALTER DATABASE {} SET {} FROM CURRENT").format(sql.Identifier(DATABASE), sql.Identifier(name))
            )


def _restore(scratch: Scratch, copy: str, dump: Path, arguments: list[str], notes: list[str]) -> None:
    address, env = _for_program(copy)
    try:
        run(
            [scratch.binaries.program("pg_restore"), "--no-owner", "--no-privileges", f"--dbname={address}", *arguments,
             str(dump)],
            doing="pg_restore into the copy", env={key: value for key, value in env.items() if key != "PGOPTIONS"},
        )  # fmt: skip
    except StackError as error:
        # An extension that is not installed here, say: whether the proof needs it shows at the tables.
        notes.append(f"not all of the schema could be copied: {' '.join(str(error).split())[:300]}")


def _copy_rows(
    source: psycopg.Connection,
    made: psycopg.Connection,
    table: Relation,
    bounds: Bounds,
    notes: list[str],
    spent: Spent,
) -> None:
    row = made.execute(_COLUMNS, [table.sql]).fetchone()
    if row is None or row[0] is None:
        raise Unproven(f"{table.shown} could not be copied: {notes[-1] if notes else 'its schema is missing'}")
    share = _share(table, bounds)
    sample = f" TABLESAMPLE SYSTEM ({100 * share:.6f}) REPEATABLE (1)" if share < 1 else ""
    if share < 1:
        notes.append(f"{share:.1%} of {table.shown} were copied (--sample-rows): figures are those of the sample")
    read = f"COPY (SELECT {row[0]} FROM ONLY {table.sql}{sample}) TO STDOUT"
    write = f"COPY {table.sql} ({row[0]}) FROM STDIN"
    spent.statements += 1
    with timed(spent), source.cursor().copy(read.encode()) as rows, made.cursor().copy(write.encode()) as into:
        for block in rows:
            spent.copied_bytes += len(block)
            into.write(block)
