"""``hotrow settings``: sizes for PostgreSQL, PgBouncer and gunicorn from what was measured, as a diff."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import psycopg
import typer

from tuning import ignores
from tuning.cli import settings_facts
from tuning.cli.chain import workers_of
from tuning.cli.console import Progress, err, out, print_json
from tuning.cli.forms import AsJson, Format, Html, stopped, write_page
from tuning.cli.lint import EXIT_FOUND, FailOn
from tuning.cli.settings_facts import Given
from tuning.cli.stack import start_again
from tuning.explain.errors import Unreadable
from tuning.observe.machine import machine
from tuning.observe.storage import STORAGES
from tuning.reports import settings as reports
from tuning.settings.facts import BY_HAND, MIN_DAYS, RESTART
from tuning.settings.judge import Report, judge
from tuning.stack import applying
from tuning.stack.applying import Instance
from tuning.stack.errors import StackError
from tuning.stack.profiles import PROFILES

SECONDS = 10.0
# The largest machines that are sold have 32 TiB.
MOST_MEMORY_GIB = 65_536.0


def register(app: typer.Typer) -> None:
    app.command()(settings)


def settings(
    dsn: Annotated[str | None, typer.Option(help="PostgreSQL past the pooler; a libpq connection string.")] = None,
    pooler: Annotated[str | None, typer.Option(help="PgBouncer's console; a libpq connection string.")] = None,
    instance: Annotated[str | None, typer.Option(help="An instance of `hotrow up` in the place of both.")] = None,
    run: Annotated[Path | None, typer.Option(help="A run of `hotrow bench`: what its timeline measured.")] = None,
    timeline: Annotated[Path | None, typer.Option(help="A timeline of `hotrow observe` under a typical load.")] = None,
    seconds: Annotated[float, typer.Option(min=0, help="Without a timeline: watch the pools for so long.")] = SECONDS,
    memory_gib: Annotated[
        float | None,
        typer.Option(min=0.1, max=MOST_MEMORY_GIB, help="The server's [default: this machine's, if it is here]."),
    ] = None,
    cores: Annotated[int | None, typer.Option(min=1, max=4096, help="The server's, likewise.")] = None,
    storage: Annotated[str | None, typer.Option(help="The server's: ssd or hdd.")] = None,
    gunicorn: Annotated[str | None, typer.Option(help="gunicorn's configuration: a file, or python:module.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Of gunicorn.")] = None,
    worker_class: Annotated[str | None, typer.Option(help="Of gunicorn.")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Of a gthread worker.")] = None,
    pool_size: Annotated[int | None, typer.Option(min=1, help="Connections that a worker opens at the most.")] = None,
    web_cores: Annotated[int | None, typer.Option(min=1, help="Of gunicorn's machine.")] = None,
    since_days: Annotated[
        float, typer.Option(min=0, help="How many days of counters are evidence, without a timeline.")
    ] = MIN_DAYS,
    ignore_file: Annotated[
        Path | None, typer.Option("--ignore-file", "--ignore", help="A TOML file of proposals that are declined.")
    ] = None,
    apply: Annotated[bool, typer.Option("--apply", help="With --instance: write the values, and restart it.")] = False,
    undo: Annotated[bool, typer.Option("--undo", help="With --instance: take back what --apply wrote.")] = False,
    fail_on: Annotated[FailOn, typer.Option(help="Exit 1 from which outcome on.")] = FailOn.FAIL,
    form: Annotated[Format, typer.Option("--format", help="How to print the advice.")] = Format.TEXT,
    as_json: AsJson = False,
    html: Html = None,
    verbose: Annotated[bool, typer.Option("--verbose", help="Also why the other settings stay.")] = False,
) -> None:
    """Size the settings: exit 0 where nothing fails, 1 where something does, 2 where it cannot be read."""
    try:
        found = _instance(dsn, pooler, instance, is_changed=apply or undo)
        if apply and undo:
            raise Unreadable("--apply and --undo contradict each other: give one")
        if undo and found is not None:
            _undo(found)
            return
        if run is not None and timeline is not None:
            raise Unreadable("--run and --timeline are two ways to the same: give one")
        if storage is not None and storage not in STORAGES:
            raise Unreadable(f"--storage {storage}: write one of {', '.join(STORAGES)}")
        options = {"worker_class": worker_class, "workers": workers, "threads": threads}
        limits = {"POOL_SIZE": str(pool_size)} if pool_size else {}
        given = Given(
            dsn=found.superuser() if found is not None else dsn or "",
            console=found.console() if found is not None else pooler,
            timeline=run or timeline,
            seconds=seconds,
            memory_gib=memory_gib,
            cores=cores,
            storage=storage,
            workers=workers_of(gunicorn, options),
            web_cores=web_cores,
            limits=limits,
            min_days=since_days,
        )
        given = _of(found, given)
        accepted = ignores.read(ignore_file) if ignore_file is not None else ()
        with Progress() as progress:
            facts, read, notes = settings_facts.gather(given, progress.figures)
        report = judge(facts, accepted, datetime.now(UTC).date(), read=read, notes=notes)
        write_page(html, "Settings", "\n".join(reports.markdown(report, facts.pooler)))
        reverse = _apply(found, report) if apply and found is not None else ()
    except (OSError, ValueError, StackError, psycopg.Error) as error:
        raise stopped(error) from error
    match Format.JSON if as_json else form:
        case Format.JSON:
            print_json(reports.as_json(report, facts.pooler, reverse))
        case Format.MARKDOWN:
            _print(reports.markdown(report, facts.pooler))
        case _:
            _print(reports.lines(report, facts.pooler, is_verbose=verbose))
            if reverse:
                _print(["", "applied; the reverse, which --undo does:", *(f"    {line}" for line in reverse)])
    if not apply and any(report.count(outcome) for outcome in fail_on.outcomes):
        raise typer.Exit(EXIT_FOUND)


def _instance(dsn: str | None, pooler: str | None, name: str | None, *, is_changed: bool) -> Instance | None:
    if name is not None:
        if dsn is not None or pooler is not None:
            raise Unreadable("--instance has a server and PgBouncer of its own: leave --dsn and --pooler out")
        found = Instance.of(name)
        if found.record.profile not in PROFILES:
            raise Unreadable(f"instance {name} has a profile that is none of the kit's: {found.record.profile}")
        return found
    if is_changed:
        raise Unreadable("--apply and --undo change the kit's own stack alone (--instance): apply the diff by hand")
    if dsn is None:
        raise Unreadable("nothing to size: give --dsn, or --instance")
    return None


def _of(instance: Instance | None, given: Given) -> Given:
    if instance is None:
        return given
    found, limits = settings_facts.of_instance(instance)
    cores = given.web_cores or machine().cores
    has_web = instance.part("web") is not None
    return replace(
        given, workers=given.workers or (found if has_web else None), web_cores=cores, limits={**limits, **given.limits}
    )


def _apply(instance: Instance, report: Report) -> tuple[str, ...]:
    taken = [each for each in report.proposed if each.how != BY_HAND]
    if not taken:
        return ()
    by_product = {
        product: {
            (f"{each.about}/{each.name}" if each.about else each.name): each.proposed
            for each in taken
            if each.product == product
        }
        for product in (reports.POSTGRESQL, reports.PGBOUNCER, reports.GUNICORN)
    }
    service = {
        reports.environment_name(name).removeprefix("HOTROW_"): value
        for name, value in by_product[reports.GUNICORN].items()
    }
    reverse = applying.apply(instance, by_product[reports.POSTGRESQL], by_product[reports.PGBOUNCER], service)
    if any(each.how == RESTART for each in taken):
        err.print("restarting the instance", markup=False)
        start_again(instance.record)
    return reverse


def _undo(instance: Instance) -> None:
    found = applying.undo(instance)
    if found.service or applying.need_restart(instance, found.postgresql_before):
        err.print("restarting the instance", markup=False)
        start_again(instance.record)
    count = len(found.postgresql_before) + len(found.pgbouncer) + len(found.service)
    out.print(f"{count} settings are as they were.", markup=False)


def _print(text: Iterable[str]) -> None:
    for line in text:
        out.print(line, markup=False, emoji=False)
