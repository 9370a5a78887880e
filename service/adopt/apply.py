"""Carry a plan out. Each object is looked for before it is made, so a run goes on where another stopped."""

from collections.abc import Callable

from django.db import ProgrammingError, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from service.adopt import backfill, facts
from service.adopt.errors import AdoptionError
from service.adopt.inspection import RECORD, Adopted
from service.adopt.mapping import Map, parse, render
from service.adopt.objects import Item
from service.adopt.plan import Mode, Step, steps
from service.db import locks
from service.db.preflight import refuse_pooler
from service.db.sessions import turn, without_timeouts

Report = Callable[[str], None]
DOING = "adopt_stock"


def apply(connection: BaseDatabaseWrapper, adopted: Adopted, report: Report) -> None:
    """Do what is missing, step by step.

    Raises:
        AdoptionError: Another map was begun with, or a function was changed.
        WronglyUsed: A pooler stands between.
        LockNotObtained: Others held the project's table through all tries.
    """
    refuse_pooler(connection, DOING)
    with turn(connection, DOING):
        begun = recorded(connection)
        if begun is not None and begun != adopted.mapping:
            raise AdoptionError(
                "an adoption was begun with another map: leave --map out to go on with that one, or --revert it first; "
                f"it is\n{render(begun)}"
            )
        for step in steps(connection, adopted):
            items = missing(connection, step)
            if not items:
                report(f"{step.name}: there already")
                continue
            _refuse_changed(connection, items)
            report(f"{step.name}: {len(items)} of {len(step.items)} to do")
            _run(connection, adopted, step, items, report)
            report(f"{step.name}: done")
        with connection.cursor() as cursor:
            cursor.execute(f"UPDATE public.{RECORD} SET completed_at = now() WHERE completed_at IS NULL")


def missing(connection: BaseDatabaseWrapper, step: Step) -> list[Item]:
    """The items of a step that are not there."""
    found = []
    for item in step.items:
        try:
            with transaction.atomic(using=connection.alias):
                is_there = facts.value(connection, item.is_there)
        except ProgrammingError:
            # What it asks about belongs to an earlier step that is missing too.
            is_there = False
        if not is_there:
            found.append(item)
    return found


def recorded(connection: BaseDatabaseWrapper) -> Map | None:
    """The map that an adoption was begun with."""
    if facts.kind(connection, RECORD) is None:
        return None
    return parse(facts.value(connection, f"SELECT map FROM public.{RECORD}"))


def _run(connection: BaseDatabaseWrapper, adopted: Adopted, step: Step, items: list[Item], report: Report) -> None:

    def work() -> None:
        with connection.cursor() as cursor:
            for item in items:
                for statement in item.statements:
                    cursor.execute(statement)

    match step.mode:
        case Mode.TRANSACTION:
            locks.run(connection, work, doing=f"{DOING}, {step.name}")
        case Mode.BATCHES:
            backfill.run(connection, adopted, lambda rows: report(f"{step.name}: {rows:,} rows"))
        case Mode.CONCURRENTLY:
            with without_timeouts(connection), connection.cursor() as cursor:
                for item in items:
                    # An invalid remainder of a build that was stopped costs writes and serves no read.
                    cursor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS public.{item.name}")
                    cursor.execute(item.statements[0])


def _refuse_changed(connection: BaseDatabaseWrapper, items: list[Item]) -> None:
    changed = [
        row[0]
        for row in facts.rows(
            connection,
            "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND proname = ANY (%s)"
            " ORDER BY proname",
            # The triggers' own functions are replaced: they are made from the map.
            [[item.name for item in items if item.statements[0].startswith("CREATE OR REPLACE") is False]],
        )
    ]
    if changed:
        raise AdoptionError(
            f"{', '.join(changed)}: there is a function of this name that is not the one of sql/functions;"
            " drop it, then run the command again"
        )
