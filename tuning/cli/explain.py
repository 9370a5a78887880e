"""``hotrow explain``: run statements for their plans, or read plans, and judge them."""

import sys
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import psycopg
import typer
from rich.text import Text

from tuning import ignores
from tuning.cli.console import Progress, err, out, print_json
from tuning.cli.forms import Format, stopped
from tuning.cli.lint import EXIT_FOUND, EXIT_NOT_JUDGED, FailOn
from tuning.explain import execution, sources
from tuning.explain.analysis import Analysis, report
from tuning.explain.errors import Unreadable
from tuning.explain.execution import Limits, Server
from tuning.explain.findings import Judged, Report
from tuning.explain.judge import rules
from tuning.observe.spent import Spent
from tuning.reports import explain_html, explain_json, explain_text, explain_tree

MOST_STATEMENTS = 20
# pev2's first two colours of a node's own share of the time.
_COLOURS = ((0.4, "red"), (0.1, "yellow"))


class Source(StrEnum):
    PG_STAT_STATEMENTS = "pg_stat_statements"


def register(app: typer.Typer) -> None:
    app.command()(explain)


def explain(
    paths: Annotated[
        list[str] | None,
        typer.Argument(help="Plans (JSON or text), .sql files, captured .jsonl, logs of auto_explain; - for stdin."),
    ] = None,
    statement: Annotated[str | None, typer.Option("--sql", help="One statement, with --dsn.")] = None,
    dsn: Annotated[str | None, typer.Option(help="Run statements here; a libpq connection string.")] = None,
    source: Annotated[Source | None, typer.Option("--from", help="With --dsn: where to take statements.")] = None,
    analyze: Annotated[bool, typer.Option(help="Execute statements; otherwise they are only planned.")] = True,
    execute_writes: Annotated[
        bool, typer.Option("--execute-writes", help="Also execute writes, in a transaction that is rolled back.")
    ] = False,
    statement_timeout: Annotated[
        float, typer.Option(min=0.001, help="Seconds that one run may take.")
    ] = execution.STATEMENT_TIMEOUT_S,
    lock_timeout: Annotated[
        float, typer.Option(min=0.001, help="Seconds to wait for a lock.")
    ] = execution.LOCK_TIMEOUT_S,
    top: Annotated[
        int, typer.Option(min=1, help="Of captured statements: those with the most time.")
    ] = MOST_STATEMENTS,
    before: Annotated[Path | None, typer.Option(help="An earlier plan of the same statement.")] = None,
    ignore: Annotated[Path | None, typer.Option(help="A TOML file of findings that are accepted.")] = None,
    exclude: Annotated[list[str] | None, typer.Option(help="Turn off a rule.")] = None,
    fail_on: Annotated[FailOn, typer.Option(help="Exit 1 from which outcome on.")] = FailOn.FAIL,
    form: Annotated[Format, typer.Option("--format", help="How to print the report.")] = Format.TEXT,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
    html: Annotated[Path | None, typer.Option(help="Also write the report as a page here.")] = None,
    verbose: Annotated[bool, typer.Option("--verbose", help="Also facts, and why rules were skipped.")] = False,
) -> None:
    """Judge plans: exit 0 where nothing is found, 1 where something is, 2 where nothing can be explained."""
    try:
        progress = Progress()
        analysis = Analysis(
            excluded=_excluded(exclude or []),
            before=sources.earlier(before) if before is not None else None,
            tell=progress.figures,
        )
        limits = Limits(statement_timeout, lock_timeout)
        accepted = ignores.read(ignore) if ignore is not None else ()
        asked = sources.Asked(tuple(paths or ()), statement, source is not None, top, is_planned=not analyze)
        spent = Spent()
        with progress:
            if dsn is None:
                judged, notes = sources.judge(asked, analysis, None, "", spent)
            else:
                with Server(dsn, limits, allows_writes=execute_writes, spent=spent) as server:
                    judged, notes = sources.judge(asked, analysis, server, dsn, spent)
        found = report(judged, notes, accepted, datetime.now(UTC).date(), spent if dsn is not None else None)
        if html is not None:
            html.write_text(explain_html.page(found), encoding="utf-8")
    except (OSError, ValueError, psycopg.Error) as error:
        raise stopped(error) from error
    _print(found, Format.JSON if as_json else form, is_verbose=verbose)
    if any(found.count(outcome) for outcome in fail_on.outcomes):
        raise typer.Exit(EXIT_FOUND)
    if all(each.skipped for each in found.judged):
        raise typer.Exit(EXIT_NOT_JUDGED)


def _excluded(names: list[str]) -> dict[str, str]:
    known = {rule.id for rule in rules()}
    for name in names:
        if name not in known:
            raise Unreadable(f"there is no rule {name} for plans: `hotrow rules list` shows them")
    return dict.fromkeys(names, "excluded by --exclude")


def _print(found: Report, form: Format, *, is_verbose: bool) -> None:
    match form:
        case Format.JSON:
            print_json(explain_json.as_json(found))
        case Format.MARKDOWN:
            sys.stdout.write(explain_text.markdown(found))
        case Format.TEXT:
            for judged in found.judged:
                _print_one(judged, is_verbose=is_verbose)
            for note in found.told:
                out.print(f"Note: {note}.", markup=False)
    summary = explain_text.summary(found)
    (out if form is Format.TEXT else err).print(summary, markup=False)


def _print_one(judged: Judged, *, is_verbose: bool) -> None:
    out.print(explain_text.heading(judged), style="bold", markup=False)
    if judged.statement is not None and judged.statement.sql:
        text = " ".join(judged.statement.sql.split())
        out.print(text if len(text) <= 300 else f"{text[:300]} ...", style="dim", markup=False)
    if judged.skipped:
        out.print(f"SKIP: {judged.skipped}", markup=False)
    if judged.plan is not None:
        out.print(explain_text.totals(judged), markup=False)
        for line in explain_tree.lines(judged.plan):
            colour = next((colour for share, colour in _COLOURS if line.own_share >= share), "")
            out.print(Text.assemble(line.branch, (line.label, colour), ("  " + line.figures, "dim")))
    for note in judged.notes:
        out.print(f"Note: {note}.", markup=False)
    for finding, words in explain_text.findings(judged, is_verbose=is_verbose):
        out.print(words, markup=False, emoji=False)
        for each in explain_text.more(finding):
            out.print(f"    {each}", markup=False, emoji=False)
    if is_verbose:
        for reason in explain_text.skipped(judged):
            out.print(reason, markup=False, emoji=False)
    out.print()
