"""``hotrow demo``: the report's problem reproduced, the kit's remedy applied, both measured."""

import json
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from tuning.cli.console import Progress, err, fail, out, print_json
from tuning.lab import rung
from tuning.lab.published import REPORT as PUBLISHED
from tuning.lab.rung import Rung
from tuning.load.scenario import MAX_SECONDS, MAX_USERS, Scenario
from tuning.observe.machine import machine
from tuning.reports import demo as document
from tuning.stack.profiles import KIT, REPORT, Profile

INSTANCE = "demo"


def register(app: typer.Typer) -> None:
    app.command()(demo)


def demo(
    users: Annotated[int, typer.Option(min=1, max=MAX_USERS, help="Users, all of them active at a time.")] = 200,
    spawn_rate: Annotated[int, typer.Option(min=1, help="Users started in one second.")] = 20,
    seconds: Annotated[int, typer.Option(min=5, max=MAX_SECONDS, help="Length of each of the two loads.")] = 40,
    out_dir: Annotated[Path, typer.Option("--out", help="Where demo.md and demo.json are written.")] = Path("results"),
    as_json: Annotated[bool, typer.Option("--json", help="Print the JSON document instead of the table.")] = False,
    postgres_bin: Annotated[
        Path | None, typer.Option(help="The bin directory of an installed PostgreSQL 15 or newer.")
    ] = None,
) -> None:
    """Measure a flash sale in the report's configuration and in the kit's.

    The report's own scale is --users 1000 --spawn-rate 50 --seconds 60.
    """
    out_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=out_dir):
        pass  # better now than after the measurement
    rungs = {}
    for profile in (REPORT, KIT):
        scenario = Scenario(profile.service["STRATEGY"], users, min(spawn_rate, users))
        with Progress(f"{profile.name}: ") as progress:
            rungs[profile.name] = _measure(profile, scenario, seconds, postgres_bin, progress)
        for note in rungs[profile.name].notes:
            err.print(f"Note: {note}.", markup=False)
    found = document.document(
        PUBLISHED,
        rungs["report"],
        rungs["kit"],
        machine(),
        users=users,
        spawn_rate=min(spawn_rate, users),
        seconds=seconds,
    )
    _write(out_dir, found)
    if as_json:
        print_json(found)
    else:
        _print_table(found)
        out.print(f"\nWritten: {out_dir / 'demo.md'} and {out_dir / 'demo.json'}", markup=False)
    if found["audit"]["violations"]:
        fail(f"the audit found {found['audit']['violations']} violations: see {out_dir / 'demo.md'}")
        raise typer.Exit(1)
    if found["kit"]["failures"]:
        fail(f"{found['kit']['failures']} requests failed in the kit's configuration: see {out_dir / 'demo.md'}")
        raise typer.Exit(1)


def _measure(profile: Profile, scenario: Scenario, seconds: int, postgres_bin: Path | None, progress: Progress) -> Rung:
    def follow(figures: dict[str, Any]) -> None:
        progress.figures(
            f"{figures['elapsed_s']:.0f} of {seconds} s, {figures['users']} users, {figures['requests']:,} requests, "
            f"{figures['failures']:,} failures"
        )

    return rung.run(
        INSTANCE, profile, scenario, seconds, postgres_bin=postgres_bin, report=progress.step, follow=follow
    )


def _write(directory: Path, found: dict[str, Any]) -> None:
    for name, text in {"demo.json": json.dumps(found, indent=2) + "\n", "demo.md": document.markdown(found)}.items():
        staging = directory / f".{name}"
        staging.write_text(text)
        staging.replace(directory / name)


def _print_table(found: dict[str, Any]) -> None:
    table = Table(title=document.verdict(found), title_justify="left", title_style="bold")
    table.add_column("")
    for title in ("published", "report's configuration", "kit's configuration", "better by"):
        table.add_column(title, justify="right")
    for row in document.rows(found):
        table.add_row(*row)
    out.print(table)
    for name in ("report", "kit"):
        out.print(f"{name}: {document.audit_sentence(found[name])}", markup=False)
