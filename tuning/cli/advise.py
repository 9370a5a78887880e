"""``hotrow advise``: what a server's catalog and statistics say is wrong, and the SQL that mends it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import psycopg
import typer
from psycopg.conninfo import conninfo_to_dict

from tuning import ignores
from tuning.advisors.judge import judge
from tuning.advisors.rules import load
from tuning.advisors.subject import MIN_DAYS, Subject
from tuning.advisors.updates import shares
from tuning.cli.console import Progress
from tuning.cli.forms import AsJson, Form, Format, Html, show, stopped
from tuning.cli.lint import EXIT_FOUND, FailOn
from tuning.explain import inputs, loops
from tuning.explain.errors import Unreadable
from tuning.explain.loops import Seen
from tuning.observe import catalog
from tuning.observe.machine import machine
from tuning.observe.snapshot import Hardware, Snapshot
from tuning.observe.spent import Spent
from tuning.reports import advise as reports

_HERE = ("localhost", "127.0.0.1", "::1")


def register(app: typer.Typer) -> None:
    app.command()(advise)


def advise(
    dsn: Annotated[str, typer.Option(help="The server, in the database to judge; a libpq connection string.")],
    replica: Annotated[list[str] | None, typer.Option(help="A replica of it: what it uses counts as well.")] = None,
    captures: Annotated[list[Path] | None, typer.Option(help="Captured statements, .jsonl.")] = None,
    only: Annotated[list[str] | None, typer.Option(help="Judge by this rule alone.")] = None,
    exclude: Annotated[list[str] | None, typer.Option(help="Turn off a rule.")] = None,
    ignore_file: Annotated[Path | None, typer.Option(help="A TOML file of findings that are accepted.")] = None,
    since_days: Annotated[
        float, typer.Option(min=0, help="How many days of statistics a claim of disuse needs.")
    ] = MIN_DAYS,
    memory_gib: Annotated[
        float | None, typer.Option(min=0.1, help="The server's memory [default: this machine's, if it is here].")
    ] = None,
    fail_on: Annotated[FailOn, typer.Option(help="Exit 1 from which outcome on.")] = FailOn.FAIL,
    form: Form = Format.TEXT,
    as_json: AsJson = False,
    html: Html = None,
    verbose: Annotated[bool, typer.Option("--verbose", help="Also the rules that found nothing.")] = False,
) -> None:
    """Judge a server: exit 0 where nothing fails, 1 where something does, 2 where it cannot be read."""
    try:
        excluded = _excluded(only or [], exclude or [])
        accepted = ignores.read(ignore_file) if ignore_file is not None else ()
        spent = Spent()
        with Progress() as progress:
            seen = _seen(captures, progress.figures) if captures else None
            snapshot = catalog.read(
                dsn,
                replica or (),
                hardware=_hardware(dsn, memory_gib),
                tell=lambda part: progress.figures(f"reading {part}"),
                spent=spent,
            )
        subject = Subject(snapshot, seen.loops() if seen else None, _updated(snapshot, seen), since_days)
        report = judge(subject, excluded, accepted, datetime.now(UTC).date())
        report = replace(report, read=(*report.read, *([str(seen)] if seen else [])), spent=spent)
    except (OSError, ValueError, psycopg.Error) as error:
        raise stopped(error) from error
    lines = reports.lines(report, is_verbose=verbose)
    show("What the server's catalog says", lines, reports.as_json(report), Format.JSON if as_json else form, html)
    if any(report.count(outcome) for outcome in fail_on.outcomes):
        raise typer.Exit(EXIT_FOUND)


def _excluded(only: list[str], names: list[str]) -> dict[str, str]:
    known = {rule.id for rule in load()}
    for name in (*only, *names):
        if name not in known:
            raise Unreadable(f"there is no rule {name} for a server: `hotrow rules list` shows them")
    reasons = dict.fromkeys(known - set(only), "not asked for by --only") if only else {}
    return reasons | dict.fromkeys(names, "excluded by --exclude")


def _seen(paths: list[Path], tell: Callable[[str], None]) -> Seen:
    given = inputs.sort_out(map(str, paths))
    if given.others:
        raise Unreadable(f"{given.others[0].name}: there is no captured statement in it")
    try:
        return loops.read(given.calls(), tell)
    except Unreadable as error:
        raise Unreadable(f"{given.captured_name}: {error}") from error


def _updated(snapshot: Snapshot, seen: Seen | None) -> dict[str, dict[str, float]]:
    """The columns that UPDATEs set, from the captured statements and where a table is not among them the server's."""
    captured = seen.texts.values() if seen else ()
    return shares((each.query, each.calls) for each in snapshot.statements) | shares(captured)


def _hardware(dsn: str, memory_gib: float | None) -> Hardware | None:
    here = machine()
    if memory_gib is not None:
        return Hardware(int(memory_gib * 1024**3), here.cores)
    host = str(conninfo_to_dict(dsn).get("host") or "localhost")
    is_here = host in _HERE or host.startswith("/")
    return Hardware(here.memory_bytes, here.cores) if is_here else None
