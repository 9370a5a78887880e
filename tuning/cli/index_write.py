"""``hotrow index write``: the SQL file and the migration of an index."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from tuning.cli.console import out
from tuning.cli.forms import stopped
from tuning.whatif import definition, project, writing
from tuning.whatif.errors import Unproven


def register(group: typer.Typer) -> None:
    group.command("write")(write)


def write(
    app: Annotated[str, typer.Option(help="The label of the app that has the table's model.")],
    directory: Annotated[Path, typer.Option("--project", help="The folder that holds manage.py.")],
    index: Annotated[
        list[str] | None, typer.Option("--index", help="A CREATE INDEX statement; may be repeated.")
    ] = None,
    candidates: Annotated[Path | None, typer.Option(help="What `hotrow index suggest --json` printed.")] = None,
    drops: Annotated[bool, typer.Option("--drop", help="Write migrations that drop these indexes.")] = False,
    settings: Annotated[str | None, typer.Option(help="The settings module; otherwise manage.py's.")] = None,
    python: Annotated[str, typer.Option(help="The project's Python.")] = sys.executable,
) -> None:
    """Write sql/indexes/<name>.sql, a reversible migration, and the model's Meta; no database is asked."""
    try:
        wanted = [definition.parse(each) for each in index or []]
        if candidates is not None:
            own, others = writing.of_app(
                project.read(directory, app, python, settings), definition.candidates(candidates)
            )
            wanted += own
            for each in others:
                out.print(
                    f"Note: {app} has no model of the table {each.candidate.table}: {each.name} is left out.",
                    markup=False,
                )
        if candidates is not None and not wanted:
            raise Unproven(f"no candidate of {candidates} is on a table of {app}: --app names another")
        if not wanted:
            raise Unproven('no index: give --index "CREATE INDEX ..." or --candidates FILE')
        for each in wanted:
            # Each migration depends on the one before, so the project is asked anew.
            found = writing.write(project.read(directory, app, python, settings), each, drops=drops)
            for path in found.paths:
                out.print(f"wrote {path}", markup=False)
            for note in found.notes:
                out.print(f"Note: {note}.", markup=False)
    except (OSError, ValueError) as error:
        raise stopped(error) from error
