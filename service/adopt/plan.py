"""The plan: every step of an adoption in its order, what it locks, how long it takes, and how it is undone."""

from dataclasses import dataclass
from enum import StrEnum

from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg import sql

from service.adopt import kit, translation
from service.adopt.facts import Table
from service.adopt.inspection import RECORD, Adopted
from service.adopt.mapping import render


class Mode(StrEnum):
    TRANSACTION = "in one transaction"
    """With a short lock_timeout, tried again until it is let through."""
    CONCURRENTLY = "outside of a transaction"
    BATCHES = "in batches, each a transaction"


@dataclass(frozen=True, slots=True)
class Item:
    """One object: the statements that make it, and a query that says whether it is there."""

    name: str
    statements: tuple[str, ...]
    is_there: str


@dataclass(frozen=True, slots=True)
class Step:
    name: str
    purpose: str
    lock: str
    duration: str
    undo: str
    items: tuple[Item, ...]
    mode: Mode = Mode.TRANSACTION


# As on the kit's own counters: an update finds room on its page, and so stays HOT.
FILLFACTOR = 50
# What most steps take: they touch the catalog alone, and tables that nobody uses yet.
_INSTANT = "instant"
_OURS = "none on the project's tables"


def steps(connection: BaseDatabaseWrapper, adopted: Adopted) -> list[Step]:
    """Everything there is to do for this map, done or not."""
    mapping, counter = adopted.mapping, adopted.counter
    brought = kit.load(connection, has_warehouse=mapping.warehouse is not None)
    name = f"{counter.schema}.{counter.name}"
    columns = translation.columns(mapping)
    added = ", ".join(f"ADD COLUMN IF NOT EXISTS {column} {kind}" for column, kind in columns.items())
    views = translation.views(mapping, counter, adopted.product, adopted.warehouse)
    return [
        Step(
            "tables",
            "the kit's own tables, empty, beside the project's",
            _OURS,
            _INSTANT,
            f"--revert moves them to a schema of their own, with their rows ({RECORD} is dropped)",
            (
                Item(RECORD, (_RECORD, _recorded(adopted)), _relation(RECORD)),
                *(Item(table.name, table.statements, _relation(table.name)) for table in brought.tables),
            ),
        ),
        Step(
            "columns",
            f"the kit's columns on {name}; constant defaults, so no row is rewritten",
            f"ACCESS EXCLUSIVE on {name}, for the moment of the catalog's change",
            _INSTANT,
            "--revert drops them",
            (
                Item(
                    "columns",
                    (f"ALTER TABLE {_text(counter.identifier)} {added}",),
                    _query(
                        "SELECT count(*) = {} FROM pg_attribute WHERE attrelid = {}::regclass AND attname = ANY ({})"
                        " AND NOT attisdropped",
                        len(columns),
                        _text(counter.identifier),
                        list(columns),
                    ),
                ),
                *_fillfactor(counter),
            ),
        ),
        Step(
            "triggers",
            "each side's writes are carried over to the other, from here on",
            f"SHARE ROW EXCLUSIVE on {name}: writers wait for a moment",
            _INSTANT,
            "--revert drops them",
            (
                _function(translation.TRANSLATE_FUNCTION, translation.translate_function(mapping)),
                _function(translation.TELL_FUNCTION, translation.tell_function(mapping)),
                *(
                    Item(
                        trigger,
                        (statement,),
                        _query(
                            "SELECT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = {}::regclass AND tgname = {})",
                            _text(counter.identifier),
                            trigger,
                        ),
                    )
                    for trigger, statement in translation.triggers(counter).items()
                ),
            ),
        ),
        Step(
            "backfill",
            "the free units of each row and their opening entry in the ledger",
            "the rows of a batch; rows that somebody has locked are passed over",
            f"by rows, about {counter.rows_estimated:,}; half of the time is pause",
            "--revert drops the columns",
            (
                Item(
                    "backfill",
                    (adopted.backfill,),
                    f"SELECT NOT EXISTS (SELECT FROM {_text(counter.identifier)} WHERE {adopted.is_behind})",
                ),
            ),
            Mode.BATCHES,
        ),
        Step(
            "indexes",
            "one counter for each product, warehouse and bucket; the kit's indexes on its own tables",
            f"SHARE UPDATE EXCLUSIVE on {name}; no writer waits",
            "by size: two scans of the table",
            "--revert drops them",
            tuple(
                Item(
                    index,
                    (statement,),
                    _query(
                        "SELECT EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass({}) AND indisvalid)", index
                    ),
                )
                for index, statement in {
                    translation.UNIQUE_INDEX: translation.unique_index(mapping, counter),
                    **brought.indexes,
                }.items()
            ),
            Mode.CONCURRENTLY,
        ),
        Step(
            "functions",
            "the names that the functions use, and the functions of sql/functions as they are",
            "ACCESS SHARE on the project's tables",
            _INSTANT,
            "--revert drops them",
            (
                *(Item(view, (statement,), _relation(view)) for view, statement in views.items()),
                *(_function(each.name, each.statement, each.body) for each in brought.functions),
                *(
                    Item(
                        trigger,
                        (statement,),
                        _query("SELECT EXISTS (SELECT FROM pg_trigger WHERE tgname = {})", trigger),
                    )
                    for trigger, statement in brought.triggers.items()
                ),
            ),
        ),
    ]


def _fillfactor(counter: Table) -> tuple[Item, ...]:
    if counter.fillfactor is not None and int(counter.fillfactor) <= FILLFACTOR:
        return ()
    return (
        Item(
            "fillfactor",
            (f"ALTER TABLE {_text(counter.identifier)} SET (fillfactor = {FILLFACTOR})",),
            _query(
                f"SELECT 'fillfactor={FILLFACTOR}' = ANY (reloptions) FROM pg_class WHERE oid = {{}}::regclass",
                _text(counter.identifier),
            ),
        ),
    )


def _recorded(adopted: Adopted) -> str:
    return _query(
        f"INSERT INTO public.{RECORD} (map, fillfactor) VALUES ({{}}, {{}})",
        render(adopted.mapping),
        adopted.counter.fillfactor,
    )


def _relation(name: str) -> str:
    return _query("SELECT to_regclass({}) IS NOT NULL", f"public.{name}")


def _function(name: str, statement: str, body: str | None = None) -> Item:
    """There is one only if its body is the same: a function that somebody changed is a drift."""
    if body is None:
        body = statement.split("$function$")[1]
    return Item(
        name,
        (statement,),
        _query(
            "SELECT EXISTS (SELECT FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND proname = {}"
            " AND prosrc = {})",
            name,
            body,
        ),
    )


def _query(template: str, *values: object) -> str:
    return _text(sql.SQL(template).format(*(sql.Literal(value) for value in values)))  # type: ignore[arg-type]


def _text(composed: sql.Composable) -> str:
    return composed.as_string(None)


_RECORD = f"""\
CREATE TABLE public.{RECORD} (
    id boolean PRIMARY KEY DEFAULT true CHECK (id), map text NOT NULL, fillfactor text,
    started_at timestamptz NOT NULL DEFAULT now(), completed_at timestamptz
)"""
