"""``hotrow diagnose``: what the result of a load test shows, what limited it, and what cannot be said."""

import math
import sys
from pathlib import Path
from typing import Annotated

import typer

from tuning.cli.console import fail, out, print_json
from tuning.cli.forms import Format
from tuning.cli.lint import EXIT_FOUND, EXIT_NOT_JUDGED, FailOn
from tuning.diagnose import readers
from tuning.diagnose.comparison import compare
from tuning.diagnose.findings import Diagnosis
from tuning.diagnose.judge import judge
from tuning.diagnose.quantities import number
from tuning.diagnose.readers import run_folder
from tuning.diagnose.readers.documents import Document, Unreadable
from tuning.diagnose.run import Run, Stated
from tuning.reports import comparison, run_page
from tuning.reports import diagnose as reports

STATS = "_stats.csv"
COMPARE = "compare"
# Locust writes them beside the statistics, under the same prefix.
BESIDE = ("_stats_history.csv", "_failures.csv")


def register(app: typer.Typer) -> None:
    app.command()(diagnose)


def diagnose(
    files: Annotated[
        list[str],
        typer.Argument(
            help="A run's folder, or a ladder's; Locust's _stats.csv or statistics as JSON, the kit's demo.json, - for "
            "stdin; or: compare RUN RUN."
        ),
    ],
    timeline: Annotated[
        Path | None, typer.Option(help="What `hotrow observe` saw meanwhile; a run's folder has its own.")
    ] = None,
    slots: Annotated[int | None, typer.Option(min=1, help="Requests served at a time: workers x threads.")] = None,
    users: Annotated[int | None, typer.Option(min=1, help="Users of the load.")] = None,
    spawn_rate: Annotated[float | None, typer.Option(help="Users started in one second.")] = None,
    seconds: Annotated[float | None, typer.Option(help="How long the test was meant to run.")] = None,
    think_s: Annotated[float, typer.Option(help="What a user waits between requests, on average.")] = 0.0,
    reset_stats: Annotated[
        bool,
        typer.Option("--reset-stats", help="The statistics begin when all users were there."),
    ] = False,
    weights: Annotated[str, typer.Option(help="Of the tasks: NAME=NUMBER,NAME=NUMBER.")] = "",
    login: Annotated[str | None, typer.Option(help="The request that is the login, if its name does not tell.")] = None,
    other_ms: Annotated[float, typer.Option(help="What a request that is no login is taken to cost.")] = 10.0,
    goal_s: Annotated[float | None, typer.Option(help="The mean response time that is aimed at.")] = None,
    processes: Annotated[int, typer.Option(min=1, help="Of the load generator.")] = 1,
    configuration: Annotated[str | None, typer.Option(help="Which run of demo.json: report or kit.")] = None,
    html: Annotated[Path | None, typer.Option(help="Also write one page that opens offline.")] = None,
    fail_on: Annotated[FailOn, typer.Option(help="Exit 1 from which outcome on.")] = FailOn.FAIL,
    form: Annotated[Format, typer.Option("--format", help="How to print the diagnosis.")] = Format.TEXT,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Also the laws, the figures and what was allowed for.")
    ] = False,
) -> None:
    """Say what load figures show: exit 0 where nothing fails, 1 where something does, 2 where they cannot be read."""
    try:
        positive = {"--spawn-rate": spawn_rate, "--seconds": seconds, "--goal-s": goal_s}
        _check(positive, least=0.0, is_open=True)
        _check({"--think-s": think_s, "--other-ms": other_ms}, least=0.0, is_open=False)
        stated = Stated(
            slots=slots,
            users=users,
            spawn_rate_per_s=spawn_rate,
            seconds=seconds,
            think_s=think_s,
            weights=_weights(weights),
            login=login,
            other_s=other_ms / 1000,
            goal_s=goal_s,
            is_reset=reset_stats,
            processes=processes,
        )
        if files[0] == COMPARE:
            _compare(files[1:], stated, Format.JSON if as_json else form)
            return
        judged = _judged(files, stated, timeline, configuration)
        if html is not None:
            html.write_text(run_page.page(judged), encoding="utf-8")
    except OSError as error:
        fail(f"{error.filename}: {error.strerror}" if error.filename else str(error))
        raise typer.Exit(EXIT_NOT_JUDGED) from error
    except Unreadable as error:
        fail(str(error))
        raise typer.Exit(EXIT_NOT_JUDGED) from error
    form = Format.JSON if as_json else form
    if len(judged) == 1:
        _print(judged[0][1], form, is_verbose=verbose)
    else:
        _print_all(judged, form)
    if any(diagnosis.worst in fail_on.outcomes for _, diagnosis in judged):
        raise typer.Exit(EXIT_FOUND)


def _judged(
    files: list[str], stated: Stated, timeline: Path | None, configuration: str | None
) -> list[tuple[run_folder.Folder, Diagnosis]]:
    """Each run that was given with its diagnosis: one, or all of a ladder."""
    if len(files) == 1 and Path(files[0]).is_dir():
        if timeline is not None:
            raise Unreadable("--timeline is for a load generator's file: a run's folder has its own")
        folders = [run_folder.read(path, stated) for path in run_folder.found_in(Path(files[0]))]
        for each in folders:
            _check_login(stated.login, [request.name for request in each.run.load.requests])
    else:
        load = readers.read(_documents(files), configuration)
        _check_login(stated.login, [each.name for each in load.requests])
        seen = watched = None
        if timeline is not None:
            load, seen, watched = run_folder.with_timeline(load, timeline)
        folders = [run_folder.Folder(files[0], files[0], "", Run(load, stated, seen), (), watched)]
    return [(each, judge(each.run)) for each in folders]


def _compare(names: list[str], stated: Stated, form: Format) -> None:
    if len(names) != 2:
        raise Unreadable(f"{COMPARE} takes two runs: hotrow diagnose {COMPARE} ladder/pool ladder/cache")
    sides = []
    for name in names:
        folders = [run_folder.read(path, stated) for path in run_folder.found_in(Path(name))]
        sides.append([(folder, judge(folder.run)) for folder in folders])
    found = compare(sides[0], sides[1])
    match form:
        case Format.TEXT:
            for line in comparison.lines(found):
                out.print(line, markup=False, emoji=False)
        case Format.JSON:
            print_json(comparison.as_json(found))
        case Format.MARKDOWN:
            out.print(comparison.markdown(found), markup=False, emoji=False, end="")


def _print_all(judged: list[tuple[run_folder.Folder, Diagnosis]], form: Format) -> None:
    """A ladder: each run's answer; JSON has all of them whole."""
    if form is Format.JSON:
        print_json([{"run": folder.name, **reports.as_json(diagnosis)} for folder, diagnosis in judged])
        return
    for folder, diagnosis in judged:
        rate = number(folder.run.throughput_per_s)
        marks = ("- **", "**") if form is Format.MARKDOWN else ("", "")
        out.print(f"{marks[0]}{folder.name}{marks[1]}: {rate} req/s. {diagnosis.answer}", markup=False, emoji=False)


def _check(options: dict[str, float | None], *, least: float, is_open: bool) -> None:
    for name, value in options.items():
        if value is None:
            continue
        if not math.isfinite(value) or value < least or (is_open and value == least):
            raise Unreadable(f"{name} {value:g}: it must be {'above' if is_open else 'at least'} {least:g}")


def _weights(text: str) -> dict[str, float]:
    found = {}
    for part in text.split(",") if text else []:
        name, _, weight = part.strip().rpartition("=")
        try:
            found[name] = float(weight)
        except ValueError as error:
            raise Unreadable(f"--weights {part}: write NAME=NUMBER,NAME=NUMBER") from error
        if not name or not math.isfinite(found[name]) or found[name] <= 0:
            raise Unreadable(f"--weights {part}: write NAME=NUMBER with a number above 0")
    return found


def _documents(files: list[str]) -> list[Document]:
    paths = [Path(name) for name in files if name != "-"]
    if len(paths) == len(files) == 1 and paths[0].name.endswith(STATS):
        prefix = paths[0].name.removesuffix(STATS)
        paths += [path for name in BESIDE if (path := paths[0].with_name(prefix + name)).is_file()]
    documents = [Document.open(path) for path in paths]
    if "-" in files:
        documents.append(Document.decode("standard input", sys.stdin.buffer.read()))
    return documents


def _check_login(login: str | None, names: list[str]) -> None:
    if login is not None and not any(login in (name, name.partition(" ")[2]) for name in names):
        raise Unreadable(f"--login {login}: the requests are {', '.join(names)}")


def _print(diagnosis: Diagnosis, form: Format, *, is_verbose: bool) -> None:
    match form:
        case Format.TEXT:
            for line in reports.lines(diagnosis, is_verbose=is_verbose):
                out.print(line, markup=False, emoji=False)
        case Format.JSON:
            print_json(reports.as_json(diagnosis))
        case Format.MARKDOWN:
            out.print(reports.markdown(diagnosis), markup=False, emoji=False, end="")
