"""``hotrow index suggest``: which indexes a workload would gain from."""

from typing import Annotated

import psycopg
import typer

from tuning.cli.console import Progress
from tuning.cli.forms import Form, Format, Html, show, stopped
from tuning.cli.lint import EXIT_FOUND, EXIT_NOT_JUDGED
from tuning.explain import execution
from tuning.explain.execution import Limits, Server
from tuning.observe.spent import Spent
from tuning.reports import suggest_json, suggest_text
from tuning.whatif import suggesting, workload
from tuning.whatif.errors import Unproven
from tuning.whatif.workload import Asked

MOST_STATEMENTS = 500


def register(group: typer.Typer) -> None:
    group.command("suggest")(suggest)


def suggest(
    dsn: Annotated[str, typer.Option(help="The target, which only plans; a libpq connection string.")],
    paths: Annotated[list[str] | None, typer.Argument(help="Captured .jsonl or .sql files; - for stdin.")] = None,
    statement: Annotated[str | None, typer.Option("--sql", help="One statement.")] = None,
    source: Annotated[str | None, typer.Option("--from", help="pg_stat_statements: what the server counted.")] = None,
    top: Annotated[int, typer.Option(min=1, help="Of the statements: those with the most time.")] = MOST_STATEMENTS,
    statement_timeout: Annotated[
        float, typer.Option(min=0.001, help="Seconds that planning one may take.")
    ] = execution.STATEMENT_TIMEOUT_S,
    form: Form = Format.TEXT,
    as_json: Annotated[bool, typer.Option("--json", help="Print what `prove` and `write` read.")] = False,
    html: Html = None,
) -> None:
    """Suggest indexes: exit 0 where none is missing, 1 where some are, 2 where that cannot be said."""
    try:
        if source not in (None, "pg_stat_statements"):
            raise Unproven("--from takes pg_stat_statements")
        limits = Limits(statement_timeout)
        asked = Asked(tuple(paths or ()), statement, source is not None, top)
        spent = Spent()
        with Progress() as progress:
            with Server(dsn, limits, allows_writes=False) as server:
                queries, notes = workload.read(asked, dsn, server.composed, progress.figures, spent)
            found = suggesting.suggest(dsn, limits, queries, progress.figures, spent)
    except (OSError, ValueError, psycopg.Error) as error:
        raise stopped(error) from error
    document = suggest_json.as_json(found, notes)
    show("Indexes, suggested", suggest_text.lines(found, notes), document, Format.JSON if as_json else form, html)
    if found.is_blind:
        raise typer.Exit(EXIT_NOT_JUDGED)
    if found.suggestions:
        raise typer.Exit(EXIT_FOUND)
