"""``hotrow index``: suggest one, prove that an index helps or can go, and write the migration."""

from pathlib import Path
from typing import Annotated

import psycopg
import typer

from tuning.cli import index_suggest, index_write
from tuning.cli.console import Progress, out
from tuning.cli.forms import AsJson, Form, Format, Html, show, stopped
from tuning.cli.lint import EXIT_FOUND
from tuning.explain import execution
from tuning.explain.execution import Limits
from tuning.reports import index_json, index_text
from tuning.stack.errors import StackError
from tuning.whatif import applying, copying, definition, dropping, proof
from tuning.whatif.copies import Where
from tuning.whatif.copying import Bounds
from tuning.whatif.definition import Definition
from tuning.whatif.dropping import Trust
from tuning.whatif.errors import Unproven
from tuning.whatif.workload import Asked

_FROM_STATISTICS = "pg_stat_statements"
Dsn = Annotated[str, typer.Option(help="The target, which is only read; a libpq connection string.")]
ScratchDsn = Annotated[str | None, typer.Option(help="A database that may be copied (TEMPLATE), on another server.")]
PostgresBin = Annotated[Path | None, typer.Option(help="Programs of a PostgreSQL of the target's version.")]
MaxBytes = Annotated[int, typer.Option(min=1, help="How large the copy may become.")]
SampleRows = Annotated[int | None, typer.Option(min=1, help="Copy at most so many rows of a table.")]
StatementTimeout = Annotated[float, typer.Option(min=0.001, help="Seconds that one run may take.")]


def register(app: typer.Typer) -> None:
    group = typer.Typer(
        help="Suggest an index, prove that one helps or can go, and write its migration.", no_args_is_help=True
    )
    index_suggest.register(group)
    group.command("prove")(prove)
    group.command("drop")(drop)
    index_write.register(group)
    app.add_typer(group, name="index")


def prove(
    dsn: Dsn,
    paths: Annotated[list[str] | None, typer.Argument(help="Captured .jsonl or .sql files; - for stdin.")] = None,
    index: Annotated[
        list[str] | None, typer.Option("--index", help="A CREATE INDEX statement; may be repeated.")
    ] = None,
    candidates: Annotated[Path | None, typer.Option(help="What `hotrow index suggest --json` printed.")] = None,
    statement: Annotated[str | None, typer.Option("--sql", help="One statement.")] = None,
    source: Annotated[str | None, typer.Option("--from", help="pg_stat_statements: what the server counted.")] = None,
    writes: Annotated[bool, typer.Option("--writes", help="Also execute writes, in the copy, rolled back.")] = False,
    top: Annotated[int, typer.Option(min=1, help="Of the statements: those with the most time.")] = 50,
    scratch_dsn: ScratchDsn = None,
    postgres_bin: PostgresBin = None,
    max_bytes: MaxBytes = copying.MAX_BYTES,
    sample_rows: SampleRows = None,
    statement_timeout: StatementTimeout = execution.STATEMENT_TIMEOUT_S,
    apply: Annotated[bool, typer.Option("--apply", help="Build what helps on the target, CONCURRENTLY.")] = False,
    form: Form = Format.TEXT,
    as_json: AsJson = False,
    html: Html = None,
) -> None:
    """Try indexes in a copy: exit 0 where each helps, 1 where one does not, 2 where that cannot be said."""
    try:
        wanted = definitions(index or [], candidates)
        where = Where(dsn, scratch_dsn, postgres_bin, Bounds(max_bytes, sample_rows), Limits(statement_timeout))
        asked = Asked(tuple(paths or ()), statement, _is_counted(source), top)
        with Progress() as progress:
            found = proof.prove(where, asked, wanted, runs_writes=writes, tell=progress.step)
    except (OSError, ValueError, StackError, psycopg.Error) as error:
        raise stopped(error) from error
    form = Format.JSON if as_json else form
    show("Indexes, proven", index_text.proven(found), index_json.proven(found), form, html)
    helping = [each for each in found.proofs if each.verdict is proof.Verdict.HELPS]
    if apply:
        _apply([each.definition for each in helping], dsn)
    if len(helping) < len(found.proofs):
        raise typer.Exit(EXIT_FOUND)


def drop(
    dsn: Dsn,
    paths: Annotated[list[str] | None, typer.Argument(help="Captured .jsonl or .sql files; - for stdin.")] = None,
    workload: Annotated[list[str] | None, typer.Option("--workload", help="The same; may be repeated.")] = None,
    source: Annotated[str | None, typer.Option("--from", help="pg_stat_statements: what the server counted.")] = None,
    replica_dsn: Annotated[list[str] | None, typer.Option(help="A replica, whose scans count too.")] = None,
    statistics_days: Annotated[
        float, typer.Option(min=0, help="How long the server must have counted.")
    ] = dropping.MIN_STATISTICS_DAYS,
    scratch_dsn: ScratchDsn = None,
    postgres_bin: PostgresBin = None,
    max_bytes: MaxBytes = copying.MAX_BYTES,
    sample_rows: SampleRows = None,
    statement_timeout: StatementTimeout = execution.STATEMENT_TIMEOUT_S,
    apply: Annotated[bool, typer.Option("--apply", help="Drop what can go on the target, CONCURRENTLY.")] = False,
    form: Form = Format.TEXT,
    as_json: AsJson = False,
    html: Html = None,
) -> None:
    """Say which indexes can go: exit 0 where none can, 1 where some can, 2 where that cannot be said."""
    try:
        where = Where(dsn, scratch_dsn, postgres_bin, Bounds(max_bytes, sample_rows), Limits(statement_timeout))
        asked = Asked((*(paths or ()), *(workload or ())), None, _is_counted(source))
        with Progress() as progress:
            found = dropping.judge(where, asked, Trust(statistics_days, tuple(replica_dsn or ())), progress.step)
    except (OSError, ValueError, StackError, psycopg.Error) as error:
        raise stopped(error) from error
    form = Format.JSON if as_json else form
    show("Indexes that can go", index_text.judged(found), index_json.judged(found), form, html)
    going = [each.index for each in found.judgements if each.verdict is dropping.Verdict.CAN_GO]
    if apply:
        for each in going:
            try:
                reverse = applying.drop(dsn, each.schema, each.name)
            except (ValueError, psycopg.Error) as error:
                raise stopped(error) from error
            out.print(f"dropped {each.shown}; to have it back: {reverse}", markup=False)
    if going:
        raise typer.Exit(EXIT_FOUND)


def definitions(statements: list[str], file: Path | None) -> list[Definition]:
    """The indexes that the command line names.

    Raises:
        Unproven: There are none, or one is not understood.
    """
    found = [definition.parse(each) for each in statements]
    if file is not None:
        found += definition.candidates(file)
    if not found:
        raise Unproven('no index: give --index "CREATE INDEX ..." or --candidates FILE')
    twice = {each.name for each in found if sum(other.name == each.name for other in found) > 1}
    if twice:
        raise Unproven(f"two indexes have the name {min(twice)}: give each its own")
    return found


def _apply(wanted: list[Definition], dsn: str) -> None:
    for each in wanted:
        try:
            reverse = applying.build(dsn, each)
        except (ValueError, psycopg.Error) as error:
            raise stopped(error) from error
        out.print(f"built {each.name}; to take it back: {reverse}", markup=False)


def _is_counted(source: str | None) -> bool:
    if source not in (None, _FROM_STATISTICS):
        raise Unproven(f"--from takes {_FROM_STATISTICS}, and files are given by their names")
    return source is not None
