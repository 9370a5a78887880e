"""``hotrow chain``: judge every link between the workers of a Django project and PostgreSQL."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import psycopg
import typer
from psycopg.conninfo import conninfo_to_dict

from tuning.chain.findings import Report
from tuning.chain.judge import judge
from tuning.chain.rules import load
from tuning.chain.topology import through
from tuning.cli.console import fail, out, print_json
from tuning.cli.lint import EXIT_FOUND, EXIT_NOT_JUDGED, FailOn
from tuning.observe import poolers, projects, servers
from tuning.observe.chain import Chain, Pooler, Project, Server, Workers
from tuning.observe.projects import Unreadable
from tuning.reports import chain as reports


def register(app: typer.Typer) -> None:
    app.command()(chain)


def chain(
    settings: Annotated[
        str | None, typer.Option(help="The project's settings module [default: DJANGO_SETTINGS_MODULE].")
    ] = None,
    directory: Annotated[Path, typer.Option(help="Where manage.py is; modules are imported from there.")] = Path(),
    python: Annotated[str, typer.Option(help="The project's Python.")] = sys.executable,
    gunicorn: Annotated[str | None, typer.Option(help="gunicorn's configuration: a file, or python:module.")] = None,
    worker_class: Annotated[str | None, typer.Option(help="Of gunicorn, before what its configuration says.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Of gunicorn.")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Of a gthread worker.")] = None,
    worker_connections: Annotated[int | None, typer.Option(min=1, help="Requests of a gevent worker.")] = None,
    preload: Annotated[bool | None, typer.Option("--preload/--no-preload", help="Of gunicorn.")] = None,
    pgbouncer: Annotated[str | None, typer.Option(help="PgBouncer's console; a libpq connection string.")] = None,
    pgbouncer_ini: Annotated[Path | None, typer.Option(help="PgBouncer's file, where its console is not open.")] = None,
    pgbouncer_version: Annotated[str | None, typer.Option(help="With --pgbouncer-ini: the program's version.")] = None,
    pooled: Annotated[list[str] | None, typer.Option(help="An alias that goes through PgBouncer.")] = None,
    dsn: Annotated[str | None, typer.Option(help="PostgreSQL past the pooler; a libpq connection string.")] = None,
    exclude: Annotated[list[str] | None, typer.Option(help="Turn off a rule.")] = None,
    fail_on: Annotated[FailOn, typer.Option(help="Exit 1 from which outcome on.")] = FailOn.FAIL,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Also the rules that found nothing or were skipped.")
    ] = False,
) -> None:
    """Judge a project's connections: exit 0 where nothing fails, 1 where something does, 2 where it cannot be read."""
    options = {
        "worker_class": worker_class,
        "workers": workers,
        "threads": threads,
        "worker_connections": worker_connections,
        "is_preloaded": preload,
    }
    try:
        if pgbouncer and pgbouncer_ini:
            raise Unreadable("--pgbouncer and --pgbouncer-ini are two ways to the same: give one")
        if pgbouncer_version and not pgbouncer_ini:
            raise Unreadable("--pgbouncer-version needs --pgbouncer-ini: the console tells its version")
        module = settings or os.environ.get("DJANGO_SETTINGS_MODULE")
        excluded = _excluded(exclude or [])
        project = projects.read(module, python, directory) if module else None
        of_workers = _workers(gunicorn, python, directory, options)
        pooler = _pooler(pgbouncer, pgbouncer_ini, pgbouncer_version)
        if project is None and of_workers is None and pooler is None:
            raise Unreadable("nothing to judge: give --settings, --gunicorn, --pgbouncer or --pgbouncer-ini")
        used = _through(project, pooler, pgbouncer, pooled or [])
        found = Chain(project, of_workers, pooler, _server(dsn, project), used)
        report = judge(found, excluded)
    except OSError as error:
        fail(f"{error.filename}: {error.strerror}" if error.filename else str(error))
        raise typer.Exit(EXIT_NOT_JUDGED) from error
    except ValueError as error:
        fail(str(error).strip())
        raise typer.Exit(EXIT_NOT_JUDGED) from error
    _print(report, as_json=as_json, is_verbose=verbose)
    if report.worst in fail_on.outcomes:
        raise typer.Exit(EXIT_FOUND)


def _excluded(names: list[str]) -> dict[str, str]:
    known = {rule.id for rule in load()}
    for name in names:
        if name not in known:
            raise Unreadable(f"there is no rule {name} of the chain: `hotrow rules list` shows them")
    return dict.fromkeys(names, "excluded by --exclude")


def workers_of(configuration: str | None, options: Mapping[str, object]) -> Workers | None:
    """gunicorn as its configuration and options say; None where neither was given."""
    return _workers(configuration, sys.executable, Path(), options)


def _workers(configuration: str | None, python: str, directory: Path, options: Mapping[str, object]) -> Workers | None:
    if configuration is None and all(value is None for value in options.values()):
        return None
    return projects.read_workers(configuration or "", python, directory, options)


def _pooler(console: str | None, file: Path | None, version: str | None) -> Pooler | None:
    if file is not None:
        return poolers.from_file(file, version)
    if console is None:
        return None
    try:
        return poolers.from_console(console)
    except psycopg.Error as error:
        hint = "--pgbouncer takes a user of admin_users or stats_users"
        raise Unreadable(f"PgBouncer's console does not answer ({hint}): {str(error).strip()}") from error


def _through(project: Project | None, pooler: Pooler | None, console: str | None, named: list[str]) -> frozenset[str]:
    aliases = project.aliases if project is not None else ()
    if unknown := sorted(set(named) - {alias.name for alias in aliases}):
        raise Unreadable(f"--pooled {unknown[0]}: the settings have no such PostgreSQL alias")
    if pooler is None:
        return frozenset(named)
    host = str(conninfo_to_dict(console).get("host") or "") if console else None
    return through(aliases, pooler, host) | frozenset(named)


def _server(dsn: str | None, project: Project | None) -> Server | None:
    if dsn is None:
        return None
    users = sorted({alias.user for alias in project.aliases}) if project is not None else []
    try:
        return servers.read(dsn, users)
    except psycopg.Error as error:
        raise Unreadable(f"the server of --dsn cannot be read: {str(error).strip()}") from error


def _print(report: Report, *, as_json: bool, is_verbose: bool) -> None:
    if as_json:
        print_json(reports.as_json(report))
        return
    for line in reports.lines(report, is_verbose=is_verbose):
        out.print(line, markup=False, emoji=False)
