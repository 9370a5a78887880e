"""``hotrow migrations``: the list of SQL files, and whether a server is what they say."""

import time
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import psycopg
import typer

from tuning.cli.console import err, fail, out, print_json
from tuning.migrations import drift as drifting
from tuning.migrations import drift_metrics
from tuning.migrations import manifest as listing
from tuning.migrations.drift import Finding, Outcome

EXIT_DIFFERENT = 1
EXIT_UNKNOWN = 2

migrations = typer.Typer(help="Look after the SQL files of migrations.", no_args_is_help=True)

Sql = Annotated[Path, typer.Option("--sql", help="The folder that has functions/ and indexes/.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")]


def register(app: typer.Typer) -> None:
    app.add_typer(migrations, name="migrations")


@migrations.command()
def manifest(
    sql: Sql = listing.SQL_ROOT,
    write: Annotated[bool, typer.Option("--write/--check", help="Write the list anew, or only compare it.")] = False,
    as_json: AsJson = False,
) -> None:
    """Compare MANIFEST, the hashes that migrations expect, with the files; exit 1 if they differ."""
    found = listing.differences(sql)
    if write and found:
        listing.write(sql)
    if as_json:
        print_json({"sql": str(sql), "differences": found, "written": write and bool(found)})
    elif write:
        for line in found:
            err.print(f"{line}: listed as it is now", markup=False)
    if found and not write:
        for line in found if not as_json else ():
            out.print(line, markup=False)
        fail(
            f"{len(found)} files are not as {sql / listing.NAME} lists them: give a released file a new version; for "
            "one that was never released run `hotrow migrations manifest --write`"
        )
        raise typer.Exit(EXIT_DIFFERENT)


@migrations.command()
def drift(
    dsn: Annotated[str, typer.Option(help="A libpq connection string; reading rights and TEMPORARY are enough.")],
    sql: Sql = listing.SQL_ROOT,
    owner: Annotated[
        str | None, typer.Option(help="Whose the functions are to be [default: the owner of most of them].")
    ] = None,
    textfile: Annotated[
        Path | None,
        typer.Option(
            help="Write the count of each outcome there for node_exporter's textfile collector, as <name>.prom."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare every function and index of the files with a server.

    Exit 1 if something differs, 2 if that cannot be said. A file whose object was dropped since is
    kept for reversing and listed in DROPPED, beside MANIFEST.
    """
    try:
        findings = drifting.compare(dsn, sql, owner)
    except psycopg.Error as error:
        fail(f"the server cannot be compared: {str(error).strip()}")
        raise typer.Exit(EXIT_UNKNOWN) from error
    except ValueError as error:
        fail(str(error))
        raise typer.Exit(EXIT_UNKNOWN) from error
    drifted = [finding for finding in findings if finding.is_drift]
    skipped = [finding for finding in findings if finding.outcome is Outcome.SKIP]
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        _show(findings, drifted, skipped)
    if textfile is not None:
        _write(textfile, findings)
    if drifted:
        fail(f"{len(drifted)} of {len(findings)} differ from the files")
        raise typer.Exit(EXIT_DIFFERENT)
    if skipped:
        fail(f"{len(skipped)} of {len(findings)} could not be compared: {skipped[0].detail}")
        raise typer.Exit(EXIT_UNKNOWN)


def _write(textfile: Path, findings: list[Finding]) -> None:
    try:
        drift_metrics.write(textfile, findings, time.time())
    except OSError as error:
        fail(f"{textfile} cannot be written: {error.strerror}; name a file in a directory that is there")
        raise typer.Exit(EXIT_UNKNOWN) from error


def _show(findings: list[Finding], drifted: list[Finding], skipped: list[Finding]) -> None:
    for finding in drifted:
        out.print(f"{finding.outcome}: {finding.name}", markup=False)
        for line in finding.detail.splitlines():
            out.print(f"    {line}", markup=False)
    for detail, number in Counter(finding.detail for finding in skipped).items():
        out.print(f"skip: {number} files: {detail}", markup=False)
    if not drifted and not skipped:
        out.print(f"{len(findings)} functions and indexes are what the files say.")
