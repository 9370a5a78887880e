"""Objects of an adoption: the statements that make each, and the query that says whether it is there."""

from dataclasses import dataclass

from psycopg import sql

from service.adopt.facts import Table
from service.adopt.inspection import RECORD, Adopted
from service.adopt.mapping import render
from service.adopt.naming import text

# As on the kit's own counters: an update finds room on its page, and so stays HOT.
FILLFACTOR = 50


@dataclass(frozen=True, slots=True)
class Item:
    """One object: the statements that make it, and a query that says whether it is there."""

    name: str
    statements: tuple[str, ...]
    is_there: str


def fillfactor(counter: Table) -> tuple[Item, ...]:
    if counter.fillfactor is not None and int(counter.fillfactor) <= FILLFACTOR:
        return ()
    return (
        Item(
            "fillfactor",
            (f"ALTER TABLE {text(counter.identifier)} SET (fillfactor = {FILLFACTOR})",),
            query(
                f"SELECT 'fillfactor={FILLFACTOR}' = ANY (reloptions) FROM pg_class WHERE oid = {{}}::regclass",
                text(counter.identifier),
            ),
        ),
    )


def record(adopted: Adopted) -> Item:
    """The table that keeps the map, and the map in it."""
    kept = query(
        f"INSERT INTO public.{RECORD} (map, fillfactor) VALUES ({{}}, {{}})",
        render(adopted.mapping),
        adopted.counter.fillfactor,
    )
    return Item(RECORD, (_RECORD, kept), relation(RECORD))


def relation(name: str) -> str:
    return query("SELECT to_regclass({}) IS NOT NULL", f"public.{name}")


def function(name: str, statement: str, body: str | None = None) -> Item:
    """There is one only if its body is the same: a function that somebody changed is a drift."""
    if body is None:
        body = statement.split("$function$")[1]
    return Item(
        name,
        (statement,),
        query(
            "SELECT EXISTS (SELECT FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND proname = {}"
            " AND prosrc = {})",
            name,
            body,
        ),
    )


def trigger(name: str, statement: str) -> Item:
    return Item(name, (statement,), query("SELECT EXISTS (SELECT FROM pg_trigger WHERE tgname = {})", name))


def query(template: str, *values: object) -> str:
    return text(sql.SQL(template).format(*(sql.Literal(value) for value in values)))


_RECORD = f"""\
CREATE TABLE public.{RECORD} (
    id boolean PRIMARY KEY DEFAULT true CHECK (id), map text NOT NULL, fillfactor text,
    started_at timestamptz NOT NULL DEFAULT now(), completed_at timestamptz
)"""
