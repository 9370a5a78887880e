"""Take an adoption away: the project's table keeps its data as it is by then, and loses all that was added."""

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg import sql

from service.adopt import facts, kit, naming, translation
from service.adopt.apply import DOING, Report
from service.adopt.errors import AdoptionError
from service.adopt.inspection import RECORD, Adopted
from service.db import locks
from service.db.preflight import refuse_pooler
from service.db.sessions import turn

# Holds that are given back in one transaction, before the one that blocks writers.
RELEASED_AT_ONCE = 500
_OPEN = "SELECT count(*) FROM stock_reservation WHERE status IN ('held', 'paying')"
_RELEASE = """
    SELECT count(stock_free_v1(held.ids, 'released', 'release'))
      FROM (SELECT array_agg(r.id) AS ids
              FROM (SELECT id FROM stock_reservation WHERE status IN ('held', 'paying') ORDER BY id LIMIT %s FOR UPDATE)
                AS r) AS held WHERE held.ids IS NOT NULL"""


def revert(connection: BaseDatabaseWrapper, adopted: Adopted, report: Report, *, release_holds: bool) -> str:
    """Undo all in one transaction, so that a stop leaves all or nothing.

    Returns:
        The schema that keeps the kit's tables and their rows.

    Raises:
        AdoptionError: Holds of the kit are open.
        WronglyUsed: A pooler stands between.
        LockNotObtained: Others held the project's table through all tries.
    """
    refuse_pooler(connection, DOING)
    with turn(connection, DOING):
        if facts.kind(connection, "product_stock") is not None:
            _end_holds(connection, report, release_holds=release_holds)
        archive = facts.value(
            connection, "SELECT 'hotrow_reverted_' || to_char(clock_timestamp(), 'YYYYMMDD_HH24MISS')"
        )
        locks.run(connection, lambda: _undo(connection, adopted, archive), doing=f"{DOING} --revert")
    return str(archive)


def _end_holds(connection: BaseDatabaseWrapper, report: Report, *, release_holds: bool) -> None:
    units = facts.value(connection, _OPEN)
    if units and not release_holds:
        raise AdoptionError(
            f"{units:,} holds of the kit are open, and the project's code knows none of them: let them end, or give "
            "their units back with --release-holds"
        )
    while units:
        with transaction.atomic(using=connection.alias):
            facts.value(connection, _RELEASE, [RELEASED_AT_ONCE])
        units = facts.value(connection, _OPEN)
        report(f"release: {units:,} holds are left")


def _undo(connection: BaseDatabaseWrapper, adopted: Adopted, archive: str) -> None:
    counter = adopted.counter
    brought = kit.load(connection, has_warehouse=adopted.warehouse is not None)
    tables = [name for name in (RECORD, *(table.name for table in brought.tables)) if facts.kind(connection, name)]
    with connection.cursor() as cursor:
        # In the order in which the functions lock: holds, then counters.
        for name in ("stock_reservation", counter.name):
            if name == counter.name or name in tables:
                cursor.execute(_text("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE", sql.Identifier(name)))
        if "stock_reservation" in tables and facts.value(connection, _OPEN):
            raise AdoptionError("new holds were made meanwhile: end the callers of the functions, then try again")
        for trigger in brought.triggers:
            cursor.execute(_text("DROP TRIGGER IF EXISTS {} ON stock_transaction", sql.Identifier(trigger)))
        for trigger in (translation.TRANSLATE, translation.TELL):
            cursor.execute(_text("DROP TRIGGER IF EXISTS {} ON {}", sql.Identifier(trigger), counter.identifier))
        functions = [
            translation.TRANSLATE_FUNCTION,
            translation.TELL_FUNCTION,
            *(each.name for each in brought.functions),
        ]
        for function in functions:
            cursor.execute(_text("DROP ROUTINE IF EXISTS {}", sql.Identifier("public", function)))
        for view in naming.views(adopted.mapping, counter, adopted.product, adopted.warehouse):
            cursor.execute(_text("DROP VIEW IF EXISTS {}", sql.Identifier("public", view)))
        cursor.execute(_text("DROP INDEX IF EXISTS {}", sql.Identifier(counter.schema, naming.UNIQUE_INDEX)))
        for column in naming.columns(adopted.mapping):
            cursor.execute(_text("ALTER TABLE {} DROP COLUMN IF EXISTS {}", counter.identifier, sql.Identifier(column)))
        before = facts.value(connection, f"SELECT fillfactor FROM public.{RECORD}")
        setting = (
            sql.SQL("RESET (fillfactor)") if before is None else sql.SQL("SET (fillfactor = {})").format(int(before))
        )
        cursor.execute(_text("ALTER TABLE {} {}", counter.identifier, setting))
        cursor.execute(_text("CREATE SCHEMA {}", sql.Identifier(archive)))
        for table in tables:
            cursor.execute(_text("ALTER TABLE public.{} SET SCHEMA {}", sql.Identifier(table), sql.Identifier(archive)))


def _text(template: str, *parts: sql.Composable) -> str:
    return sql.SQL(template).format(*parts).as_string(None)
