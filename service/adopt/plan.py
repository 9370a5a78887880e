"""The plan: every step of an adoption in its order, what it locks, how long it takes, and how it is undone."""

from dataclasses import dataclass
from enum import StrEnum

from django.db.backends.base.base import BaseDatabaseWrapper

from service.adopt import kit, naming, translation
from service.adopt.inspection import RECORD, Adopted
from service.adopt.naming import text
from service.adopt.objects import Item, fillfactor, function, query, record, relation, trigger


class Mode(StrEnum):
    TRANSACTION = "in one transaction"
    """With a short lock_timeout, tried again until it is let through."""
    CONCURRENTLY = "outside of a transaction"
    BATCHES = "in batches, each a transaction"


@dataclass(frozen=True, slots=True)
class Step:
    name: str
    purpose: str
    lock: str
    duration: str
    undo: str
    items: tuple[Item, ...]
    mode: Mode = Mode.TRANSACTION


# What most steps take: they touch the catalog alone, and tables that nobody uses yet.
_INSTANT = "instant"
_OURS = "none on the project's tables"


def steps(connection: BaseDatabaseWrapper, adopted: Adopted) -> list[Step]:
    """Everything there is to do for this map, done or not."""
    mapping, counter = adopted.mapping, adopted.counter
    brought = kit.load(connection, has_warehouse=mapping.warehouse is not None)
    table = f"{counter.schema}.{counter.name}"
    columns = naming.columns(mapping)
    added = ", ".join(f"ADD COLUMN IF NOT EXISTS {column} {kind}" for column, kind in columns.items())
    views = naming.views(mapping, counter, adopted.product, adopted.warehouse)
    return [
        Step(
            "tables",
            "the kit's own tables, empty, beside the project's",
            _OURS,
            _INSTANT,
            f"--revert moves them to a schema of their own, with their rows ({RECORD} is dropped)",
            (
                record(adopted),
                *(Item(made.name, made.statements, relation(made.name)) for made in brought.tables),
            ),
        ),
        Step(
            "columns",
            f"the kit's columns on {table}; constant defaults, so no row is rewritten",
            f"ACCESS EXCLUSIVE on {table}, for the moment of the catalog's change",
            _INSTANT,
            "--revert drops them",
            (
                Item(
                    "columns",
                    (f"ALTER TABLE {text(counter.identifier)} {added}",),
                    query(
                        "SELECT count(*) = {} FROM pg_attribute WHERE attrelid = {}::regclass AND attname = ANY ({})"
                        " AND NOT attisdropped",
                        len(columns),
                        text(counter.identifier),
                        list(columns),
                    ),
                ),
                *fillfactor(counter),
            ),
        ),
        Step(
            "triggers",
            "each side's writes are carried over to the other, from here on",
            f"SHARE ROW EXCLUSIVE on {table}: writers wait for a moment",
            _INSTANT,
            "--revert drops them",
            (
                function(translation.TRANSLATE_FUNCTION, translation.translate_function(mapping)),
                function(translation.TELL_FUNCTION, translation.tell_function(mapping)),
                *(trigger(name, made) for name, made in translation.triggers(counter).items()),
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
                    f"SELECT NOT EXISTS (SELECT FROM {text(counter.identifier)} WHERE {adopted.is_behind})",
                ),
            ),
            Mode.BATCHES,
        ),
        Step(
            "indexes",
            "one counter for each product, warehouse and bucket; the kit's indexes on its own tables",
            f"SHARE UPDATE EXCLUSIVE on {table}; no writer waits",
            "by size: two scans of the table",
            "--revert drops them",
            tuple(
                Item(
                    index,
                    (statement,),
                    query(
                        "SELECT EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass({}) AND indisvalid)", index
                    ),
                )
                for index, statement in {
                    naming.UNIQUE_INDEX: naming.unique_index(mapping, counter),
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
                *(Item(view, (statement,), relation(view)) for view, statement in views.items()),
                *(function(each.name, each.statement, each.body) for each in brought.functions),
                *(trigger(name, made) for name, made in brought.triggers.items()),
            ),
        ),
    ]
