"""``hotrow bench ladder``: the report's remedies, one rung after the other or each alone."""

import json
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.table import Table

from tuning.cli.console import Progress, err, fail, out, print_json
from tuning.diagnose.judge import judge
from tuning.diagnose.readers import run_folder
from tuning.lab import rungs as rungs_of
from tuning.lab.ladder import Climb, climb
from tuning.lab.published import PREDICTIONS
from tuning.lab.published import REPORT as PUBLISHED
from tuning.lab.rungs import NAMES
from tuning.load.scenario import MAX_SECONDS, MAX_USERS
from tuning.observe.machine import machine
from tuning.reports import ladder as document
from tuning.reports import remedies
from tuning.stack.errors import StackError

# The report's own scale; and one that shows the order of the rungs in some ten minutes.
FULL = {"users": 1_000, "spawn_rate": 50, "seconds": 60}
QUICK = {"users": 100, "spawn_rate": 50, "seconds": 10}
MAX_PROCESSES = 16


def register(bench: typer.Typer) -> None:
    bench.command()(ladder)


def ladder(
    only: Annotated[str, typer.Option(help=f"Rungs with commas: {', '.join(NAMES)}.")] = "",
    alone: Annotated[bool, typer.Option("--alone", help="Each change upon the baseline, instead of stacked.")] = False,
    quick: Annotated[bool, typer.Option("--quick", help="100 users for 10 s each.")] = False,
    users: Annotated[int | None, typer.Option(min=1, max=MAX_USERS, help="Default 1000, with --quick 100.")] = None,
    spawn_rate: Annotated[int | None, typer.Option(min=1, help="Users started in one second; default 50.")] = None,
    seconds: Annotated[int | None, typer.Option(min=1, max=MAX_SECONDS, help="Of each load: 60, quick 10.")] = None,
    rounds: Annotated[int, typer.Option(min=1, max=20, help="Interleaved repeats of each rung.")] = 1,
    rate: Annotated[
        float, typer.Option(min=0, help="Requests/s that are due however slow the answers; 0: closed.")
    ] = 0,
    processes: Annotated[int, typer.Option(min=1, max=MAX_PROCESSES, help="Of Locust.")] = 1,
    resume: Annotated[bool, typer.Option("--resume", help="Take the repeats that have ended well before.")] = False,
    show_list: Annotated[bool, typer.Option("--list", help="Say what each rung changes, and end.")] = False,
    out_dir: Annotated[Path, typer.Option("--out", help="Gets the folder ladder, or ladder-alone.")] = Path("results"),
    as_json: Annotated[bool, typer.Option("--json", help="Print the JSON document instead of the table.")] = False,
    postgres_bin: Annotated[
        Path | None, typer.Option(help="The bin directory of an installed PostgreSQL 15 or newer.")
    ] = None,
) -> None:
    """Measure each remedy of the report: stacked in its order, or alone upon the baseline; about 25 minutes.

    Each rung and repeat gets a folder with run.json and timeline.jsonl, which `hotrow diagnose` reads.
    """
    known = rungs_of.alone() if alone else rungs_of.stacked()
    wanted = [name.strip() for name in only.split(",") if name.strip()]
    rungs = rungs_of.chosen(known, wanted)
    if show_list:
        _print_list(rungs, as_json=as_json)
        return
    default = QUICK if quick else FULL
    many = users or default["users"]
    asked = Climb(
        users=many,
        spawn_rate=min(spawn_rate or default["spawn_rate"], many),
        seconds=seconds or default["seconds"],
        rounds=rounds,
        rate=rate,
        processes=processes,
    )
    if processes > many:
        raise StackError(f"--processes {processes}: {many} users make no more than {many} of them busy")
    directory = out_dir / ("ladder-alone" if alone else "ladder")
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=directory):
        pass  # better now than after the measurement
    here = machine()
    with Progress() as progress:

        def follow(figures: dict[str, Any]) -> None:
            progress.figures(
                f"{figures['elapsed_s']:.0f} of {asked.seconds} s, {figures['users']} users, "
                f"{figures['requests']:,} requests, {figures['failures']:,} failures"
            )

        attempts = climb(
            rungs, asked, directory, here, resume=resume, postgres_bin=postgres_bin, step=progress.step, figures=follow
        )
    found = document.document(PUBLISHED, rungs, attempts, asked, here, alone=alone)
    _write(directory, found)
    for note in found["notes"]:
        err.print(f"Note: {note}.", markup=False)
    _write_remedies(out_dir, found)
    if as_json:
        print_json(found)
    else:
        _print_table(found)
        out.print(f"\nWritten: {directory / 'ladder.md'}, ladder.json and {out_dir / 'remedies.md'}", markup=False)
    if broken := document.failed(found):
        fail(f"not measured: {', '.join(broken)}; --resume measures them again, and keeps the others")
    if found["violations"]:
        fail(f"the audit found {len(found['violations'])} violations: see {directory / 'ladder.md'}")
    if broken or found["violations"]:
        raise typer.Exit(1)


def _write(directory: Path, found: dict[str, Any]) -> None:
    _replace(directory, {"ladder.json": json.dumps(found, indent=2) + "\n", "ladder.md": document.markdown(found)})


def _write_remedies(out_dir: Path, found: dict[str, Any]) -> None:
    """Hold this ladder, and the other of the two where there is one, against what the report predicts."""
    folders = {"alone": out_dir / "ladder-alone", "stacked": out_dir / "ladder"}
    ladders: dict[str, dict[str, Any] | None] = {}
    answers = {}
    for name, folder in folders.items():
        written = folder / "ladder.json"
        ladders[name] = json.loads(written.read_text()) if written.is_file() else None
        for run in sorted(folder.glob(f"*-1/{run_folder.RUN}")):
            answers[f"{folder.name}/{run.parent.name}"] = judge(run_folder.read(run.parent).run).answer
    told = remedies.document(PREDICTIONS, ladders, answers)
    _replace(out_dir, {"remedies.json": json.dumps(told, indent=2) + "\n", "remedies.md": remedies.markdown(told)})


def _replace(directory: Path, texts: dict[str, str]) -> None:
    for name, text in texts.items():
        staging = directory / f".{name}"
        staging.write_text(text)
        staging.replace(directory / name)


def _print_list(rungs: list[rungs_of.Rung], *, as_json: bool) -> None:
    rows = [(each.name, each.change.says, each.change.remedy, each.change.moves) for each in rungs]
    if as_json:
        print_json([dict(zip(("name", "says", "remedy", "moves"), row, strict=True)) for row in rows])
        return
    table = Table(box=box.SIMPLE)
    for title in ("rung", "change", "remedy", "should move"):
        table.add_column(title)
    for name, says, remedy, moves in rows:
        table.add_row(name, says, str(remedy or ""), moves)
    out.print(table)


def _print_table(found: dict[str, Any]) -> None:
    table = Table(title=document.verdict(found), title_justify="left", box=box.SIMPLE, collapse_padding=True)
    for position in document.CONSOLE:
        table.add_column(document.TITLES[position], justify="right" if position else "left", no_wrap=True)
    for row in document.rows(found):
        table.add_row(*(row[position] for position in document.CONSOLE))
    out.print(table)
