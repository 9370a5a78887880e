"""``hotrow plans``: accept the plans that a server makes, and notice when it makes others."""

import sys
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated

import psycopg
import typer

from tuning import ignores
from tuning.cli.console import Progress, fail, out, print_json
from tuning.cli.explain import Source
from tuning.cli.forms import AsJson, Html, stopped, write_page
from tuning.cli.lint import EXIT_FOUND, EXIT_NOT_JUDGED, FailOn
from tuning.explain import execution
from tuning.explain.execution import Limits
from tuning.plans import baseline_file, checking, measuring, saving
from tuning.plans.findings import Report
from tuning.reports import plans_machine, plans_text
from tuning.whatif import workload
from tuning.whatif.query import Query
from tuning.whatif.workload import Asked

MOST_STATEMENTS = 500


class Format(StrEnum):
    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"
    GITHUB = "github"


Dsn = Annotated[str, typer.Option(help="Run statements here; a libpq connection string.")]
Paths = Annotated[list[str] | None, typer.Argument(help="Captured .jsonl or .sql files; - for stdin.")]
Sql = Annotated[str | None, typer.Option("--sql", help="One statement.")]
From = Annotated[Source | None, typer.Option("--from", help="What the server counted, without values: only planned.")]
Top = Annotated[int, typer.Option(min=1, help="Of the statements: those with the most time.")]
ExecuteWrites = Annotated[
    bool, typer.Option("--execute-writes", help="Also execute writes, in a transaction that is rolled back.")
]
StatementTimeout = Annotated[float, typer.Option(min=0.001, help="Seconds that one run may take.")]
LockTimeout = Annotated[float, typer.Option(min=0.001, help="Seconds to wait for a lock.")]


def register(app: typer.Typer) -> None:
    group = typer.Typer(help="Accept plans in a file, and notice when a server makes others.", no_args_is_help=True)
    group.command("save")(save)
    group.command("check")(check)
    app.add_typer(group, name="plans")


def save(
    dsn: Dsn,
    path: Annotated[Path, typer.Option("--out", help="The baseline to write.")],
    paths: Paths = None,
    statement: Sql = None,
    source: From = None,
    merge: Annotated[
        bool, typer.Option("--merge", help="Keep what --out holds, and add; without statements measure those anew.")
    ] = False,
    analyze: Annotated[bool, typer.Option(help="Execute statements; otherwise they are only planned.")] = True,
    execute_writes: ExecuteWrites = False,
    top: Top = MOST_STATEMENTS,
    statement_timeout: StatementTimeout = execution.STATEMENT_TIMEOUT_S,
    lock_timeout: LockTimeout = execution.LOCK_TIMEOUT_S,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was saved as JSON.")] = False,
) -> None:
    """Accept plans: exit 0 where a baseline was written, 2 where no statement has a plan."""
    try:
        old = baseline_file.read(path) if merge and path.exists() else None
        asked = Asked(tuple(paths or ()), statement, source is not None, top)
        is_again = old is not None and asked == Asked(top=top)
        limits = Limits(statement_timeout, lock_timeout)
        with measuring.server(dsn, limits, allows_writes=execute_writes) as server, Progress() as progress:
            queries: list[Query] = []
            notes: list[str] = []
            if old is not None and is_again:
                queries = saving.again(old)
            else:
                queries, notes = workload.read(asked, dsn, server.composed)
            done = saving.save(server, queries, old, progress.figures, is_planned=not analyze)
        if done.added + done.renewed + done.known == 0:
            reasons = "; ".join(dict.fromkeys(reason for _, reason in done.skipped))
            fail(f"no statement has a plan, so {path} was not written: {reasons}")
            raise typer.Exit(EXIT_NOT_JUDGED)
        baseline_file.write(path, done.baseline)
    except (OSError, ValueError, psycopg.Error) as error:
        raise stopped(error) from error
    if as_json:
        print_json(plans_machine.saved(done, str(path), notes))
        return
    for line in (*(f"Note: {note}." for note in notes), *plans_text.saved(done, str(path))):
        out.print(line, markup=False, emoji=False)


def check(
    dsn: Dsn,
    path: Annotated[Path, typer.Argument(metavar="BASELINE", help="What `hotrow plans save` wrote.")],
    paths: Paths = None,
    statement: Sql = None,
    source: From = None,
    execute_writes: ExecuteWrites = False,
    top: Top = MOST_STATEMENTS,
    statement_timeout: StatementTimeout = execution.STATEMENT_TIMEOUT_S,
    lock_timeout: LockTimeout = execution.LOCK_TIMEOUT_S,
    ignore: Annotated[Path | None, typer.Option(help="A TOML file of findings that are accepted.")] = None,
    fail_on: Annotated[FailOn, typer.Option(help="Exit 1 from which outcome on.")] = FailOn.FAIL,
    form: Annotated[Format, typer.Option("--format", help="How to print the report.")] = Format.TEXT,
    as_json: AsJson = False,
    html: Html = None,
    verbose: Annotated[bool, typer.Option("--verbose", help="Also statements whose plans are as they were.")] = False,
) -> None:
    """Check plans: exit 0 where they are as accepted, 1 where one is not, 2 where that cannot be said."""
    try:
        baseline = baseline_file.read(path)
        text = path.read_text(encoding="utf-8")
        accepted = ignores.read(ignore) if ignore is not None else ()
        asked = Asked(tuple(paths or ()), statement, source is not None, top)
        limits = Limits(statement_timeout, lock_timeout)
        with measuring.server(dsn, limits, allows_writes=execute_writes) as server, Progress() as progress:
            queries, notes = ([], []) if asked == Asked(top=top) else workload.read(asked, dsn, server.composed)
            against = checking.Against(baseline, partial(baseline_file.line_of, text), progress.figures)
            checked, told = checking.check(server, against, queries)
        found = checking.report(str(path), checked, [*notes, *told], accepted, datetime.now(UTC).date())
    except (OSError, ValueError, psycopg.Error) as error:
        raise stopped(error) from error
    write_page(html, "Plans", plans_text.markdown(found))
    _print(found, Format.JSON if as_json else form, is_verbose=verbose)
    if any(found.count(outcome) for outcome in fail_on.outcomes):
        raise typer.Exit(EXIT_FOUND)
    if found.skipped:
        fail(f"{found.skipped} of {len(checked)} statements could not be checked")
        raise typer.Exit(EXIT_NOT_JUDGED)


def _print(found: Report, form: Format, *, is_verbose: bool) -> None:
    match form:
        case Format.JSON:
            print_json(plans_machine.as_json(found))
        case Format.MARKDOWN:
            sys.stdout.write(plans_text.markdown(found))
        case Format.GITHUB:
            for command in plans_machine.as_github(found):
                out.print(command, markup=False, emoji=False)
        case Format.TEXT:
            for line in plans_text.lines(found, is_verbose=is_verbose):
                out.print(line, markup=False, emoji=False)
