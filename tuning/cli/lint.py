"""``hotrow migrations lint``: judge migrations before they run."""

import sys
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import psycopg
import typer

from tuning.cli.console import err, fail, out, print_json
from tuning.contract import Outcome
from tuning.migrations import django_project, lint, sources, squawk
from tuning.migrations.findings import Report
from tuning.migrations.rules import load
from tuning.migrations.sources import Unreadable
from tuning.migrations.squawk_rules import RULES
from tuning.observe import tables
from tuning.observe.facts import ServerFacts
from tuning.reports import lint_machine, lint_text

EXIT_FOUND = 1
EXIT_NOT_JUDGED = 2


class Format(StrEnum):
    TEXT = "text"
    JSON = "json"
    SARIF = "sarif"
    GITHUB = "github"


class FailOn(StrEnum):
    FAIL = "fail"
    WARN = "warn"
    NEVER = "never"

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """Those with which a command exits 1."""
        return {FailOn.FAIL: (Outcome.FAIL,), FailOn.WARN: (Outcome.FAIL, Outcome.WARN), FailOn.NEVER: ()}[self]


def register(group: typer.Typer) -> None:
    """Add the command to the group ``hotrow migrations``."""
    group.command("lint")(lint_command)


def lint_command(
    paths: Annotated[
        list[str] | None, typer.Argument(help=".sql files, migrations/*.py, directories of them, or - for stdin.")
    ] = None,
    manage: Annotated[Path | None, typer.Option(help="manage.py of a project: judge its unapplied migrations.")] = None,
    app: Annotated[list[str] | None, typer.Option(help="With --manage: only this app's.")] = None,
    migration: Annotated[str | None, typer.Option(help="With --manage and --app: this one, applied or not.")] = None,
    python: Annotated[str, typer.Option(help="With --manage: the project's Python.")] = sys.executable,
    dsn: Annotated[str | None, typer.Option(help="Read live facts here; a libpq connection string.")] = None,
    sample_seconds: Annotated[
        float, typer.Option(min=0, help="With --dsn: count writes for so long.")
    ] = tables.SAMPLE_S,
    include: Annotated[list[str] | None, typer.Option(help="Turn on a rule that is off by default.")] = None,
    exclude: Annotated[list[str] | None, typer.Option(help="Turn off a rule.")] = None,
    fail_on: Annotated[FailOn, typer.Option(help="Exit 1 from which outcome on.")] = FailOn.FAIL,
    form: Annotated[Format, typer.Option("--format", help="How to print the findings.")] = Format.TEXT,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Also what is harmless, and why rules were skipped.")
    ] = False,
) -> None:
    """Judge DDL before it runs: exit 0 where nothing is unsafe, 1 where something is, 2 where it cannot be judged."""
    try:
        if not paths and manage is None:
            raise Unreadable("nothing to judge: give files or directories, - for stdin, or --manage PATH/manage.py")
        if manage is None and (app or migration):
            raise Unreadable("--app and --migration need --manage")
        given = sources.read(paths or [])
        if manage is not None:
            given += django_project.read(manage, python, app or [], migration)
        scripts = lint.scripts(given)
        settings = _settings(include or [], exclude or [])
        facts = _facts(dsn, *lint.names(scripts), sample_seconds) if dsn is not None else None
        report = lint.judge(scripts, given, settings, facts)
    except OSError as error:
        fail(f"{error.filename}: {error.strerror}" if error.filename else str(error))
        raise typer.Exit(EXIT_NOT_JUDGED) from error
    except (ValueError, squawk.SquawkFailed) as error:
        fail(str(error).strip())
        raise typer.Exit(EXIT_NOT_JUDGED) from error
    _print(report, Format.JSON if as_json else form, is_verbose=verbose)
    if any(report.count(outcome) for outcome in fail_on.outcomes):
        raise typer.Exit(EXIT_FOUND)


def _settings(included: list[str], excluded: list[str]) -> lint.Settings:
    known = lint.known_rules()
    for name in (*included, *excluded):
        if name not in known:
            raise Unreadable(f"there is no rule {name}: `hotrow rules list` shows them")
    reasons = dict.fromkeys(squawk.excluded_by_config(Path.cwd()), f"excluded in {squawk.CONFIG}")
    reasons = {name: reason for name, reason in reasons.items() if name not in included}
    reasons |= dict.fromkeys(excluded, "excluded by --exclude")
    return lint.Settings(squawk.find(), frozenset(included), reasons)


def _facts(dsn: str, relations: list[str], functions: list[str], sample_s: float) -> ServerFacts:
    try:
        return tables.read(dsn, relations, functions, sample_s=sample_s)
    except psycopg.Error as error:
        raise Unreadable(f"the server of --dsn cannot be read: {str(error).strip()}") from error


def _print(report: Report, form: Format, *, is_verbose: bool) -> None:
    match form:
        case Format.TEXT:
            for line in lint_text.lines(report, is_verbose=is_verbose):
                out.print(line, markup=False, emoji=False)
        case Format.JSON:
            print_json(lint_machine.as_json(report))
        case Format.SARIF:
            titles = {rule.name: (rule.remedy, rule.remedy) for rule in RULES}
            titles |= {rule.id: (rule.title, rule.remedy) for rule in load()}
            print_json(lint_machine.as_sarif(report, version=version("hotrow"), titles=titles))
        case Format.GITHUB:
            for line in lint_machine.as_github(report):
                out.print(line, markup=False, emoji=False)
    if form is not Format.TEXT:
        err.print(lint_text.summary(report), markup=False)
